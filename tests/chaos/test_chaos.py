"""The short form of `make chaos`: a few seeds, one of each way to go wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from tests.chaos.__main__ import play
from tests.chaos.books import start_server
from tests.chaos.scenario import KINDS, SWAPS, scenario
from tests.executor.running_executor import BINARY
from tests.paper_venue.running_venue import BINARY as VENUE_BINARY

from smc_agent.local.postgres import Postgres

# A lost answer with the network cut, events that never come, restarts with a cut database, twice and out of order;
# swap accounts by hand, short (commands through the table) and of both sides.
SEEDS = (17, 14, 25, 27, 8, 128)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Postgres]:
    """A Postgres server with the runs' template."""
    for binary in (BINARY, VENUE_BINARY):
        if not os.access(binary, os.X_OK):
            pytest.skip(f"{binary.name} is not built: cargo build --release, in executor/")
    started = start_server(tmp_path / "shared")
    yield started
    started.stop()


def test_a_few_seeds(server: Postgres, tmp_path: Path) -> None:
    with ProcessPoolExecutor(3) as pool:
        reports = list(pool.map(play, SEEDS, [tmp_path] * len(SEEDS), [server] * len(SEEDS)))
    assert {report.seed: report.failures for report in reports if report.failures} == {}
    assert sum(sum(report.faults.values()) for report in reports) > 20
    assert sum(report.kills for report in reports) > 3
    assert sum(report.by_both for report in reports) > 5
    assert {report.market for report in reports} == {"spot", "short", "both", "by_hand"}


def test_a_seed_decides_everything_and_every_kind_has_its_runs() -> None:
    assert scenario(17) == scenario(17)
    assert scenario(17) != scenario(17 + len(KINDS))
    mains = [max(scenario(seed).chances, key=lambda kind: scenario(seed).chances[kind]) for seed in range(1, 201)]
    assert set(mains) == set(KINDS)
    assert {scenario(seed).database for seed in range(1, 201)} == {"cut", "stopped", "away"}
    assert {scenario(seed).swap for seed in range(1, 201)} == {"", *SWAPS}
