"""The rules of the input."""

import numpy as np

from smc_agent.detection.kernel.layout import (
    HIGH_BELOW,
    LOW_ABOVE,
    NEGATIVE_VOLUME,
    NOT_FINITE,
    NOT_POSITIVE,
    TIME_ORDER,
    Float,
    Int,
)
from smc_agent.detection.marks import compiled


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
