"""WS /market/stream on a real socket, fed over the real bus."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from tests.api.world import SYMBOL, User, World, serve
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from smc_agent.api.routes import stream as stream_route
from smc_agent.api.stream_hub import Client
from smc_agent.market.bus import PostgresBus


def kline(number: int, symbol: str = SYMBOL) -> dict[str, Any]:
    data = {"timeframe": "1m", "time_ms": number * 60_000, "open": 1.5, "close": 1.25, "closed": True}
    return {"type": "market_data", "symbol": symbol, "data": data, "timestamp": number * 60_000}


@pytest.fixture
async def url(world: World) -> AsyncIterator[str]:
    async with serve(world.app()) as base:
        yield base.replace("http", "ws") + "/api/v1/market/stream"


@pytest.fixture
async def bus(world: World) -> AsyncIterator[PostgresBus]:
    assert world.settings.database_url is not None
    made = PostgresBus(world.settings.database_url.get_secret_value())
    yield made
    await made.close()


async def say(socket: ClientConnection, message: Any) -> None:
    await socket.send(json.dumps(message))


async def hear(socket: ClientConnection, seconds: float = 10) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), seconds))
    return message


@asynccontextmanager
async def subscribed(
    url: str, user: User, *types: str, symbols: tuple[str, ...] = (SYMBOL,)
) -> AsyncIterator[ClientConnection]:
    async with connect(url) as socket:
        await say(socket, {"token": user.token()})
        await say(socket, {"action": "subscribe", "symbols": symbols, "data_types": types or ["kline"]})
        answer = await hear(socket)
        assert answer["type"] == "subscribed", answer
        yield socket


async def publish_until_heard(bus: PostgresBus, socket: ClientConnection, message: dict[str, Any]) -> dict[str, Any]:
    """The process may still be opening its side of the bus."""
    for _ in range(100):
        await bus.publish([message])
        try:
            return await hear(socket, 0.2)
        except TimeoutError:
            continue
    raise AssertionError("nothing came over the bus")


async def refused(url: str, *messages: Any, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Close code of the connection, and the code of the error that was told before."""
    async with connect(url, additional_headers=headers) as socket:
        for message in messages:
            await socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
        code = ""
        try:
            while True:
                heard = await hear(socket)
                code = heard["data"].get("code", code)
        except ConnectionClosedError as closed:
            return closed.rcvd.code if closed.rcvd else 1006, code


async def test_what_was_subscribed_comes_numbered(world: World, url: str, bus: PostgresBus) -> None:
    async with subscribed(url, world.alice) as socket:
        first = await publish_until_heard(bus, socket, kline(1))
        assert {name: first[name] for name in ("type", "symbol", "data", "timestamp")} == kline(1)
        await bus.publish([kline(2, "ETHUSDT"), kline(3), kline(4)])
        heard = [await hear(socket), await hear(socket)]
        while heard[-1]["data"]["time_ms"] != 4 * 60_000:  # repeats of the first, until the bus was open
            heard.append(await hear(socket))
        assert all(message["symbol"] == SYMBOL for message in heard)
        numbers = [first["seq"], *(message["seq"] for message in heard)]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_unsubscribed_is_silent(world: World, url: str, bus: PostgresBus) -> None:
    async with subscribed(url, world.alice, "kline", symbols=(SYMBOL, "ETHUSDT")) as socket:
        await publish_until_heard(bus, socket, kline(1))
        await say(socket, {"action": "unsubscribe", "symbols": [SYMBOL], "data_types": ["kline"]})
        while (message := await hear(socket))["type"] != "subscribed":
            pass
        assert message["data"]["symbols"] == {"ETHUSDT": ["kline"]}
        await bus.publish([kline(2), kline(3, "ETHUSDT")])
        assert (await hear(socket))["symbol"] == "ETHUSDT"


async def test_signals_reach_their_user_only(world: World, url: str, bus: PostgresBus) -> None:
    signal = {"type": "trade_signal", "symbol": SYMBOL, "data": {"user_id": str(world.alice.id)}, "timestamp": 1}
    pattern = {"type": "smc_pattern", "symbol": SYMBOL, "data": {"kind": "fvg"}, "timestamp": 2}
    async with subscribed(url, world.alice, "smc_patterns") as hers, subscribed(url, world.bob, "smc_patterns") as his:
        await publish_until_heard(bus, hers, signal)
        await bus.publish([signal, pattern])
        assert (await hear(his))["type"] == "smc_pattern"


