"""The agent over whole runs: what it stores, that it equals the backtest, and that no stop or crash changes it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.agent import world as w

from smc_agent.backtest import run_backtest
from smc_agent.execution import Cancel, Place, Refused, SessionConfig
from smc_agent.local import agent_store
from smc_agent.local.agent_batch import Batch
from smc_agent.local.agent_loop import CheckpointError
from smc_agent.local.agent_store import AgentLockedError, AgentStore
from smc_agent.market import Bars, Market, bars_of, decimal_of
from smc_agent.market.generated import generated_chunks

CONFIG = {"exchange": "synthetic", "symbol": "BTCUSDT", "timeframe": "1m"}
MARKET = Market("synthetic", "BTCUSDT", "1m")


def some_bars(count: int) -> Bars:
    chunks = list(islice(generated_chunks(seed=3), count // 1_000 + 1))
    rows = [bar for chunk in chunks for bar in chunk][:count]
    return bars_of(rows, "BTCUSDT", "1m", "synthetic")


async def stored(url: str) -> dict[str, list[Any]]:
    """Everything the agent wrote that does not name the wall clock."""
    connection = await asyncpg.connect(url)
    try:
        queries = {
            "bars": "select * from market_data order by timestamp",
            "patterns": "select * from smc_patterns order by event_id",
            "detections": "select * from pattern_detections order by event_id",
            "decisions": "select event_key, event_type, order_id, actor, reason, details, market_time from order_events"
            " order by event_key",
            "checkpoints": "select * from agent_checkpoints order by name",
            "sessions": "select total_pnl, total_trades, winning_trades, max_drawdown from trading_sessions",
            "portfolios": "select equity, peak_equity, day_start_equity from portfolios",
            "day ends": "select * from risk_metrics where measured_at = date_trunc('day', measured_at, 'UTC')"
            " order by measured_at",
        }
        return {name: [tuple(row) for row in await connection.fetch(query)] for name, query in queries.items()}
    finally:
        await connection.close()


async def test_the_agent_decides_and_ends_as_the_backtest_of_the_same_bars(database: Any, tmp_path: Path) -> None:
    bars = some_bars(4_000)
    await w.settle(database.owner, CONFIG)
    world = w.World()
    await w.run_agent(database.functions, tmp_path, world, bars)

    session = SessionConfig(session_id=w.SESSION, portfolio_id=w.PORTFOLIO, **CONFIG)  # type: ignore[arg-type]  # str fields
    result = run_backtest(bars, session, w.RULES, Decimal(100_000), w.FEES)
    expected = []
    for _, decision in result.decisions:
        match decision:
            case Place(intent, _):
                expected.append(f"intent:{intent.order_id}")
            case Refused(signal, code, _) if code != "venue_rejected":
                expected.append(f"refusal:{w.SESSION}:{signal.id}")
            case Cancel(order_id, _):
                expected.append(f"cancel:{order_id}")
    after = await stored(database.owner)
    assert len(expected) > 10
    assert [row[0] for row in after["decisions"] if row[1] != "signal"] == sorted(expected)
    assert len(world.fills) > 4
    assert after["portfolios"][0][0] == result.final_equity.quantize(Decimal("1E-8"))


async def test_a_run_that_is_stopped_and_resumed_anywhere_stores_the_same_rows(
    new_database: Callable[[], Any], tmp_path: Path
) -> None:
    bars = some_bars(1_500)
    straight, pieces = new_database(), new_database()
    for database in (straight, pieces):
        await w.settle(database.owner, CONFIG)
    await w.run_agent(straight.functions, tmp_path, w.World(), bars)

    world, begin = w.World(), 0
    dice = random.Random(7)
    while begin < len(bars):
        begin += dice.randint(1, 200)
        await w.run_agent(pieces.functions, tmp_path, world, bars[:begin])
    once, often = await stored(straight.owner), await stored(pieces.owner)
    assert len(once["decisions"]) > 5
    assert once == often


class Killed(Exception):
    """The process is gone."""


@pytest.mark.parametrize("seed", range(4))
async def test_a_crash_at_any_commit_or_command_changes_nothing(
    seed: int, new_database: Callable[[], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars = some_bars(1_200)
    straight, crashed = new_database(), new_database()
    for database in (straight, crashed):
        await w.settle(database.owner, CONFIG)
    calm = w.World()
    await w.run_agent(straight.functions, tmp_path, calm, bars)

    dice, world = random.Random(seed), w.World()
    commit, submit, bar = AgentStore.commit, w.World.submit, w.World.bar

    async def commit_or_die(self: AgentStore, batch: Batch, *rest: Any) -> None:
        if dice.random() < 0.05:
            raise Killed
        await commit(self, batch, *rest)
        if dice.random() < 0.05:
            raise Killed

    async def submit_or_die(self: w.World, envelope: dict[str, Any]) -> Any:
        answer = await submit(self, envelope)
        if dice.random() < 0.2:
            raise Killed
        return answer

    async def bar_or_die(self: w.World, *args: Any) -> Any:
        answer = await bar(self, *args)
        if dice.random() < (0.4 if answer.events else 0.02):
            raise Killed
        return answer

    monkeypatch.setattr(AgentStore, "commit", commit_or_die)
    monkeypatch.setattr(w.World, "submit", submit_or_die)
    monkeypatch.setattr(w.World, "bar", bar_or_die)
    monkeypatch.setattr("smc_agent.local.agent_loop.BATCH_BARS", 40)
    deaths = 0
    while True:
        try:
            await w.run_agent(crashed.functions, tmp_path, world, bars)
            break
        except Killed:
            deaths += 1
    assert deaths > 5
    assert [c["command_id"] for c in world.commands] == [c["command_id"] for c in calm.commands]
    assert world.fills == calm.fills
    once, often = await stored(straight.owner), await stored(crashed.owner)
    for table in ("bars", "patterns", "detections", "decisions", "checkpoints", "portfolios", "day ends"):
        assert once[table] == often[table], table


async def test_a_bar_in_which_an_account_changed_is_committed_before_the_next_one(
    database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a crash would bring back the bars since then, and what was decided in them on the account as it is later."""
    monkeypatch.setattr("smc_agent.local.agent_loop.BATCH_BARS", 10**9)
    monkeypatch.setattr("smc_agent.local.agent_loop.BATCH_S", 1e9)
    await w.settle(database.owner, CONFIG)
    bar, commit, decided = w.World.bar, AgentStore.commit, set[int]()
    committed, changed, plain = -1, None, 0

    async def bar_after_commit(self: w.World, symbol: str, timeframe: str, next_bar: Any) -> Any:
        nonlocal changed, plain
        if changed is not None:
            assert committed == changed, "the bar in which something happened waits in a batch"
            plain += changed not in decided
        answer = await bar(self, symbol, timeframe, next_bar)
        changed = next_bar.time if answer.events else None
        return answer

    async def noted_commit(self: AgentStore, batch: Batch, *rest: Any) -> None:
        nonlocal committed
        await commit(self, batch, *rest)
        committed = batch.bars[-1].time
        if batch.facts:
            decided.add(committed)

    monkeypatch.setattr(w.World, "bar", bar_after_commit)
    monkeypatch.setattr(AgentStore, "commit", noted_commit)
    await w.run_agent(database.functions, tmp_path, w.World(), some_bars(3_000))
    assert plain > 3, "fills in bars without a decision are what this is about"


