"""The paper venue's clock: the agent tells it each bar, and when prices may move on."""

import asyncio
import json
from decimal import Decimal
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from smc_agent.market import Bar, SymbolRules, decimal_of, milliseconds

_TIMEOUT_S = 30.0
_LONGEST_HEAD = 1 << 16


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
    """Drives the paper venue at `url` (http, loopback); `token` is its control token.

    One kept connection and no more of HTTP than the venue speaks: each bar of a fast replay is a request, and general
    clients cost several times as much as the rest of the bar.
    """

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._head = f"Host: {parts.netloc}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def bar(self, symbol: str, timeframe: str, bar: Bar) -> VenueAnswer:
        """Tells the venue the closed `bar`; it trades through it up to the first event."""
        prices = {name: format(decimal_of(getattr(bar, name)), "f") for name in Bar._fields[1:]}
        times = {"open_time_ms": bar.time, "close_time_ms": bar.time + milliseconds(timeframe) - 1}
        return await self._post("/paper/v1/bar", {"symbol": symbol, "interval": timeframe, **times, **prices})

    async def go_on(self, symbol: str) -> VenueAnswer:
        """Lets the bar go on after an event."""
        return await self._post("/paper/v1/continue", {"symbol": symbol})

    async def tell_book(self, symbol: str, events: list[dict[str, Any]]) -> bool:
        """Tells order book and trades (docs/contracts.md, "Order books"); False: the book must begin anew.

        Nobody is waited for: live prices go on whatever an order does.
        """
        while events:
            answer = await self._ask("POST", "/paper/v1/l2", {"symbol": symbol, "events": events})
            if answer["gap"]:
                return False
            events = events[answer["applied"] :]
        return True

    async def rules(self, symbol: str) -> SymbolRules:
        """What the venue demands of orders in `symbol`; LookupError when it does not trade it."""
        answer = await self._ask("GET", "/api/v3/exchangeInfo", None)
        for entry in answer["symbols"]:
            if entry["symbol"] == symbol:
                return _rules(entry)
        raise LookupError(f"the paper venue does not trade {symbol}; its symbols are in its config file")

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _post(self, path: str, body: dict[str, Any]) -> VenueAnswer:
        answer = await self._ask("POST", path, body)
        return VenueAnswer(answer["done"], answer["duplicate"], answer["events"], answer["clock_ms"])

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        content = json.dumps(body).encode() if body is not None else b""
        head = f"{method} {path} HTTP/1.1\r\n{self._head}Content-Length: {len(content)}\r\n\r\n"
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                status, answer = await self._exchange(head.encode() + content)
        except (OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError) as error:
            await self.close()
            raise VenueAway(f"no answer to {method} {path}: {type(error).__name__}") from error
        except asyncio.CancelledError:
            # The answer that was not read must not be taken for the next one's.
            await self.close()
            raise
        if status == 401:
            raise VenueError(
                f"the paper venue refuses the control token (HTTP 401 to {path}): SMC_PAPER_TOKEN must be the"
                " `control_token` of its config file"
            )
        if status >= 500:
            raise VenueAway(f"{path}: HTTP {status}")
        if status >= 400:
            raise VenueError(f"{path}: HTTP {status}: {answer.decode(errors='replace')[:300]}")
        return json.loads(answer)

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        """(status, body) of the answer to `request`; ValueError for one that is not HTTP with a length."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=_LONGEST_HEAD)
        reader, writer = self._streams
        writer.write(request)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        body = await reader.readexactly(int(fields.get("content-length", "none")))
        if fields.get("connection", "").lower() == "close":
            await self.close()
        return int(lines[0].split(" ", 2)[1]), body


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
