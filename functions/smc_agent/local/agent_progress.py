"""How far the agent is: a file for `smc status`, a line for whoever watches."""

import asyncio
import json
import logging
import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from smc_agent.execution import Cancel, Decision, Place, Refused
from smc_agent.market import Market, milliseconds
from smc_agent.market.source import Source

log = logging.getLogger(__name__)

_FILE_S = 1.0
_LINE_S = 2.0


@dataclass
class Progress:
    """Counts of the market's bars and decisions, earlier runs included; `run_bars` are those of this run."""

    source: Source
    market: Market
    state_dir: Path
    bars_done: int = 0
    bar_time_ms: int | None = None
    finished: bool = False
    signals: int = 0
    refusals: int = 0
    orders: int = 0
    run_bars: int = 0
    _began: float = field(default_factory=time.monotonic)

    async def report(self) -> None:
        """Writes the file every second and the line every two while bars come; runs until cancelled."""
        shown_at, shown_bars, stale = time.monotonic(), self.run_bars, False
        while True:
            self.write()
            now = time.monotonic()
            if now - shown_at >= _LINE_S:
                rate = (self.run_bars - shown_bars) / (now - shown_at)
                # A line for each bar of a live market would say nothing new; a busy replay is watched.
                if rate >= 10:
                    log.info(
                        "%s bars done%s, %.0f bars/s, %d signals, %d orders", f"{self.bars_done:,}",
                        f" of {self.source.total:,}" if self.source.total else "", rate, self.signals, self.orders,
                    )  # fmt: skip
                shown_at, shown_bars = now, self.run_bars
            if self.stale != stale:
                stale = self.stale
                if stale:
                    log.warning("feed: %s says nothing any more; no bars, no entries until it does", self.market)
                else:
                    log.warning("feed: %s speaks again", self.market)
            await asyncio.sleep(_FILE_S)

    def count(self, decisions: list[Decision]) -> None:
        """Counts what a session decided."""
        for decision in decisions:
            self.signals += not isinstance(decision, Cancel)
            self.refusals += isinstance(decision, Refused)
            self.orders += isinstance(decision, Place)

    @property
    def stale(self) -> bool:
        """Whether a live feed has been silent for longer than two bars and half a minute."""
        silent = self.source.silent_for()
        return silent is not None and silent > 2 * milliseconds(self.market.timeframe) / 1000 + 30

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def write(self) -> None:
        """Replaces `agent.json` in the state folder; a reader never sees half of it."""
        state: dict[str, Any] = {
            "source": {"replay": "replay", "synthetic": "synthetic"}.get(self.market.exchange, "live"),
            "exchange": self.market.exchange,
            "symbol": self.market.symbol,
            "timeframe": self.market.timeframe,
            "bars_done": self.bars_done,
            "bars_total": self.source.total,
            "bar_time_ms": self.bar_time_ms,
            "finished": self.finished,
            "stale": self.stale,
            "signals": self.signals,
            "refusals": self.refusals,
            "orders": self.orders,
            "updated_at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        path = self.state_dir / "agent.json"
        temporary = path.with_suffix(".json.new")
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(state, file)
        os.replace(temporary, path)
