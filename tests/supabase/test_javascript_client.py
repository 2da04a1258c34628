"""supabase-js, unchanged, against the embedded Supabase; its side of the test is js/client.mjs."""

from __future__ import annotations

import asyncio
import json
import shutil
from asyncio.subprocess import PIPE
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from tests.supabase.conftest import PASSWORD, Supabase

from smc_agent.local.auth.one_time import create_invite

SCRIPT = Path(__file__).with_name("js") / "client.mjs"


async def test_auth_rest_broadcast_presence_and_the_private_channel(supabase: Supabase) -> None:
    if not shutil.which("node") or not (SCRIPT.parent / "node_modules").exists():
        pytest.skip(f"needs Node and: npm ci --prefix {SCRIPT.parent}")
    node = await asyncio.create_subprocess_exec(
        "node", str(SCRIPT), stdin=PIPE, stdout=PIPE, stderr=PIPE
    )  # fmt: skip
    guest = f"{uuid4().hex}@example.com"
    async with asyncpg.create_pool(supabase.database.owner, min_size=1, max_size=1) as pool:
        invited = {"email": guest, "token": await create_invite(pool, guest, "trader")}
    assert node.stdin is not None
    assert node.stdout is not None
    email = f"{uuid4().hex}@example.com"
    settings = {"url": supabase.url, "anonKey": supabase.anon_key, "email": email, "password": PASSWORD}
    node.stdin.write(json.dumps({**settings, "invited": invited}).encode() + b"\n")
    said = (await asyncio.wait_for(node.stdout.readline(), 60)).decode().split()
    if said[:1] == ["joined"]:
        await _change_an_order_three_times(supabase, UUID(said[1]))
    out, err = await asyncio.wait_for(node.communicate(), 60)
    assert (out.decode().strip(), err.decode()) == ("ok", "")


async def _change_an_order_three_times(supabase: Supabase, user: UUID) -> None:
    owner = await asyncpg.connect(supabase.database.owner)
    portfolio = await owner.fetchval(
        "insert into portfolios (user_id, name, exchange, initial_balance) values ($1, 'p', 'paper', 1) returning id",
        user,
    )
    order = await owner.fetchval(
        "insert into orders (portfolio_id, symbol, side, order_type, quantity, price, exchange, client_order_id)"
        " values ($1, 'BTCUSDT', 'buy', 'limit', 0.12345678, 123456789012.12345678, 'paper', 'c1') returning id",
        portfolio,
    )
    for filled in ("0.00000001", "0.12345678"):
        await owner.execute("update orders set filled_quantity = $1::text::numeric where id = $2", filled, order)
    await owner.close()
