"""The state machine of detection, compiled: `run` works bars through the steps of the rules, nothing else does.

They are Python that numba compiles (`compiling`): no exceptions, no new arrays, no functions but these and NumPy's
numbers. `native` sees to it that what runs was compiled from the text that stands here.

Bars are worked in blocks. What depends on prices alone (volatility, turns of the legs, the trailing range) is found out
in passes over the block; each bar's own work, `step`, then looks at one word that says what it has.

Cost per bar does not grow with the number of live zones. Each zone waits in a queue under the price that would make the
next thing happen to it, so a bar looks at the next of twelve queues. Queues are sorted, nearest price last: new prices
to wait for lie near the market, so they find their place after a step or two. Zones above the price are kept with
negated prices: then "the price falls to the key" is the one test for both sides.
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
MAX_ZONES, HISTORY, SETTINGS_I = 8, 9, 10
# settings_f
(
    EQUAL_THRESHOLD, WILD_FACTOR, FVG_FACTOR, PREMIUM, EQUILIBRIUM, OTE_FROM, OTE_TO, DISPLACEMENT_FACTOR, SETTINGS_F
) = range(9)  # fmt: skip
# ints: FREE, ROWS, HITS, ORIGIN and the place in the calendar mean nothing to another detector; NEWS only within a bar
BARS, LAST_TIME, NEXT_ID, LIVE, FREE, ROWS, HITS, DATE, DATE_ENDS, NEWS = range(10)
LEG, TREND, ORIGIN = 10, 13, 15  # legs of swing, internal and equal; trends; place of bar 0 in the tape
TOP_BAR, BOTTOM_BAR, ZONE, OTE_TOP, OTE_BOTTOM, TOLD = 16, 17, 18, 19, 20, 21  # TOLD: strength of swing high and low
BREAK_ID, BREAK_BAR, BODIES = 23, 24, 25  # the swing break that no inducement has followed; bars in SCALED_SUM
PERIOD, WHOLE, WINDOW, WINDOW_ID, INTS = 26, 29, 32, 39, 46  # day, week, month; each window's beginning and event
# floats
ATR, RANGE_SUM, BODY_SUM, EQUAL_LEVEL, PRICE = 0, 1, 2, 3, 5  # last equal-size levels; price of each queue
TOP, BOTTOM, SCALED_SUM, NEAREST = 9, 10, 11, 12  # the trailing range; nearest levels of periods
STANDING, NEXT, FLOATS = 14, 18, 30  # level of each pivot while it is unbroken, else infinite; next key of each queue
# tape rows
OPEN, HIGH, LOW, CLOSE, VOLUME, PARSED_HIGH, PARSED_LOW, TAPE = range(8)
# ahead_i, ahead_f: what the passes over a block tell of each of its bars; reach: scratch of `furthest`
SIGNS, RANGE_TOP_BAR, RANGE_BOTTOM_BAR, PIVOT_FOUND, AHEAD_I = range(5)  # the last one is scratch of `turns`
ATR_THEN, RANGE_TOP, RANGE_BOTTOM, AHEAD_F = range(4)
HIGHEST, LOWEST, REACH = 0, 1, 4
BLOCK_BARS = 128  # as many at once as stay in the processor's nearest cache
# SIGNS: of each leg two bits for a new high, a new low; the zone of the range in the last two
LEGS_TURN, BULLISH_GAP, BEARISH_GAP, DISPLACED, ZONE_NEW, OTE_NEW, ZONE_BITS = 63, 64, 128, 256, 512, 1024, 11
CONTEXT_NEW = DISPLACED | ZONE_NEW | OTE_NEW
# pivots_i, pivots_f: rows scale * 2 + side, scale 0 internal, 1 swing; side 0 high, 1 low
P_ANCHOR, P_ID, P_BROKEN, P_BLOCK, P_SEEN, PIVOT_I = range(6)  # P_SEEN: the first bar not in the window of its block
P_LEVEL, P_BEFORE, P_PARSED, P_TOP, P_BOTTOM, P_VOLUME, P_TOTAL, PIVOT_F = range(8)
# zones_i, zones_f; a free slot has id -1 and the next free slot as its anchor
Z_ID, Z_KIND, Z_DIRECTION, Z_SCALE, Z_ANCHOR, Z_STAGE, ZONE_I = range(7)
Z_TOP, Z_BOTTOM, ZONE_F = range(3)
BLOCK, BREAKER, FVG, LEVEL = map(np.int64, (0, 1, 2, 3))  # Z_KIND
# queues: 2 by wick (below the price, above it) and 2 by close for gaps, the same for blocks and for levels
GAPS, GAPS_BY_CLOSE, BLOCKS, LEVELS, LEVELS_BY_CLOSE, QUEUES = map(np.int64, (0, 2, 4, 8, 10, 12))
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
    tape: Float  # [TAPE, size]: the last bars, at index + ORIGIN
    ahead_i: Int  # [AHEAD_I, BLOCK_BARS]
    ahead_f: Float
    reach: Float  # [REACH, size]
    pivots_i: Int
    pivots_f: Float
    periods_i: Int
    periods_f: Float
    zones_i: Int
    zones_f: Float
    queue_key: Float  # [QUEUES, slots]
    queue_slot: Int
    queue_size: Int
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


# --- queues: a zone is in exactly one, under the price that makes the next thing happen ---


@inlined
def next_below(price: Any) -> Any:
    """np.nextafter towards -inf, for numbers that are neither 0 nor infinite; numba's calls a library."""
    bits = np.float64(price).view(np.int64)
    return np.int64(bits - 1 if price > 0.0 else bits + 1).view(np.float64)


