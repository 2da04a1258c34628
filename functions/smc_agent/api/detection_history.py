"""Detection over all that is stored of a market, continued with each new bar instead of begun anew.

A window that moved with the newest bar would begin the state machine elsewhere each time, and what it said of the same
bars would change: exactly the repainting that this project exists to end. So detection begins at the first stored bar,
as the agent's did, and the ids of events are the agent's.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from smc_agent.api.bars import MAX_STORED_BARS, Series, oldest_open_ms, read_page, read_period

if TYPE_CHECKING:
    from smc_agent.detection import Detector, Event
    from smc_agent.market.bars import Bars
    from smc_agent.platform.database import Connection

MARKETS = 16  # kept in memory at once, the least recently asked for leaves first


@dataclass
class _Market:
    """One market's bars so far, the detector after the last of them, and all its events."""

    oldest_ms: int | None = None  # of the stored bars when this began
    detector: "Detector | None" = None
    bars: "Bars | None" = None
    events: "list[Event]" = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class DetectionHistory:
    """What the rules, with default parameters, have said of each market that was asked for."""

    def __init__(self) -> None:
        self._markets: OrderedDict[tuple[str, str, str], _Market] = OrderedDict()

    async def read(
        self, connection: "Connection", series: Series, timeframe: str, before_ms: int | None
    ) -> "tuple[Bars, list[Event]]":
        """The closed bars of `timeframe` that opened before `before_ms` (None: all), and the events known by then."""
        key = (series.exchange, series.symbol, timeframe)
        market = self._markets.setdefault(key, _Market())
        self._markets.move_to_end(key)
        if len(self._markets) > MARKETS:
            self._markets.popitem(last=False)
        async with market.lock:
            await self._bring_up_to_date(connection, series, timeframe, market)
            bars, events = market.bars, market.events
        assert bars is not None
        if before_ms is None or not len(bars) or before_ms > int(bars.time[-1]):
            return bars, events
        count = int(np.searchsorted(bars.time, before_ms))
        return bars[:count], [event for event in events if event.confirmed < count]

    async def _bring_up_to_date(
        self, connection: "Connection", series: Series, timeframe: str, market: _Market
    ) -> None:
        from smc_agent.detection import Detector
        from smc_agent.market.bars import bars_of, joined

        oldest_ms = await oldest_open_ms(connection, series)
        if market.bars is None or market.detector is None or oldest_ms != market.oldest_ms:
            # Begun, or begun again: bars that are older than the first one have been stored since.
            page = await read_page(connection, series, timeframe, MAX_STORED_BARS, None)
            bars, detector, events = bars_of(page.bars, series.symbol, timeframe, series.exchange), Detector(), []
            new = bars
        else:
            after = int(market.bars.time[-1]) + 1 if len(market.bars) else 0
            rows = await read_period(connection, series, timeframe, after, series.closed_until_ms)
            new = bars_of(rows, series.symbol, timeframe, series.exchange)
            if not len(new):
                return
            bars, detector, events = joined(market.bars, new), market.detector, market.events

        def work() -> "list[Event]":
            found = detector.extend(new.time, new.open, new.high, new.low, new.close, new.volume)
            return [*events, *found]

        # Replaced, not extended in place: an answer that is being written keeps the list that it was given.
        market.events = await asyncio.to_thread(work)
        market.oldest_ms, market.bars, market.detector = oldest_ms, bars, detector
