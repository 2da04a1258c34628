"""The paper venue's clock: the agent tells it each bar, and when prices may move on."""

from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import aiohttp

from smc_agent.market import Bar, SymbolRules, decimal_of, milliseconds


class VenueAnswer(NamedTuple):
    """Where the venue stands: `done` with the bar or waiting for a reaction; `events` since the last answer."""

    done: bool
    duplicate: bool
    events: int
    clock_ms: int


class VenueError(Exception):
    """The paper venue refused what it was told."""


class VenueAway(VenueError):
    """The paper venue did not answer; asking again is safe, for a bar counts once."""


class Venue(Protocol):
    """A venue that trades through recorded or live bars as it is told them."""

    async def bar(self, symbol: str, timeframe: str, bar: Bar) -> VenueAnswer:
        """Tells the venue the closed `bar`; it trades up to the first event. A repeated bar changes nothing."""
        ...

    async def go_on(self, symbol: str) -> VenueAnswer:
        """Lets the bar go on after an event."""
        ...


class PaperVenue:
    """Drives the paper venue at `url`; `token` is its control token."""

    def __init__(self, url: str, token: str) -> None:
        self._http = aiohttp.ClientSession(
            url, headers={"Authorization": f"Bearer {token}"}, timeout=aiohttp.ClientTimeout(total=30)
        )

    async def bar(self, symbol: str, timeframe: str, bar: Bar) -> VenueAnswer:
        """Tells the venue the closed `bar`; it trades through it up to the first event."""
        prices = {name: format(decimal_of(getattr(bar, name)), "f") for name in Bar._fields[1:]}
        times = {"open_time_ms": bar.time, "close_time_ms": bar.time + milliseconds(timeframe) - 1}
        return await self._post("/paper/v1/bar", {"symbol": symbol, "interval": timeframe, **times, **prices})

    async def go_on(self, symbol: str) -> VenueAnswer:
        """Lets the bar go on after an event."""
        return await self._post("/paper/v1/continue", {"symbol": symbol})

    async def rules(self, symbol: str) -> SymbolRules:
        """What the venue demands of orders in `symbol`; LookupError when it does not trade it."""
        answer = await self._ask("GET", "/api/v3/exchangeInfo", None)
        for entry in answer["symbols"]:
            if entry["symbol"] == symbol:
                return _rules(entry)
        raise LookupError(f"the paper venue does not trade {symbol}; its symbols are in its config file")

    async def close(self) -> None:
        await self._http.close()

    async def _post(self, path: str, body: dict[str, Any]) -> VenueAnswer:
        answer = await self._ask("POST", path, body)
        return VenueAnswer(answer["done"], answer["duplicate"], answer["events"], answer["clock_ms"])

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        try:
            async with self._http.request(method, path, json=body) as response:
                if response.status >= 500:
                    raise VenueAway(f"{path}: HTTP {response.status}")
                if response.status >= 400:
                    raise VenueError(f"{path}: HTTP {response.status}: {(await response.text())[:300]}")
                return await response.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise VenueAway(f"no answer to {method} {path}: {type(error).__name__}") from error


def _rules(entry: dict[str, Any]) -> SymbolRules:
    filters = {f["filterType"]: f for f in entry["filters"]}
    notional = filters.get("NOTIONAL") or filters["MIN_NOTIONAL"]
    return SymbolRules(
        symbol=entry["symbol"],
        base=entry["baseAsset"],
        quote=entry["quoteAsset"],
        tick=_amount(filters["PRICE_FILTER"]["tickSize"]),
        step=_amount(filters["LOT_SIZE"]["stepSize"]),
        min_quantity=_amount(filters["LOT_SIZE"]["minQty"]),
        min_notional=_amount(notional["minNotional"]),
    )


def _amount(text: str) -> Decimal:
    # Without the venue's idle zeros, which every price rounded to the tick would carry along.
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)