@inlined
def waits_for(
    s: State, kind: Index, stage: Index, direction: Index, top: float, bottom: float
) -> tuple[Any, Any]:  # fmt: skip
    """-> the queue of a zone and its key there: the next thing happens when the price is at or below the key."""
    above = np.int64(0 if direction > 0 else 1)
    middle = (top + bottom) * 0.5
    near, half, far = (-bottom, -middle, -top) if above else (top, middle, bottom)
    if kind == FVG and stage < 2:
        return above + GAPS, near if stage == 0 else half
    if kind == BLOCK and stage == 0:
        return above + BLOCKS, near
    if kind == FVG:
        queue = above + (GAPS_BY_CLOSE if stage == 3 else GAPS)
    elif kind == LEVEL:
        queue = above + (LEVELS_BY_CLOSE if stage else LEVELS)
    else:
        queue = above + BLOCKS + 2 * s.settings_i[MITIGATION_BY_CLOSE]
    return queue, next_below(far)  # "below the far edge" is "at or below the next number"


@inlined
def put(s: State, queue: Index, key: float, slot: Index) -> None:
    keys, slots = s.queue_key[queue], s.queue_slot[queue]
    size = s.queue_size[queue] + 1
    s.queue_size[queue] = size
    at = place_of(size)
    while keys[at - ONE] > key:  # ends at the first place, which holds -inf
        keys[at], slots[at] = keys[at - ONE], slots[at - ONE]
        at -= ONE
    keys[at], slots[at] = key, slot
    s.floats[NEXT + queue] = keys[place_of(size)]


@inlined
def place(s: State, slot: Index) -> None:
    """Puts a zone into its queue."""
    slot = place_of(slot)
    kind, stage, direction = s.zones_i[slot, Z_KIND], s.zones_i[slot, Z_STAGE], s.zones_i[slot, Z_DIRECTION]
    queue, key = waits_for(s, kind, stage, direction, s.zones_f[slot, Z_TOP], s.zones_f[slot, Z_BOTTOM])
    put(s, queue, key, slot)


@inlined
def take_next(s: State, queue: Index) -> int:
    size = s.queue_size[queue]
    s.queue_size[queue] = size - 1
    s.floats[NEXT + queue] = s.queue_key[queue, place_of(size - 1)]
    return int(s.queue_slot[queue, place_of(size)])


@inlined
def due(s: State, queue: Index, falling: float, rising: float) -> bool:
    """Whether something waits in this queue or the next for a price like these (the second one negated)."""
    return bool((s.floats[NEXT + queue] >= falling) | (s.floats[NEXT + queue + 1] >= rising))


# --- zones ---