async def test_without_a_token_in_time(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_route, "TOKEN_WITHIN_S", 0.2)
    assert await refused(url) == (4408, "missing_credentials")


async def test_bad_first_messages(world: World, url: str) -> None:
    subscribe = {"action": "subscribe", "symbols": [SYMBOL], "data_types": ["kline"]}
    trade_only = await world.api_key(world.alice, ["trade"])
    for message, expected in (
        (subscribe, (4401, "missing_credentials")),
        ("not json", (4400, "invalid_json")),
        ([], (4400, "invalid_json")),
        (b"\xff", (4400, "invalid_json")),
        ({"token": "x" * 20_000}, (4400, "message_too_large")),
        ({"token": "nonsense"}, (4401, "invalid_token")),
        ({"token": world.alice.token(exp=int(time.time()) - 1)}, (4401, "token_expired")),
        ({"token": "smc_unknown"}, (4401, "invalid_api_key")),
        ({"token": trade_only}, (4403, "insufficient_scope")),
    ):
        assert await refused(url, message) == expected, message


async def test_a_token_in_the_url_opens_nothing(world: World, url: str) -> None:
    subscribe = {"action": "subscribe", "symbols": [SYMBOL], "data_types": ["kline"]}
    assert await refused(f"{url}?token={world.alice.token()}", subscribe) == (4401, "missing_credentials")


async def test_pages_of_others_are_kept_out(world: World, url: str) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(url, origin="https://evil.example"):  # type: ignore[arg-type]  # a NewType of str
            pass
    assert refusal.value.response.status_code == 403
    own = url.replace("ws", "http").removesuffix("/api/v1/market/stream")
    for origin, headers in (
        (own, {}),
        (own.replace("127.0.0.1", "localhost"), {}),
        ("https://desk.example", {"X-Forwarded-Host": "desk.example"}),
    ):
        async with connect(url, additional_headers={"Origin": origin, **headers}) as socket:
            await say(socket, {"token": world.alice.token()})
            await say(socket, {"action": "subscribe", "symbols": [SYMBOL], "data_types": ["kline"]})
            assert (await hear(socket))["type"] == "subscribed"


async def test_a_bad_subscription_is_told_and_changes_nothing(world: World, url: str) -> None:
    async with subscribed(url, world.alice) as socket:
        for bad in (
            {"action": "subscribe", "symbols": [SYMBOL], "data_types": ["rumours"]},
            {"action": "subscribe", "symbols": [], "data_types": ["kline"]},
            {"action": "dance", "symbols": [SYMBOL], "data_types": ["kline"]},
            {"action": "subscribe", "symbols": [f"S{i}" for i in range(200)], "data_types": ["kline"]},
        ):
            await say(socket, bad)
            answer = await hear(socket)
            assert answer["type"] == "error", bad
        assert answer["data"]["code"] == "too_many_symbols"
        await say(socket, {"action": "subscribe", "symbols": [SYMBOL], "data_types": ["kline"]})
        assert (await hear(socket))["data"]["symbols"] == {SYMBOL: ["kline"]}


@pytest.mark.parametrize("absent", ["trade", "orderbook"])
async def test_what_nothing_publishes_cannot_be_subscribed_to(absent: str, world: World, url: str) -> None:
    async with subscribed(url, world.alice) as socket:
        await say(socket, {"action": "subscribe", "symbols": [SYMBOL], "data_types": ["smc_patterns", absent]})
        answer = await hear(socket)
        assert (answer["type"], answer["data"]["code"]) == ("error", "validation_failed")
        assert answer["data"]["detail"] == (
            f"data_types: '{absent}' is not served; subscribe to kline or smc_patterns"
            " (trade signals come with smc_patterns)."
        )
        await say(socket, {"action": "subscribe", "symbols": [SYMBOL], "data_types": ["kline"]})
        assert (await hear(socket))["data"]["symbols"] == {SYMBOL: ["kline"]}


