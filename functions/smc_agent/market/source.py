"""Sources: where closed bars come from, one after the other."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from typing import Protocol

import numpy as np

from smc_agent.market.bars import Bar, Bars, Gap
from smc_agent.market.generated import generated_chunks


class Source(Protocol):
    """A stream of closed bars of one market. `total` is how many there will be, None where there is no end."""

    exchange: str
    symbol: str
    timeframe: str
    total: int | None

    def bars(self, after: int | None) -> AsyncGenerator[Bar, None]:
        """The closed bars that open after `after` (epoch ms; None: all), in order, each as soon as it is known."""
        ...

    def silent_for(self) -> float | None:
        """Seconds since the feed said anything; None for a source that cannot fall silent."""
        ...

    async def close(self) -> None: ...


class Pace:
    """Lets bars through `speed` times faster than life; without a speed, as fast as they are taken."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._began: tuple[float, int] | None = None

    async def wait_for(self, bar: Bar) -> None:
        if self._speed is None:
            return
        if self._began is None:
            self._began = (time.monotonic(), bar.time)
        began, first = self._began
        wait = (bar.time - first) / 1000 / self._speed - (time.monotonic() - began)
        if wait > 0:
            await asyncio.sleep(wait)
        elif wait < -1:
            # After a long pause of whoever takes the bars: go on from here, do not rush to catch up.
            self._began = (time.monotonic(), bar.time)


class ReplaySource:
    """Recorded bars at `speed` times life (None: as fast as they are taken)."""

    def __init__(self, bars: Bars, speed: float | None) -> None:
        self.exchange, self.symbol, self.timeframe = bars.exchange, bars.symbol, bars.timeframe
        self.total: int | None = len(bars)
        self._bars, self._speed = bars, speed

    @property
    def span(self) -> tuple[int, int]:
        """Open times of the first and the last bar, epoch ms."""
        return int(self._bars.time[0]), int(self._bars.time[-1])

    def gaps(self) -> list[Gap]:
        """Where bars are missing."""
        return self._bars.gaps()

    async def bars(self, after: int | None) -> AsyncGenerator[Bar, None]:
        begin = 0 if after is None else int(np.searchsorted(self._bars.time, after, side="right"))
        pace = Pace(self._speed)
        for bar in self._bars[begin:]:
            await pace.wait_for(bar)
            yield bar

    def silent_for(self) -> float | None:
        return None

    async def close(self) -> None:
        pass


class GeneratedSource:
    """The generated market at `speed` times life, without end."""

    def __init__(self, symbol: str, timeframe: str, speed: float | None, seed: int = 1) -> None:
        self.exchange, self.symbol, self.timeframe = "synthetic", symbol, timeframe
        self.total: int | None = None
        self._speed, self._seed = speed, seed

    async def bars(self, after: int | None) -> AsyncGenerator[Bar, None]:
        pace = Pace(self._speed)
        for bar in self._later(after):
            await pace.wait_for(bar)
            yield bar

    def _later(self, after: int | None) -> Iterator[Bar]:
        for chunk in generated_chunks(self._seed, self.symbol, self.timeframe):
            if after is None or chunk.time[-1] > after:
                begin = 0 if after is None else int(np.searchsorted(chunk.time, after, side="right"))
                yield from chunk[begin:]

    def silent_for(self) -> float | None:
        return None

    async def close(self) -> None:
        pass
