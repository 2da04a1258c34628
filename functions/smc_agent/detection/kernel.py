"""The state machine of detection, compiled: `run` works bars through `step`, the only place where the rules are code.

They are Python that numba compiles (`compiling`): no exceptions, no new arrays, no functions but these and NumPy's
numbers. `native` sees to it that what runs was compiled from the text that stands here.

Cost per bar does not grow with the number of live zones. Each zone waits in a heap under the price that would make the
next thing happen to it, so a bar looks at the top of twelve heaps. Zones above the price are kept with negated prices:
then "the price falls to the key" is the one test for both sides.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smc_agent.detection.marks import compiled, inlined

KINDS = (
    "swing_high",
    "swing_low",
    "equal_highs",
    "equal_lows",
    "bos",
    "choch",
    "order_block",
    "order_block_touched",
    "order_block_mitigated",
    "breaker_block",
    "breaker_block_invalidated",
    "fvg",
    "fvg_touched",
    "fvg_half_filled",
    "fvg_filled",
    "ifvg",
    "order_block_expired",
    "breaker_block_expired",
    "fvg_expired",
    "liquidity_expired",
    "previous_day_high",
    "previous_day_low",
    "previous_week_high",
    "previous_week_low",
    "previous_month_high",
    "previous_month_low",
    "liquidity_sweep",
    "liquidity_taken",
    "premium_entered",
    "equilibrium_entered",
    "discount_entered",
    "range_zone_left",
    "strong_high",
    "strong_low",
    "weak_high",
    "weak_low",
    "ote_entered",
    "displacement",
    "inducement",
    "asian_session_open",
    "asian_session_close",
    "london_session_open",
    "london_session_close",
    "new_york_session_open",
    "new_york_session_close",
    "asian_kill_zone_open",
    "asian_kill_zone_close",
    "london_kill_zone_open",
    "london_kill_zone_close",
    "new_york_kill_zone_open",
    "new_york_kill_zone_close",
    "london_close_kill_zone_open",
    "london_close_kill_zone_close",
)
SCALES = ("", "internal", "swing")
DIRECTIONS = ("bearish", "", "bullish")  # at -1, 0, 1
LABELS = ("", "HH", "LH", "HL", "LL")

# What is passed as an argument is an int64, not a literal: numba would compile a function once for each literal.
SWING_HIGH, EQUAL_HIGHS, BOS, CHOCH, ORDER_BLOCK, NEW_FVG = map(np.int64, (0, 2, 4, 5, 6, 11))
ORDER_BLOCK_TOUCHED, ORDER_BLOCK_MITIGATED, BREAKER_BLOCK, BREAKER_BLOCK_INVALIDATED = map(np.int64, (7, 8, 9, 10))
FVG_TOUCHED, EXPIRED = map(np.int64, (12, 16))  # by stage: touched, half filled, filled, ifvg; by Z_KIND
PREVIOUS_HIGH, LIQUIDITY_SWEEP, LIQUIDITY_TAKEN, RANGE_ZONE = map(np.int64, (20, 26, 27, 28))
STRONG_HIGH, OTE_ENTERED, DISPLACEMENT, INDUCEMENT, WINDOW_OPEN = map(np.int64, (32, 36, 37, 38, 39))
NO_SCALE, INTERNAL, SWING, NO_REF = map(np.int64, (0, 1, 2, -1))

# settings_i
SIZES, LONGEST, ATR_PERIOD, BREAK_BY_WICK, MITIGATION_BY_CLOSE, FVG_AUTO = 0, 3, 4, 5, 6, 7  # swing, internal, equal
MAX_ZONES, RING_MASK, SETTINGS_I = 8, 9, 10
# settings_f
(
    EQUAL_THRESHOLD, WILD_FACTOR, FVG_FACTOR, PREMIUM, EQUILIBRIUM, OTE_FROM, OTE_TO, DISPLACEMENT_FACTOR, SETTINGS_F
) = range(9)  # fmt: skip
# ints: FREE, ROWS, HITS and the place in the calendar mean nothing to another detector; NEWS only within a bar
BARS, LAST_TIME, NEXT_ID, LIVE, FREE, ROWS, HITS, DATE, DATE_ENDS, NEWS = range(10)
LEG, TREND, STACK = 10, 13, 15  # legs of swing, internal and equal; trends; first and end of each stack
TOP_BAR, BOTTOM_BAR, ZONE, OTE_TOP, OTE_BOTTOM, TOLD = 19, 20, 21, 22, 23, 24  # TOLD: strength of swing high and low
BREAK_ID, BREAK_BAR, BODIES = 26, 27, 28  # the swing break that no inducement has followed; bars in SCALED_SUM
PERIOD, WHOLE, WINDOW, WINDOW_ID, INTS = 29, 32, 35, 42, 49  # day, week, month; each window's beginning and event
# floats
ATR, RANGE_SUM, BODY_SUM, EQUAL_LEVEL, PRICE = 0, 1, 2, 3, 5  # last equal-size levels; price of each heap
TOP, BOTTOM, SCALED_SUM, NEAREST, FLOATS = 9, 10, 11, 12, 14  # the trailing range; nearest levels of periods
# ring rows
OPEN, HIGH, LOW, CLOSE, VOLUME, PARSED_HIGH, PARSED_LOW, RING = range(8)
# pivots_i, pivots_f: rows scale * 2 + side, scale 0 internal, 1 swing; side 0 high, 1 low
P_ANCHOR, P_ID, P_BROKEN, P_BLOCK, PIVOT_I = range(5)
P_LEVEL, P_BEFORE, P_PARSED, P_TOP, P_BOTTOM, P_VOLUME, P_TOTAL, PIVOT_F = range(8)
# zones_i, zones_f; a free slot has id -1 and the next free slot as its anchor
Z_ID, Z_KIND, Z_DIRECTION, Z_SCALE, Z_ANCHOR, Z_STAGE, ZONE_I = range(7)
Z_TOP, Z_BOTTOM, ZONE_F = range(3)
BLOCK, BREAKER, FVG, LEVEL = map(np.int64, (0, 1, 2, 3))  # Z_KIND
# heaps: 2 by wick (below the price, above it) and 2 by close for gaps, the same for blocks and for levels
GAPS, GAPS_BY_CLOSE, BLOCKS, LEVELS, LEVELS_BY_CLOSE, HEAPS = map(np.int64, (0, 2, 4, 8, 10, 12))
# periods_i, periods_f: rows period * 2 + side, 0 day, 1 week, 2 month; prices of lows are negated
R_BAR, R_ID, R_ANCHOR, R_SWEPT, PERIOD_I = range(5)  # bar of the extreme so far; the level that rests, id -1: none
R_EXTREME, R_LEVEL, PERIOD_F = range(3)
# calendar: see calendar.py
FROM, DAY_BEGAN, WINDOW_BEGAN, WINDOWS = 0, 1, 4, 7
OUTSIDE, FOREVER = -(1 << 63), (1 << 63) - 1
NEW_DATE, NEW_SWING, NEW_INTERNAL_HIGH, NEW_INTERNAL_LOW = 1, 2, 4, 8  # NEWS
OUT_I, OUT_F, BLOCK_F = 4, 2, 2  # code, anchor, confirmed, ref; top, bottom; volume, share of an order block
MOST = (1 << 31) - 1  # bars and events of one detector: what is written of them are 32 bits, half of all else
ZONES_PER_BAR = 9  # three pivots, four breaks and a gap can open eight
EVENTS_PER_BAR, EVENTS_PER_ZONE, BLOCKS_PER_BAR = 96, 4, 4

# rules of the input, as `check` numbers them
NOT_FINITE, NOT_POSITIVE, HIGH_BELOW, LOW_ABOVE, NEGATIVE_VOLUME, TIME_ORDER = 1, 2, 3, 4, 5, 6

Index = int | np.int64 | np.uint64
Int = NDArray[np.int64]
Float = NDArray[np.float64]
Short = NDArray[np.int32]


class State(NamedTuple):
    """Everything the machine remembers, and where it writes; the constants above name the places."""

    settings_i: Int
    settings_f: Float
    ints: Int
    floats: Float
    ring: Float  # [RING, size]: the last bars, at index & mask
    stacks: Int  # [4, size]: bars whose high (low) no later bar has reached, as a queue; and whether a bar is in it
    pivots_i: Int
    pivots_f: Float
    periods_i: Int
    periods_f: Float
    zones_i: Int
    zones_f: Float
    heap_key: Float  # [HEAPS, slots]
    heap_slot: Int
    heap_size: Int
    hits: Int  # [3 * slots, 2]: scratch, what this bar does to zones
    calendar: Int  # [rows, 4 + WINDOWS]: of the times to come, made outside
    out_i: Short  # [rows, OUT_I]: the events of one call
    out_f: Float
    blocks_f: Float  # [blocks, BLOCK_F]: what only the order blocks among them have, in their order
    blocks_size: Int


place_of = np.uint64
"""An index that is never negative: numba would count negative ones from the end, and test for it at every access."""
NONE, ONE = np.uint64(0), np.uint64(1)


# --- events ---


@inlined
def emit(
    s: State, kind: Index, scale: Index, direction: Index, anchor: Index, top: float, bottom: float, ref: Index
) -> int:
    """Writes one event of the current bar; -> its id."""
    row, event_id = s.ints[ROWS], s.ints[NEXT_ID]
    s.ints[ROWS], s.ints[NEXT_ID] = row + 1, event_id + 1
    row = place_of(row)
    s.out_i[row, 0] = kind | scale << 8 | (direction + 1) << 12
    s.out_i[row, 1], s.out_i[row, 2], s.out_i[row, 3] = anchor, s.ints[BARS], ref
    s.out_f[row, 0], s.out_f[row, 1] = top, bottom
    return int(event_id)


@inlined
def zone_event(s: State, slot: Index, kind: Index) -> int:
    slot = place_of(slot)
    zone = s.zones_i[slot]
    top, bottom = s.zones_f[slot, Z_TOP], s.zones_f[slot, Z_BOTTOM]
    return emit(s, kind, zone[Z_SCALE], zone[Z_DIRECTION], zone[Z_ANCHOR], top, bottom, zone[Z_ID])


# --- heaps: a zone is in exactly one, under the price that makes the next thing happen ---


@inlined
def sift_up(keys: Float, slots: Int, start: Index) -> None:
    at = place_of(start)
    key, slot = keys[at], slots[at]
    while at > NONE:
        above = (at - ONE) >> ONE
        if keys[above] >= key:
            break
        keys[at], slots[at] = keys[above], slots[above]
        at = above
    keys[at], slots[at] = key, slot


@inlined
def sift_down(keys: Float, slots: Int, size: Index) -> None:
    at, end = NONE, place_of(size)
    key, slot = keys[at], slots[at]
    while True:
        below = (at << ONE) + ONE
        if below >= end:
            break
        if below + ONE < end and keys[below + ONE] > keys[below]:
            below += ONE
        if keys[below] <= key:
            break
        keys[at], slots[at] = keys[below], slots[below]
        at = below
    keys[at], slots[at] = key, slot


@inlined
def next_below(price: Any) -> Any:
    """np.nextafter towards -inf, for numbers that are neither 0 nor infinite; numba's calls a library."""
    bits = np.float64(price).view(np.int64)
    return np.int64(bits - 1 if price > 0.0 else bits + 1).view(np.float64)


