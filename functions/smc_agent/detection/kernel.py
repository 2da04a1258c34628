"""The state machine of detection, compiled: `run` works bars through `step`, the only place where the rules are code.

All of it is in this one file on purpose: numba's cache looks only at the file of the function it loads, so a constant
or callee elsewhere could change and leave a stale machine behind.

Cost per bar does not grow with the number of live zones. Each zone waits in a heap under the price that would make the
next thing happen to it, so a bar looks at the top of eight heaps. Zones above the price are kept with negated prices:
then "the price falls to the key" is the one test for both sides.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """numba's njit with a cache on disk, and division by zero as IEEE has it; keeps the function's type."""
    return cast(F, numba.njit(cache=True, error_model="numpy")(function))


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
)
SCALES = ("", "internal", "swing")
DIRECTIONS = ("bearish", "bullish")
LABELS = ("", "HH", "LH", "HL", "LL")

SWING_HIGH, EQUAL_HIGHS, BOS, CHOCH, ORDER_BLOCK, FVG_KIND = 0, 2, 4, 5, 6, 11
ORDER_BLOCK_TOUCHED, ORDER_BLOCK_MITIGATED, BREAKER_BLOCK, BREAKER_BLOCK_INVALIDATED = 7, 8, 9, 10
FVG_TOUCHED, EXPIRED = 12, 16
NO_SCALE, INTERNAL, SWING = 0, 1, 2

# settings_i
SIZE_SWING, SIZE_INTERNAL, SIZE_EQUAL, LONGEST, ATR_PERIOD, BREAK_BY_WICK, MITIGATION_BY_CLOSE, FVG_AUTO = range(8)
MAX_ZONES, RING_MASK, SETTINGS_I = 8, 9, 10
# settings_f
EQUAL_THRESHOLD, WILD_FACTOR, FVG_FACTOR, SETTINGS_F = range(4)
# ints
BARS, LAST_TIME, NEXT_ID, LIVE, FREE, LEG, TREND, STACK = 0, 1, 2, 3, 4, 5, 8, 10  # leg x3, trend x2, stack bounds x4
INTS = 14
# floats
ATR, RANGE_SUM, BODY_SUM, EQUAL_LEVEL, FLOATS = 0, 1, 2, 3, 5  # the last equal-size pivot's level: high, low
# ring rows
OPEN, HIGH, LOW, CLOSE, VOLUME, PARSED_HIGH, PARSED_LOW, RING = range(8)
# pivots_i, pivots_f: rows scale * 2 + side, scale 0 internal, 1 swing; side 0 high, 1 low
P_ANCHOR, P_ID, P_BROKEN, P_BLOCK, PIVOT_I = range(5)
P_LEVEL, P_BEFORE, P_PARSED, P_TOP, P_BOTTOM, P_VOLUME, P_TOTAL, PIVOT_F = range(8)
# zones_i, zones_f; a free slot has id -1 and the next free slot as its anchor
Z_ID, Z_KIND, Z_DIRECTION, Z_SCALE, Z_ANCHOR, Z_STAGE, ZONE_I = range(7)
Z_TOP, Z_BOTTOM, ZONE_F = range(3)
BLOCK, BREAKER, FVG = 0, 1, 2  # Z_KIND
HEAPS = 8
OUT_I, OUT_F = 4, 4  # code, anchor, confirmed, ref; top, bottom, volume, share
ZONES_PER_BAR = 6  # four breaks and a gap can open five
EVENTS_PER_BAR, EVENTS_PER_ZONE = 64, 4

# rules of the input, as `check` numbers them
NOT_FINITE, NOT_POSITIVE, HIGH_BELOW, LOW_ABOVE, NEGATIVE_VOLUME, TIME_ORDER = 1, 2, 3, 4, 5, 6

Int = NDArray[np.int64]
Float = NDArray[np.float64]


class State(NamedTuple):
    """Everything the machine remembers; the constants above name the places."""

    settings_i: Int
    settings_f: Float
    ints: Int
    floats: Float
    ring: Float  # [RING, size]: the last bars, at index & mask
    stacks: Int  # [4, size]: bars whose high (low) no later bar has reached, as a queue; and whether a bar is in it
    pivots_i: Int
    pivots_f: Float
    zones_i: Int
    zones_f: Float
    heap_key: Float  # [HEAPS, slots]
    heap_slot: Int
    heap_size: Int
    hits: Int  # [3 * slots, 2]: scratch, what this bar does to zones


@compiled
def emit(
    s: State, out_i: Int, out_f: Float, n: int, kind: int, scale: int, direction: int, anchor: int, confirmed: int,
    top: float, bottom: float, ref: int,
) -> int:  # fmt: skip
    """Writes row n and returns the event's id; the caller counts n on."""
    out_i[n, 0] = kind | scale << 8 | (1 if direction > 0 else 0) << 12
    out_i[n, 1] = anchor
    out_i[n, 2] = confirmed
    out_i[n, 3] = ref
    out_f[n, 0] = top
    out_f[n, 1] = bottom
    out_f[n, 2] = np.nan
    out_f[n, 3] = np.nan
    event_id = s.ints[NEXT_ID]
    s.ints[NEXT_ID] = event_id + 1
    return int(event_id)


