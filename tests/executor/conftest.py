"""An executor with its paper venue, for a test."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.conftest import Database
from tests.executor.running_executor import BINARY, Desk, Executor
from tests.paper_venue.running_venue import BINARY as VENUE_BINARY
from tests.paper_venue.running_venue import PaperVenue


@pytest.fixture
def start_paper_venue(tmp_path: Path) -> Iterator[Callable[..., PaperVenue]]:
    """Starts a paper venue at 50,000; keywords replace parts of its config."""
    for name, binary in {"executor": BINARY, "paper_venue": VENUE_BINARY}.items():
        if not os.access(binary, os.X_OK):
            pytest.skip(f"{name} is not built: cargo build --release -p {name}, in executor/")
    started: list[PaperVenue] = []

    def start(**config: Any) -> PaperVenue:
        venue = PaperVenue(tmp_path, **config)
        started.append(venue)
        venue.bar("50000", "50000", "50000", "50000")
        return venue

    yield start
    for venue in started:
        if venue.process.poll() is None:
            venue.stop()


@pytest.fixture
def paper_venue(start_paper_venue: Callable[..., PaperVenue]) -> PaperVenue:
    return start_paper_venue()


@pytest.fixture
def start_thin_venue(start_paper_venue: Callable[..., PaperVenue]) -> Callable[[], PaperVenue]:
    """Starts a paper venue that fills at most a tenth of a bar's volume."""
    return lambda: start_paper_venue(volume_share="0.1")


@pytest.fixture
def make_executor(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Executor]]:
    """An executor not yet started; `venue_url` if not the paper venue's; others replace parts of its config."""
    made: list[Executor] = []

    def make(**config: Any) -> Executor:
        url = config.pop("venue_url", None) or request.getfixturevalue("paper_venue").url
        made.append(Executor(tmp_path, url, **config))
        return made[-1]

    yield make
    for executor in made:
        if executor.process is not None and executor.process.poll() is None:
            executor.stop()


@pytest.fixture
def desk(paper_venue: PaperVenue, make_executor: Callable[..., Executor]) -> Desk:
    """A running executor, with the database away."""
    return Desk(paper_venue, make_executor().start())


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection that may do everything in the test's database."""
    connection = await asyncpg.connect(database.superuser)
    yield connection
    await connection.close()


@pytest.fixture
async def portfolio(owner: asyncpg.Connection) -> str:
    """The id of a paper portfolio."""
    user, portfolio = uuid.uuid4(), uuid.uuid4()
    await owner.execute("insert into auth.users (id, email) values ($1, 'trader@example.com')", user)
    await owner.execute(
        "insert into public.portfolios (id, user_id, name, exchange, initial_balance) "
        "values ($1, $2, 'p', 'paper', 100000)",
        portfolio,
        user,
    )
    return str(portfolio)