@inlined
def waits_for(s: State, slot: Index) -> tuple[Any, Any]:
    """-> the heap of a zone and its key there: the next thing happens when the heap's price is at or below the key."""
    slot = place_of(slot)
    kind, stage = s.zones_i[slot, Z_KIND], s.zones_i[slot, Z_STAGE]
    top, bottom = s.zones_f[slot, Z_TOP], s.zones_f[slot, Z_BOTTOM]
    above = 0 if s.zones_i[slot, Z_DIRECTION] > 0 else 1
    near, half, far = top, (top + bottom) * 0.5, bottom
    if above:
        near, half, far = -bottom, -half, -top
    if kind == FVG and stage < 2:
        return above + GAPS, near if stage == 0 else half
    if kind == BLOCK and stage == 0:
        return above + BLOCKS, near
    if kind == FVG:
        heap = above + (GAPS_BY_CLOSE if stage == 3 else GAPS)
    elif kind == LEVEL:
        heap = above + (LEVELS_BY_CLOSE if stage else LEVELS)
    else:
        heap = above + BLOCKS + 2 * s.settings_i[MITIGATION_BY_CLOSE]
    return heap, next_below(far)  # "below the far edge" is "at or below the next number"


@inlined
def put(s: State, heap: Index, key: float, slot: Index) -> None:
    size = s.heap_size[heap]
    s.heap_key[heap, size], s.heap_slot[heap, size] = key, slot
    s.heap_size[heap] = size + 1
    sift_up(s.heap_key[heap], s.heap_slot[heap], size)


