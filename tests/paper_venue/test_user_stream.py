"""The WebSocket API: signed requests, and the account's events, on one connection in one order."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from tests.paper_venue.running_venue import KEY, MINUTE, SECRET, START, PaperVenue


class Connection:
    """A connection to the WebSocket API that numbers its requests."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.last = 0

    async def send(self, method: str, **params: Any) -> int:
        self.last += 1
        await self.socket.send_json({"id": self.last, "method": method, "params": params})
        return self.last

    async def send_signed(self, method: str, secret: str = SECRET, **params: Any) -> int:
        params = {"apiKey": KEY, "timestamp": int(time.time() * 1000)} | params
        text = "&".join(f"{name}={params[name]}" for name in sorted(params))
        signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        return await self.send(method, **params, signature=signature)

    async def receive(self) -> Any:
        return await self.socket.receive_json(timeout=10)

    async def until_ping(self) -> list[Any]:
        """All that comes before the answer to a ping sent now."""
        number = await self.send("ping")
        messages = []
        while (message := await self.receive()).get("id") != number:
            messages.append(message)
        return messages


@pytest.fixture
async def connection(venue: PaperVenue) -> AsyncIterator[Connection]:
    """A connection to a venue whose last price is 100."""
    venue.bar("100", "101", "99", "100")
    async with aiohttp.ClientSession() as session, session.ws_connect(f"ws://{venue.address}/ws-api/v3") as socket:
        yield Connection(socket)


ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "96"}


async def test_the_answer_comes_first_and_then_the_events_in_order(connection: Connection, venue: PaperVenue) -> None:
    await connection.send_signed("userDataStream.subscribe.signature")
    assert (await connection.receive())["result"] == {"subscriptionId": 0}
    await connection.send_signed("order.place", **ORDER, newClientOrderId="mine")
    answer = await connection.receive()
    assert (answer["status"], answer["result"]["clientOrderId"]) == (200, "mine")
    assert answer["rateLimits"][1]["count"] == 1
    events = [await connection.receive(), await connection.receive()]
    assert [event["subscriptionId"] for event in events] == [0, 0]
    new, account = (event["event"] for event in events)
    assert (new["e"], new["x"], new["X"], new["c"], new["w"], new["t"]) == (
        "executionReport",
        "NEW",
        "NEW",
        "mine",
        True,
        -1,
    )
    assert account["B"] == [
        {"a": "BTC", "f": "0.00000000", "l": "0.00000000"},
        {"a": "USDT", "f": "99904.00000000", "l": "96.00000000"},
    ]


async def test_a_ping_comes_back_after_every_earlier_event(connection: Connection, venue: PaperVenue) -> None:
    await connection.send_signed("userDataStream.subscribe.signature")
    await connection.receive()
    for index in range(20):
        venue.signed("POST", "/api/v3/order", **ORDER, newClientOrderId=f"order-{index}")
        kinds = [message["event"]["e"] for message in await connection.until_ping()]
        assert kinds == ["executionReport", "outboundAccountPosition"]
    assert venue.bar("100", "101", "95", "97", done=False)["done"] is False
    fill = (await connection.until_ping())[0]["event"]
    assert (fill["x"], fill["X"], fill["l"], fill["L"], fill["n"], fill["N"], fill["m"]) == (
        "TRADE",
        "FILLED",
        "1.00000000",
        "96.00000000",
        "0.00100000",
        "BTC",
        True,
    )
    assert fill["T"] == START + 2 * MINUTE - 1


