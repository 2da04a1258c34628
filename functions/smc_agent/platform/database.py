"""Postgres: one pool, and the two ways in that differ by who asks."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg

from smc_agent.platform.problems import Problem

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = PoolConnectionProxy[asyncpg.Record]

SUPABASE_TRANSACTION_POOLER_PORT = 6543  # shares server connections, so named statements would collide


# It logs a traceback at each try to connect again; whoever asks for a connection is told in words.
logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)

# The server went away, or goes away, while it was asked.
LOST = (ConnectionError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InterfaceError)


async def _leave_as_is(_: object) -> None:
    """Nothing outlives a use of a connection here (settings and roles are local), so nothing has to be asked for."""


def _away() -> Problem:
    return Problem(
        "database_unavailable",
        "The database cannot be reached; try again in a moment. Your stops rest at the exchange.",
        headers={"Retry-After": "5"},
    )


class Database:
    """A lazily opened pool of connections that log in as `smc_functions`.

    Raises Problem `database_unavailable` when no connection can be had within `timeout_s`.
    """

    def __init__(self, url: str, timeout_s: float = 5.0) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()

    async def _open(self) -> "asyncpg.Pool[asyncpg.Record]":
        async with self._opening:
            if self._pool is None:
                pooled = urlsplit(self._url).port == SUPABASE_TRANSACTION_POOLER_PORT
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=1,
                    max_size=10,
                    timeout=self._timeout_s,
                    command_timeout=30,
                    max_inactive_connection_lifetime=60,  # a frozen Lambda wakes up with connections long dead
                    statement_cache_size=0 if pooled else 100,
                    reset=_leave_as_is,
                )
            return self._pool

    @asynccontextmanager
    async def as_functions(self) -> "AsyncIterator[Connection]":
        """A connection with the program's own rights; the policies for smc_functions apply."""
        try:
            pool = self._pool or await self._open()
            connection = await pool.acquire(timeout=self._timeout_s)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise _away() from error
        try:
            yield connection
        except LOST as error:
            raise _away() from error
        finally:
            await pool.release(connection)

    @asynccontextmanager
    async def as_user(self, user_id: UUID) -> "AsyncIterator[Connection]":
        """A read-only transaction in which row-level security sees `user_id`: what he may not read is not there."""
        claims = json.dumps({"sub": str(user_id), "role": "authenticated"})
        async with self.as_functions() as connection:
            # In one message, for the order path waits for it. A UUID and our own words: nothing to escape.
            await connection.execute(
                f"begin read only; set local role authenticated; set local request.jwt.claims = '{claims}'"
            )
            try:
                yield connection
            finally:
                await connection.execute("rollback")  # it only read

    async def close(self) -> None:
        """Give the connections back; a later use opens new ones."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.close()
