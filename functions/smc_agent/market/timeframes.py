"""Time frames: how long a bar lasts, and which bar a moment belongs to."""

import numpy as np
import numpy.typing as npt

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

TIMEFRAMES: dict[str, int] = {
    "1m": MINUTE,
    "3m": 3 * MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "1h": HOUR,
    "2h": 2 * HOUR,
    "4h": 4 * HOUR,
    "6h": 6 * HOUR,
    "8h": 8 * HOUR,
    "12h": 12 * HOUR,
    "1d": DAY,
    "3d": 3 * DAY,
    "1w": WEEK,
}

# The epoch was a Thursday; weeks open on Monday.
_WEEK_OFFSET = 4 * DAY


def milliseconds(timeframe: str) -> int:
    """How long a bar of `timeframe` lasts, in milliseconds; ValueError names the known time frames."""
    try:
        return TIMEFRAMES[timeframe]
    except KeyError:
        raise ValueError(f"unknown time frame {timeframe!r}; known are {', '.join(TIMEFRAMES)}") from None


def bucket(time: npt.NDArray[np.int64], timeframe: str) -> npt.NDArray[np.int64]:
    """The open time of the `timeframe` bar that each of `time` (epoch ms) falls in (UTC; weeks open on Monday)."""
    length = milliseconds(timeframe)
    offset = _WEEK_OFFSET if timeframe == "1w" else 0
    return (time - offset) // length * length + offset


def infer_timeframe(time: npt.NDArray[np.int64]) -> str:
    """The time frame of bars that open at `time` (epoch ms, increasing): their most frequent spacing, or ValueError."""
    if len(time) < 2:
        raise ValueError("a time frame cannot be inferred from fewer than two bars; name it")
    spacings, counts = np.unique(np.diff(time), return_counts=True)
    spacing = int(spacings[np.argmax(counts)])
    for name, length in TIMEFRAMES.items():
        if length == spacing:
            return name
    raise ValueError(f"bars that open every {spacing / 1000:g} s are of no known time frame ({', '.join(TIMEFRAMES)})")
