"""Sessions come and go while the agent runs, each user's on his own account, and none can hurt another."""

from __future__ import annotations

import asyncio
import json
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from tests.agent import world as w
from tests.agent.test_agent_run import CONFIG, some_bars

from smc_agent.execution import Trader
from smc_agent.local import agent_loop

OTHER_USER = UUID("44444444-4444-4444-8444-444444444444")
OTHER_PORTFOLIO = UUID("55555555-5555-4555-8555-555555555555")


async def settle_another(connection: Any, session: UUID, portfolio: UUID = OTHER_PORTFOLIO, **config: Any) -> None:
    """A second user with an account and a session of his own."""
    await connection.execute(
        "insert into auth.users (id, email) values ($1, 'b@example.org') on conflict do nothing", OTHER_USER
    )
    await connection.execute(
        "insert into portfolios (id, user_id, name, exchange, initial_balance) values ($1, $2, 'P', 'paper', 1)"
        " on conflict do nothing",
        OTHER_PORTFOLIO,
        OTHER_USER,
    )
    await connection.execute(
        "insert into trading_sessions (id, user_id, session_name, strategy_config) values ($1, $2, 'Second', $3)",
        session,
        OTHER_USER,
        json.dumps({"portfolio_id": str(portfolio), **CONFIG, **config}),
    )


async def events_by_session(connection: Any) -> dict[UUID, int]:
    rows = await connection.fetch("select session_id, count(*) as n from order_events group by 1")
    return {row["session_id"]: row["n"] for row in rows}


async def test_each_session_decides_for_itself(database: Any, tmp_path: Path) -> None:
    connection = await asyncpg.connect(database.owner)
    await w.settle(database.owner, CONFIG)
    second = UUID(int=2)
    await settle_another(connection, second, risk={"max_positions": 3})
    await settle_another(connection, UUID(int=3), risk={"max_positions": -1})
    await settle_another(connection, UUID(int=4), timeframe="5m")
    bus = await w.run_agent(database.functions, tmp_path, w.World(), some_bars(1_500))
    counts = await events_by_session(connection)
    assert set(counts) == {w.SESSION, second}
    assert min(counts.values()) > 5
    owners = {
        (message["data"]["session_id"], message["data"]["user_id"])
        for message in bus.messages
        if message["type"] == "trade_signal"
    }
    assert owners == {(str(w.SESSION), str(w.USER)), (str(second), str(OTHER_USER))}
    accounts = await connection.fetch("select distinct session_id, portfolio_id from order_events")
    assert {tuple(row) for row in accounts} == {(w.SESSION, w.PORTFOLIO), (second, OTHER_PORTFOLIO)}
    await connection.close()


async def test_a_session_cannot_trade_on_another_users_account(database: Any, tmp_path: Path) -> None:
    """The schema refuses to store such a session; were it stored, the agent would not run it."""
    connection = await asyncpg.connect(database.superuser)
    await w.settle(database.owner, CONFIG)
    await connection.execute("set session_replication_role = replica")  # without the triggers that refuse it
    thief = UUID(int=9)
    await settle_another(connection, thief, portfolio=w.PORTFOLIO)
    await w.run_agent(database.functions, tmp_path, w.World(), some_bars(1_000))
    assert set(await events_by_session(connection)) == {w.SESSION}
    await connection.close()


async def test_sessions_begin_and_end_while_the_market_runs(
    database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_loop, "_RELOAD_S", 0.0)
    connection = await asyncpg.connect(database.owner)
    await w.settle(database.owner, CONFIG)
    second, bar, world = UUID(int=2), w.World.bar, w.World()
    handled = 0

    async def bar_with_users(self: w.World, *args: Any) -> Any:
        nonlocal handled
        handled += 1
        if handled == 300:
            await settle_another(connection, second)
        if handled == 600:
            await connection.execute("update trading_sessions set end_time = now() where id = $1", w.SESSION)
        return await bar(self, *args)

    monkeypatch.setattr(w.World, "bar", bar_with_users)
    bars = some_bars(900)
    await w.run_agent(database.functions, tmp_path, world, bars)
    times = {
        row["session_id"]: (row["first"].timestamp() * 1000, row["last"].timestamp() * 1000)
        for row in await connection.fetch(
            "select session_id, min(market_time) as first, max(market_time) as last from order_events group by 1"
        )
    }
    assert times[second][0] > bars[299].time
    assert times[second][1] > bars[600].time
    assert times[w.SESSION][1] <= bars[600].time
    await connection.close()