# --- heaps: a zone is in exactly one, under the price that makes the next thing happen ---


@compiled
def sift_up(keys: Float, slots: Int, at: int) -> None:
    key, slot = keys[at], slots[at]
    while at > 0:
        above = (at - 1) >> 1
        if keys[above] >= key:
            break
        keys[at], slots[at] = keys[above], slots[above]
        at = above
    keys[at], slots[at] = key, slot


@compiled
def sift_down(keys: Float, slots: Int, at: int, size: int) -> None:
    key, slot = keys[at], slots[at]
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and keys[below + 1] > keys[below]:
            below += 1
        if keys[below] <= key:
            break
        keys[at], slots[at] = keys[below], slots[below]
        at = below
    keys[at], slots[at] = key, slot


@compiled
def remove(s: State, heap: int, at: int) -> None:
    last = s.heap_size[heap] - 1
    s.heap_size[heap] = last
    if at != last:
        keys, slots = s.heap_key[heap], s.heap_slot[heap]
        keys[at], slots[at] = keys[last], slots[last]
        sift_down(keys, slots, at, last)
        sift_up(keys, slots, at)


@compiled
def waits_for(s: State, slot: int) -> tuple[int, float]:
    """-> the heap in which a zone belongs and its key: the next thing happens when the heap's price is <= key.

    Heaps: 4 * (gap 0, block 1) + 2 * (below the price 0, above 1) + (low or high 0, close 1).
    """
    kind, stage = s.zones_i[slot, Z_KIND], s.zones_i[slot, Z_STAGE]
    top, bottom = s.zones_f[slot, Z_TOP], s.zones_f[slot, Z_BOTTOM]
    heap = 0 if kind == FVG else 4
    if s.zones_i[slot, Z_DIRECTION] > 0:
        near, half, far = top, (top + bottom) * 0.5, bottom
    else:
        heap += 2
        near, half, far = -bottom, -((top + bottom) * 0.5), -top
    past = np.nextafter(far, -np.inf)  # "below the far edge" is "at or below the next number"
    if kind == FVG:
        if stage == 0:
            return heap, near
        if stage == 1:
            return heap, half
        return (heap, past) if stage == 2 else (heap + 1, past)
    if kind == BLOCK and stage == 0:
        return heap, near
    return heap + s.settings_i[MITIGATION_BY_CLOSE], past


@compiled
def place(s: State, slot: int) -> None:
    heap, key = waits_for(s, slot)
    size = s.heap_size[heap]
    s.heap_key[heap, size], s.heap_slot[heap, size] = key, slot
    s.heap_size[heap] = size + 1
    sift_up(s.heap_key[heap], s.heap_slot[heap], size)


