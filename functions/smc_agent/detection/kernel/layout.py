"""The State that the machine works on: where everything stands in its arrays, and the words for what it writes."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
