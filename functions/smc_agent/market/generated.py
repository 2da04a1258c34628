"""A generated market for where there is neither a network nor a recording. Never shown but as `synthetic`."""

from collections.abc import Iterator

import numpy as np

from smc_agent.market.bars import Bars
from smc_agent.market.timeframes import milliseconds

START = 1_735_689_600_000  # 2025-01-01T00:00Z: fixed, so that the series is the same on every start
CHUNK = 1_440
_FIRST_PRICE = 50_000.0
_TICK = 0.01
# Of each bar's log return: mean and deviation; a regime lasts some hundreds of bars.
_REGIMES = ((0.00003, 0.0006), (-0.00003, 0.0006), (0.0, 0.0003), (0.0001, 0.0012), (-0.0001, 0.0012))


def generated_chunks(seed: int = 1, symbol: str = "BTCUSDT", timeframe: str = "1m") -> Iterator[Bars]:
    """An endless series in chunks of at most 1,440 bars: regimes, price gaps, spikes and missing bars; ticks of 0.01.

    The same seed gives the same bars, however far they are read.
    """
    length = milliseconds(timeframe)
    close = _FIRST_PRICE
    number = 0
    while True:
        random = np.random.default_rng((seed, number))
        time = START + (number * CHUNK + np.arange(CHUNK, dtype=np.int64)) * length
        chunk = _chunk(random, time, close, length)
        close = float(chunk.close[-1])
        kept = np.ones(CHUNK, dtype=bool)
        if random.random() < 0.3:
            # An outage: the market went on, the bars are missing.
            missing = int(random.integers(1, CHUNK - 60))
            kept[missing : missing + int(random.integers(1, 40))] = False
        yield chunk.where(kept).of_market(symbol, timeframe, "synthetic")
        number += 1


def _chunk(random: np.random.Generator, time: np.ndarray, before: float, length: int) -> Bars:
    n = len(time)
    regime = np.repeat(random.integers(len(_REGIMES), size=n // 120), 120)
    drift, deviation = np.array(_REGIMES).T[:, regime]
    scale = np.sqrt(length / 60_000)
    # Pulled gently back to where it began, or years of it would leave every range of sense.
    pull = -0.02 * np.log(before / _FIRST_PRICE) / n
    returns = drift * scale**2 + pull + deviation * scale * random.standard_t(4, size=n) / np.sqrt(2)
    gap = np.where(random.random(n) < 0.002, random.normal(0, 6 * deviation * scale, n), 0.0)
    closes = before * np.exp(np.cumsum(returns + gap))
    opens = np.concatenate(([before], closes[:-1])) * np.exp(gap)
    wick = np.abs(random.normal(0, 0.5 * deviation * scale, (2, n)))
    spike = np.where(random.random((2, n)) < 0.001, 12 * deviation * scale, 0.0)
    highs = np.maximum(opens, closes) * np.exp(wick[0] + spike[0])
    lows = np.minimum(opens, closes) * np.exp(-wick[1] - spike[1])
    volumes = np.exp(random.normal(2, 0.6, n)) * (1 + np.abs(returns) / (deviation * scale))
    prices = (np.maximum(np.round(column / _TICK), 1) * _TICK for column in (opens, highs, lows, closes))
    open_, high, low, close = (np.round(column, 2) for column in prices)
    return Bars(time, open_, high, low, close, np.round(volumes, 3))
