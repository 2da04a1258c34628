"""Context (step 9): strength, inducement, sessions, and what the passes ahead found out of range and body."""

from smc_agent.detection.kernel.emit import emit
from smc_agent.detection.kernel.layout import (
    BREAK_BAR,
    BREAK_ID,
    DATE,
    DISPLACED,
    DISPLACEMENT,
    INDUCEMENT,
    INTERNAL,
    NEW_DATE,
    NEW_INTERNAL_HIGH,
    NEW_INTERNAL_LOW,
    NEW_SWING,
    NEWS,
    NO_REF,
    NO_SCALE,
    OTE_ENTERED,
    OTE_NEW,
    OUTSIDE,
    P_ANCHOR,
    P_ID,
    P_LEVEL,
    RANGE_BOTTOM,
    RANGE_BOTTOM_BAR,
    RANGE_TOP,
    RANGE_TOP_BAR,
    RANGE_ZONE,
    STRONG_HIGH,
    SWING,
    TOLD,
    TREND,
    WINDOW,
    WINDOW_BEGAN,
    WINDOW_ID,
    WINDOW_OPEN,
    WINDOWS,
    ZONE_BITS,
    ZONE_NEW,
    Index,
    State,
    place_of,
)
from smc_agent.detection.marks import compiled, inlined


@compiled
def tell_strength(s: State) -> None:
    """Whether the last swing high and low are strong, where pivot or trend are new."""
    trend = s.ints[TREND + 1]
    for side in range(2):
        pivot = s.pivots_i[2 + side]
        if trend == 0 or pivot[P_ID] < 0:
            continue
        direction = 2 * side - 1
        weak = 1 if trend != direction else 0
        if s.ints[TOLD + side] != 2 * pivot[P_ID] + weak:
            s.ints[TOLD + side] = 2 * pivot[P_ID] + weak
            level = s.pivots_f[2 + side, P_LEVEL]
            emit(s, STRONG_HIGH + 2 * weak + side, SWING, direction, pivot[P_ANCHOR], level, level, pivot[P_ID])


@compiled
def tell_inducement(s: State) -> None:
    """The internal pivot of this bar, when it is the first that lies after the last swing break."""
    side = 0 if s.ints[NEWS] & NEW_INTERNAL_HIGH else 1
    anchor, level = s.pivots_i[side, P_ANCHOR], s.pivots_f[side, P_LEVEL]
    if s.ints[BREAK_ID] >= 0 and anchor > s.ints[BREAK_BAR]:
        emit(s, INDUCEMENT, INTERNAL, 2 * side - 1, anchor, level, level, s.ints[BREAK_ID])
        s.ints[BREAK_ID] = -1


@compiled
def tell_windows(s: State, i: Index, high: float, low: float) -> None:
    """Sessions and kill zones that this bar is the first outside of, then those that it is the first in."""
    date, ints = s.calendar[s.ints[DATE]], s.ints
    for closes in (True, False):
        for k in range(WINDOWS):
            began = date[WINDOW_BEGAN + k]
            if began == ints[WINDOW + k]:
                continue
            if closes:
                if ints[WINDOW + k] != OUTSIDE:
                    emit(s, WINDOW_OPEN + 2 * k + 1, NO_SCALE, 0, i, high, low, ints[WINDOW_ID + k])
            else:
                if began != OUTSIDE:
                    ints[WINDOW_ID + k] = emit(s, WINDOW_OPEN + 2 * k, NO_SCALE, 0, i, high, low, NO_REF)
                ints[WINDOW + k] = began


@inlined
def context(s: State, i: int, j: int, signs: int, up: bool, high: float, low: float) -> None:
    """Step 9."""
    news, at = s.ints[NEWS], place_of(j)
    top, bottom = s.ahead_f[RANGE_TOP, at], s.ahead_f[RANGE_BOTTOM, at]
    if signs & ZONE_NEW:
        zone = signs >> ZONE_BITS
        emit(s, RANGE_ZONE + zone, SWING, zone - 1 if zone < 3 else 0, i, top, bottom, NO_REF)
    if news & NEW_SWING:
        tell_strength(s)
    if signs & OTE_NEW:
        top_bar, bottom_bar = s.ahead_i[RANGE_TOP_BAR, at], s.ahead_i[RANGE_BOTTOM_BAR, at]
        direction, begin = (1, 3) if top_bar > bottom_bar else (-1, 2)
        emit(s, OTE_ENTERED, SWING, direction, max(top_bar, bottom_bar), top, bottom, s.pivots_i[begin, P_ID])
    if signs & DISPLACED:
        emit(s, DISPLACEMENT, NO_SCALE, 1 if up else -1, i, high, low, NO_REF)
    if news & (NEW_INTERNAL_HIGH | NEW_INTERNAL_LOW):
        tell_inducement(s)
    if news & NEW_DATE:
        tell_windows(s, i, high, low)
    s.ints[NEWS] = 0
