"""order_events: append-only, and a change made past that shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

EVENT = (
    "insert into order_events (portfolio_id, event_key, event_type, actor, version, reason)"
    " values ($1, $2, 'signal', 'risk', '0.1.0', 'why') on conflict do nothing"
)
BROKEN = "select private.broken_order_event($1)"


@pytest.fixture
async def owner(database: Any) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.owner)
    yield connection
    await connection.close()


@pytest.fixture
async def portfolio(owner: asyncpg.Connection) -> UUID:
    user = await owner.fetchval("insert into auth.users (email) values ('a@example.com') returning id")
    portfolio: UUID = await owner.fetchval(
        "insert into portfolios (user_id, name, exchange, initial_balance) values ($1, 'p', 'paper', 1) returning id",
        user,
    )
    return portfolio


async def _write(database: Any, portfolio: UUID, *keys: str) -> None:
    connection = await asyncpg.connect(database.functions)
    for key in keys:
        await connection.execute(EVENT, portfolio, key)
    await connection.close()


async def test_events_are_chained_in_order_and_a_repeat_adds_nothing(
    database: Any, owner: asyncpg.Connection, portfolio: UUID
) -> None:
    await _write(database, portfolio, "1", "2", "2", "3")
    rows = await owner.fetch("select event_key, position, prev_hash, hash from order_events order by position")
    assert [(row["event_key"], row["position"]) for row in rows] == [("1", 1), ("2", 2), ("3", 3)]
    assert [row["prev_hash"] for row in rows] == ["", rows[0]["hash"], rows[1]["hash"]]
    assert await owner.fetchval(BROKEN, portfolio) is None


@pytest.mark.parametrize(
    "statement", ["update order_events set reason = 'x'", "delete from order_events", "truncate order_events"]
)
async def test_a_row_cannot_be_changed_or_removed_even_by_the_owner(
    database: Any, owner: asyncpg.Connection, portfolio: UUID, statement: str
) -> None:
    await _write(database, portfolio, "1")
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await owner.execute(statement)


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("update order_events set reason = 'x' where position = 2", "event 2 was changed"),
        ("update order_events set session_id = gen_random_uuid() where position = 3", "event 3 was changed"),
        ("delete from order_events where position = 2", "event 2 is missing"),
        ("delete from order_events where position = 3", "event 3 is missing"),
        (
            "with gone as (delete from order_events where position = 1) update order_events"
            " set position = position - 1, prev_hash = case position when 2 then '' else prev_hash end"
            " where position > 1",
            "event 1 was changed",
        ),
    ],
)
async def test_tampering_past_the_triggers_shows(
    database: Any, owner: asyncpg.Connection, portfolio: UUID, tampering: str, found: str
) -> None:
    await _write(database, portfolio, "1", "2", "3")
    superuser = await asyncpg.connect(database.superuser)
    await superuser.execute("set session_replication_role = replica")  # fires no trigger
    await superuser.execute(tampering)
    await superuser.close()
    assert await owner.fetchval(BROKEN, portfolio) == found


async def test_writers_that_touch_the_same_rows_in_opposite_order_do_not_deadlock(
    database: Any, owner: asyncpg.Connection, portfolio: UUID
) -> None:
    functions, executor = await asyncpg.connect(database.functions), await asyncpg.connect(database.executor)
    one, two = functions.transaction(), executor.transaction()
    await one.start()
    await two.start()
    await functions.execute(EVENT, portfolio, "decided")
    await executor.execute("update portfolios set killed = false where id = $1", portfolio)
    waits = asyncio.create_task(functions.execute("update portfolios set equity = 1 where id = $1", portfolio))
    await asyncio.sleep(0.1)
    await executor.execute(EVENT, portfolio, "filled")
    await asyncio.wait_for(two.commit(), 5)
    await asyncio.wait_for(waits, 5)
    await one.commit()
    await functions.close()
    await executor.close()
    rows = await owner.fetch("select event_key from order_events order by position")
    assert [row["event_key"] for row in rows] == ["filled", "decided"]
    assert await owner.fetchval(BROKEN, portfolio) is None


async def test_each_users_numbers_have_no_gap_under_concurrent_writers(
    database: Any, owner: asyncpg.Connection, portfolio: UUID
) -> None:
    async def write(worker: int) -> None:
        connection = await asyncpg.connect(database.executor)
        for number in range(10):
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(EVENT, portfolio, f"{worker}:{number}")
            await connection.execute(
                "insert into orders (id, portfolio_id, symbol, side, order_type, quantity, exchange, client_order_id)"
                " values ($1, $2, 'BTCUSDT', 'buy', 'market', 1, 'paper', 'c')",
                uuid4(), portfolio,
            )  # fmt: skip
            await (transaction.rollback() if number % 5 == 4 else transaction.commit())
        await connection.close()

    await asyncio.gather(*(write(worker) for worker in range(4)))
    rows = await owner.fetch("select (payload ->> 'seq')::bigint as seq from realtime.messages order by 1")
    assert [row["seq"] for row in rows] == list(range(1, 1 + 1 + 4 * 8 * 2))
    assert await owner.fetchval("select count(*) from private.order_changes") == 0
    assert await owner.fetchval(BROKEN, portfolio) is None
