"""What the executor writes to Postgres, as its own role, under row-level security."""

from __future__ import annotations

import asyncio
import json
import signal
import uuid
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from tests.conftest import Database
from tests.executor.faulty_proxy import FaultyProxy
from tests.executor.running_executor import Desk, Executor
from tests.paper_venue.running_venue import PaperVenue

BRACKET = {"price": "50000", "stop_loss": "49000", "take_profit": "52000"}


@pytest.fixture
def booked(paper_venue: PaperVenue, make_executor: Callable[..., Executor], database: Database, portfolio: str) -> Desk:
    """An executor that writes to the database."""
    return Desk(paper_venue, make_executor(database_url=database.executor, account=portfolio).start())


async def written(executor: Executor) -> None:
    """Waits until every row is in Postgres."""
    await asyncio.to_thread(executor.until, lambda: executor.snapshot()["sink_pending"] == 0)


async def test_a_round_trip_is_in_every_table(booked: Desk, owner: asyncpg.Connection) -> None:
    entry = booked.executor.place(quantity="0.1", reason="a test", market_time_ms=1_700_000_000_000, **BRACKET)
    booked.bar("50100", "50200", "49900", "50100")
    booked.bar("50100", "52100", "50000", "52050")
    refused = booked.executor.place(price="50000.001")
    await written(booked.executor)

    orders = {row["id"]: row for row in await owner.fetch("select * from public.orders")}
    row = orders[uuid.UUID(entry["command_id"])]
    assert (row["status"], row["order_type"], row["side"], row["reason"]) == ("filled", "limit", "buy", "a test")
    assert str(row["filled_quantity"]) == "0.10000000"
    assert str(row["fees"]) == "5.00000000"
    assert row["execution_latency_ms"] > 0
    assert row["market_time"].timestamp() == 1_700_000_000
    assert row["external_order_id"] == entry["order"]["external_order_id"]
    legs = [row for row in orders.values() if row["parent_id"]]
    assert sorted((leg["order_type"], leg["status"]) for leg in legs) == [("limit", "filled"), ("stop_loss", "expired")]
    assert orders[uuid.UUID(refused["command_id"])]["status"] == "rejected"
    assert "tick" in orders[uuid.UUID(refused["command_id"])]["reason"]

    executions = await owner.fetch("select * from public.executions order by executed_at")
    assert [row["side"] for row in executions] == ["buy", "sell"]
    assert [str(row["quantity"]) for row in executions] == ["0.10000000", "0.09990000"]
    assert executions[0]["realized_pnl"] is None
    assert str(executions[1]["realized_pnl"]) == "189.60520000"
    position = await owner.fetchrow("select * from public.positions")
    assert position is not None
    assert (position["quantity"], position["entry_price"]) == (0, None)
    assert str(position["realized_pnl"]) == "189.60520000"
    portfolio = await owner.fetchrow("select * from public.portfolios")
    assert portfolio is not None
    assert json.loads(portfolio["balances"]) == {"USDT": {"free": "100189.6052", "locked": "0"}}
    assert portfolio["synced_at"] is not None

    events = [
        row["event_type"]
        for row in await owner.fetch(
            "select event_type from public.order_events where order_id = $1 order by id", uuid.UUID(entry["command_id"])
        )
    ]
    assert events == ["pending", "open", "filled"]


async def everything(owner: asyncpg.Connection) -> dict[str, list[dict[str, Any]]]:
    queries = {
        "orders": "select * from public.orders order by id",
        "executions": "select * from public.executions order by id",
        "positions": "select portfolio_id, symbol, quantity, entry_price, realized_pnl from public.positions",
        "order_events": "select * from public.order_events where order_id is not null order by id",
    }
    ignored = {"recorded_at", "updated_at"}
    return {
        table: [{name: value for name, value in row.items() if name not in ignored} for row in await owner.fetch(query)]
        for table, query in queries.items()
    }


async def test_a_restart_changes_no_row_and_completes_what_a_kill_left_out(
    booked: Desk, owner: asyncpg.Connection
) -> None:
    booked.executor.place(quantity="0.1", **BRACKET)
    booked.bar("50100", "50200", "49900", "50100")
    booked.executor.place(price="45000")
    booked.executor.stop(signal.SIGKILL)
    booked.executor.start()
    booked.executor.drain()
    await written(booked.executor)
    before = await everything(owner)
    assert len(before["orders"]) == 4
    assert {row["status"] for row in before["orders"]} == {"open", "filled"}
    booked.executor.stop()
    booked.executor.start()
    booked.executor.drain()
    await written(booked.executor)
    assert await everything(owner) == before


