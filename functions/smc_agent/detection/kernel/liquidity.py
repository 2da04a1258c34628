"""Liquidity (step 8): the levels of days, weeks and months, sweeps and takes."""

import numpy as np

from smc_agent.detection.kernel.emit import emit
from smc_agent.detection.kernel.layout import (
    DATE,
    DATE_ENDS,
    DAY_BEGAN,
    FROM,
    HITS,
    LEVELS,
    LEVELS_BY_CLOSE,
    LIQUIDITY_SWEEP,
    LIQUIDITY_TAKEN,
    NEAREST,
    NEW_DATE,
    NEWS,
    NEXT,
    NEXT_ID,
    NO_SCALE,
    PERIOD,
    PREVIOUS_HIGH,
    PRICE,
    R_ANCHOR,
    R_BAR,
    R_EXTREME,
    R_ID,
    R_LEVEL,
    R_SWEPT,
    WHOLE,
    Z_ID,
    Z_STAGE,
    Index,
    State,
)
from smc_agent.detection.kernel.queues import due, put, take_next
from smc_agent.detection.kernel.zones import apply_hits
from smc_agent.detection.marks import compiled, inlined


@compiled
def find_date(s: State, time: Index) -> None:
    """Goes to the row of the calendar that holds at a bar's open time."""
    table, row = s.calendar, s.ints[DATE]
    while row < len(table) - 2 and time >= table[row + 1, FROM]:
        row += 1
    s.ints[DATE], s.ints[DATE_ENDS] = row, table[row + 1, FROM]


@compiled
def find_nearest(s: State) -> None:
    """Of the levels of days, weeks and months that rest: the lowest high, and the (negated) highest low."""
    s.floats[NEAREST], s.floats[NEAREST + 1] = np.inf, np.inf
    for row in range(6):
        if s.periods_i[row, R_ID] >= 0:
            s.floats[NEAREST + (row & 1)] = min(s.floats[NEAREST + (row & 1)], s.periods_f[row, R_LEVEL])


@compiled
def end_periods(s: State, i: Index, time: Index) -> None:
    """Step 8, first part: the levels of the day, week and month that are over."""
    date = s.calendar[s.ints[DATE]]
    if i == 0:
        for period in range(3):
            began = date[DAY_BEGAN + period]
            s.ints[PERIOD + period], s.ints[WHOLE + period] = began, 1 if began == time else 0
        return
    if s.ints[PERIOD] == date[DAY_BEGAN]:
        return
    for row in range(2, 6):  # the day joins its week and its month
        day = row & 1
        if s.periods_f[day, R_EXTREME] > s.periods_f[row, R_EXTREME]:
            s.periods_f[row, R_EXTREME], s.periods_i[row, R_BAR] = s.periods_f[day, R_EXTREME], s.periods_i[day, R_BAR]
    for row in range(6):
        period, side = row >> 1, row & 1
        if s.ints[PERIOD + period] == date[DAY_BEGAN + period]:
            continue
        if s.ints[WHOLE + period]:
            bar, level = s.periods_i[row, R_BAR], s.periods_f[row, R_EXTREME]
            price = level if side == 0 else -level
            event_id, replaced = s.ints[NEXT_ID], s.periods_i[row, R_ID]
            emit(s, PREVIOUS_HIGH + row, NO_SCALE, 2 * side - 1, bar, price, price, replaced)
            s.periods_i[row, R_ID] = event_id
            s.periods_i[row, R_ANCHOR], s.periods_i[row, R_SWEPT] = bar, 0
            s.periods_f[row, R_LEVEL] = level
        s.periods_f[row, R_EXTREME] = -np.inf
    for period in range(3):
        if s.ints[PERIOD + period] != date[DAY_BEGAN + period]:
            s.ints[PERIOD + period], s.ints[WHOLE + period] = date[DAY_BEGAN + period], 1
    find_nearest(s)


@compiled
def pass_periods(s: State) -> None:
    """Step 8, second part: the levels of days, weeks and months that this bar passes."""
    for row in range(6):
        side, level = row & 1, s.periods_f[row, R_LEVEL]
        wick, close = -s.floats[PRICE + 1 - side], -s.floats[PRICE + 3 - side]  # as the levels: negated for lows
        if s.periods_i[row, R_ID] < 0 or not wick > level:
            continue
        kind = LIQUIDITY_TAKEN if close > level else LIQUIDITY_SWEEP
        if kind == LIQUIDITY_SWEEP and s.periods_i[row, R_SWEPT]:
            continue
        price = level if side == 0 else -level
        emit(s, kind, NO_SCALE, 2 * side - 1, s.periods_i[row, R_ANCHOR], price, price, s.periods_i[row, R_ID])
        s.periods_i[row, R_SWEPT] = 1
        if kind == LIQUIDITY_TAKEN:
            s.periods_i[row, R_ID] = -1
    find_nearest(s)


@inlined
def liquidity(s: State, i: int, time: Index) -> None:
    """Step 8."""
    floats, periods = s.floats, s.periods_f
    low, high, close = floats[PRICE], -floats[PRICE + 1], floats[PRICE + 2]
    if s.ints[NEWS] & NEW_DATE:
        end_periods(s, i, time)
    for side in range(2):
        wick = -floats[PRICE + 1 - side]
        if wick > periods[side, R_EXTREME]:
            periods[side, R_EXTREME], s.periods_i[side, R_BAR] = wick, i
    if (high > floats[NEAREST]) | (-low > floats[NEAREST + 1]):
        pass_periods(s)
    if not due(s, LEVELS, low, -high) | due(s, LEVELS_BY_CLOSE, close, -close):
        return
    s.ints[HITS] = 0
    for side in range(2):
        wick, close = floats[PRICE + side], floats[PRICE + 2 + side]
        queue = LEVELS + side
        while floats[NEXT + queue] >= wick:
            key = floats[NEXT + queue]
            slot, hit = take_next(s, queue), s.ints[HITS]
            stage = 3 if key >= close else 0
            s.hits[hit, 0], s.hits[hit, 1] = s.zones_i[slot, Z_ID] * 4 + stage, slot
            s.ints[HITS] = hit + 1
            if stage == 0:
                s.zones_i[slot, Z_STAGE] = 1
                put(s, LEVELS_BY_CLOSE + side, key, slot)
        queue = LEVELS_BY_CLOSE + side
        while floats[NEXT + queue] >= close:
            slot, hit = take_next(s, queue), s.ints[HITS]
            s.hits[hit, 0], s.hits[hit, 1] = s.zones_i[slot, Z_ID] * 4 + 3, slot
            s.ints[HITS] = hit + 1
    if s.ints[HITS] > 0:
        apply_hits(s)
