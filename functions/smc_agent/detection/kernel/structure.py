"""Structure: pivots, breaks of them, the order blocks that breaks leave, and new gaps (steps 3 to 5, and 7)."""

import numpy as np

from smc_agent.detection.kernel.emit import emit
from smc_agent.detection.kernel.layout import (
    BEARISH_GAP,
    BLOCK,
    BOS,
    BREAK_BAR,
    BREAK_BY_WICK,
    BREAK_ID,
    CHOCH,
    CLOSE,
    EQUAL_HIGHS,
    EQUAL_LEVEL,
    EQUAL_THRESHOLD,
    FVG,
    HIGH,
    LEVEL,
    LOW,
    NEW_FVG,
    NEW_INTERNAL_HIGH,
    NEW_SWING,
    NEWS,
    NEXT_ID,
    NO_REF,
    NO_SCALE,
    ORDER_BLOCK,
    ORIGIN,
    P_ANCHOR,
    P_BEFORE,
    P_BLOCK,
    P_BOTTOM,
    P_BROKEN,
    P_ID,
    P_LEVEL,
    P_PARSED,
    P_SEEN,
    P_TOP,
    P_TOTAL,
    P_VOLUME,
    PARSED_HIGH,
    PARSED_LOW,
    ROWS,
    SIZES,
    STANDING,
    SWING,
    SWING_HIGH,
    TREND,
    VOLUME,
    Index,
    State,
    place_of,
)
from smc_agent.detection.kernel.zones import open_zone
from smc_agent.detection.marks import inlined


@inlined
def watch(s: State, pivot: Index, end: Index) -> None:
    """Takes the bars before `end` into the window in which a break of this pivot would look for its order block."""
    p_i, p_f, origin = s.pivots_i[pivot], s.pivots_f[pivot], s.ints[ORIGIN]
    low, high, volume = s.tape[PARSED_LOW], s.tape[PARSED_HIGH], s.tape[VOLUME]
    total, least = p_f[P_TOTAL], p_f[P_PARSED]
    block: Index = np.int64(-1)
    for place_now in range(p_i[P_SEEN] + origin, end + origin):
        at = place_of(place_now)
        total += volume[at]
        parsed = low[at] if pivot & 1 == 0 else -high[at]
        block = place_now if parsed < least else block
        least = parsed if parsed < least else least
    p_f[P_TOTAL], p_f[P_PARSED], p_i[P_SEEN] = total, least, end
    if block >= 0:
        at = place_of(block)
        p_f[P_TOP], p_f[P_BOTTOM], p_f[P_VOLUME] = s.tape[HIGH, at], s.tape[LOW, at], volume[at]
        p_i[P_BLOCK] = block - origin


@inlined
def new_pivot(s: State, scale: Index, side: Index, anchor: Index, level: float) -> None:
    pivot = 2 * (scale - 1) + side
    p_i, p_f = s.pivots_i[pivot], s.pivots_f[pivot]
    event_id = emit(s, SWING_HIGH + side, scale, 2 * side - 1, anchor, level, level, NO_REF)
    if p_i[P_ID] >= 0:
        above, below = level > p_f[P_LEVEL], level < p_f[P_LEVEL]
        label = (1 if above else 2) if side == 0 else (4 if below else 3)
        s.out_i[s.ints[ROWS] - 1, 0] |= label << 16
    p_i[P_ANCHOR], p_i[P_ID], p_i[P_BROKEN], p_i[P_SEEN] = anchor, event_id, 0, anchor
    p_f[P_BEFORE], p_f[P_LEVEL], p_f[P_PARSED], p_f[P_TOTAL] = p_f[P_LEVEL], level, np.inf, 0.0
    s.floats[STANDING + pivot] = level
    s.ints[NEWS] |= NEW_SWING if scale == SWING else NEW_INTERNAL_HIGH << side
    open_zone(s, event_id, LEVEL, scale, 2 * side - 1, anchor, level, level)


