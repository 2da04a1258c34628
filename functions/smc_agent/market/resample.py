"""Higher time frames, made of closed bars only: many at once, or bar by bar."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from smc_agent.market.bars import Bar, Bars, moment
from smc_agent.market.timeframes import bucket, milliseconds


def resample(bars: Bars, timeframe: str) -> Bars:
    """The closed `timeframe` bars that `bars` complete.

    The first one is left out when `bars` begin inside it (its open is unknown), the last one until a bar shows that it
    has closed. Missing bars make a bar of those that are there. ValueError when `timeframe` is no multiple.
    """
    return completed(bars, timeframe)[0]


def completed(bars: Bars, timeframe: str) -> tuple[Bars, npt.NDArray[np.int64]]:
    """The bars of `resample`, and for each the index of the bar in `bars` at whose close it is known, int64[n].

    That is the bar that closes with it; where that one is missing, the next there is.
    """
    length, part = _lengths(bars.timeframe, timeframe)
    if length == part:
        return bars, np.arange(len(bars))
    opens = bucket(bars.time, timeframe)
    crossing = bars.time + part > opens + length
    if crossing.any():
        raise ValueError(_crosses(int(bars.time[np.argmax(crossing)]), bars.timeframe, timeframe))
    starts = np.flatnonzero(np.diff(opens, prepend=opens[0] - 1 if len(opens) else 0))
    if len(starts) and bars.time[0] != opens[0]:
        starts = starts[1:]
    ends = np.append(starts[1:], len(bars))
    if len(starts) and bars.time[-1] + part < opens[starts[-1]] + length:
        starts, ends = starts[:-1], ends[:-1]
    if not len(starts):
        return bars[:0].of_market(bars.symbol, timeframe, bars.exchange), np.zeros(0, np.int64)
    first, upto = int(starts[0]), int(ends[-1])
    # Added up one after the other, as a stream does: sums of floats depend on the order.
    owner = np.repeat(np.arange(len(starts)), ends - starts)
    volume = np.bincount(owner, weights=bars.volume[first:upto]).astype(np.float64)
    made = Bars(
        time=opens[starts],
        open=bars.open[starts],
        high=np.maximum.reduceat(bars.high[:upto], starts),
        low=np.minimum.reduceat(bars.low[:upto], starts),
        close=bars.close[ends - 1],
        volume=volume,
        symbol=bars.symbol,
        timeframe=timeframe,
        exchange=bars.exchange,
    )
    return made, np.where(bars.time[ends - 1] + part >= opens[starts] + length, ends - 1, ends)


class Progress(NamedTuple):
    """What a `Resampler` remembers: the bar in the making, and whether it began with its first part and has closed."""

    bar: Bar
    whole: bool
    closed: bool


class Resampler:
    """Makes bars of `timeframe` of closed bars of `lower`, one by one: the bars of `resample`, bit for bit."""

    def __init__(self, lower: str, timeframe: str, progress: Progress | None = None) -> None:
        self.lower, self.timeframe, self.progress = lower, timeframe, progress
        self._length, self._part = _lengths(lower, timeframe)

    def push(self, bar: Bar) -> list[Bar]:
        """The bars that are known to have closed at the close of `bar`: none, one, or two after missing bars."""
        if self._length == self._part:
            return [bar]
        opens = int(bucket(np.array([bar.time]), self.timeframe)[0])
        if bar.time + self._part > opens + self._length:
            raise ValueError(_crosses(bar.time, self.lower, self.timeframe))
        made: list[Bar] = []
        before = self.progress
        if before is not None and before.bar.time == opens:
            b = before.bar
            high, low = max(b.high, bar.high), min(b.low, bar.low)
            now, whole = Bar(opens, b.open, high, low, bar.close, b.volume + bar.volume), before.whole
        else:
            if before is not None and before.whole and not before.closed:
                made.append(before.bar)
            now, whole = bar._replace(time=opens), before is not None or bar.time == opens
        closed = bar.time + self._part == opens + self._length
        if closed and whole:
            made.append(now)
        self.progress = Progress(now, whole, closed)
        return made


def _lengths(lower: str, timeframe: str) -> tuple[int, int]:
    length, part = milliseconds(timeframe), milliseconds(lower)
    if length % part:
        raise ValueError(f"{timeframe} bars cannot be made of {lower} bars")
    return length, part


def _crosses(time_ms: int, lower: str, timeframe: str) -> str:
    return f"the {lower} bar that opens at {moment(time_ms)} lies in two {timeframe} bars: choose a lower time frame"
