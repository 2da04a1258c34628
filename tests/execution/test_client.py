"""The client of the executor, against a real HTTP server on loopback."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest

from smc_agent.execution import ExecutorAway, ExecutorClient, ExecutorError, UnknownAccount, WrongToken

ANSWER = {"command_id": "c", "status": "accepted", "code": None, "message": None, "latency_ms": 1.5, "order": {
    "order_id": "c", "client_order_id": "smc00", "external_order_id": "7", "status": "open", "filled_quantity": "0",
    "average_price": None,
}}  # fmt: skip
SNAPSHOT = {
    "account": "a", "ready": True, "killed": False, "paused": True,
    "balances": {"USDT": {"free": "99900.1", "locked": "99.9"}},
    "positions": [{"symbol": "BTCUSDT", "quantity": "0.1", "entry_price": "40000", "realized_pnl": "0"}],
    "open_orders": [{
        "order_id": "leg", "client_order_id": "smc01", "parent_id": "entry", "symbol": "BTCUSDT", "side": "sell",
        "type": "stop_loss", "quantity": "0.1", "price": None, "stop_price": "39000", "filled_quantity": "0",
        "status": "open",
    }],
    "sink_pending": 2, "unprotected": [{"order_id": "e2", "quantity": "0.01"}, {"order_id": "e2", "quantity": "0.02"}],
}  # fmt: skip


class Server:
    """Answers every request with one reply, and keeps what was asked. Without a reply it hangs up."""

    def __init__(self) -> None:
        self.status, self.reply = 200, b""
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.asked.append((head[0], headers, body))
        if self.reply:
            writer.write(f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(self.reply)}\r\n\r\n".encode() + self.reply)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def talking(reply: Any, status: int = 200) -> AsyncIterator[tuple[Server, ExecutorClient]]:
    server = Server()
    server.status = status
    server.reply = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening, httpx.AsyncClient(trust_env=False) as http:
        yield server, ExecutorClient(f"http://127.0.0.1:{port}/", "the-token", http)


async def test_submit_sends_the_envelope_and_no_token() -> None:
    async with talking(ANSWER) as (server, client):
        answer = await client.submit({"command_id": "c", "payload": {"quantity": "0.1"}})
    line, headers, body = server.asked[0]
    assert line == "POST /v1/commands HTTP/1.1"
    assert "authorization" not in headers
    assert json.loads(body) == {"command_id": "c", "payload": {"quantity": "0.1"}}
    assert answer.status == "accepted"
    assert answer.order is not None
    assert answer.order.filled_quantity == Decimal(0)


async def test_a_heartbeat_shows_the_token() -> None:
    async with talking(b" ", status=204) as (server, client):
        await client.heartbeat()
    line, headers, _ = server.asked[0]
    assert (line, headers["authorization"]) == ("POST /v1/heartbeat HTTP/1.1", "Bearer the-token")


@pytest.mark.parametrize(
    ("status", "code"), [(200, "killed"), (400, "malformed"), (401, "bad_signature"), (503, "not_ready")]
)
async def test_a_refusal_is_an_answer_whatever_its_status(status: int, code: str) -> None:
    refusal = {"command_id": "c", "status": "refused", "code": code, "message": "No.", "latency_ms": 0.1}
    async with talking(refusal, status) as (_, client):
        answer = await client.submit({})
    assert (answer.status, answer.code) == ("refused", code)


async def test_drain_and_snapshot_show_the_account() -> None:
    async with talking(SNAPSHOT) as (server, client):
        drained = await client.drain("a")
        snapshot = await client.snapshot("a")
    assert [line for line, _, _ in server.asked] == [
        "POST /v1/accounts/a/drain HTTP/1.1",
        "GET /v1/accounts/a HTTP/1.1",
    ]
    assert all(headers["authorization"] == "Bearer the-token" for _, headers, _ in server.asked)
    assert drained == snapshot
    assert drained.sink_pending == 2
    view = drained.view()
    assert view.balance("USDT").total == 100_000
    assert view.balance("BTC").total == 0
    assert view.open_orders[0].parent_id == "entry"
    assert view.open_orders[0].stop_price == 39_000
    assert (view.killed, view.paused) == (False, True)
    assert view.unprotected == {"e2": Decimal("0.03")}


async def test_nobody_there_is_away() -> None:
    async with talking(ANSWER) as (_, client):
        pass
    async with httpx.AsyncClient(trust_env=False) as http:
        client._http = http
        with pytest.raises(ExecutorAway, match="ConnectError"):
            await client.submit({})


async def test_a_lost_connection_is_away_and_is_not_tried_again() -> None:
    async with talking(b"") as (server, client):
        with pytest.raises(ExecutorAway, match="RemoteProtocolError"):
            await client.submit({})
    assert len(server.asked) == 1


async def test_something_else_on_the_port_is_an_error_that_shows_no_token() -> None:
    async with talking(b"<html>proxy</html>", 502) as (_, client):
        with pytest.raises(ExecutorError, match="HTTP 502") as caught:
            await client.drain("a")
    assert not isinstance(caught.value, ExecutorAway)
    assert "the-token" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "error", "cure"), [(401, WrongToken, "SMC_EXECUTOR_TOKEN"), (404, UnknownAccount, "config file")]
)
async def test_what_time_does_not_mend_has_a_name_of_its_own(status: int, error: type[Exception], cure: str) -> None:
    async with talking({"error": "no"}, status) as (_, client):
        for ask in (client.drain, client.snapshot):
            with pytest.raises(error, match=cure) as caught:
                await ask("a")
            assert "the-token" not in str(caught.value)
    # Another program on the port, for the moment, says nothing about token and account.
    for page in (b"<html>Not here</html>", b"[]", b'{"detail": "Not Found"}'):
        async with talking(page, status) as (_, client):
            with pytest.raises(ExecutorError) as other:
                await client.drain("a")
            assert type(other.value) is ExecutorError
