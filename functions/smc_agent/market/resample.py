"""Higher time frames, made of closed bars only."""

import numpy as np

from smc_agent.market.bars import Bars
from smc_agent.market.timeframes import bucket, milliseconds


def resample(bars: Bars, timeframe: str) -> Bars:
    """The closed `timeframe` bars that `bars` complete.

    The first one is left out when `bars` begin inside it (its open is unknown), the last one until a bar shows that it
    has closed. Missing bars make a bar of those that are there. ValueError when `timeframe` is no multiple.
    """
    length, part = milliseconds(timeframe), milliseconds(bars.timeframe)
    if length % part:
        raise ValueError(f"{timeframe} bars cannot be made of {bars.timeframe} bars")
    if length == part:
        return bars
    opens = bucket(bars.time, timeframe)
    starts = np.flatnonzero(np.diff(opens, prepend=opens[0] - 1 if len(opens) else 0))
    if len(starts) and bars.time[0] != opens[0]:
        starts = starts[1:]
    if not len(starts):
        return bars[:0].of_market(bars.symbol, timeframe, bars.exchange)
    ends = np.append(starts[1:], len(bars))
    if bars.time[-1] + part < opens[starts[-1]] + length:
        starts, ends = starts[:-1], ends[:-1]
    if not len(starts):
        return bars[:0].of_market(bars.symbol, timeframe, bars.exchange)
    upto = int(ends[-1])
    return Bars(
        time=opens[starts],
        open=bars.open[starts],
        high=np.maximum.reduceat(bars.high[:upto], starts),
        low=np.minimum.reduceat(bars.low[:upto], starts),
        close=bars.close[ends - 1],
        volume=np.add.reduceat(bars.volume[:upto], starts),
        symbol=bars.symbol,
        timeframe=timeframe,
        exchange=bars.exchange,
    )
