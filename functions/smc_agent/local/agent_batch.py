"""What the agent found out and decided since the last commit: it becomes true all at once, or not at all."""

import json
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from smc_agent.execution import Cancel, Decision, Figures, Place, Refused, SessionConfig, cancel_payload, place_payload
from smc_agent.local.agent_executor import Command
from smc_agent.local.agent_sessions import Session
from smc_agent.market import Bar, Market, milliseconds
from smc_agent.market.patterns import PatternRows, pattern_id
from smc_agent.strategy import Signal


class OrderEvent(NamedTuple):
    """A row of `order_events`."""

    portfolio_id: UUID
    session_id: UUID
    order_id: UUID | None
    key: str
    type: str
    actor: str
    reason: str
    details: str
    market_ms: int


class RiskRow(NamedTuple):
    """A row of `risk_metrics`; a day's end is measured at midnight UTC."""

    portfolio_id: UUID
    measured_ms: int
    equity: Decimal
    exposure: Decimal
    daily_pnl: Decimal
    drawdown: Decimal
    breakers: str


@dataclass
class Batch:
    """Rows of one market between two commits."""

    market: Market
    bars: list[Bar] = field(default_factory=list)
    patterns: PatternRows = field(init=False)
    facts: list[OrderEvent] = field(default_factory=list)
    risk: dict[tuple[UUID, int], RiskRow] = field(default_factory=dict)
    triggers: dict[str, Counter[UUID]] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.patterns = PatternRows(self.market)

    def add_decisions(self, session: Session, decisions: list[Decision], bar: Bar) -> list[Command]:
        """Notes the decisions at the close of `bar`; the commands that carry them out, to be sent after the commit."""
        commands = []
        close_ms = bar.time + milliseconds(self.market.timeframe)
        strategy = f"strategy:{session.config.strategy}"
        for decision in decisions:
            match decision:
                case Place(intent, signal):
                    self._add_signal(session, signal, strategy, close_ms)
                    command = Command(intent.order_id, session.account, "place", place_payload(intent))
                    details = {"signal_id": signal.id, "risk": str(intent.risk), "command": _as_json(command)}
                    self._add(session.config, UUID(intent.order_id), f"intent:{intent.order_id}", "intent", "risk",
                              intent.reason, details, close_ms)  # fmt: skip
                    self.triggers[f"intent:{intent.order_id}"] = Counter(
                        pattern_id(self.market, event_id) for event_id in signal.event_ids
                    )
                    commands.append(command)
                case Refused(signal, code, reason):
                    self._add_signal(session, signal, strategy, close_ms)
                    details = {"signal_id": signal.id, "code": code}
                    key = f"refusal:{session.id}:{signal.id}"
                    self._add(session.config, None, key, "refusal", "risk", reason, details, close_ms)
                case Cancel():
                    commands.append(self.add_cancel(session.config, decision, strategy, close_ms))
        return commands

    def add_cancel(self, session: SessionConfig, cancel: Cancel, actor: str, market_ms: int) -> Command:
        """Notes that an order is to be taken back; its command."""
        payload = cancel_payload(cancel.order_id, cancel.reason)
        command = Command(cancel.command_id, str(session.portfolio_id), "cancel", payload)
        self._add(session, UUID(cancel.order_id), f"cancel:{cancel.order_id}", "cancel", actor, cancel.reason,
                  {"command": _as_json(command)}, market_ms)  # fmt: skip
        return command

    def add_risk(self, session: Session, measured_ms: int, figures: Figures) -> None:
        """Notes the figures of the session's account as they were at `measured_ms`."""
        row = RiskRow(
            session.config.portfolio_id, measured_ms, figures.equity, figures.exposure, figures.daily_pnl,
            figures.drawdown, json.dumps(figures.breakers),
        )  # fmt: skip
        self.risk[row.portfolio_id, measured_ms] = row

    def _add_signal(self, session: Session, signal: Signal, actor: str, market_ms: int) -> None:
        details = signal.model_dump(mode="json")
        reasons = " ".join(signal.reasons)
        self._add(
            session.config, None, f"signal:{session.id}:{signal.id}", "signal", actor, reasons, details, market_ms
        )
        # A signal is its user's own: the API passes it to nobody else.
        data = {**details, "session_id": str(session.id), "user_id": str(session.user_id)}
        self.messages.append({"type": "trade_signal", "symbol": signal.symbol, "data": data, "timestamp": market_ms})

    def _add(
        self, session: SessionConfig, order_id: UUID | None, key: str, kind: str, actor: str, reason: str,
        details: dict[str, Any], market_ms: int,
    ) -> None:  # fmt: skip
        self.facts.append(
            OrderEvent(
                session.portfolio_id, session.session_id, order_id, key, kind, actor, reason,
                json.dumps(details, separators=(",", ":")), market_ms,
            )
        )  # fmt: skip


def _as_json(command: Command) -> dict[str, Any]:
    return {"command_id": command.command_id, "account": command.account, "action": command.action,
            "payload": command.payload}  # fmt: skip