async def test_an_oco_tells_of_both_legs(connection: Connection, venue: PaperVenue) -> None:
    venue.signed("POST", "/api/v3/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="1")
    venue.bar("100", "101", "99", "100")
    await connection.send_signed("userDataStream.subscribe.signature")
    await connection.receive()
    legs = {"aboveType": "LIMIT_MAKER", "abovePrice": "110", "belowType": "STOP_LOSS", "belowStopPrice": "95"}
    await connection.send_signed("orderList.place.oco", symbol="BTCUSDT", side="SELL", quantity="0.998", **legs)
    placed = [message.get("event", message) for message in await connection.until_ping()]
    assert [one.get("e", "answer") for one in placed] == [
        "answer",
        "listStatus",
        "executionReport",
        "executionReport",
        "outboundAccountPosition",
    ]
    venue.bar("100", "101", "90", "95")
    events = [message["event"] for message in await connection.until_ping()]
    assert [(one["e"], one.get("x"), one.get("o"), one.get("L")) for one in events] == [
        ("executionReport", "EXPIRED", "LIMIT_MAKER", "0.00000000"),
        ("executionReport", "TRADE", "STOP_LOSS", "95.00000000"),
        ("listStatus", None, None, "ALL_DONE"),
        ("outboundAccountPosition", None, None, None),
    ]


async def test_a_cancel_carries_both_client_ids(connection: Connection, venue: PaperVenue) -> None:
    await connection.send_signed("userDataStream.subscribe.signature")
    venue.signed("POST", "/api/v3/order", **ORDER, newClientOrderId="mine")
    await connection.send_signed(
        "order.cancel", symbol="BTCUSDT", origClientOrderId="mine", newClientOrderId="the-cancel"
    )
    messages = await connection.until_ping()
    report = next(one["event"] for one in messages if one.get("event", {}).get("x") == "CANCELED")
    assert (report["C"], report["c"], report["X"]) == ("mine", "the-cancel", "CANCELED")


async def test_requests_are_refused_with_binances_codes(connection: Connection) -> None:
    async def code(number: int) -> int:
        answer = await connection.receive()
        assert (answer["id"], answer["status"] >= 400) == (number, True)
        found: int = answer["error"]["code"]
        return found

    assert await code(await connection.send_signed("order.place", secret="wrong", **ORDER)) == -1022
    assert await code(await connection.send_signed("order.place", **ORDER | {"quantity": "5000"})) == -2010
    assert await code(await connection.send_signed("order.place", timestamp=1, **ORDER)) == -1021
    assert await code(await connection.send("order.place", **ORDER)) == -2014
    assert await code(await connection.send("order.place", **ORDER | {"quantity": 0.1})) == -1100
    assert await code(await connection.send("order.amend")) == -1020
    await connection.socket.send_str("not json")
    assert (await connection.receive())["error"]["code"] == -1135
    await connection.send_signed("userDataStream.subscribe.signature")
    await connection.receive()
    assert await code(await connection.send_signed("userDataStream.subscribe.signature")) == -2035


async def test_events_reach_their_account_only_and_end_with_the_subscription(
    connection: Connection, venue: PaperVenue
) -> None:
    await connection.send_signed("userDataStream.subscribe.signature")
    await connection.receive()
    bob = {"key": "key-of-bob", "secret": "secret-of-bob"}
    venue.signed("POST", "/api/v3/order", **bob, **ORDER | {"quantity": "0.1"})
    assert await connection.until_ping() == []
    await connection.send("userDataStream.unsubscribe")
    assert (await connection.receive())["result"] == {}
    venue.signed("POST", "/api/v3/order", **ORDER)
    assert await connection.until_ping() == []


async def test_a_clean_stop_closes_the_connection(connection: Connection, venue: PaperVenue) -> None:
    await connection.until_ping()
    received = asyncio.create_task(connection.socket.receive(timeout=10))
    assert await asyncio.to_thread(venue.stop) == 0
    assert (await received).type is aiohttp.WSMsgType.CLOSE


async def test_market_streams_by_url(venue: PaperVenue) -> None:
    url = f"ws://{venue.address}/stream?streams=btcusdt@kline_1m/btcusdt@bookTicker"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await socket.send_str(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 7}))
        listed = await socket.receive_json(timeout=10)
        assert (listed["id"], sorted(listed["result"])) == (7, ["btcusdt@bookTicker", "btcusdt@kline_1m"])
        venue.bar("100", "101", "99", "100.5")
        messages = {message["stream"]: message["data"] for message in [await socket.receive_json() for _ in range(2)]}
    kline = messages["btcusdt@kline_1m"]["k"]
    assert (kline["t"], kline["T"], kline["c"], kline["x"]) == (START, START + MINUTE - 1, "100.50000000", True)
    assert messages["btcusdt@bookTicker"]["a"] == "100.51000000"
