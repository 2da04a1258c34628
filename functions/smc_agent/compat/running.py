"""The loops behind `smc_agent.compat.smartmoneyconcepts` that carry a value from bar to bar, compiled.

None calls a compiled function of another file: numba's cache would not see that one change.
"""

import numpy as np
from numpy.typing import NDArray

from smc_agent.compat.kernel import Bools, Floats, Ints, Singles, compiled

Small = NDArray[np.int32]


@compiled
def broken_levels(
    high: Floats, low: Floats, period: Ints, previous_high: Singles, previous_low: Singles
) -> tuple[Small, Small]:
    """Whether the price has passed the level since the bars' reference period last changed; a NaN level never is."""
    n = len(high)
    broken_high, broken_low = np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.int32)
    highest, lowest = -np.inf, np.inf
    for i in range(n):
        if i == 0 or period[i] != period[i - 1]:
            highest, lowest = -np.inf, np.inf
        if high[i] > highest:
            highest = high[i]
        if low[i] < lowest:
            lowest = low[i]
        if not np.isnan(high[i]) and highest > np.float64(previous_high[i]):
            broken_high[i] = 1
        if not np.isnan(low[i]) and lowest < np.float64(previous_low[i]):
            broken_low[i] = 1
    return broken_high, broken_low


@compiled
def session_extremes(high: Floats, low: Floats, active: Bools) -> tuple[Singles, Singles]:
    """The extremes of each unbroken row of active bars so far; 0 outside, and 0 is also "no value yet" for both."""
    n = len(high)
    highest, lowest = np.zeros(n, dtype=np.float32), np.zeros(n, dtype=np.float32)
    for i in range(n):
        if not active[i]:
            continue
        before_high = np.float64(highest[i - 1]) if i > 0 else 0.0
        before_low = np.float64(lowest[i - 1]) if i > 0 else 0.0
        if before_low == 0.0:
            before_low = np.inf
        highest[i] = np.float32(before_high if before_high > high[i] else high[i])
        lowest[i] = np.float32(before_low if before_low < low[i] else low[i])
    return highest, lowest


@compiled
def retraced(high: Floats, low: Floats, side: Floats, price: Floats) -> tuple[Small, Floats, Floats]:
    n = len(high)
    direction = np.zeros(n, dtype=np.int32)
    current, deepest = np.zeros(n), np.zeros(n)
    top, bottom = 0.0, 0.0
    for i in range(n):
        before = direction[i - 1] if i > 0 else np.int32(0)
        if side[i] == 1.0:
            direction[i], top = 1, price[i]
        elif side[i] == -1.0:
            direction[i], bottom = -1, price[i]
        else:
            direction[i] = before
        if n == 1:  # bar 0 looks at the last bar as the one before it, which only here is already known: itself
            before = direction[0]
        leg = top - bottom
        # A bar that turns down is measured down, though a bar that turns up is not measured at all.
        if direction[i] == -1:
            value = 100 - ((high[i] - top) / -leg) * 100 if leg != 0 else 0.0
        elif before == 1:
            value = 100 - ((low[i] - bottom) / leg) * 100 if leg != 0 else 0.0
        else:
            continue
        current[i] = np.rint(value * 10) / 10
        kept = deepest[i - 1] if i > 0 and before == (-1 if direction[i] == -1 else 1) else 0.0
        deepest[i] = current[i] if current[i] > kept else kept
    # The answers belong to the bar after; the last one's wraps round to bar 0.
    direction, current, deepest = np.roll(direction, 1), np.roll(current, 1), np.roll(deepest, 1)
    turns = 0
    for i in range(n - 1):  # the legs up to the third turn are blank
        turns += direction[i] != direction[i + 1]
        direction[i], current[i], deepest[i] = 0, 0.0, 0.0
        if turns == 3:
            direction[i + 1], current[i + 1], deepest[i + 1] = 0, 0.0, 0.0
            break
    return direction, current, deepest
