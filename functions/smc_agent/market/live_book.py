"""An exchange's order book and trades as they happen, in the messages that a paper venue is driven by."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Iterable
from decimal import Decimal
from typing import Any

from smc_agent.market.exchange import ExchangeSource, network_errors
from smc_agent.market.symbols import decimal_of

log = logging.getLogger(__name__)

_RETRY_S = 2.0
Levels = dict[Decimal, Decimal]


class LiveBook:
    """Order book and trades of a connected `source`; public data only.

    ccxt keeps the book; what changed in it since it was last told is the next diff, under update ids of our own.
    """

    def __init__(self, source: ExchangeSource) -> None:
        self._source = source
        self._news: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._told: tuple[Levels, Levels] | None = None
        self._last_update = 0
        self._last_trade = 0

    def begin_anew(self) -> None:
        """The next message of the book is a snapshot."""
        self._told = None

    async def messages(self) -> AsyncGenerator[list[dict[str, Any]], None]:
        """Snapshots, diffs and trades as they come, without end: each list is what has come since the one before."""
        watchers = [asyncio.create_task(self._repeat(watch)) for watch in (self._next_book, self._next_trades)]
        try:
            while True:
                batch = [await self._news.get()]
                while not self._news.empty():
                    batch.append(self._news.get_nowait())
                yield batch
        finally:
            for watcher in watchers:
                watcher.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watcher

    async def _repeat(self, watch: Any) -> None:
        while True:
            try:
                await watch()
            except network_errors() as error:
                log.warning("the stream of %s broke (%s), opening it again", self._source.exchange, error)
                self.begin_anew()
                await asyncio.sleep(_RETRY_S)

    async def _next_book(self) -> None:
        book = await self._source.client.watch_order_book(self._source.market)
        now = (_levels(book["bids"]), _levels(book["asks"]))
        before, self._told = self._told, now
        self._last_update += 1
        if before is None:
            bids, asks = (_told(side.items()) for side in now)
            self._news.put_nowait({"lastUpdateId": self._last_update, "bids": bids, "asks": asks})
            return
        bids, asks = (_told(_changes(old, new)) for old, new in zip(before, now, strict=True))
        time_ms = book["timestamp"] or int(time.time() * 1000)
        update = self._last_update
        self._news.put_nowait(
            {"e": "depthUpdate", "E": time_ms, "U": update, "u": update, "b": bids, "a": asks},
        )

    async def _next_trades(self) -> None:
        for trade in await self._source.client.watch_trades(self._source.market):
            if self._told is None:
                continue  # a book comes first
            self._last_trade += 1
            self._news.put_nowait(
                {
                    "e": "trade", "t": self._last_trade, "T": int(trade["timestamp"]),
                    "p": format(decimal_of(trade["price"]), "f"), "q": format(decimal_of(trade["amount"]), "f"),
                    "m": trade["side"] == "sell",
                }
            )  # fmt: skip


def _levels(side: Iterable[Any]) -> Levels:
    return {decimal_of(level[0]): decimal_of(level[1]) for level in side}


def _changes(before: Levels, now: Levels) -> list[tuple[Decimal, Decimal]]:
    """The levels that are new or different, and those that are gone, at zero."""
    changed = [(price, quantity) for price, quantity in now.items() if before.get(price) != quantity]
    return changed + [(price, Decimal(0)) for price in before if price not in now]


def _told(levels: Iterable[tuple[Decimal, Decimal]]) -> list[list[str]]:
    return [[format(price, "f"), format(quantity, "f")] for price, quantity in levels]