# --- zones ---


@compiled
def open_zone(
    s: State, event_id: int, kind: int, scale: int, direction: int, anchor: int, top: float, bottom: float
) -> None:
    slot = s.ints[FREE]
    s.ints[FREE] = s.zones_i[slot, Z_ANCHOR]
    s.ints[LIVE] += 1
    s.zones_i[slot, Z_ID] = event_id
    s.zones_i[slot, Z_KIND] = kind
    s.zones_i[slot, Z_DIRECTION] = direction
    s.zones_i[slot, Z_SCALE] = scale
    s.zones_i[slot, Z_ANCHOR] = anchor
    s.zones_i[slot, Z_STAGE] = 0
    s.zones_f[slot, Z_TOP] = top
    s.zones_f[slot, Z_BOTTOM] = bottom
    place(s, slot)


@compiled
def free(s: State, slot: int) -> None:
    s.zones_i[slot, Z_ID] = -1
    s.zones_i[slot, Z_ANCHOR] = s.ints[FREE]
    s.ints[FREE] = slot
    s.ints[LIVE] -= 1


@compiled
def zone_event(s: State, out_i: Int, out_f: Float, n: int, i: int, slot: int, kind: int) -> int:
    zone = s.zones_i[slot]
    return emit(
        s, out_i, out_f, n, kind, zone[Z_SCALE], zone[Z_DIRECTION], zone[Z_ANCHOR], i,
        s.zones_f[slot, Z_TOP], s.zones_f[slot, Z_BOTTOM], zone[Z_ID],
    )  # fmt: skip


@compiled
def expire_oldest(s: State, out_i: Int, out_f: Float, n: int, i: int) -> int:
    """Ends the zone with the lowest id when there are too many; -> events written."""
    if s.ints[LIVE] <= s.settings_i[MAX_ZONES]:
        return n
    oldest = -1
    for slot in range(len(s.zones_i)):
        if s.zones_i[slot, Z_ID] >= 0 and (oldest < 0 or s.zones_i[slot, Z_ID] < s.zones_i[oldest, Z_ID]):
            oldest = slot
    heap, _ = waits_for(s, oldest)
    at = 0
    while s.heap_slot[heap, at] != oldest:
        at += 1
    remove(s, heap, at)
    zone_event(s, out_i, out_f, n, i, oldest, EXPIRED + s.zones_i[oldest, Z_KIND])
    free(s, oldest)
    return n + 1


@compiled
def collect(s: State, heap: int, price: float, found: int) -> int:
    """Takes what `price` sets off out of a heap, moving each zone on by one stage; -> hits so far."""
    while s.heap_size[heap] > 0 and s.heap_key[heap, 0] >= price:
        slot = s.heap_slot[heap, 0]
        remove(s, heap, 0)
        stage, kind = s.zones_i[slot, Z_STAGE], s.zones_i[slot, Z_KIND]
        s.hits[found, 0] = s.zones_i[slot, Z_ID] * 4 + stage
        s.hits[found, 1] = slot
        found += 1
        s.zones_i[slot, Z_STAGE] = stage + 1
        if stage < (3 if kind == FVG else 1 - kind):
            place(s, slot)
    return found