async def test_heartbeats(world: World, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_route, "HEARTBEAT_S", 0.1)
    async with subscribed(url, world.alice) as socket:
        assert [(await hear(socket))["type"] for _ in range(2)] == ["heartbeat", "heartbeat"]


async def test_the_connection_ends_with_its_token(world: World, url: str) -> None:
    started = time.time()
    assert await refused(url, {"token": world.alice.token(exp=int(started) + 2)}) == (4401, "token_expired")
    assert time.time() >= int(started) + 2


async def test_a_fresh_token_keeps_it_open_and_anothers_ends_it(world: World, url: str) -> None:
    async with connect(url) as socket:
        await say(socket, {"token": world.alice.token(exp=int(time.time()) + 2)})
        await say(socket, {"token": world.alice.token()})
        await asyncio.sleep(2.5)
        await say(socket, {"action": "subscribe", "symbols": [SYMBOL], "data_types": ["kline"]})
        assert (await hear(socket))["type"] == "subscribed"
    assert await refused(url, {"token": world.alice.token()}, {"token": world.bob.token()}) == (4403, "invalid_token")


async def test_a_revoked_key_is_noticed(world: World, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_route, "RECHECK_S", 0.1)
    key = await world.api_key(world.alice, ["read"])
    async with connect(url) as socket:
        await say(socket, {"token": key})
        await say(socket, {"action": "subscribe", "symbols": [SYMBOL], "data_types": ["kline"]})
        assert (await hear(socket))["type"] == "subscribed"
        await world.owner.execute("update api_keys set revoked_at = now()")
        assert (await hear(socket))["data"]["code"] == "api_key_revoked"


async def test_a_slow_client_is_told_of_the_gap(world: World, url: str, bus: PostgresBus) -> None:
    """A client that does not read: what waits for it is bounded, and it learns how many messages it missed."""
    padding = "x" * 5_000
    async with connect(url, max_queue=1) as slow:
        await say(slow, {"token": world.alice.token()})
        await say(slow, {"action": "subscribe", "symbols": [SYMBOL], "data_types": ["kline"]})
        assert (await hear(slow))["type"] == "subscribed"
        await publish_until_heard(bus, slow, kline(0))
        total = 8_000
        for start in range(1, total, 100):
            batch = [kline(number) for number in range(start, min(start + 100, total))]
            for message in batch:
                message["data"]["padding"] = padding
            await bus.publish(batch)
        heard: list[dict[str, Any]] = []
        while not heard or heard[-1]["data"].get("time_ms") != (total - 1) * 60_000:
            heard.append(await hear(slow))
    gaps = [message for message in heard if message["type"] == "gap"]
    assert gaps
    # Every number is either heard or counted as missed.
    missed = sum(gap["data"]["missed"] for gap in gaps)
    bars = [message["seq"] for message in heard if message["type"] != "gap"]
    assert bars == sorted(bars)
    assert len(bars) + missed == bars[-1] - bars[0] + 1


async def test_what_waits_for_a_client_is_bounded() -> None:
    client = Client(uuid.uuid4(), size=10)
    for number in range(1, 26):
        client.offer(kline(number))
    assert len(client._waiting) <= 10
    gap = await client.take()
    assert (gap["type"], gap["data"]["missed"], gap["seq"]) == ("gap", 20, 20)
    assert [(await client.take())["seq"] for _ in range(5)] == [21, 22, 23, 24, 25]
    client.mark_gap()
    assert (await client.take())["data"] == {"missed": None}


async def test_readiness_knows_the_age_of_the_feed(world: World, bus: PostgresBus) -> None:
    app = world.app()
    async with serve(app) as base, httpx.AsyncClient(base_url=base) as http:
        for _ in range(100):
            await bus.publish([kline(7)])
            body = (await http.get("/readyz")).json()
            if body["feeds"]:
                break
            await asyncio.sleep(0.05)
    [feed] = body["feeds"]
    assert (feed["symbol"], feed["last_bar_ms"]) == (SYMBOL, 7 * 60_000)
    assert 0 <= feed["age_ms"] < 5_000
    assert {part["name"]: part["state"] for part in body["parts"]}["stream"] == "ok"