async def test_what_an_ended_session_left_working_is_cancelled(database: Any, tmp_path: Path) -> None:
    connection = await asyncpg.connect(database.owner)
    await w.settle(database.owner, CONFIG)
    world, bars = w.World(), some_bars(400)
    await w.run_agent(database.functions, tmp_path, world, bars[:200])
    entry = UUID(int=77)
    executor = await asyncpg.connect(database.executor)
    await executor.execute(
        "insert into orders (id, portfolio_id, session_id, symbol, side, order_type, quantity, price, status, exchange,"
        " client_order_id) values ($1, $2, $3, 'BTCUSDT', 'buy', 'limit', 0.1, 1000, 'open', 'paper', 'smc77')",
        entry,
        w.PORTFOLIO,
        w.SESSION,
    )
    await connection.execute("update trading_sessions set end_time = now()")
    before = len(world.commands)
    await w.run_agent(database.functions, tmp_path, world, bars)
    (command,) = world.commands[before:]
    assert (command["action"], command["payload"]["order_id"]) == ("cancel", str(entry))
    fact = await connection.fetchrow("select * from order_events where event_type = 'cancel' and order_id = $1", entry)
    assert fact is not None
    assert (fact["actor"], fact["reason"]) == ("agent", "The session has ended.")
    await executor.close()
    await connection.close()


async def test_a_session_that_fails_does_not_stop_the_others(
    database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await asyncpg.connect(database.owner)
    await w.settle(database.owner, CONFIG)
    second, on_bar = UUID(int=2), Trader.on_bar
    await settle_another(connection, second)

    def fail_once(self: Trader, bar: Any, index: int, *rest: Any) -> Any:
        if self.session.session_id == second and index == 400:
            raise ZeroDivisionError
        return on_bar(self, bar, index, *rest)

    monkeypatch.setattr(Trader, "on_bar", fail_once)
    bars = some_bars(1_000)
    await w.run_agent(database.functions, tmp_path, w.World(), bars)
    rows = await connection.fetch("select session_id, max(market_time) as at from order_events group by 1")
    last = {row["session_id"]: row["at"] for row in rows}
    assert last[w.SESSION].timestamp() * 1000 > bars[401].time
    assert last[second].timestamp() * 1000 <= bars[401].time
    equity = await connection.fetchval("select equity from portfolios where id = $1", w.PORTFOLIO)
    assert equity > Decimal(90_000)
    await connection.close()


async def test_a_session_whose_account_the_executor_lacks_stands_aside_until_it_has_it(
    database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(agent_loop, "_RELOAD_S", 0.0)
    connection = await asyncpg.connect(database.owner)
    await w.settle(database.owner, CONFIG)
    second, bar, world = UUID(int=2), w.World.bar, w.World(unknown={str(OTHER_PORTFOLIO)})
    await settle_another(connection, second)
    handled = 0

    async def bar_with_changes(self: w.World, *args: Any) -> Any:
        nonlocal handled
        handled += 1
        if handled == 300:
            world.unknown.clear()
        if handled == 600:
            world.unknown.add(str(OTHER_PORTFOLIO))
        return await bar(self, *args)

    monkeypatch.setattr(w.World, "bar", bar_with_changes)
    bars = some_bars(900)
    with caplog.at_level(logging.WARNING):
        await asyncio.wait_for(w.run_agent(database.functions, tmp_path, world, bars), 60)
    times = {
        row["session_id"]: (row["first"].timestamp() * 1000, row["last"].timestamp() * 1000)
        for row in await connection.fetch(
            "select session_id, min(market_time) as first, max(market_time) as last from order_events group by 1"
        )
    }
    await connection.close()
    assert times[w.SESSION][0] < bars[299].time
    assert times[w.SESSION][1] > bars[600].time
    assert bars[299].time < times[second][0] <= times[second][1] <= bars[600].time
    said = [record.getMessage() for record in caplog.records if str(second) in record.getMessage()]
    lacks = f"session {second}: the executor does not have its account {OTHER_PORTFOLIO}"
    assert len(said) == 3
    assert said[0].startswith(lacks)
    assert said[1] == f"session {second}: the executor has its account {OTHER_PORTFOLIO} now"
    assert said[2].startswith(lacks)


async def test_an_account_that_goes_while_a_bar_is_traded_through_takes_only_its_sessions_along(
    database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sessions are not loaded again here: the first to be told is a look at the account after a fill."""
    monkeypatch.setattr(agent_loop, "_RELOAD_S", 1e9)
    connection = await asyncpg.connect(database.owner)
    await w.settle(database.owner, CONFIG)
    second, bar, world = UUID(int=2), w.World.bar, w.World()
    await settle_another(connection, second)

    async def bar_with_loss(self: w.World, *args: Any) -> Any:
        if self._index == 400:
            world.unknown.add(str(OTHER_PORTFOLIO))
        return await bar(self, *args)

    monkeypatch.setattr(w.World, "bar", bar_with_loss)
    bars = some_bars(1_500)
    await asyncio.wait_for(w.run_agent(database.functions, tmp_path, world, bars), 60)
    rows = await connection.fetch("select session_id, max(market_time) as at from order_events group by 1")
    ends = {row["session_id"]: row["at"].timestamp() * 1000 for row in rows}
    query = "select bar_time from agent_checkpoints where name = $1"
    left_at = await connection.fetchval(query, f"session:{second}")
    await connection.close()
    assert ends[w.SESSION] > bars[1_000].time
    assert ends[second] < bars[1_000].time
    assert left_at.timestamp() * 1000 < bars[1_000].time
