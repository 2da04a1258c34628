"""What a run tells of itself."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Report:
    """What happened in a run and what was wrong in the end."""

    seed: int
    failures: list[str] = field(default_factory=list)
    commands: int = 0
    accepted: int = 0
    unanswered: int = 0
    venue_orders: int = 0
    trades: int = 0
    kills: int = 0
    venue_restarts: int = 0
    network_cuts: int = 0
    database: str = ""
    market: str = ""
    by_table: int = 0
    by_both: int = 0
    fundings: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    observations: int = 0
    exact_checks: int = 0
    longest_bare_s: float = 0.0
    seconds: float = 0.0
