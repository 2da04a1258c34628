"""Bars through the steps of the rules, in blocks and one by one within a block."""

from smc_agent.detection.kernel.ahead import take_in, trailing_range, turns, volatility
from smc_agent.detection.kernel.check import check
from smc_agent.detection.kernel.context import context
from smc_agent.detection.kernel.layout import (
    ATR_THEN,
    BARS,
    BEARISH_GAP,
    BLOCK_BARS,
    BLOCKS,
    BLOCKS_PER_BAR,
    BREAK_BY_WICK,
    BULLISH_GAP,
    CONTEXT_NEW,
    DATE_ENDS,
    EVENTS_PER_BAR,
    EVENTS_PER_ZONE,
    FOREVER,
    FROM,
    GAPS,
    GAPS_BY_CLOSE,
    LAST_TIME,
    LEGS_TURN,
    LEVELS,
    LIVE,
    NEW_DATE,
    NEWS,
    P_BROKEN,
    P_ID,
    PRICE,
    ROWS,
    SIGNS,
    STANDING,
    ZONES_PER_BAR,
    Float,
    Index,
    Int,
    State,
    place_of,
)
from smc_agent.detection.kernel.liquidity import find_date, liquidity
from smc_agent.detection.kernel.queues import due
from smc_agent.detection.kernel.structure import breaks, new_gap, pivots, watch
from smc_agent.detection.kernel.zones import settle
from smc_agent.detection.marks import compiled, inlined


@inlined
def step(s: State, j: int, time: Index, open_: float, high: float, low: float, close: float) -> None:
    """One bar through the steps of the rules, the j-th of its block."""
    i, floats, signs = s.ints[BARS], s.floats, s.ahead_i[SIGNS, place_of(j)]
    floats[PRICE], floats[PRICE + 1], floats[PRICE + 2], floats[PRICE + 3] = low, -high, close, -close

    # 2. gaps that this bar fills
    if due(s, GAPS, low, -high):
        settle(s, GAPS, GAPS_BY_CLOSE)

    # 3. pivots
    if signs & LEGS_TURN:
        pivots(s, i, signs, s.ahead_f[ATR_THEN, place_of(j)])

    # 4. and 5. breaks and their order blocks
    up, down = (high, low) if s.settings_i[BREAK_BY_WICK] else (close, close)
    if (
        (up > floats[STANDING]) | (down < floats[STANDING + 1])
        | (up > floats[STANDING + 2]) | (down < floats[STANDING + 3])
    ):  # fmt: skip
        breaks(s, i, up, down)

    # 6. order blocks that this bar touches or ends, and breakers that it ends
    if due(s, BLOCKS, low, -high) | due(s, BLOCKS + 2, close, -close):
        settle(s, BLOCKS, LEVELS)

    # 7. new gaps, and filled ones that this bar closes through
    if signs & (BULLISH_GAP | BEARISH_GAP):
        new_gap(s, i, signs, high, low)
    if due(s, GAPS_BY_CLOSE, close, -close):
        settle(s, GAPS_BY_CLOSE, BLOCKS)

    # 8. and 9.
    liquidity(s, i, time)
    if signs & CONTEXT_NEW or s.ints[NEWS]:
        context(s, i, j, signs, close > open_, high, low)
    s.ints[BARS] = i + 1


@inlined
def surely(s: State, time: Int, k: int) -> int:
    """How many bars from row k on make a block: as many as slots, rows and calendar suffice for, whatever they are."""
    live = s.ints[LIVE]
    rows = len(s.out_i) - s.ints[ROWS] - EVENTS_PER_ZONE * live
    n = min(BLOCK_BARS, len(time) - k, rows // (EVENTS_PER_BAR + EVENTS_PER_ZONE * ZONES_PER_BAR))
    n = max(0, min(n, (len(s.blocks_f) - s.blocks_size[0]) // BLOCKS_PER_BAR, (len(s.zones_i) - live) // ZONES_PER_BAR))
    ends = s.calendar[len(s.calendar) - 1, FROM]
    while n > 0 and time[k + n - 1] >= ends and ends < FOREVER:
        n -= 1
    return int(n)


@compiled
def run(
    s: State, time: Int, open_: Float, high: Float, low: Float, close: Float, volume: Float, start: int
) -> tuple[int, int, int, int]:
    """Works bars from row `start` through `step`; -> next row, events written, fault's column, fault's rule.

    Nothing is done when any row has a fault (then the first value is its row). Stops before a bar for which the zones'
    slots, the rows of `out` or the calendar might not suffice: the caller sees to it and goes on.
    """
    if start == 0:
        row, column, rule = check(s.ints[BARS], s.ints[LAST_TIME], time, open_, high, low, close, volume)
        if rule > 0:
            return row, 0, column, rule
    s.ints[ROWS], s.blocks_size[0] = 0, 0
    k = start
    while k < len(time):
        n = surely(s, time, k)
        if n == 0:
            return k, s.ints[ROWS], 0, 0
        take_in(s, k, n, open_, high, low, close, volume)
        volatility(s, n)
        turns(s, n)
        trailing_range(s, n)
        for j in range(n):
            at = place_of(k + j)
            if time[at] >= s.ints[DATE_ENDS]:
                find_date(s, time[at])
                s.ints[NEWS] = NEW_DATE
            step(s, j, time[at], open_[at], high[at], low[at], close[at])
        for pivot in range(4):
            if s.pivots_i[pivot, P_ID] >= 0 and s.pivots_i[pivot, P_BROKEN] == 0:
                watch(s, pivot, s.ints[BARS])
        k += n
        s.ints[LAST_TIME] = time[k - 1]
    return len(time), s.ints[ROWS], 0, 0