@inlined
def place(s: State, slot: Index) -> None:
    """Puts a zone into its heap."""
    heap, key = waits_for(s, slot)
    put(s, heap, key, slot)


@inlined
def take_first(s: State, heap: Index) -> int:
    keys, slots = s.heap_key[heap], s.heap_slot[heap]
    slot, last = slots[0], s.heap_size[heap] - 1
    s.heap_size[heap] = last
    keys[0], slots[0] = keys[last], slots[last]
    sift_down(keys, slots, last)
    if last == 0:
        keys[0] = -np.inf  # no price is below it
    return int(slot)


# --- zones ---


@inlined
def free(s: State, slot: Index) -> None:
    s.zones_i[slot, Z_ID] = -1
    s.zones_i[slot, Z_ANCHOR] = s.ints[FREE]
    s.ints[FREE] = slot
    s.ints[LIVE] -= 1


@compiled
def place_all(s: State) -> None:
    """Builds the heaps of a state that has only its zones."""
    s.heap_size[:] = 0
    s.heap_key[:, 0] = -np.inf
    for slot in range(len(s.zones_i)):
        if s.zones_i[slot, Z_ID] >= 0:
            place(s, slot)


@compiled
def sort_hits(hits: Int, size: int) -> None:
    """Shell sort by the first column: short as a rule, and far from quadratic on the bar that ends every zone."""
    gap = size // 2
    while gap > 0:
        for k in range(gap, size):
            key, slot = hits[k, 0], hits[k, 1]
            at = k
            while at >= gap and hits[at - gap, 0] > key:
                hits[at, 0], hits[at, 1] = hits[at - gap, 0], hits[at - gap, 1]
                at -= gap
            hits[at, 0], hits[at, 1] = key, slot
        gap //= 2


