"""What goes wrong in one run, and when: all of it follows from the seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

# Faults of requests, and of what the venue tells by itself.
REQUEST = ("delay", "drop_request", "drop_reply", "error_before", "error_after", "garble", "too_many", "ban", "clock")
CONNECTION = ("disconnect", "restart")
EVENT = ("late", "duplicate", "reorder", "gap")
KINDS = REQUEST + CONNECTION + EVENT

# Chance at each request or event of a run's main fault, and of those beside it. A restart takes everything with it.
MAIN, BESIDE = 0.12, 0.03
RARE = {"restart": 0.02, "ban": 0.03, "clock": 0.05, "disconnect": 0.06}
# How many of the runs are of swap accounts, and what such a run trades.
SWAP_SHARE = 0.4
SWAPS = ("long", "short", "both", "by_hand")


@dataclass(frozen=True)
class Scenario:
    """Moments are in seconds after the first command."""

    seed: int
    chances: dict[str, float]
    kills: tuple[float, ...]
    venue_kills: tuple[float, ...]
    cuts: tuple[tuple[float, float], ...]
    database: str
    database_cuts: tuple[tuple[float, float], ...]
    steps: int
    ends_flat: bool
    by_hand: bool
    """Buys and sells without brackets; else brackets, and nothing is sold by hand that they protect."""
    swap: str
    """Empty: a spot account. Else a swap account with brackets that are `long`, `short` or `both`, or `by_hand`."""
    ways: tuple[float, float]
    """How many of the commands go through the table in Postgres alone, and how many both ways at once."""

    @property
    def plan(self) -> dict[str, Any]:
        """The paper venue's `faults`."""
        return {"seed": self.seed, "chances": self.chances, "longest_ms": 60, "longest_skew_ms": 20_000}

    @property
    def over_after(self) -> float:
        """When the last disturbance is over."""
        moments = [*self.kills, *self.venue_kills]
        return max([0.0, *moments, *(at + length for at, length in (*self.cuts, *self.database_cuts))])

    @property
    def is_exact(self) -> bool:
        """Nothing keeps the executor from hearing of a fill and answering it, so that protection has no excuse."""
        hindering = set(REQUEST) - {"delay", "clock"} | set(CONNECTION) | {"gap"}
        return not (hindering & set(self.chances)) and not self.cuts and not self.venue_kills


def scenario(seed: int) -> Scenario:
    """Every kind of fault is the main one in one of as many runs as there are kinds."""
    chance = random.Random(f"chaos {seed}")
    main = KINDS[seed % len(KINDS)]
    chances = {main: RARE.get(main, MAIN)}
    if seed % 2:
        for kind in chance.sample(KINDS, 3):
            chances.setdefault(kind, min(BESIDE, RARE.get(kind, 1)))

    def moments(most: int) -> tuple[float, ...]:
        return tuple(sorted(round(chance.uniform(0.05, 2.5), 3) for _ in range(chance.randint(0, most))))

    def spans(most: int) -> tuple[tuple[float, float], ...]:
        return tuple((at, round(chance.uniform(0.05, 0.6), 3)) for at in moments(most))

    # Drawn apart, so that what the seeds of spot accounts meant they mean still.
    other = random.Random(f"chaos ways {seed}")
    swap = other.choice(SWAPS) if other.random() < SWAP_SHARE else ""
    database = {0: "cut", 1: "cut", 2: "stopped"}.get(seed % 8, "away")
    return Scenario(
        seed=seed,
        chances=chances,
        kills=moments(3) if seed % 3 else (),
        venue_kills=moments(1) if seed % 7 == 3 else (),
        cuts=spans(2) if seed % 5 == 2 else (),
        database=database,
        database_cuts=(spans(2) or ((0.2, 0.5),)) if database != "away" else (),
        steps=chance.randint(8, 16),
        ends_flat=seed % 6 == 5,
        by_hand=swap == "by_hand" if swap else seed % 8 == 4,
        swap=swap,
        ways=(0.0, 0.0) if database == "away" else (0.3, 0.2),
    )
