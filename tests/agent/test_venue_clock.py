"""The agent's way to the paper venue: one connection, answers that belong to their question, and clear failures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from smc_agent.local import agent_venue
from smc_agent.local.agent_venue import PaperVenue, VenueAway, VenueError
from smc_agent.market import Bar

BAR = Bar(60_000, 0.1, 46385.0, 1e-07, 0.3, 1234567.25)
Answer = Callable[[str, dict[str, Any]], Awaitable[bytes | None]]


def http(status: str, body: object) -> bytes:
    content = json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(content)}\r\nX-Y: z\r\n\r\n".encode() + content


class Server:
    """Speaks as much HTTP as is asked of it, and keeps the requests."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.connections = 0

    async def __aenter__(self) -> Server:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
                fields = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in rest)}
                body = json.loads(await reader.readexactly(int(fields["content-length"])) or b"{}")
                self.requests.append((first, fields, body))
                answer = await self._answer(first, body)
                if answer is None:
                    break
                writer.write(answer)
        except asyncio.IncompleteReadError:
            pass
        writer.close()


DONE = {"done": True, "duplicate": False, "events": 0, "clock_ms": 119_999}


async def test_bars_go_as_decimal_strings_over_one_connection() -> None:
    async def answer(first: str, body: dict[str, Any]) -> bytes:
        return http("200 OK", {**DONE, "events": 2})

    async with Server(answer) as server:
        venue = PaperVenue(server.url, "secret")
        for _ in range(3):
            assert (await venue.bar("BTCUSDT", "1m", BAR)).events == 2
        await venue.go_on("BTCUSDT")
        await venue.close()
    assert server.connections == 1
    first, fields, body = server.requests[0]
    assert first == "POST /paper/v1/bar HTTP/1.1"
    assert fields["authorization"] == "Bearer secret"
    assert body == {
        "symbol": "BTCUSDT", "interval": "1m", "open_time_ms": 60_000, "close_time_ms": 119_999, "open": "0.1",
        "high": "46385.0", "low": "0.0000001", "close": "0.3", "volume": "1234567.25",
    }  # fmt: skip
    assert server.requests[3][0].startswith("POST /paper/v1/continue")


async def test_a_refusal_carries_the_venues_words() -> None:
    async def answer(first: str, body: dict[str, Any]) -> bytes:
        return http("400 Bad Request", {"code": -1100, "msg": "Bar refused."})

    async with Server(answer) as server:
        venue = PaperVenue(server.url, "secret")
        with pytest.raises(VenueError, match=r"HTTP 400: .*Bar refused") as caught:
            await venue.bar("BTCUSDT", "1m", BAR)
        assert not isinstance(caught.value, VenueAway)
        assert "secret" not in str(caught.value)
        await venue.close()


async def test_a_venue_that_is_away_is_found_again() -> None:
    answers: list[bytes | None] = [
        http("503 Service Unavailable", {}),
        None,
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"junk\r\n\r\n",
    ]

    async def answer(first: str, body: dict[str, Any]) -> bytes | None:
        return answers.pop(0) if answers else http("200 OK", DONE)

    async with Server(answer) as server:
        venue = PaperVenue(server.url, "secret")
        for _ in range(4):
            with pytest.raises(VenueAway):
                await venue.bar("BTCUSDT", "1m", BAR)
        assert (await venue.bar("BTCUSDT", "1m", BAR)).done
        await venue.close()
    nobody = PaperVenue(server.url, "secret")
    with pytest.raises(VenueAway, match="no answer to POST /paper/v1/bar: ConnectionRefusedError"):
        await nobody.bar("BTCUSDT", "1m", BAR)


async def test_a_late_answer_is_not_taken_for_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_venue, "_TIMEOUT_S", 0.05)
    waits = [0.2, 0.0]

    async def answer(first: str, body: dict[str, Any]) -> bytes:
        wait = waits.pop(0)
        await asyncio.sleep(wait)
        return http("200 OK", {**DONE, "events": 9 if wait else 1})

    async with Server(answer) as server:
        venue = PaperVenue(server.url, "secret")
        with pytest.raises(VenueAway, match="TimeoutError"):
            await venue.bar("BTCUSDT", "1m", BAR)
        assert (await venue.bar("BTCUSDT", "1m", BAR)).events == 1
        await venue.close()


async def test_rules_are_the_venues_without_idle_zeros() -> None:
    entry = {
        "symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT",
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": "0.01000000"},
            {"filterType": "LOT_SIZE", "stepSize": "0.00001000", "minQty": "0.00001000"},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000"},
        ],
    }  # fmt: skip

    async def answer(first: str, body: dict[str, Any]) -> bytes:
        return http("200 OK", {"symbols": [entry]})

    async with Server(answer) as server:
        venue = PaperVenue(server.url, "secret")
        rules = await venue.rules("BTCUSDT")
        assert [str(x) for x in (rules.tick, rules.step, rules.min_notional)] == ["0.01", "0.00001", "5"]
        with pytest.raises(LookupError, match="does not trade ETHUSDT"):
            await venue.rules("ETHUSDT")
        await venue.close()