@compiled
def expire_oldest(s: State) -> None:
    """Ends the oldest sixteenth of the zones: many at once, so that one costs little even when every bar opens one."""
    live = 0
    for slot in range(len(s.zones_i)):
        if s.zones_i[slot, Z_ID] >= 0:
            s.hits[live, 0], s.hits[live, 1] = s.zones_i[slot, Z_ID], slot
            live += 1
    sort_hits(s.hits, live)
    for k in range(max(1, s.settings_i[MAX_ZONES] // 16)):
        slot = s.hits[k, 1]
        zone_event(s, slot, EXPIRED + s.zones_i[slot, Z_KIND])
        free(s, slot)
    place_all(s)


@inlined
def open_zone(
    s: State, event_id: Index, kind: Index, scale: Index, direction: Index, anchor: Index, top: float, bottom: float
) -> None:
    slot = s.ints[FREE]
    zone = s.zones_i[slot]
    s.ints[FREE] = zone[Z_ANCHOR]
    s.ints[LIVE] += 1
    zone[Z_ID], zone[Z_KIND], zone[Z_SCALE], zone[Z_DIRECTION] = event_id, kind, scale, direction
    zone[Z_ANCHOR], zone[Z_STAGE] = anchor, 0
    s.zones_f[slot, Z_TOP], s.zones_f[slot, Z_BOTTOM] = top, bottom
    place(s, slot)
    if s.ints[LIVE] > s.settings_i[MAX_ZONES]:
        expire_oldest(s)


@compiled
def apply_hits(s: State) -> None:
    """Writes the events of the zones that were hit, oldest zone first, each zone's in their order."""
    hits, size = s.hits, s.ints[HITS]
    if size > 1:
        sort_hits(hits, size)
    for k in range(size):
        stage, slot = hits[k, 0] & 3, hits[k, 1]
        zone = s.zones_i[slot]
        kind = zone[Z_KIND]
        if kind == FVG:
            event = FVG_TOUCHED + stage
        elif kind == BREAKER:
            event = BREAKER_BLOCK_INVALIDATED
        elif kind == LEVEL:
            event = LIQUIDITY_SWEEP if stage == 0 else LIQUIDITY_TAKEN
        else:
            event = ORDER_BLOCK_TOUCHED if stage == 0 else ORDER_BLOCK_MITIGATED
        zone_event(s, slot, event)
        if event == ORDER_BLOCK_MITIGATED:
            zone[Z_DIRECTION] = -zone[Z_DIRECTION]
            zone[Z_ID] = zone_event(s, slot, BREAKER_BLOCK)
            zone[Z_KIND], zone[Z_STAGE] = BREAKER, 0
            place(s, slot)
        elif kind == BREAKER or (kind >= FVG and stage == 3):
            free(s, slot)


@inlined
def settle(s: State, first: Index, end: Index) -> None:
    """Lets this bar's prices set off what waits in the heaps `first` to `end`, wicks before closes."""
    s.ints[HITS] = 0
    for heap in range(first, end):
        price = s.floats[PRICE + (heap & 3)]
        keys, slots = s.heap_key[heap], s.heap_slot[heap]
        while keys[0] >= price:
            slot = place_of(slots[0])
            zone, hit = s.zones_i[slot], place_of(s.ints[HITS])
            stage = zone[Z_STAGE]
            s.hits[hit, 0], s.hits[hit, 1] = zone[Z_ID] * 4 + stage, slot
            s.ints[HITS] += 1
            zone[Z_STAGE] = stage + 1
            if stage >= (3 if zone[Z_KIND] == FVG else 1 - zone[Z_KIND]):
                take_first(s, heap)
                continue
            next_heap, key = waits_for(s, slot)
            if next_heap == heap:  # it stays near the top, where it is found in a step or two
                keys[0] = key
                sift_down(keys, slots, s.heap_size[heap])
            else:
                take_first(s, heap)
                put(s, next_heap, key, slot)
    if s.ints[HITS] > 0:
        apply_hits(s)


# --- pivots and breaks ---


@inlined
def enter_stacks(s: State, i: int, high: float, low: float) -> None:
    """Keeps, for highs and lows, the bars that no later bar has reached."""
    mask = s.settings_i[RING_MASK]
    for side in range(2):
        queue, inside = s.stacks[2 * side], s.stacks[2 * side + 1]
        first, end = s.ints[STACK + 2 * side], s.ints[STACK + 2 * side + 1]
        if first < end and queue[place_of(first & mask)] < i - s.settings_i[LONGEST]:
            first += 1
        while first < end:
            bar = place_of(queue[place_of((end - 1) & mask)] & mask)
            if (s.ring[HIGH, bar] > high) if side == 0 else (s.ring[LOW, bar] < low):
                break
            inside[bar] = 0
            end -= 1
        queue[place_of(end & mask)] = i
        inside[place_of(i & mask)] = 1
        s.ints[STACK + 2 * side], s.ints[STACK + 2 * side + 1] = first, end + 1


@inlined
def leg_change(s: State, i: int, leg: int) -> int:
    """-> 0 when bar i confirms a high of this leg's size, 1 a low, -1 neither."""
    bar = i - s.settings_i[SIZES + leg]
    if bar < 0:
        return -1
    at = place_of(bar & s.settings_i[RING_MASK])
    if s.stacks[1, at] == 1:
        now = -1
    elif s.stacks[3, at] == 1:
        now = 1
    else:
        return -1
    if s.ints[LEG + leg] == now:
        return -1
    s.ints[LEG + leg] = now
    return 0 if now < 0 else 1


@inlined
def watch(s: State, pivot: Index, bar: Index) -> None:
    """Takes a bar into the window in which a break of this pivot would look for its order block."""
    at = place_of(bar & s.settings_i[RING_MASK])
    p, ring = s.pivots_f[pivot], s.ring
    p[P_TOTAL] += ring[VOLUME, at]
    parsed = ring[PARSED_LOW, at] if pivot & 1 == 0 else -ring[PARSED_HIGH, at]
    if parsed < p[P_PARSED]:
        p[P_PARSED], p[P_TOP], p[P_BOTTOM], p[P_VOLUME] = parsed, ring[HIGH, at], ring[LOW, at], ring[VOLUME, at]
        s.pivots_i[pivot, P_BLOCK] = bar


@compiled
def new_pivot(s: State, scale: Index, side: Index, anchor: Index) -> None:
    pivot = 2 * (scale - 1) + side
    p_i, p_f = s.pivots_i[pivot], s.pivots_f[pivot]
    level = s.ring[HIGH if side == 0 else LOW, anchor & s.settings_i[RING_MASK]]
    event_id = emit(s, SWING_HIGH + side, scale, 2 * side - 1, anchor, level, level, NO_REF)
    if p_i[P_ID] >= 0:
        above, below = level > p_f[P_LEVEL], level < p_f[P_LEVEL]
        label = (1 if above else 2) if side == 0 else (4 if below else 3)
        s.out_i[s.ints[ROWS] - 1, 0] |= label << 16
    p_i[P_ANCHOR], p_i[P_ID], p_i[P_BROKEN] = anchor, event_id, 0
    p_f[P_LEVEL], p_f[P_PARSED], p_f[P_TOTAL] = level, np.inf, 0.0
    for bar in range(anchor, s.ints[BARS]):
        watch(s, pivot, bar)
    if scale == SWING:
        s.floats[TOP + side], s.ints[TOP_BAR + side] = level, anchor
        s.ints[NEWS] |= NEW_SWING
    else:
        s.ints[NEWS] |= NEW_INTERNAL_HIGH << side
    open_zone(s, event_id, LEVEL, scale, 2 * side - 1, anchor, level, level)


@inlined
def pivots(s: State, i: int, atr: float) -> None:
    """Step 3."""
    for leg in range(3):
        side = leg_change(s, i, leg)
        if side < 0:
            continue
        anchor = i - s.settings_i[SIZES + leg]
        if leg < 2:
            new_pivot(s, 2 - leg, side, anchor)
            continue
        level = s.ring[HIGH if side == 0 else LOW, anchor & s.settings_i[RING_MASK]]
        last = s.floats[EQUAL_LEVEL + side]
        s.floats[EQUAL_LEVEL + side] = level
        if abs(level - last) < s.settings_f[EQUAL_THRESHOLD] * atr:
            top, bottom = max(level, last), min(level, last)
            event_id = emit(s, EQUAL_HIGHS + side, NO_SCALE, 2 * side - 1, anchor, top, bottom, NO_REF)
            outer = top if side == 0 else bottom
            open_zone(s, event_id, LEVEL, NO_SCALE, 2 * side - 1, anchor, outer, outer)


@compiled
def leave_blocks(s: State, broken: int, break_id: int) -> None:
    """Step 5: the order block of each pivot whose bit is set, in the order of their breaks."""
    for pivot in range(4):
        if broken >> pivot & 1:
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
def breaks(s: State, i: int, high: float, low: float, close: float) -> None:
    """Steps 4 and 5: the breaks of this bar, then the order block that each leaves."""
    prev = place_of((i - 1) & s.settings_i[RING_MASK])
    first_id, broken = s.ints[NEXT_ID], 0
    for pivot in range(4):
        scale, side = pivot >> 1, pivot & 1
        p_i, p_f = s.pivots_i[pivot], s.pivots_f[pivot]
        if p_i[P_ID] < 0 or p_i[P_BROKEN] == 1 or (scale == 0 and p_f[P_LEVEL] == s.pivots_f[2 + side, P_LEVEL]):
            continue
        now, before = close, s.ring[CLOSE, prev]
        if s.settings_i[BREAK_BY_WICK]:
            now, before = (high, s.ring[HIGH, prev]) if side == 0 else (low, s.ring[LOW, prev])
        level, level_before = p_f[P_LEVEL], p_f[P_BEFORE]
        if (now > level and before <= level_before) if side == 0 else (now < level and before >= level_before):
            p_i[P_BROKEN] = 1
            broken |= 1 << pivot
            direction = 1 - 2 * side
            kind = CHOCH if s.ints[TREND + scale] == -direction else BOS
            s.ints[TREND + scale] = direction
            event_id = emit(s, kind, scale + 1, direction, p_i[P_ANCHOR], level, level, p_i[P_ID])
            if scale == 1:
                s.ints[NEWS] |= NEW_SWING
                s.ints[BREAK_ID], s.ints[BREAK_BAR] = event_id, i
    if broken:
        leave_blocks(s, broken, first_id)


@inlined
def new_gap(s: State, i: int, high: float, low: float) -> None:
    """Step 7, first half: the gap that this bar leaves, if any."""
    mask = s.settings_i[RING_MASK]
    mid, old = place_of((i - 1) & mask), place_of((i - 2) & mask)
    if low > s.ring[HIGH, old] and s.ring[CLOSE, mid] > s.ring[HIGH, old]:
        direction, top, bottom = 1, low, s.ring[HIGH, old]
    elif high < s.ring[LOW, old] and s.ring[CLOSE, mid] < s.ring[LOW, old]:
        direction, top, bottom = -1, s.ring[LOW, old], high
    else:
        return
    body = (s.ring[CLOSE, mid] - s.ring[OPEN, mid]) / s.ring[OPEN, mid]
    if s.settings_i[FVG_AUTO] and not direction * body > s.settings_f[FVG_FACTOR] * (s.floats[BODY_SUM] / i):
        return
    event_id = emit(s, NEW_FVG, NO_SCALE, direction, i - 1, top, bottom, NO_REF)
    open_zone(s, event_id, FVG, NO_SCALE, direction, i - 1, top, bottom)


# --- liquidity ---


@compiled
def find_date(s: State, time: Index) -> bool:
    """Goes to the row of the calendar that holds at a bar's open time; -> whether the calendar goes that far."""
    table, row = s.calendar, s.ints[DATE]
    last = len(table) - 1
    while row < last and time >= table[row + 1, FROM]:
        row += 1
    if row == last:
        if table[last, FROM] < FOREVER:
            return False
        row -= 1
    s.ints[DATE], s.ints[DATE_ENDS] = row, table[row + 1, FROM]
    return True


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
    if s.ints[NEWS] & NEW_DATE:
        end_periods(s, i, time)
    for side in range(2):
        wick = -floats[PRICE + 1 - side]
        if wick > periods[side, R_EXTREME]:
            periods[side, R_EXTREME], s.periods_i[side, R_BAR] = wick, i
    if -floats[PRICE + 1] > floats[NEAREST] or -floats[PRICE] > floats[NEAREST + 1]:
        pass_periods(s)
    s.ints[HITS] = 0
    for side in range(2):
        wick, close = floats[PRICE + side], floats[PRICE + 2 + side]
        heap = LEVELS + side
        while s.heap_key[heap, 0] >= wick:
            key = s.heap_key[heap, 0]
            slot, hit = take_first(s, heap), s.ints[HITS]
            stage = 3 if key >= close else 0
            s.hits[hit, 0], s.hits[hit, 1] = s.zones_i[slot, Z_ID] * 4 + stage, slot
            s.ints[HITS] = hit + 1
            if stage == 0:
                s.zones_i[slot, Z_STAGE] = 1
                place(s, slot)
        heap = LEVELS_BY_CLOSE + side
        while s.heap_key[heap, 0] >= close:
            slot, hit = take_first(s, heap), s.ints[HITS]
            s.hits[hit, 0], s.hits[hit, 1] = s.zones_i[slot, Z_ID] * 4 + 3, slot
            s.ints[HITS] = hit + 1
    if s.ints[HITS] > 0:
        apply_hits(s)


# --- context ---


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
def context(s: State, i: int, open_: float, high: float, low: float, close: float, atr: float) -> None:
    """Step 9."""
    ints, floats, settings = s.ints, s.floats, s.settings_f
    if high > floats[TOP]:  # NaN before the first pivot, and then nothing below is true
        floats[TOP], ints[TOP_BAR] = high, i
    if low < floats[BOTTOM]:
        floats[BOTTOM], ints[BOTTOM_BAR] = low, i
    top, bottom = floats[TOP], floats[BOTTOM]
    from_top, from_bottom, size = top - close, close - bottom, top - bottom

    zone = 3
    if size > 0:
        edge = settings[PREMIUM] * size
        if from_top <= edge:
            zone = 0
        elif from_bottom <= edge:
            zone = 2
        elif abs(from_bottom - from_top) <= settings[EQUILIBRIUM] * size:
            zone = 1
    if zone != ints[ZONE]:
        ints[ZONE] = zone
        direction = zone - 1 if zone < 3 else 0
        emit(s, RANGE_ZONE + zone, SWING, direction, i, top, bottom, NO_REF)

    if ints[NEWS] & NEW_SWING:
        tell_strength(s)

    if size > 0:
        top_bar, bottom_bar = ints[TOP_BAR], ints[BOTTOM_BAR]
        retraced = from_top if top_bar > bottom_bar else from_bottom
        if (
            settings[OTE_FROM] * size <= retraced <= settings[OTE_TO] * size
            and top_bar != bottom_bar
            and (ints[OTE_TOP] != top_bar or ints[OTE_BOTTOM] != bottom_bar)
        ):
            ints[OTE_TOP], ints[OTE_BOTTOM] = top_bar, bottom_bar
            direction, begin = (1, 3) if top_bar > bottom_bar else (-1, 2)
            emit(s, OTE_ENTERED, SWING, direction, max(top_bar, bottom_bar), top, bottom, s.pivots_i[begin, P_ID])

    if atr > 0.0:
        body = abs(close - open_) / atr
        bodies = ints[BODIES]
        if body > 0.0 and bodies > 0 and body * bodies >= settings[DISPLACEMENT_FACTOR] * floats[SCALED_SUM]:
            emit(s, DISPLACEMENT, NO_SCALE, 1 if close > open_ else -1, i, high, low, NO_REF)
        floats[SCALED_SUM] += body
        ints[BODIES] = bodies + 1

    if ints[NEWS]:
        if ints[NEWS] & (NEW_INTERNAL_HIGH | NEW_INTERNAL_LOW):
            tell_inducement(s)
        if ints[NEWS] & NEW_DATE:
            tell_windows(s, i, high, low)
        ints[NEWS] = 0


# --- one bar, and many ---


@inlined
def step(s: State, time: Index, open_: float, high: float, low: float, close: float, volume: float) -> None:
    """One bar through the steps of the rules."""
    i, ring, floats = s.ints[BARS], s.ring, s.floats
    at, prev = place_of(i & s.settings_i[RING_MASK]), place_of((i - 1) & s.settings_i[RING_MASK])

    # 1. volatility
    true_range = high - low
    if i > 0:
        true_range = max(true_range, abs(high - ring[CLOSE, prev]), abs(low - ring[CLOSE, prev]))
    period = s.settings_i[ATR_PERIOD]
    if i < period:
        floats[RANGE_SUM] += true_range
        if i == period - 1:
            floats[ATR] = floats[RANGE_SUM] / period
    else:
        floats[ATR] += (true_range - floats[ATR]) / period
    atr = floats[ATR]  # NaN while unknown: every comparison with it is false
    wild = high - low >= s.settings_f[WILD_FACTOR] * atr
    ring[OPEN, at], ring[HIGH, at], ring[LOW, at], ring[CLOSE, at], ring[VOLUME, at] = open_, high, low, close, volume
    ring[PARSED_HIGH, at], ring[PARSED_LOW, at] = (low, high) if wild else (high, low)
    floats[PRICE], floats[PRICE + 1], floats[PRICE + 2], floats[PRICE + 3] = low, -high, close, -close

    # 2. gaps that this bar fills
    settle(s, GAPS, GAPS_BY_CLOSE)

    # 3. pivots
    for pivot in range(4):
        s.pivots_f[pivot, P_BEFORE] = s.pivots_f[pivot, P_LEVEL]
    enter_stacks(s, i, high, low)
    pivots(s, i, atr)

    # 4. and 5. breaks and their order blocks; then this bar joins the windows of the pivots that still stand
    breaks(s, i, high, low, close)
    for pivot in range(4):
        if s.pivots_i[pivot, P_ID] >= 0 and s.pivots_i[pivot, P_BROKEN] == 0:
            watch(s, pivot, i)

    # 6. order blocks that this bar touches or ends, and breakers that it ends
    settle(s, BLOCKS, LEVELS)

    # 7. new gaps, and filled ones that this bar closes through
    if i >= 2:
        new_gap(s, i, high, low)
    settle(s, GAPS_BY_CLOSE, BLOCKS)

    floats[BODY_SUM] += abs((close - open_) / open_)

    # 8. and 9.
    liquidity(s, i, time)
    context(s, i, open_, high, low, close, atr)
    s.ints[BARS] = i + 1


@compiled
def check(
    bars: int, last: int, time: Int, open_: Float, high: Float, low: Float, close: Float, volume: Float
) -> tuple[int, int, int]:
    """-> row, column and rule of the first fault; rule 0 when there is none."""
    for k in range(len(time)):
        o, h, lo, c, v = open_[k], high[k], low[k], close[k], volume[k]
        if bars + k > 0 and time[k] <= last:
            return k, 0, TIME_ORDER
        last = time[k]
        for column, x in ((1, o), (2, h), (3, lo), (4, c), (5, v)):
            if not np.isfinite(x):
                return k, column, NOT_FINITE
        if lo <= 0.0:
            return k, 3, NOT_POSITIVE
        if h < o or h < c:
            return k, 2, HIGH_BELOW
        if lo > o or lo > c:
            return k, 3, LOW_ABOVE
        if v < 0.0:
            return k, 5, NEGATIVE_VOLUME
    return 0, 0, 0


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
    for k in range(start, len(time)):
        live = s.ints[LIVE]
        room = len(s.out_i) - s.ints[ROWS] >= EVENTS_PER_BAR + EVENTS_PER_ZONE * live
        room = room and len(s.blocks_f) - s.blocks_size[0] >= BLOCKS_PER_BAR
        if not room or len(s.zones_i) - live < ZONES_PER_BAR:
            return k, s.ints[ROWS], 0, 0
        if time[k] >= s.ints[DATE_ENDS]:
            if not find_date(s, time[k]):
                return k, s.ints[ROWS], 0, 0
            s.ints[NEWS] = NEW_DATE
        step(s, time[k], open_[k], high[k], low[k], close[k], volume[k])
        s.ints[LAST_TIME] = time[k]
    return len(time), s.ints[ROWS], 0, 0
