"""What depends on prices alone (volatility, turns of the legs, the trailing range), found out for a block at a time.

Pass by pass, so that a bar's own work begins with a word that says what it has.
"""

from smc_agent.detection.kernel.layout import (
    ATR,
    ATR_PERIOD,
    ATR_THEN,
    BARS,
    BEARISH_GAP,
    BODIES,
    BODY_SUM,
    BOTTOM,
    BOTTOM_BAR,
    BULLISH_GAP,
    CLOSE,
    DISPLACED,
    DISPLACEMENT_FACTOR,
    EQUILIBRIUM,
    FVG_AUTO,
    FVG_FACTOR,
    HIGH,
    HIGHEST,
    HISTORY,
    LEG,
    LOW,
    LOWEST,
    ONE,
    OPEN,
    ORIGIN,
    OTE_BOTTOM,
    OTE_FROM,
    OTE_NEW,
    OTE_TO,
    OTE_TOP,
    PARSED_HIGH,
    PARSED_LOW,
    PIVOT_FOUND,
    PREMIUM,
    RANGE_BOTTOM,
    RANGE_BOTTOM_BAR,
    RANGE_SUM,
    RANGE_TOP,
    RANGE_TOP_BAR,
    SCALED_SUM,
    SIGNS,
    SIZES,
    TAPE,
    TOP,
    TOP_BAR,
    VOLUME,
    WILD_FACTOR,
    ZONE,
    ZONE_BITS,
    ZONE_NEW,
    Float,
    State,
    place_of,
)
from smc_agent.detection.marks import compiled, inlined


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