@compiled
def sort_hits(hits: Int, size: int) -> None:
    """Shell sort by id and stage: few as a rule, and not quadratic on the bar that ends them all."""
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
def apply_hits(s: State, out_i: Int, out_f: Float, n: int, i: int, found: int) -> int:
    """Writes the events of what `collect` found, oldest zone first; -> events written."""
    sort_hits(s.hits, found)
    for k in range(found):
        stage, slot = s.hits[k, 0] & 3, s.hits[k, 1]
        kind = s.zones_i[slot, Z_KIND]
        if kind == FVG:
            zone_event(s, out_i, out_f, n, i, slot, FVG_TOUCHED + stage)
            if stage == 3:
                free(s, slot)
        elif kind == BREAKER:
            zone_event(s, out_i, out_f, n, i, slot, BREAKER_BLOCK_INVALIDATED)
            free(s, slot)
        elif stage == 0:
            zone_event(s, out_i, out_f, n, i, slot, ORDER_BLOCK_TOUCHED)
        else:
            zone_event(s, out_i, out_f, n, i, slot, ORDER_BLOCK_MITIGATED)
            n += 1
            s.zones_i[slot, Z_DIRECTION] = -s.zones_i[slot, Z_DIRECTION]
            s.zones_i[slot, Z_ID] = zone_event(s, out_i, out_f, n, i, slot, BREAKER_BLOCK)
            s.zones_i[slot, Z_KIND] = BREAKER
            s.zones_i[slot, Z_STAGE] = 0
            place(s, slot)
        n += 1
    return n


# --- pivots and breaks ---


@compiled
def enter_stacks(s: State, i: int, high: float, low: float) -> None:
    """Keeps, for highs and lows, the bars that no later bar has reached."""
    mask = s.settings_i[RING_MASK]
    for side in range(2):
        queue, inside = s.stacks[2 * side], s.stacks[2 * side + 1]
        first, end = s.ints[STACK + 2 * side], s.ints[STACK + 2 * side + 1]
        if first < end and queue[first & mask] < i - s.settings_i[LONGEST]:
            first += 1
        while first < end:
            bar = queue[(end - 1) & mask] & mask
            if (s.ring[HIGH, bar] > high) if side == 0 else (s.ring[LOW, bar] < low):
                break
            inside[bar] = 0
            end -= 1
        queue[end & mask] = i
        inside[i & mask] = 1
        s.ints[STACK + 2 * side], s.ints[STACK + 2 * side + 1] = first, end + 1


@compiled
def leg_change(s: State, i: int, leg: int, size: int) -> int:
    """-> 0 when bar i confirms a high of this size, 1 a low, -1 neither."""
    bar = i - size
    if bar < 0:
        return -1
    at = bar & s.settings_i[RING_MASK]
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


@compiled
def watch(s: State, pivot: int, bar: int) -> None:
    """Takes a bar into the window in which a break of this pivot would look for its order block."""
    at = bar & s.settings_i[RING_MASK]
    p, ring = s.pivots_f[pivot], s.ring
    p[P_TOTAL] += ring[VOLUME, at]
    parsed = ring[PARSED_LOW, at] if pivot & 1 == 0 else -ring[PARSED_HIGH, at]
    if parsed < p[P_PARSED]:
        p[P_PARSED], p[P_TOP], p[P_BOTTOM], p[P_VOLUME] = parsed, ring[HIGH, at], ring[LOW, at], ring[VOLUME, at]
        s.pivots_i[pivot, P_BLOCK] = bar


@compiled
def new_pivot(s: State, out_i: Int, out_f: Float, n: int, i: int, scale: int, side: int, size: int) -> int:
    pivot, anchor = 2 * (scale - 1) + side, i - size
    p_i, p_f = s.pivots_i[pivot], s.pivots_f[pivot]
    level = s.ring[HIGH if side == 0 else LOW, anchor & s.settings_i[RING_MASK]]
    event_id = emit(s, out_i, out_f, n, SWING_HIGH + side, scale, -1 if side == 0 else 1, anchor, i, level, level, -1)
    if p_i[P_ID] >= 0:
        above = level > p_f[P_LEVEL]
        below = level < p_f[P_LEVEL]
        label = (1 if above else 2) if side == 0 else (4 if below else 3)
        out_i[n, 0] |= label << 16
    p_i[P_ANCHOR], p_i[P_ID], p_i[P_BROKEN] = anchor, event_id, 0
    p_f[P_LEVEL], p_f[P_PARSED], p_f[P_TOTAL] = level, np.inf, 0.0
    for bar in range(anchor, i):
        watch(s, pivot, bar)
    return n + 1


