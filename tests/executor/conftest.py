"""An executor with its paper venue, for a test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.executor.running_executor import BINARY, Desk, Executor
from tests.paper_venue.running_venue import BINARY as VENUE_BINARY
from tests.paper_venue.running_venue import PaperVenue


@pytest.fixture
def paper_venue(tmp_path: Path) -> Iterator[PaperVenue]:
    for name, binary in {"executor": BINARY, "paper_venue": VENUE_BINARY}.items():
        if not os.access(binary, os.X_OK):
            pytest.skip(f"{name} is not built: cargo build --release -p {name}, in executor/")
    venue = PaperVenue(tmp_path)
    venue.bar("50000", "50000", "50000", "50000")
    yield venue
    if venue.process.poll() is None:
        venue.stop()


@pytest.fixture
def make_executor(tmp_path: Path, paper_venue: PaperVenue) -> Iterator[Callable[..., Executor]]:
    """An executor, not yet started; keywords replace parts of its config."""
    made: list[Executor] = []

    def make(**config: Any) -> Executor:
        made.append(Executor(tmp_path, config.pop("venue_url", paper_venue.url), **config))
        return made[-1]

    yield make
    for executor in made:
        if executor.process is not None and executor.process.poll() is None:
            executor.stop()


@pytest.fixture
def desk(paper_venue: PaperVenue, make_executor: Callable[..., Executor]) -> Desk:
    """A running executor, with the database away."""
    return Desk(paper_venue, make_executor().start())