async def test_a_crash_after_a_fill_decides_as_if_there_had_been_none(
    new_database: Callable[[], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after each fill, once the venue is several plain bars further."""
    monkeypatch.setattr("smc_agent.local.agent_loop.BATCH_BARS", 10**9)
    monkeypatch.setattr("smc_agent.local.agent_loop.BATCH_S", 1e9)
    bars = some_bars(3_000)
    straight, crashed = new_database(), new_database()
    for database in (straight, crashed):
        await w.settle(database.owner, CONFIG)
    calm, world = w.World(), w.World()
    await w.run_agent(straight.functions, tmp_path, calm, bars)

    bar, fills, left = w.World.bar, 0, -1

    async def bar_or_die(self: w.World, *args: Any) -> Any:
        nonlocal fills, left
        answer = await bar(self, *args)
        left -= 1
        if len(self.fills) > fills:
            fills, left = len(self.fills), 5
        if left == 0:
            raise Killed
        return answer

    monkeypatch.setattr(w.World, "bar", bar_or_die)
    deaths = 0
    while True:
        try:
            await w.run_agent(crashed.functions, tmp_path, world, bars)
            break
        except Killed:
            deaths += 1
    assert deaths > 3
    assert world.fills == calm.fills
    once, often = await stored(straight.owner), await stored(crashed.owner)
    for table in ("bars", "patterns", "detections", "decisions", "checkpoints", "portfolios", "day ends"):
        assert once[table] == often[table], table


async def test_the_market_stands_still_while_the_executor_is_away(database: Any, tmp_path: Path) -> None:
    await w.settle(database.owner, CONFIG)
    world = w.World(away=4)
    await w.run_agent(database.functions, tmp_path, world, some_bars(600))
    assert world.away == 0
    connection = await asyncpg.connect(database.owner)
    bars = await connection.fetchval("select count(*) from market_data")
    await connection.close()
    assert bars == 600


async def test_a_database_that_drops_its_connections_loses_nothing(
    database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await w.settle(database.owner, CONFIG)
    superuser = await asyncpg.connect(database.superuser)
    store_facts, dropped = agent_store._store_facts, 0

    async def drop_then_store(connection: Any, batch: Batch) -> None:
        nonlocal dropped
        if batch.facts and dropped < 3:
            dropped += 1
            await superuser.execute("select pg_terminate_backend($1)", connection.get_server_pid())
        await store_facts(connection, batch)

    monkeypatch.setattr(agent_store, "_store_facts", drop_then_store)
    world = w.World()
    await w.run_agent(database.functions, tmp_path, world, some_bars(1_000))
    await superuser.close()
    after = await stored(database.owner)
    assert dropped == 3
    assert len(after["bars"]) == 1_000
    intents = [row for row in after["decisions"] if row[1] in ("intent", "cancel")]
    assert len(intents) == len(world.commands)


async def test_stop_ends_the_run_and_keeps_what_was_done(database: Any, tmp_path: Path) -> None:
    await w.settle(database.owner, CONFIG)
    stop, world = asyncio.Event(), w.World()
    bars = some_bars(20_000)
    connection = await asyncpg.connect(database.owner)

    async def stop_once_it_runs() -> None:
        while not await connection.fetchval("select exists (select from market_data)"):  # noqa: ASYNC110 - the agent has no event for it
            await asyncio.sleep(0.02)
        stop.set()

    running = w.run_agent(database.functions, tmp_path, world, bars, stop)
    await asyncio.wait_for(asyncio.gather(running, stop_once_it_runs()), 60)
    done = await connection.fetchval("select count(*) from market_data")
    await connection.close()
    assert 0 < done < len(bars)
    assert done == world._index


async def test_two_agents_do_not_follow_one_market(database: Any, tmp_path: Path) -> None:
    store = AgentStore(database.functions, MARKET, asyncio.Event())
    await store.checkpoint("any")
    with pytest.raises(AgentLockedError, match="another agent"):
        await w.run_agent(database.functions, tmp_path, w.World(), some_bars(10))
    await store.close()


async def test_bars_without_their_state_are_refused(database: Any, tmp_path: Path) -> None:
    await w.run_agent(database.functions, tmp_path, w.World(), some_bars(10))
    connection = await asyncpg.connect(database.owner)
    await connection.execute("delete from agent_checkpoints")
    await connection.close()
    with pytest.raises(CheckpointError, match="10 bars"):
        await w.run_agent(database.functions, tmp_path, w.World(), some_bars(20))


async def test_rows_say_what_a_reader_needs(database: Any, tmp_path: Path) -> None:
    await w.settle(database.owner, CONFIG)
    connection = await asyncpg.connect(database.owner)
    await connection.execute(
        "insert into positions (portfolio_id, symbol, quantity, entry_price) values ($1, 'BTCUSDT', 2, 100)",
        w.PORTFOLIO,
    )
    bars = some_bars(3_000)
    bus = await w.run_agent(database.functions, tmp_path, w.World(), bars)
    position = await connection.fetchrow("select current_price, unrealized_pnl from positions")
    last = decimal_of(bars[-1].close)
    assert position is not None
    assert tuple(position) == (last, (last - 100) * 2)
    ended = await connection.fetchval(
        "select count(*) from smc_patterns p where is_active and exists (select from pattern_detections d"
        " where d.pattern_id = p.id and d.kind in ('fvg_filled', 'order_block_mitigated'))"
    )
    early = await connection.fetchval("select count(*) from smc_patterns where detected_at <= anchor_at")
    triggered = await connection.fetchval("select sum(triggered_orders) from smc_patterns")
    intent = await connection.fetchrow("select * from order_events where event_type = 'intent' limit 1")
    days = await connection.fetch("select * from risk_metrics where extract(hour from measured_at) = 0")
    await connection.close()
    assert ended == 0
    assert early == 0
    assert triggered > 0
    assert intent is not None
    command = json.loads(intent["details"])["command"]
    assert command["command_id"] == str(intent["order_id"])
    assert command["payload"]["session_id"] == str(w.SESSION)
    assert len(days) >= 2
    kinds = {message["type"] for message in bus.messages}
    assert kinds == {"market_data", "smc_pattern", "trade_signal"}
    signals = [message for message in bus.messages if message["type"] == "trade_signal"]
    assert {message["data"]["user_id"] for message in signals} == {str(w.USER)}
