"""The official Python client, unchanged, against the embedded Supabase."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from realtime.types import RealtimeChannelOptions, RealtimePostgresChangesListenEvent
from supabase_auth.errors import AuthApiError
from tests.supabase.conftest import PASSWORD, Supabase

from supabase import AsyncClient, acreate_client

PRIVATE: RealtimeChannelOptions = {"config": {"private": True, "broadcast": None, "presence": None}}


@pytest.fixture
async def client(supabase: Supabase) -> AsyncIterator[AsyncClient]:
    client = await acreate_client(supabase.url, supabase.anon_key)
    yield client
    await client.realtime.close()


async def _sign_up(client: AsyncClient) -> UUID:
    answer = await client.auth.sign_up({"email": f"{uuid4().hex}@example.com", "password": PASSWORD})
    assert answer.user is not None
    return UUID(answer.user.id)


async def test_sign_up_sign_in_refresh_and_sign_out(client: AsyncClient) -> None:
    email = f"{uuid4().hex}@example.com"
    signed_up = await client.auth.sign_up(
        {"email": email, "password": PASSWORD, "options": {"data": {"desk": "night"}}}
    )
    assert signed_up.user is not None
    assert signed_up.user.user_metadata == {"desk": "night"}
    await client.auth.sign_out()
    signed_in = await client.auth.sign_in_with_password({"email": email.upper(), "password": PASSWORD})
    assert signed_in.session is not None
    refreshed = await client.auth.refresh_session()
    assert refreshed.session is not None
    assert refreshed.session.refresh_token != signed_in.session.refresh_token
    seen = await client.auth.get_user()
    assert seen is not None
    assert seen.user.email == email
    await client.auth.update_user({"password": PASSWORD + "!"})
    await client.auth.sign_out()
    with pytest.raises(AuthApiError, match="Invalid login credentials"):
        await client.auth.sign_in_with_password({"email": email, "password": PASSWORD})


async def test_reads_and_writes_own_sessions_under_row_level_security(client: AsyncClient) -> None:
    user = await _sign_up(client)
    table = client.table("trading_sessions")
    row = {"user_id": str(user), "session_name": "London open", "strategy_config": {"symbol": "BTCUSDT"}}
    await table.insert(row).execute()
    await client.table("trading_sessions").update({"session_name": "New York"}).eq("user_id", str(user)).execute()
    found = (await client.table("trading_sessions").select("session_name,total_pnl::text").execute()).data
    assert found == [{"session_name": "New York", "total_pnl": "0.00000000"}]


async def test_an_order_row_reaches_its_owner_with_every_digit_and_no_gap_in_seq(
    client: AsyncClient, supabase: Supabase
) -> None:
    user = await _sign_up(client)
    owner = await asyncpg.connect(supabase.database.owner)
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    try:
        portfolio = await owner.fetchval(
            "insert into portfolios (user_id, name, exchange, initial_balance) values ($1, 'p', 'paper', 100000)"
            " returning id",
            user,
        )
        channel = client.channel(f"user:{user}", PRIVATE)
        joined: list[tuple[str, Exception | None]] = []
        channel.on_broadcast("*", lambda message: received.put_nowait(dict(message)))
        await channel.subscribe(lambda state, error: joined.append((state.value, error)))
        assert joined == [("SUBSCRIBED", None)]
        executor = await asyncpg.connect(supabase.database.executor)
        order = await executor.fetchval(
            "insert into orders (portfolio_id, symbol, side, order_type, quantity, price, exchange, client_order_id)"
            " values ($1, 'BTCUSDT', 'buy', 'limit', 0.12345678, 123456789012.12345678, 'paper', 'c1') returning id",
            portfolio,
        )
        for filled in ("0.00000001", "0.12345678"):
            await executor.execute("update orders set filled_quantity = $1::text::numeric where id = $2", filled, order)
        await executor.close()
        messages = [await asyncio.wait_for(received.get(), 10) for _ in range(3)]
    finally:
        await owner.close()
    assert [message["event"] for message in messages] == ["orders"] * 3
    payloads = [message["payload"] for message in messages]
    assert [payload["seq"] - payloads[0]["seq"] for payload in payloads] == [0, 1, 2]
    assert [payload["type"] for payload in payloads] == ["INSERT", "UPDATE", "UPDATE"]
    assert payloads[0]["row"]["price"] == "123456789012.12345678"
    assert [payload["row"]["filled_quantity"] for payload in payloads] == ["0.00000000", "0.00000001", "0.12345678"]


async def test_a_public_channel_carries_a_clients_broadcast_to_the_others(
    client: AsyncClient, supabase: Supabase
) -> None:
    other = await acreate_client(supabase.url, supabase.anon_key)
    received: asyncio.Queue[Any] = asyncio.Queue()
    name = f"room-{uuid4().hex}"
    listening = client.channel(name)
    listening.on_broadcast("hello", received.put_nowait)
    await listening.subscribe()
    speaking = other.channel(name)
    await speaking.subscribe()
    await speaking.send_broadcast("hello", {"n": 1})
    assert (await asyncio.wait_for(received.get(), 10))["payload"] == {"n": 1}
    await other.realtime.close()


async def test_postgres_changes_are_refused_with_a_reason(client: AsyncClient) -> None:
    channel = client.channel(f"changes-{uuid4().hex}")
    channel.on_postgres_changes(RealtimePostgresChangesListenEvent.All, lambda _: None, schema="public", table="orders")
    states: list[tuple[str, str]] = []
    await channel.subscribe(lambda state, error: states.append((state.value, str(error))))
    assert states[0][0] == "CHANNEL_ERROR"
    assert "postgres_changes are not served here" in states[0][1]
    await channel.unsubscribe()