@compiled
def breaks(s: State, out_i: Int, out_f: Float, n: int, i: int, high: float, low: float, close: float) -> int:
    """Steps 4 and 5: the breaks of this bar, then the order block that each leaves; -> events written."""
    prev = (i - 1) & s.settings_i[RING_MASK]
    first, broken = n, np.empty(4, np.int64)
    for pivot in range(4):
        scale, side = pivot >> 1, pivot & 1
        p_i, p_f = s.pivots_i[pivot], s.pivots_f[pivot]
        if p_i[P_ID] < 0 or p_i[P_BROKEN] == 1 or (scale == 0 and p_f[P_LEVEL] == s.pivots_f[2 + side, P_LEVEL]):
            continue
        now, before = close, s.ring[CLOSE, prev]
        if s.settings_i[BREAK_BY_WICK]:
            now, before = (high, s.ring[HIGH, prev]) if side == 0 else (low, s.ring[LOW, prev])
        level, level_before = p_f[P_LEVEL], p_f[P_BEFORE]
        if not ((now > level and before <= level_before) if side == 0 else (now < level and before >= level_before)):
            continue
        p_i[P_BROKEN] = 1
        direction = 1 if side == 0 else -1
        kind = CHOCH if s.ints[TREND + scale] == -direction else BOS
        s.ints[TREND + scale] = direction
        broken[n - first] = pivot
        emit(s, out_i, out_f, n, kind, scale + 1, direction, p_i[P_ANCHOR], i, level, level, p_i[P_ID])
        n += 1
    count, break_id = n - first, s.ints[NEXT_ID] - (n - first)
    for k in range(count):
        pivot = broken[k]
        p_i, p_f = s.pivots_i[pivot], s.pivots_f[pivot]
        scale, direction = (pivot >> 1) + 1, 1 if pivot & 1 == 0 else -1
        top, bottom, bar = p_f[P_TOP], p_f[P_BOTTOM], p_i[P_BLOCK]
        event_id = emit(s, out_i, out_f, n, ORDER_BLOCK, scale, direction, bar, i, top, bottom, break_id + k)
        out_f[n, 2], out_f[n, 3] = p_f[P_VOLUME], p_f[P_VOLUME] / p_f[P_TOTAL]
        open_zone(s, event_id, BLOCK, scale, direction, bar, top, bottom)
        n = expire_oldest(s, out_i, out_f, n + 1, i)
    return n


@compiled
def new_gap(s: State, out_i: Int, out_f: Float, n: int, i: int, high: float, low: float) -> int:
    """Step 7's first half: the gap that this bar leaves, if any; -> events written."""
    mask = s.settings_i[RING_MASK]
    mid, old = (i - 1) & mask, (i - 2) & mask
    if low > s.ring[HIGH, old] and s.ring[CLOSE, mid] > s.ring[HIGH, old]:
        direction, top, bottom = 1, low, s.ring[HIGH, old]
    elif high < s.ring[LOW, old] and s.ring[CLOSE, mid] < s.ring[LOW, old]:
        direction, top, bottom = -1, s.ring[LOW, old], high
    else:
        return n
    body = (s.ring[CLOSE, mid] - s.ring[OPEN, mid]) / s.ring[OPEN, mid]
    if s.settings_i[FVG_AUTO] and not direction * body > s.settings_f[FVG_FACTOR] * (s.floats[BODY_SUM] / i):
        return n
    event_id = emit(s, out_i, out_f, n, FVG_KIND, NO_SCALE, direction, i - 1, i, top, bottom, -1)
    open_zone(s, event_id, FVG, NO_SCALE, direction, i - 1, top, bottom)
    return expire_oldest(s, out_i, out_f, n + 1, i)