@inlined
def free(s: State, slot: Index) -> None:
    s.zones_i[slot, Z_ID] = -1
    s.zones_i[slot, Z_ANCHOR] = s.ints[FREE]
    s.ints[FREE] = slot
    s.ints[LIVE] -= 1


@compiled
def place_all(s: State) -> None:
    """Builds the queues of a state that has only its zones."""
    s.queue_size[:] = 0
    s.queue_key[:, 0] = -np.inf
    s.floats[NEXT : NEXT + QUEUES] = -np.inf
    for slot in range(len(s.zones_i)):
        if s.zones_i[slot, Z_ID] >= 0:
            place(s, slot)


@compiled
def leave_queues(s: State) -> None:
    """Closes the ranks where zones have ended that were not the next."""
    for queue in range(QUEUES):
        keys, slots, size = s.queue_key[queue], s.queue_slot[queue], 0
        for at in range(1, s.queue_size[queue] + 1):
            if s.zones_i[slots[at], Z_ID] >= 0:
                size += 1
                keys[size], slots[size] = keys[at], slots[at]
        s.queue_size[queue], s.floats[NEXT + queue] = size, keys[size]


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
    leave_queues(s)


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
    queue, key = waits_for(s, kind, np.int64(0), direction, top, bottom)  # not `place`: here the kind is a constant
    put(s, queue, key, slot)
    if s.ints[LIVE] > s.settings_i[MAX_ZONES]:
        expire_oldest(s)


@inlined
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
    """Lets this bar's prices set off what waits in the queues `first` to `end`, wicks before closes."""
    s.ints[HITS] = 0
    for queue in range(first, end):
        price = s.floats[PRICE + (queue & 3)]
        while s.floats[NEXT + queue] >= price:
            slot = place_of(take_next(s, queue))
            zone, hit = s.zones_i[slot], place_of(s.ints[HITS])
            stage = zone[Z_STAGE]
            s.hits[hit, 0], s.hits[hit, 1] = zone[Z_ID] * 4 + stage, slot
            s.ints[HITS] += 1
            zone[Z_STAGE] = stage + 1
            if stage < (3 if zone[Z_KIND] == FVG else 1 - zone[Z_KIND]):
                place(s, slot)
    if s.ints[HITS] > 0:
        apply_hits(s)


# --- pivots and breaks ---


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


# --- liquidity ---


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


# --- a block of bars: what depends on prices alone, pass by pass, so that a bar's own work begins with what it has ---


@inlined
def append(row: Float, at: int, column: Float, k: int, n: int) -> None:
    for j in range(n):
        row[place_of(at + j)] = column[place_of(k + j)]


@compiled
def take_in(s: State, k: int, n: int, open_: Float, high: Float, low: Float, close: Float, volume: Float) -> None:
    """Writes n bars to the tape; when it is full, the last bars go back to its beginning first."""
    at, tape = s.ints[BARS] + s.ints[ORIGIN], s.tape
    if at + n > tape.shape[1]:
        kept = s.settings_i[HISTORY]
        for row in range(TAPE):
            for j in range(kept):
                tape[row, place_of(j)] = tape[row, place_of(at - kept + j)]
        s.ints[ORIGIN] += kept - at
        at = kept
    append(tape[OPEN], at, open_, k, n)
    append(tape[HIGH], at, high, k, n)
    append(tape[LOW], at, low, k, n)
    append(tape[CLOSE], at, close, k, n)
    append(tape[VOLUME], at, volume, k, n)


