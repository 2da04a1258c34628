"""A database for a run, which can be taken away, and the look into it at the end."""

from __future__ import annotations

import asyncio
import time
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
from tests.executor.faulty_proxy import FaultyProxy

from smc_agent.local.database import prepare_database
from smc_agent.local.postgres import SUPERUSER, Postgres, prepare_postgres

# Nothing here has to survive a power cut.
SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
TEMPLATE = "smc_template"


def start_server(folder: Path) -> Postgres:
    """A server with a migrated template, so that a run's database takes a tenth of a second."""
    server = prepare_postgres(folder, SETTINGS)
    server.start()
    asyncio.run(_execute(server.url(SUPERUSER), f"create database {TEMPLATE}"))
    asyncio.run(prepare_database(server, TEMPLATE))
    return server


class Books:
    """The database of one run. `stops`: the run's own server, which is really stopped; else its port is cut."""

    def __init__(self, server: Postgres, name: str, stops: bool) -> None:
        self.server, self.name, self.stops = server, name, stops
        create = f"create database {name} template {TEMPLATE} owner postgres strategy file_copy"
        asyncio.run(_execute(server.url(SUPERUSER), create))
        self.user, self.account = str(uuid.uuid4()), str(uuid.uuid4())
        asyncio.run(self._open_portfolio())
        address = f"127.0.0.1:{server.port}"
        self.proxy = FaultyProxy(address)
        self.url = server.url("smc_executor", name).replace(address, self.proxy.url.removeprefix("http://"))

    def cut(self, seconds: float) -> None:
        """Takes the database away for a while."""
        self.proxy.pause()
        if self.stops:
            self.server.stop()
        time.sleep(seconds)
        if self.stops:
            self.server.start()
        self.proxy.resume()

    def differences(self, trades: list[dict[str, Any]], open_orders: list[dict[str, Any]]) -> list[str]:
        """What the tables lack of the venue's trades and open orders, or have too much."""
        return asyncio.run(self._differences(trades, open_orders))

    def close(self) -> None:
        self.proxy.close()

    async def _open_portfolio(self) -> None:
        owner = await asyncpg.connect(self.server.url(SUPERUSER, self.name))
        user, account = uuid.UUID(self.user), uuid.UUID(self.account)
        await owner.execute("insert into auth.users (id, email) values ($1, 'trader@example.com')", user)
        await owner.execute(
            "insert into public.portfolios (id, user_id, name, exchange, initial_balance) "
            "values ($1, $2, 'p', 'paper', 100000)",
            account,
            user,
        )
        await owner.close()

    async def _differences(self, trades: list[dict[str, Any]], open_orders: list[dict[str, Any]]) -> list[str]:
        owner = await asyncpg.connect(self.server.url(SUPERUSER, self.name))
        rows = await owner.fetch("select trade_id, side, quantity, price, fee from public.executions")
        booked = sorted((row["trade_id"], row["side"], row["quantity"], row["price"], row["fee"]) for row in rows)
        real = sorted(
            (str(trade["trade_id"]), trade["side"], *(Decimal(trade[name]) for name in ("quantity", "price", "fee")))
            for trade in trades
        )
        found = [] if booked == real else [f"executions: {set(booked) ^ set(real)} are not in both"]
        rows = await owner.fetch(
            "select client_order_id from public.orders "
            "where status not in ('filled', 'cancelled', 'rejected', 'expired')"
        )
        ours, theirs = {row["client_order_id"] for row in rows}, {order["client_order_id"] for order in open_orders}
        if ours != theirs:
            found.append(f"orders: {ours ^ theirs} are not open in both")
        await owner.close()
        return found


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