# --- one bar, and many ---


@compiled
def step(
    s: State, out_i: Int, out_f: Float, n: int, open_: float, high: float, low: float, close: float, volume: float
) -> int:
    """One bar through the steps of the rules; -> events written."""
    i = s.ints[BARS]
    at, prev = i & s.settings_i[RING_MASK], (i - 1) & s.settings_i[RING_MASK]
    ring, floats = s.ring, s.floats

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

    # 2. gaps that this bar fills
    found = collect(s, 2, -high, collect(s, 0, low, 0))
    if found > 0:
        n = apply_hits(s, out_i, out_f, n, i, found)

    # 3. pivots
    for pivot in range(4):
        s.pivots_f[pivot, P_BEFORE] = s.pivots_f[pivot, P_LEVEL]
    enter_stacks(s, i, high, low)
    for scale in (SWING, INTERNAL):
        size = s.settings_i[SIZE_SWING if scale == SWING else SIZE_INTERNAL]
        side = leg_change(s, i, scale - 1, size)
        if side >= 0:
            n = new_pivot(s, out_i, out_f, n, i, scale, side, size)
    size = s.settings_i[SIZE_EQUAL]
    side = leg_change(s, i, 2, size)
    if side >= 0:
        level = ring[HIGH if side == 0 else LOW, (i - size) & s.settings_i[RING_MASK]]
        last = floats[EQUAL_LEVEL + side]
        floats[EQUAL_LEVEL + side] = level
        if abs(level - last) < s.settings_f[EQUAL_THRESHOLD] * atr:
            top, bottom = max(level, last), min(level, last)
            emit(s, out_i, out_f, n, EQUAL_HIGHS + side, NO_SCALE, 2 * side - 1, i - size, i, top, bottom, -1)
            n += 1

    # 4. and 5. breaks and their order blocks; then this bar joins the windows of the pivots that still stand
    n = breaks(s, out_i, out_f, n, i, high, low, close)
    for pivot in range(4):
        if s.pivots_i[pivot, P_ID] >= 0 and s.pivots_i[pivot, P_BROKEN] == 0:
            watch(s, pivot, i)

    # 6. order blocks that this bar touches or ends
    found = collect(s, 6, -high, collect(s, 4, low, 0))
    found = collect(s, 7, -close, collect(s, 5, close, found))
    if found > 0:
        n = apply_hits(s, out_i, out_f, n, i, found)

    # 7. new gaps, and filled ones that this bar closes through
    if i >= 2:
        n = new_gap(s, out_i, out_f, n, i, high, low)
    found = collect(s, 3, -close, collect(s, 1, close, 0))
    if found > 0:
        n = apply_hits(s, out_i, out_f, n, i, found)

    floats[BODY_SUM] += abs((close - open_) / open_)
    s.ints[BARS] = i + 1
    return n


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
    s: State, time: Int, open_: Float, high: Float, low: Float, close: Float, volume: Float, start: int,
    out_i: Int, out_f: Float,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Works bars from row `start` through `step`; -> next row, events written, fault's column, fault's rule.

    Nothing is done when any row has a fault (then the first value is its row). Stops before a bar for which the zones'
    slots or the rows of `out` might not suffice: the caller makes room and goes on.
    """
    if start == 0:
        row, column, rule = check(s.ints[BARS], s.ints[LAST_TIME], time, open_, high, low, close, volume)
        if rule > 0:
            return row, 0, column, rule
    n = 0
    for k in range(start, len(time)):
        live = s.ints[LIVE]
        if len(s.zones_i) - live < ZONES_PER_BAR or len(out_i) - n < EVENTS_PER_BAR + EVENTS_PER_ZONE * live:
            return k, n, 0, 0
        n = step(s, out_i, out_f, n, open_[k], high[k], low[k], close[k], volume[k])
        s.ints[LAST_TIME] = time[k]
    return len(time), n, 0, 0