@compiled
def volatility(s: State, n: int) -> None:
    """Step 1, and of steps 7 and 9 which bars leave a gap and which are a displacement."""
    first, floats, settings = s.ints[BARS], s.floats, s.settings_f
    begin = first + s.ints[ORIGIN]
    opens, highs, lows, closes = s.tape[OPEN], s.tape[HIGH], s.tape[LOW], s.tape[CLOSE]
    parsed_highs, parsed_lows = s.tape[PARSED_HIGH], s.tape[PARSED_LOW]
    signs, atrs = s.ahead_i[SIGNS], s.ahead_f[ATR_THEN]
    period, any_body = s.settings_i[ATR_PERIOD], s.settings_i[FVG_AUTO] == 0
    wild_factor, fvg_factor, displacement_factor = (
        settings[WILD_FACTOR], settings[FVG_FACTOR], settings[DISPLACEMENT_FACTOR]
    )  # fmt: skip
    atr, range_sum, body_sum, scaled_sum = floats[ATR], floats[RANGE_SUM], floats[BODY_SUM], floats[SCALED_SUM]
    bodies = s.ints[BODIES]
    for j in range(n):
        i, at = first + j, place_of(begin + j)
        old, mid = at - ONE - ONE, at - ONE
        open_, high, low, close = opens[at], highs[at], lows[at], closes[at]

        true_range = high - low
        if i > 0:
            true_range = max(true_range, abs(high - closes[mid]), abs(low - closes[mid]))
        if i < period:
            range_sum += true_range
            if i == period - 1:
                atr = range_sum / period
        else:
            atr += (true_range - atr) / period
        atrs[place_of(j)] = atr  # NaN while unknown: every comparison with it is false
        wild = high - low >= wild_factor * atr
        parsed_highs[at] = low if wild else high
        parsed_lows[at] = high if wild else low

        sign = 0
        if i >= 2:
            above = (low > highs[old]) & (closes[mid] > highs[old])
            below = (high < lows[old]) & (closes[mid] < lows[old])
            body = (closes[mid] - opens[mid]) / opens[mid]
            least = fvg_factor * (body_sum / i)
            sign |= BULLISH_GAP if above & (any_body | (body > least)) else 0
            sign |= BEARISH_GAP if below & (any_body | (-body > least)) else 0
        body_sum += abs((close - open_) / open_)

        known = atr > 0.0
        body = abs(close - open_) / atr if known else 0.0
        much = (body > 0.0) & (bodies > 0) & (body * bodies >= displacement_factor * scaled_sum)
        sign |= DISPLACED if much else 0
        scaled_sum += body
        bodies += 1 if known else 0
        signs[place_of(j)] = sign
    floats[ATR], floats[RANGE_SUM], floats[BODY_SUM], floats[SCALED_SUM] = atr, range_sum, body_sum, scaled_sum
    s.ints[BODIES] = bodies


@compiled
def furthest(prices: Float, sign: float, size: int, into: Float, one: Float, other: Float) -> None:
    """into[j]: the greatest of sign * prices[j : j + size], for each j. Spans of 2, 4, 8... bars are made of halves."""
    n = len(prices) - size + 1
    for j in range(len(prices)):
        one[j] = sign * prices[j]
    span = 1
    while 2 * span <= size:
        left, right, both = one[: len(prices) - span], one[span : len(prices)], other[: len(prices) - span]
        for j in range(len(both)):
            both[j] = right[j] if right[j] > left[j] else left[j]
        one, other = other, one
        span *= 2
    left, right = one[:n], one[size - span : size - span + n]
    for j in range(n):
        into[j] = right[j] if right[j] > left[j] else left[j]


@compiled
def turns(s: State, n: int) -> None:
    """Step 3: at which bars a leg turns, and so a pivot is confirmed."""
    first, signs = s.ints[BARS], s.ahead_i[SIGNS]
    begin = first + s.ints[ORIGIN]
    highs, lows, highest, lowest = s.tape[HIGH], s.tape[LOW], s.reach[HIGHEST], s.reach[LOWEST]
    found = s.ahead_i[PIVOT_FOUND]
    for leg in range(3):
        size = s.settings_i[SIZES + leg]
        skipped = max(0, min(n, size - first))  # bars with too few before them
        start = begin + skipped - size
        furthest(highs[start + 1 : begin + n], 1.0, size, highest, s.reach[2], s.reach[3])
        furthest(lows[start + 1 : begin + n], -1.0, size, lowest, s.reach[2], s.reach[3])
        high, low = highs[start : start + n - skipped], lows[start : start + n - skipped]
        for j in range(len(high)):
            is_low = 2 if -low[j] > lowest[j] else 0
            found[j] = 1 if high[j] > highest[j] else is_low
        heading = 1 if s.ints[LEG + leg] < 0 else 2
        for j in range(n - skipped):
            now = found[place_of(j)]
            turn = now if (now != heading) & (now != 0) else 0
            heading = now if now != 0 else heading
            signs[place_of(skipped + j)] |= turn << 2 * leg
        s.ints[LEG + leg] = -1 if heading == 1 else 1