async def test_the_database_away_and_back_leaves_no_row_out(
    paper_venue: PaperVenue,
    make_executor: Callable[..., Executor],
    database: Database,
    portfolio: str,
    owner: asyncpg.Connection,
) -> None:
    address = database.executor.rsplit("@", 1)[1].split("/", 1)[0]
    proxy = FaultyProxy(address)
    through = database.executor.replace(address, proxy.url.removeprefix("http://"))
    executor = make_executor(database_url=through, account=portfolio).start()
    desk = Desk(paper_venue, executor)
    executor.place(price="45000")
    await written(executor)
    proxy.pause()
    entry = executor.place(quantity="0.1", **BRACKET)
    assert entry["status"] == "accepted"
    desk.bar("50100", "50200", "49900", "50100")
    desk.bar("50100", "52100", "50000", "52050")
    assert executor.snapshot()["sink_pending"] > 0
    assert await owner.fetchval("select count(*) from public.orders") == 1
    proxy.resume()
    await written(executor)
    statuses = await owner.fetch("select order_type, status from public.orders order by 1, 2")
    assert [tuple(row) for row in statuses] == [
        ("limit", "filled"),
        ("limit", "filled"),
        ("limit", "open"),
        ("stop_loss", "expired"),
    ]
    assert await owner.fetchval("select count(*) from public.executions") == 2
    proxy.close()


async def test_a_command_in_the_table_is_carried_out_and_answered_once(
    booked: Desk, owner: asyncpg.Connection, database: Database
) -> None:
    envelope = booked.executor.envelope(
        "place", {"symbol": "BTCUSDT", "side": "buy", "type": "limit", "quantity": "0.01", "price": "45000"}
    )
    forged = booked.executor.envelope("kill", {}) | {"signature": "AAAA"}
    functions = await asyncpg.connect(database.functions)
    for command in (envelope, forged):
        await functions.execute(
            "insert into public.executor_commands (command_id, portfolio_id, envelope) values ($1, $2, $3)",
            uuid.UUID(command["command_id"]),
            uuid.UUID(booked.executor.account),
            json.dumps(command),
        )
    await functions.close()

    async def answer(command: dict[str, Any]) -> dict[str, Any]:
        for _ in range(500):
            found = await owner.fetchval(
                "select answer from public.executor_commands where command_id = $1 and answered_at is not null",
                uuid.UUID(command["command_id"]),
            )
            if found is not None:
                result: dict[str, Any] = json.loads(found)
                return result
            await asyncio.sleep(0.02)
        raise AssertionError(booked.executor.text())

    first = await answer(envelope)
    assert first["status"] == "accepted"
    # The same envelope over HTTP: the first answer, and still one order.
    assert await asyncio.to_thread(booked.executor.send, envelope) == first
    assert (await answer(forged))["code"] == "bad_signature"
    assert not booked.executor.snapshot()["killed"]
    assert len(booked.venue.account()["open_orders"]) == 1


async def test_an_executor_that_is_gone_without_a_word_leaves_no_locks(database: Database) -> None:
    connection = await asyncpg.connect(database.executor)
    assert await connection.fetchval("show idle_in_transaction_session_timeout") == "10s"
    await connection.close()


async def test_postgres_holds_what_a_trailing_stop_is(booked: Desk, owner: asyncpg.Connection) -> None:
    booked.executor.place(type="market", quantity="0.1")
    booked.bar("50000", "50000", "50000", "50000")
    answer = booked.executor.place(side="sell", type="trailing_stop", quantity="0.05", trail="0.02", reduce_only=True)
    await written(booked.executor)
    row = await owner.fetchrow("select * from public.orders where id = $1", uuid.UUID(answer["command_id"]))
    assert row is not None
    assert (row["order_type"], str(row["trail"]), row["reduce_only"]) == ("trailing_stop", "0.02000000", True)
    assert (row["status"], row["stop_price"]) == ("open", None)