@inlined
def pivots(s: State, i: int, signs: int, atr: float) -> None:
    """Step 3: the pivots of the legs that turned."""
    for leg in range(3):
        turn = signs >> (2 * leg) & 3
        if turn == 0:
            continue
        side = turn - 1
        anchor = i - s.settings_i[SIZES + leg]
        level = s.tape[HIGH + side, place_of(anchor + s.ints[ORIGIN])]
        if leg < 2:
            new_pivot(s, 2 - leg, side, anchor, level)
            continue
        last = s.floats[EQUAL_LEVEL + side]
        s.floats[EQUAL_LEVEL + side] = level
        if abs(level - last) < s.settings_f[EQUAL_THRESHOLD] * atr:
            top, bottom = max(level, last), min(level, last)
            event_id = emit(s, EQUAL_HIGHS + side, NO_SCALE, 2 * side - 1, anchor, top, bottom, NO_REF)
            outer = top if side == 0 else bottom
            open_zone(s, event_id, LEVEL, NO_SCALE, 2 * side - 1, anchor, outer, outer)


@inlined
def leave_blocks(s: State, i: int, broken: int, break_id: int) -> None:
    """Step 5: the order block of each pivot whose bit is set, in the order of their breaks."""
    for pivot in range(4):
        if broken >> pivot & 1:
            watch(s, pivot, i)
            p_i, p_f = s.pivots_i[pivot], s.pivots_f[pivot]
            scale, direction = (pivot >> 1) + 1, 1 - 2 * (pivot & 1)
            top, bottom, bar = p_f[P_TOP], p_f[P_BOTTOM], p_i[P_BLOCK]
            event_id = emit(s, ORDER_BLOCK, scale, direction, bar, top, bottom, break_id)
            row = s.blocks_size[0]
            s.blocks_f[row, 0], s.blocks_f[row, 1] = p_f[P_VOLUME], p_f[P_VOLUME] / p_f[P_TOTAL]
            s.blocks_size[0] = row + 1
            open_zone(s, event_id, BLOCK, scale, direction, bar, top, bottom)
            break_id += 1


@inlined
def breaks(s: State, i: int, up: float, down: float) -> None:
    """Steps 4 and 5: the breaks of this bar, up and down, then the order block that each leaves."""
    prev = place_of(i - 1 + s.ints[ORIGIN])
    wick = s.settings_i[BREAK_BY_WICK]
    first_id, broken = s.ints[NEXT_ID], 0
    for pivot in range(4):
        scale, side = pivot >> 1, pivot & 1
        p_i, p_f = s.pivots_i[pivot], s.pivots_f[pivot]
        level = p_f[P_LEVEL]
        if p_i[P_ID] < 0 or p_i[P_BROKEN] == 1 or (scale == 0 and level == s.pivots_f[2 + side, P_LEVEL]):
            continue
        level_before = p_f[P_BEFORE] if p_i[P_ANCHOR] + s.settings_i[SIZES + 1 - scale] == i else level
        before = s.tape[HIGH + side if wick else CLOSE, prev]
        if (up > level and before <= level_before) if side == 0 else (down < level and before >= level_before):
            p_i[P_BROKEN] = 1
            s.floats[STANDING + pivot] = -np.inf if side else np.inf
            broken |= 1 << pivot
            direction = 1 - 2 * side
            kind = CHOCH if s.ints[TREND + scale] == -direction else BOS
            s.ints[TREND + scale] = direction
            event_id = emit(s, kind, scale + 1, direction, p_i[P_ANCHOR], level, level, p_i[P_ID])
            if scale == 1:
                s.ints[NEWS] |= NEW_SWING
                s.ints[BREAK_ID], s.ints[BREAK_BAR] = event_id, i
    if broken:
        leave_blocks(s, i, broken, first_id)


@inlined
def new_gap(s: State, i: int, signs: int, high: float, low: float) -> None:
    """Step 7, first half: the gap that this bar leaves."""
    old = place_of(i - 2 + s.ints[ORIGIN])
    direction, top, bottom = 1, low, s.tape[HIGH, old]
    if signs & BEARISH_GAP:
        direction, top, bottom = -1, s.tape[LOW, old], high
    event_id = emit(s, NEW_FVG, NO_SCALE, direction, i - 1, top, bottom, NO_REF)
    open_zone(s, event_id, FVG, NO_SCALE, direction, i - 1, top, bottom)
