"""Live bars of an exchange by ccxt: its stream says when a bar has closed, its history says what it was.

One way in for both: whatever was missed while the connection was away is fetched like any other bar, and a candle that
is still open cannot slip through, because only bars whose close lies behind the exchange's own clock are taken.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from smc_agent.market.bars import Bar, check_bar
from smc_agent.market.symbols import SymbolRules, decimal_of
from smc_agent.market.timeframes import milliseconds

log = logging.getLogger(__name__)

# ccxt's word for precision given as a step; other exchanges give it as a number of digits.
_TICK_SIZE = 4
# On the first start: enough for the slowest rule (ATR 200, swings of 50) and a chart.
HISTORY = 1_000
_PAGE = 1_000
# After the close by the clock, when the stream has not shown it: late enough for the exchange to have written the bar.
_GRACE_S = 1.5
# A bar that is not there so long after its close is not coming.
_OVERDUE_S = 20.0
_RETRY_S = 2.0


class ExchangeSource:
    """The closed bars of `symbol` (the venue's id) at the exchange that ccxt calls `exchange`; public data only."""

    def __init__(self, exchange: str, symbol: str, timeframe: str, url: str | None = None) -> None:
        # A second of imports that nothing but a live market needs.
        import ccxt.pro

        if exchange not in ccxt.pro.exchanges:
            raise ValueError(f"unknown exchange {exchange!r}; expected a name of ccxt, such as binance")
        self.exchange, self.symbol, self.timeframe = exchange, symbol, timeframe
        self.total: int | None = None
        self._length = milliseconds(timeframe)
        self._client: Any = getattr(ccxt.pro, exchange)(
            {"enableRateLimit": True, "options": {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}}}
        )
        self._client.has["fetchCurrencies"] = False  # asks for keys on some exchanges, and bars do not need it
        if url is not None:
            self._client.urls["api"] = _moved(self._client.urls["api"], url)
        self._market: str | None = None
        self._clock_offset_ms = 0.0
        self._heard = time.monotonic()

    async def connect(self) -> None:
        """Loads the markets and measures the exchange's clock; ValueError when it does not trade the symbol."""
        markets = await self._client.load_markets()
        self._market = next((m["symbol"] for m in markets.values() if m["id"] == self.symbol and m["spot"]), None)
        if self._market is None:
            raise ValueError(f"{self.exchange} has no spot market {self.symbol}")
        if self.timeframe not in self._client.timeframes:
            raise ValueError(f"{self.exchange} has no {self.timeframe} bars")
        if self._client.has["fetchTime"]:
            began = time.time() * 1000
            exchange_time = float(await self._client.fetch_time())
            self._clock_offset_ms = exchange_time - (began + time.time() * 1000) / 2
        self._heard = time.monotonic()

    def rules(self) -> SymbolRules:
        """What the exchange demands of orders in the symbol, once connected; what it does not say is one step."""
        market = self._client.markets[self._market]
        steps = (decimal_of(market["precision"][name]) for name in ("price", "amount"))
        if self._client.precisionMode != _TICK_SIZE:
            steps = (Decimal(1).scaleb(-int(digits)) for digits in steps)
        tick, step = steps
        least, cost = market["limits"]["amount"]["min"], market["limits"]["cost"]["min"]
        return SymbolRules(
            symbol=self.symbol,
            base=market["base"],
            quote=market["quote"],
            tick=tick,
            step=step,
            min_quantity=decimal_of(least) if least else step,
            min_notional=decimal_of(cost) if cost else tick * step,
        )

    async def bars(self, after: int | None) -> AsyncGenerator[Bar, None]:
        """Closed bars from `after` on (None: the last 1,000), without end. Errors of the network are waited out."""
        last = after
        news = asyncio.Event()
        watcher: asyncio.Task[None] | None = None
        try:
            while True:
                try:
                    if self._market is None:
                        await self.connect()
                    page = await self._closed_after(last)
                except network_errors() as error:
                    log.warning("feed: %s does not answer (%s), trying again", self.exchange, type(error).__name__)
                    await asyncio.sleep(_RETRY_S)
                    continue
                for bar in page:
                    check_bar(bar, last, row=1, source=f"{self.exchange} {self.symbol} {self.timeframe}")
                    last = bar.time
                    yield bar
                if len(page) > 1:
                    continue  # history: there may be more of it
                if watcher is None:
                    watcher = asyncio.create_task(self._watch(news))
                await self._wait_for_close(last, news)
        finally:
            if watcher is not None:
                watcher.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watcher

    @property
    def client(self) -> Any:
        """ccxt.pro's client of the exchange, for streams other than bars."""
        return self._client

    @property
    def market(self) -> str:
        """ccxt's name of the symbol, once connected."""
        if self._market is None:
            raise ValueError(f"{self.exchange} is not connected yet")
        return self._market

    def silent_for(self) -> float | None:
        return time.monotonic() - self._heard

    async def close(self) -> None:
        await self._client.close()

    def _now_ms(self) -> float:
        return time.time() * 1000 + self._clock_offset_ms

    async def _closed_after(self, last: int | None) -> list[Bar]:
        """One page of bars whose close lies behind the exchange's clock."""
        begin = last + self._length if last is not None else int(self._now_ms()) - HISTORY * self._length
        asked = self._now_ms()
        rows = await self._client.fetch_ohlcv(self._market, self.timeframe, since=begin, limit=_PAGE)
        self._heard = time.monotonic()
        # The clock as it was before asking: a bar that closed meanwhile is fetched again, whole.
        closed = [Bar(int(row[0]), *map(float, row[1:6])) for row in rows if row[0] + self._length <= asked]
        return [bar for bar in closed if last is None or bar.time > last]

    async def _wait_for_close(self, last: int | None, news: asyncio.Event) -> None:
        """Returns when the stream shows a newer bar, at the latest shortly after the next close by the clock."""
        now = self._now_ms()
        expected = (last or 0) + 2 * self._length
        if now - expected > _OVERDUE_S * 1000:
            # The exchange has no such bar: an outage, or nobody traded. The present one is next.
            expected = (int(now) // self._length + 1) * self._length
        news.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(news.wait(), max(0.0, expected - now) / 1000 + _GRACE_S)

    async def _watch(self, news: asyncio.Event) -> None:
        """Sets `news` whenever the stream's newest candle is a new one."""
        newest = 0
        while True:
            try:
                rows = await self._client.watch_ohlcv(self._market, self.timeframe)
            except network_errors() as error:
                log.warning("feed: the stream of %s broke (%s), opening it again", self.exchange, type(error).__name__)
                await asyncio.sleep(_RETRY_S)
                news.set()
                continue
            self._heard = time.monotonic()
            opened = int(rows[-1][0])
            if opened > newest:
                newest = opened
                news.set()


def network_errors() -> tuple[type[Exception], ...]:
    """What ccxt raises when an exchange cannot be reached, or answers nonsense."""
    import ccxt

    return (ccxt.NetworkError, ccxt.ExchangeError, OSError, TimeoutError)


def _moved(urls: Any, base: str) -> Any:
    """The addresses of `urls` (nested dict of ccxt) with scheme and host of `base`, their paths kept."""
    if isinstance(urls, dict):
        return {name: _moved(value, base) for name, value in urls.items()}
    target, old = urlsplit(base), urlsplit(urls)
    secure = target.scheme in ("https", "wss")
    scheme = ("wss" if secure else "ws") if old.scheme in ("ws", "wss") else ("https" if secure else "http")
    return urlunsplit((scheme, target.netloc, target.path.rstrip("/") + old.path, old.query, ""))
