"""Which steps of price and quantity a symbol is traded in, as the venue says."""

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx

from smc_agent.api.bars import Series, read_page
from smc_agent.platform.database import Database

if TYPE_CHECKING:
    from smc_agent.market.symbols import SymbolRules

FRESH_S = 60.0


class SymbolDirectory:
    """Asks the venue at `venue_url` (Binance's exchangeInfo), once a minute; without one, stored bars tell."""

    def __init__(self, http: httpx.AsyncClient, venue_url: str | None) -> None:
        self._http = http
        self._venue_url = venue_url
        self._rules: dict[str, SymbolRules] = {}
        self._asked_at = -FRESH_S

    async def rules(self, database: Database, series: Series | None, symbol: str) -> "SymbolRules | None":
        """Rules of `symbol`; None where the venue does not trade it, and without a venue `series` does not tell."""
        await self._refresh()
        if self._rules:
            return self._rules.get(symbol)
        return await _rules_of_bars(database, series) if series else None

    async def _refresh(self) -> None:
        if self._venue_url is None or time.monotonic() - self._asked_at < FRESH_S:
            return
        try:
            response = await self._http.get(f"{self._venue_url}/api/v3/exchangeInfo", timeout=2)
            response.raise_for_status()
            symbols = response.json(parse_float=Decimal)["symbols"]
            self._rules = {entry["symbol"]: _rules_of_entry(entry) for entry in symbols}
        except (httpx.HTTPError, KeyError, ValueError):
            return  # what it said last still holds; the next request asks again
        self._asked_at = time.monotonic()


def _rules_of_entry(entry: dict[str, Any]) -> "SymbolRules":
    from smc_agent.market.symbols import SymbolRules

    filters = {each["filterType"]: each for each in entry["filters"]}
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    return SymbolRules(
        symbol=entry["symbol"],
        base=entry["baseAsset"],
        quote=entry["quoteAsset"],
        tick=Decimal(filters["PRICE_FILTER"]["tickSize"]),
        step=Decimal(filters["LOT_SIZE"]["stepSize"]),
        min_quantity=Decimal(filters["LOT_SIZE"]["minQty"]),
        min_notional=Decimal(notional.get("minNotional", "0")),
    )


async def _rules_of_bars(database: Database, series: Series) -> "SymbolRules | None":
    from smc_agent.market.bars import bars_of
    from smc_agent.market.symbols import rules_of

    async with database.as_functions() as connection:
        page = await read_page(connection, series, series.timeframe, 1000, None)
    try:
        return rules_of(bars_of(page.bars, series.symbol, series.timeframe, series.exchange))
    except ValueError:  # a quote asset without known least amounts
        return None