@compiled
def trailing_range(s: State, n: int) -> None:
    """Of step 9 the trailing swing range, and at which bars the close comes into another part of it."""
    ints, floats, settings, ahead_i, ahead_f = s.ints, s.floats, s.settings_f, s.ahead_i, s.ahead_f
    begin, size_of_swing = ints[BARS] + ints[ORIGIN], s.settings_i[SIZES]
    highs, lows, closes = s.tape[HIGH], s.tape[LOW], s.tape[CLOSE]
    top, bottom, top_bar, bottom_bar = floats[TOP], floats[BOTTOM], ints[TOP_BAR], ints[BOTTOM_BAR]
    zone_before, ote_top, ote_bottom = ints[ZONE], ints[OTE_TOP], ints[OTE_BOTTOM]
    premium, equilibrium = settings[PREMIUM], settings[EQUILIBRIUM]
    ote_from, ote_to = settings[OTE_FROM], settings[OTE_TO]
    for j in range(n):
        i, at = ints[BARS] + j, place_of(begin + j)
        high, low, close = highs[at], lows[at], closes[at]
        sign = ahead_i[SIGNS, place_of(j)]
        if sign & 1:
            top_bar = i - size_of_swing
            top = highs[place_of(begin + j - size_of_swing)]
        elif sign & 2:
            bottom_bar = i - size_of_swing
            bottom = lows[place_of(begin + j - size_of_swing)]
        higher, lower = high > top, low < bottom  # NaN before the first pivot, and then nothing below is true
        top, top_bar = high if higher else top, i if higher else top_bar
        bottom, bottom_bar = low if lower else bottom, i if lower else bottom_bar
        from_top, from_bottom, size = top - close, close - bottom, top - bottom

        edge = premium * size
        zone = 1 if abs(from_bottom - from_top) <= equilibrium * size else 3
        zone = 2 if from_bottom <= edge else zone
        zone = 0 if from_top <= edge else zone
        zone = zone if size > 0.0 else 3
        sign |= ZONE_NEW if zone != zone_before else 0
        zone_before = zone

        retraced = from_top if top_bar > bottom_bar else from_bottom
        ote = (size > 0.0) & (ote_from * size <= retraced) & (retraced <= ote_to * size) & (top_bar != bottom_bar)
        ote &= (ote_top != top_bar) | (ote_bottom != bottom_bar)
        sign |= OTE_NEW if ote else 0
        ote_top, ote_bottom = top_bar if ote else ote_top, bottom_bar if ote else ote_bottom

        ahead_i[SIGNS, place_of(j)] = sign | zone << ZONE_BITS
        ahead_f[RANGE_TOP, place_of(j)], ahead_f[RANGE_BOTTOM, place_of(j)] = top, bottom
        ahead_i[RANGE_TOP_BAR, place_of(j)], ahead_i[RANGE_BOTTOM_BAR, place_of(j)] = top_bar, bottom_bar
    floats[TOP], floats[BOTTOM], ints[TOP_BAR], ints[BOTTOM_BAR] = top, bottom, top_bar, bottom_bar
    ints[ZONE], ints[OTE_TOP], ints[OTE_BOTTOM] = zone_before, ote_top, ote_bottom


# --- one bar, and many ---


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


@compiled
def check(
    bars: int, last: int, time: Int, open_: Float, high: Float, low: Float, close: Float, volume: Float
) -> tuple[int, int, int]:
    """-> row, column and rule of the first fault; rule 0 when there is none."""
    good = len(time) == 0 or bars == 0 or time[0] > last
    for k in range(len(time)):  # without branches: bars that are wrong are rare, which one is looked for below
        o, h, lo, c, v = open_[k], high[k], low[k], close[k], volume[k]
        good &= (h >= o) & (h >= c) & (lo <= o) & (lo <= c) & (lo > 0.0) & (v >= 0.0) & (h < np.inf) & (v < np.inf)
    for k in range(1, len(time)):
        good &= time[k] > time[k - 1]
    if good:
        return 0, 0, 0
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
