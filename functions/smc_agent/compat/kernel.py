"""The loops behind `smc_agent.compat.smartmoneyconcepts`, compiled.

All of them are in this one file on purpose: numba's cache looks only at the file of the function it loads.

Nearly every definition asks "which is the first bar from here on whose price is beyond this level?". A tree of maxima
answers that in the logarithm of the number of bars, where a scan makes a long quiet series quadratic. "Below" is asked
of negated prices. A comparison with NaN is false here as it is in numpy, so a NaN price crosses nothing.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NONE = 0  # what the outputs call "no such bar": bar 0 can never be an answer, each question starts after it


def compiled(function: F) -> F:
    """numba's njit with a cache on disk, and division by zero as IEEE has it; keeps the function's type."""
    return cast(F, numba.njit(cache=True, error_model="numpy")(function))


@compiled
def maxima(values: Floats) -> Floats:
    """A tree: leaf i is `values[i]` (NaN as -inf), each node above holds the larger of its two children."""
    size = 1
    while size < len(values):
        size *= 2
    tree = np.full(2 * size, -np.inf)
    for i in range(len(values)):
        if not np.isnan(values[i]):
            tree[size + i] = values[i]
    for node in range(size - 1, 0, -1):
        tree[node] = max(tree[2 * node], tree[2 * node + 1])
    return tree


@compiled
def first_beyond(tree: Floats, start: int, level: float, or_equal: bool) -> int:
    """The first index from `start` on whose value is above `level` (or equal to it), -1 where there is none."""
    size = len(tree) // 2
    if start >= size:
        return -1
    or_equal = or_equal and level > -np.inf  # -inf is also what stands for "no value"
    node = size + start
    while not (tree[node] > level or (or_equal and tree[node] == level)):
        while node % 2 == 1:  # everything under the parent is behind us
            node //= 2
        if node == 0:
            return -1
        node += 1
    while node < size:
        node *= 2
        if not (tree[node] > level or (or_equal and tree[node] == level)):
            node += 1
    return int(node - size)


@compiled
def remove(tree: Floats, index: int) -> None:
    """Takes a value out of the tree."""
    node = len(tree) // 2 + index
    tree[node] = -np.inf
    node //= 2
    while node > 0:
        tree[node] = max(tree[2 * node], tree[2 * node + 1])
        node //= 2


@compiled
def fair_value_gaps(open_: Floats, high: Floats, low: Floats, close: Floats, join: bool) -> tuple[Floats, ...]:
    n = len(close)
    side, top, bottom = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    filled = np.full(n, np.nan)
    for i in range(1, n - 1):
        if close[i] > open_[i] and high[i - 1] < low[i + 1]:
            side[i], top[i], bottom[i] = 1.0, low[i + 1], high[i - 1]
        elif close[i] < open_[i] and low[i - 1] > high[i + 1]:
            side[i], top[i], bottom[i] = -1.0, low[i - 1], high[i + 1]
    if join:
        for i in range(n - 1):
            if side[i] == side[i + 1]:
                top[i + 1], bottom[i + 1] = max(top[i], top[i + 1]), min(bottom[i], bottom[i + 1])
                side[i] = top[i] = bottom[i] = np.nan
    highs, lows = maxima(high), maxima(-low)
    for i in range(n):
        if side[i] == 1.0:
            filled[i] = max(first_beyond(lows, i + 2, -top[i], True), NONE)
        elif side[i] == -1.0:
            filled[i] = max(first_beyond(highs, i + 2, bottom[i], True), NONE)
    return side, top, bottom, filled


@compiled
def window_maximum(values: Floats, length: int) -> Floats:
    """The highest of bars i-length+1 .. i+length; NaN where that window is cut short or holds what is not finite.

    The first `length` bars are in no window: the original shifts them out before it looks.
    """
    n, width = len(values), 2 * length
    result = np.full(n, np.nan)
    queue = np.empty(n, dtype=np.int64)  # indices of falling values: the first is the window's highest
    head, tail, last_bad = 0, 0, -1
    for i in range(n):
        if not np.isfinite(values[i]):
            last_bad = i
        while tail > head and values[queue[tail - 1]] <= values[i]:
            tail -= 1
        if np.isfinite(values[i]):
            queue[tail] = i
            tail += 1
        while tail > head and queue[head] <= i - width:
            head += 1
        if i >= width + length - 1 and last_bad <= i - width:
            result[i - length] = values[queue[head]]
    return result


@compiled
def swings(high: Floats, low: Floats, length: int) -> tuple[Floats, Floats]:
    n = len(high)
    side, level = np.full(n, np.nan), np.full(n, np.nan)
    highest, lowest = window_maximum(high, length), window_maximum(-low, length)
    first, last = -1, -1
    for i in range(n):
        found = 1.0 if high[i] == highest[i] else -1.0 if -low[i] == lowest[i] else 0.0
        if found == 0.0:
            continue
        if last >= 0 and side[last] == found:  # of a run on one side the most extreme stays, the earliest of equals
            if (found == 1.0 and high[last] >= high[i]) or (found == -1.0 and low[last] <= low[i]):
                continue
            side[last] = np.nan
            if first == last:
                first = -1
        side[i] = found
        last = i
        if first < 0:
            first = i
    if first >= 0:  # both ends are marked as the other side of the swing nearest to them, whatever the prices there
        side[0] = -side[first]
        side[n - 1] = -side[last]
    for i in range(n):
        if not np.isnan(side[i]):
            level[i] = high[i] if side[i] == 1.0 else low[i]
    return side, level


@compiled
def structure_breaks(
    up_price: Floats, down_price: Floats, side: Floats, price: Floats
) -> tuple[Floats, Floats, Singles, Floats]:
    n = len(up_price)
    bos, choch, broken = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    level = np.full(n, np.float32(np.nan), dtype=np.float32)
    ups, downs = maxima(up_price), maxima(-down_price)
    at = np.flatnonzero(~np.isnan(side))
    unbroken = np.zeros(n, dtype=np.bool_)
    stack = np.empty(len(at), dtype=np.int64)  # breaks that still count: the bar that broke them rises along it
    depth = 0
    for k in range(3, len(at)):
        i, sign = at[k - 2], side[at[k]]
        if not (abs(sign) == 1.0 and side[i] == sign and side[at[k - 1]] == -sign and side[at[k - 3]] == -sign):
            continue
        # In the mirror of `sign` both directions are one case: low a, high b, low c, high d.
        a, b, c, d = sign * price[at[k - 3]], sign * price[i], sign * price[at[k - 1]], sign * price[at[k]]
        is_bos = a < c and c < b and b < d
        if not (is_bos or (c < a and a < b and b < d)):
            continue
        level[i] = np.float32(price[i])
        if sign == 1.0:
            j = first_beyond(ups, i + 2, np.float64(level[i]), False)
        else:
            j = first_beyond(downs, i + 2, -np.float64(level[i]), False)
        if is_bos:
            bos[i] = sign
        else:
            choch[i] = sign
        if j < 0:
            unbroken[i] = True
            continue
        broken[i] = j
        while depth > 0 and broken[stack[depth - 1]] >= j:
            unbroken[stack[depth - 1]] = True  # overtaken; its BrokenIndex stays
            depth -= 1
        stack[depth] = i
        depth += 1
    for i in range(n):
        if unbroken[i]:
            bos[i] = choch[i] = np.nan
        if unbroken[i] or level[i] == 0.0:
            level[i] = np.float32(np.nan)
    return bos, choch, level, broken


@compiled
def first_crosses(high: Floats, low: Floats, close: Floats, side: Floats) -> tuple[Ints, Ints, Bools]:
    """For each swing high, the first close above it before the next one; the bar of the lowest low between (of equals
    the last), or the bar before where none is between; and whether one is between."""
    n = len(close)
    bars, blocks, between = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.bool_)
    count, swing, lowest, crossed = 0, -1, -1, False
    nan_between = False
    for i in range(n):
        if swing >= 0 and not crossed and close[i] > high[swing]:
            bars[count] = i
            between[count] = lowest >= 0 and not nan_between
            blocks[count] = lowest if between[count] else i - 1
            count, crossed = count + 1, True
        if side[i] == 1.0:
            swing, lowest, crossed, nan_between = i, -1, False, False
        elif np.isnan(low[i]):
            nan_between = True
        elif lowest < 0 or low[i] <= low[lowest]:
            lowest = i
    return bars[:count], blocks[:count], between[:count]


@compiled
def order_blocks(
    high: Floats, low: Floats, close: Floats, volume: Floats, fell_to: Floats, rose_to: Floats, side: Floats
) -> tuple[NDArray[Any], ...]:
    """`fell_to` and `rose_to` are the prices that mitigate a bullish and a bearish block."""
    n = len(close)
    ob, mitigated = np.zeros(n), np.zeros(n)
    top, bottom = np.zeros(n, np.float32), np.zeros(n, np.float32)
    total, percentage = np.zeros(n, np.float32), np.zeros(n, np.float32)
    breaker = np.zeros(n, dtype=np.bool_)  # one flag per bar for both directions, as in the original
    highs, lows = maxima(high), maxima(-low)
    for sign in (1.0, -1.0):
        if sign == 1.0:
            bars, blocks, between = first_crosses(high, low, close, side)
        else:
            bars, blocks, between = first_crosses(-low, -high, -close, -side)
        touches = maxima(-fell_to if sign == 1.0 else rose_to)
        for k in range(len(bars)):
            i, at = bars[k], blocks[k]
            ob[at] = sign
            top[at], bottom[at] = np.float32(high[at]), np.float32(low[at])
            if sign == 1.0 and not between[k]:  # with nothing between, the original swaps the edges of bullish blocks
                top[at], bottom[at] = np.float32(low[at]), np.float32(high[at])
            oldest = volume[i - 2] if i >= 2 else 0.0
            recent = volume[i] + volume[i - 1]
            total[at] = np.float32(recent + oldest)
            one, other = np.float32(recent if sign == 1.0 else oldest), np.float32(oldest if sign == 1.0 else recent)
            larger, smaller = (other if other > one else one), (other if other < one else one)
            percentage[at] = np.float32(100.0)
            if larger != 0:
                percentage[at] = np.float32(np.float32(smaller / larger) * np.float32(100.0))
            j = i
            if not breaker[at]:
                edge = -np.float64(bottom[at]) if sign == 1.0 else np.float64(top[at])
                j = first_beyond(touches, i + 1, edge, False)
                if j < 0:
                    continue
                breaker[at] = True
                mitigated[at] = j - 1 if sign == 1.0 else j
            if sign == 1.0:
                gone = first_beyond(highs, j + 1, np.float64(top[at]), False)
            else:
                gone = first_beyond(lows, j + 1, -np.float64(bottom[at]), False)
            if gone >= 0:
                ob[at] = top[at] = bottom[at] = total[at] = percentage[at] = mitigated[at] = 0.0
    return ob, top, bottom, total, mitigated, percentage


@compiled
def liquidity_highs(high: Floats, price: Floats, at: Ints, reach: float) -> tuple[Ints, Floats, Ints, Ints]:
    """Groups of swing highs (bars `at`) within `reach` of the first: its bar, mean level, last bar, sweeping bar."""
    m = len(at)
    firsts, ends, swept = np.empty(m, np.int64), np.empty(m, np.int64), np.empty(m, np.int64)
    means, count = np.empty(m), 0
    bars, free = maxima(high), maxima(price[at])
    used = np.zeros(m, dtype=np.bool_)
    for k in range(m):
        if used[k]:
            continue
        i = at[k]
        floor, ceiling = price[i] - reach, price[i] + reach
        sweep = max(first_beyond(bars, i + 1, ceiling, True), NONE)
        total, size, end = price[i], 1, i
        other = first_beyond(free, k + 1, floor, True)
        while other >= 0 and (sweep == NONE or at[other] < sweep):
            if price[at[other]] <= ceiling:
                total, size, end = total + price[at[other]], size + 1, at[other]
                used[other] = True
                remove(free, other)
            other = first_beyond(free, other + 1, floor, True)
        if size > 1:
            firsts[count], means[count], ends[count], swept[count] = i, total / size, end, sweep
            count += 1
    return firsts[:count], means[:count], ends[:count], swept[:count]
