"""Sources and the bus: bars in order and closed, messages whole."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Any

import asyncpg
import ccxt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smc_agent.market import Bar, bars_of
from smc_agent.market import bus as bus_module
from smc_agent.market import exchange as live
from smc_agent.market.bus import PostgresBus, RedisBus, Unpacker, open_bus, pack
from smc_agent.market.exchange import ExchangeSource
from smc_agent.market.source import GeneratedSource, ReplaySource

MINUTE = 60_000


async def take(bars: AsyncGenerator[Bar, None], count: int) -> list[Bar]:
    taken = []
    async for bar in bars:
        taken.append(bar)
        if len(taken) == count:
            break
    await bars.aclose()
    return taken


def ten_bars() -> Any:
    return bars_of([Bar(MINUTE * i, 10.0, 12.0, 9.0, 11.0, 1.0) for i in range(10)], "BTCUSDT", "1m", "replay")


async def test_a_replay_gives_each_bar_once_and_goes_on_after_any() -> None:
    bars = ten_bars()
    source = ReplaySource(bars, None)
    assert [bar async for bar in source.bars(None)] == list(bars)
    assert [bar async for bar in source.bars(4 * MINUTE)] == list(bars[5:])
    assert source.total == 10


async def test_a_replay_keeps_its_pace() -> None:
    began = time.monotonic()
    arrivals = [time.monotonic() - began async for _ in ReplaySource(ten_bars(), 6_000).bars(None)]
    assert arrivals == sorted(arrivals)
    for i, arrival in enumerate(arrivals):
        assert arrival >= i * 0.01 - 0.001
    assert arrivals[-1] < 1


async def test_the_generated_source_resumes_where_it_was() -> None:
    whole = await take(GeneratedSource("BTCUSDT", "1m", None).bars(None), 3_000)
    rest = await take(GeneratedSource("BTCUSDT", "1m", None).bars(whole[1_500].time), 1_000)
    assert rest == whole[1_501:2_501]


class Exchange:
    """ccxt's client, for an exchange whose clock the test sets. A bar opens at 100 and grows until it closes at 101."""

    def __init__(self) -> None:
        self.precisionMode = 4
        self.timeframes = {"1m": "1m"}
        self.has = {"fetchTime": True}
        self.now = 1_000_000 * MINUTE
        self.down = 0
        self.missing: set[int] = set()
        self.asked = 0
        self.told: asyncio.Event = asyncio.Event()
        self.markets = {
            "BTC/USDT": {
                "id": "BTCUSDT", "symbol": "BTC/USDT", "spot": True, "base": "BTC", "quote": "USDT",
                "precision": {"price": 0.01, "amount": 1e-05},
                "limits": {"amount": {"min": 1e-05}, "cost": {"min": 5.0}},
            }
        }  # fmt: skip

    async def load_markets(self) -> Any:
        return self.markets

    async def fetch_time(self) -> int:
        return self.now

    async def fetch_ohlcv(self, symbol: str, timeframe: str, since: int, limit: int) -> list[list[float]]:
        self.asked += 1
        if self.down:
            self.down -= 1
            raise ccxt.RequestTimeout("no answer")
        first = -(-since // MINUTE) * MINUTE
        opens = [t for t in range(first, self.now + 1, MINUTE) if t not in self.missing][:limit]
        return [[t, 100.0, 100.0 + self._age(t), 99.0, 100.0 + self._age(t), 1.0] for t in opens]

    async def watch_ohlcv(self, symbol: str, timeframe: str) -> list[list[float]]:
        await self.told.wait()
        self.told.clear()
        opened = self.now // MINUTE * MINUTE
        return [[opened, 100.0, 100.0, 99.0, 100.0, 0.0]]

    def _age(self, opened: int) -> float:
        return min(self.now - opened, MINUTE) / MINUTE

    async def close(self) -> None: ...


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Exchange:
    monkeypatch.setattr(live, "_GRACE_S", 0.02)
    monkeypatch.setattr(live, "_RETRY_S", 0.01)
    return Exchange()


def source_of(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> ExchangeSource:
    source = ExchangeSource("binance", "BTCUSDT", "1m")
    source._client = exchange
    monkeypatch.setattr(source, "_now_ms", lambda: float(exchange.now))
    return source


async def next_bar(bars: Any, exchange: Exchange) -> Bar:
    """The next bar, told that there is news until it comes."""
    waiting = asyncio.ensure_future(anext(bars))
    while not waiting.done():
        exchange.told.set()
        await asyncio.sleep(0.005)
    bar: Bar = waiting.result()
    return bar


async def test_history_comes_in_pages_and_the_open_candle_never(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.now += 30_000
    source = source_of(exchange, monkeypatch)
    begin = exchange.now // MINUTE * MINUTE - 2_500 * MINUTE
    bars = source.bars(begin)
    got = [await next_bar(bars, exchange) for _ in range(2_499)]
    assert [bar.time for bar in got] == [begin + MINUTE * i for i in range(1, 2_500)]
    assert all(bar.close == 101.0 for bar in got)  # whole
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(next_bar(bars, exchange), 0.2)
    with contextlib.suppress(StopAsyncIteration, RuntimeError):
        await bars.aclose()


async def test_each_bar_comes_when_it_has_closed_and_missed_ones_are_made_up(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(exchange, monkeypatch)
    last = exchange.now - MINUTE
    bars = source.bars(last)
    for _ in range(3):
        exchange.now += MINUTE
        last += MINUTE
        bar = await next_bar(bars, exchange)
        assert (bar.time, bar.close) == (last, 101.0)
    exchange.now += 5 * MINUTE
    exchange.down = 3  # the connection is away while five bars close
    missed = [await next_bar(bars, exchange) for _ in range(5)]
    assert [bar.time for bar in missed] == [last + MINUTE * i for i in range(1, 6)]
    exchange.now += 2 * MINUTE
    exchange.missing = {last + 6 * MINUTE}  # nobody traded: there is no such bar
    assert (await next_bar(bars, exchange)).time == last + 7 * MINUTE
    await bars.aclose()


async def test_a_feed_that_falls_silent_is_noticed(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_of(exchange, monkeypatch)
    bars = source.bars(exchange.now - 3 * MINUTE)
    await next_bar(bars, exchange)
    silent = source.silent_for()
    assert silent is not None
    assert silent < 0.5
    exchange.down = 1_000_000
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(take(bars, 5), 0.4)
    silent = source.silent_for()
    assert silent is not None
    assert silent > 0.2


async def test_the_exchange_names_its_rules_and_what_it_does_not_trade(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(exchange, monkeypatch)
    await source.connect()
    rules = source.rules()
    assert (str(rules.tick), str(rules.step), str(rules.min_notional)) == ("0.01", "0.00001", "5.0")
    with pytest.raises(ValueError, match="unknown exchange 'nosuch'"):
        ExchangeSource("nosuch", "BTCUSDT", "1m")
    other = source_of(exchange, monkeypatch)
    other.symbol = "XYZUSDT"
    with pytest.raises(ValueError, match="binance has no spot market XYZUSDT"):
        await other.connect()


def test_every_address_follows_the_base_url() -> None:
    source = ExchangeSource("binance", "BTCUSDT", "1m", "http://127.0.0.1:9999")
    urls = json.dumps(source._client.urls["api"])
    assert "binance.com" not in urls
    assert source._client.urls["api"]["public"] == "http://127.0.0.1:9999/api/v3"
    assert source._client.urls["api"]["ws"]["spot"] == "ws://127.0.0.1:9999/ws"


@given(st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=9_000), max_size=3), max_size=12))
def test_messages_of_any_size_arrive_whole_and_in_order(messages: list[dict[str, Any]]) -> None:
    payloads = list(pack(messages))
    assert all(len(payload.encode()) < 8_000 for payload in payloads)
    unpacker = Unpacker()
    arrived = [message for payload in payloads for message in unpacker.messages(payload)]
    assert arrived == messages


def test_a_listener_that_missed_the_first_piece_drops_the_rest() -> None:
    pieces = list(pack([{"text": "x" * 20_000}]))
    assert len(pieces) == 3
    unpacker = Unpacker()
    assert [unpacker.messages(piece) for piece in pieces[1:]] == [[], []]
    assert unpacker.messages('[{"a":1}]') == [{"a": 1}]


@pytest.fixture
def redis_url() -> Iterator[str]:
    """A Redis of the test's own."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""], stdout=subprocess.DEVNULL
    )
    try:
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


async def test_the_bus_by_redis_carries_the_same_messages(redis_url: str) -> None:
    bus = open_bus("postgresql://nowhere", redis_url)
    assert isinstance(bus, RedisBus)
    heard: list[dict[str, Any]] = []

    async def listen() -> None:
        async for message in open_bus("", redis_url).subscribe():
            heard.extend([message])

    listener = asyncio.create_task(listen())
    sent: list[dict[str, Any]] = [{"n": n, "text": "y" * 3_000 * n} for n in range(5)]
    async with asyncio.timeout(20):
        while not heard:
            await bus.publish([{"type": "hello"}])
            await asyncio.sleep(0.02)
        await bus.publish(sent)
        while heard[-1] != sent[-1]:  # noqa: ASYNC110 - the other side is a server
            await asyncio.sleep(0.02)
    assert [message for message in heard if "n" in message] == sent
    listener.cancel()
    await asyncio.gather(listener, return_exceptions=True)
    await bus.close()


async def test_the_bus_reaches_all_who_listen_and_says_where_it_broke(database: Any) -> None:
    sender = open_bus(database.functions)
    assert isinstance(sender, PostgresBus)
    heard: list[list[dict[str, Any]]] = [[], []]

    async def listen(into: list[dict[str, Any]]) -> None:
        async for message in open_bus(database.functions).subscribe():
            into += [message]

    listeners = [asyncio.create_task(listen(into)) for into in heard]
    owner = await asyncpg.connect(database.superuser)

    async def until(holds: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(20):
            while not await holds():  # noqa: ASYNC110 - the other side is a database
                await asyncio.sleep(0.01)

    async def heard_by_all(count: int) -> None:
        async def holds() -> bool:
            return all(len(into) >= count for into in heard)

        await until(holds)

    mine = "datname = current_database() and query ilike 'listen%'"

    async def listening(count: int) -> None:
        async def holds() -> bool:
            return int(await owner.fetchval(f"select count(*) from pg_stat_activity where {mine}")) >= count

        await until(holds)

    await listening(2)
    sent: list[dict[str, Any]] = [{"type": "market_data", "n": n, "text": "y" * 3_000} for n in range(10)]
    await sender.publish(sent)
    await heard_by_all(10)
    assert heard == [sent, sent]
    await owner.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {mine}")
    await heard_by_all(11)
    await listening(2)
    await sender.publish([{"type": "smc_pattern"}])
    await heard_by_all(12)
    assert heard[0][10:] == [{"type": "gap"}, {"type": "smc_pattern"}]
    for task in listeners:
        task.cancel()
    await asyncio.gather(*listeners, return_exceptions=True)
    await sender.close()
    await owner.close()


class NoRedis:
    """A Redis that is away."""

    tries = 0

    def pubsub(self) -> Any:
        self.tries += 1
        raise ConnectionRefusedError

    async def aclose(self) -> None: ...


async def test_a_bus_without_its_server_says_so_once_and_when_it_is_back(
    database: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "_RECONNECT_S", 0.01)
    bus, by_redis, no_redis = PostgresBus("postgresql://nobody@127.0.0.1:1/none"), RedisBus("redis://none"), NoRedis()
    monkeypatch.setattr(by_redis, "_redis", no_redis)

    async def listen(to: PostgresBus | RedisBus) -> None:
        async for _ in to.subscribe():
            pass

    listening = [asyncio.create_task(listen(bus)), asyncio.create_task(listen(by_redis))]
    await asyncio.sleep(0.3)
    bus._url = database.functions
    async with asyncio.timeout(10):
        while "bus: connected to Postgres again" not in caplog.messages:  # noqa: ASYNC110 - the log does not tell
            await asyncio.sleep(0.01)
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    assert no_redis.tries > 5
    assert sorted(message for message in caplog.messages if message.startswith("bus: ")) == [
        "bus: connected to Postgres again",
        "bus: no connection to Postgres (ConnectionRefusedError), trying again",
        "bus: no connection to Redis (ConnectionRefusedError), trying again",
    ]
