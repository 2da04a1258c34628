"""A paper venue for a test, with its state in the test's folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.paper_venue.running_venue import BINARY, PaperVenue


@pytest.fixture
def start_venue(tmp_path: Path) -> Iterator[Callable[..., PaperVenue]]:
    """Starts a paper venue; keywords replace parts of its config."""
    if not os.access(BINARY, os.X_OK):
        pytest.skip("the paper venue is not built: cargo build --release -p paper_venue, in executor/")
    started: list[PaperVenue] = []

    def start(**config: Any) -> PaperVenue:
        started.append(PaperVenue(tmp_path, **config))
        return started[-1]

    yield start
    for venue in started:
        if venue.process.poll() is None:
            venue.stop()


@pytest.fixture
def venue(start_venue: Callable[..., PaperVenue]) -> PaperVenue:
    """A paper venue with one symbol and two accounts."""
    return start_venue()
