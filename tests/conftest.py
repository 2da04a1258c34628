"""A Postgres server for the test run, and fresh databases with every migration applied.

    async def test_something(database):
        connection = await asyncpg.connect(database.functions)

`database` is a fresh database for the test; `new_database()` makes more. URLs: `.owner` (role postgres: no superuser,
but past row-level security), `.superuser`, `.functions` (smc_functions), `.executor` (smc_executor), `.authenticator`.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from smc_agent.local.database import prepare_database
from smc_agent.local.postgres import SUPERUSER, Postgres, prepare_postgres


@dataclass(frozen=True)
class Database:
    """One database of the test server."""

    server: Postgres = field(repr=False)
    name: str

    @property
    def owner(self) -> str:
        return self.server.url("postgres", self.name)

    @property
    def superuser(self) -> str:
        return self.server.url(SUPERUSER, self.name)

    @property
    def functions(self) -> str:
        return self.server.url("smc_functions", self.name)

    @property
    def executor(self) -> str:
        return self.server.url("smc_executor", self.name)

    @property
    def authenticator(self) -> str:
        return self.server.url("authenticator", self.name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the test run (for each worker of pytest-xdist)."""
    with tempfile.TemporaryDirectory(prefix="smc-test-", ignore_cleanup_errors=True) as folder:
        # Nothing here has to survive a power cut.
        server = prepare_postgres(
            Path(folder), {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        )
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def new_database(postgres: Postgres) -> Callable[[], Database]:
    """A function that makes a fresh, migrated database; about 0.1 s each."""
    _wait(_execute(postgres.url(SUPERUSER), "create database smc_template"))
    _wait(prepare_database(postgres, "smc_template"))
    numbers = count(1)

    def make() -> Database:
        name = f"test_{next(numbers)}"
        create = f"create database {name} template smc_template owner postgres strategy file_copy"
        _wait(_execute(postgres.url(SUPERUSER), create))
        return Database(postgres, name)

    return make


@pytest.fixture
def database(new_database: Callable[[], Database]) -> Database:
    """A fresh, migrated database."""
    return new_database()


@pytest.fixture
def database_url(database: Database) -> str:
    """The URL of a fresh, migrated database, as its owner."""
    return database.owner


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _wait(work: Any) -> Any:
    # In a thread of its own: the test may have an event loop running in this one.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
