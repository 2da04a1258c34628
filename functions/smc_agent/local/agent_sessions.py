"""The trading sessions that the agent runs: loaded from the database, with the account each trades on."""

import json
import logging
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import ValidationError

from smc_agent.execution import SessionConfig, Snapshot, Trader
from smc_agent.market import Market
from smc_agent.risk import AccountView

if TYPE_CHECKING:
    from smc_agent.market.store import Connection

log = logging.getLogger(__name__)


@dataclass
class Session:
    """One running session. `on_paper`: its venue moves only when the agent tells it a bar."""

    config: SessionConfig
    user_id: UUID
    on_paper: bool
    trader: Trader
    worst_drawdown: Decimal = Decimal(0)
    breakers: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> UUID:
        return self.config.session_id

    @property
    def account(self) -> str:
        return str(self.config.portfolio_id)


@dataclass(frozen=True)
class Account:
    """An account as last seen."""

    snapshot: Snapshot
    view: AccountView

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Account":
        # How many rows the executor has yet to write says nothing about the account.
        return cls(snapshot.model_copy(update={"sink_pending": 0}), snapshot.view())


@dataclass(frozen=True)
class SessionRow:
    """An active session as the database has it."""

    config: SessionConfig
    user_id: UUID
    on_paper: bool

    @property
    def account(self) -> str:
        return str(self.config.portfolio_id)


async def active_sessions(connection: "Connection", market: Market) -> dict[UUID, SessionRow]:
    """The sessions without an end that follow `market`. One with a bad configuration is logged and left out."""
    rows = await connection.fetch(
        "select s.id, s.user_id, s.strategy_config, p.exchange from trading_sessions s"
        " join portfolios p on p.id::text = s.strategy_config ->> 'portfolio_id' and p.user_id = s.user_id"
        " where s.end_time is null and s.strategy_config ->> 'exchange' = $1"
        " and s.strategy_config ->> 'symbol' = $2 and s.strategy_config ->> 'timeframe' = $3"
        " order by s.start_time, s.id",
        *market,
    )
    sessions = {}
    for row in rows:
        try:
            session = SessionConfig.model_validate({**json.loads(row["strategy_config"]), "session_id": row["id"]})
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            log.error("session %s: strategy_config.%s: %s; it does not run", row["id"], where, first["msg"])
            continue
        sessions[session.session_id] = SessionRow(session, row["user_id"], row["exchange"] == "paper")
    return sessions


async def orphaned_entries(connection: "Connection", market: Market) -> list[tuple[SessionConfig, UUID, str]]:
    """Entries of ended sessions on `market` that still work: (session, its user, order id)."""
    rows = await connection.fetch(
        "select o.id as order_id, s.id, s.user_id, s.strategy_config from orders o"
        " join trading_sessions s on s.id = o.session_id and s.end_time is not null"
        " where o.status in ('pending', 'open', 'partially_filled', 'unknown') and o.parent_id is null"
        " and s.strategy_config ->> 'exchange' = $1 and s.strategy_config ->> 'symbol' = $2"
        " and s.strategy_config ->> 'timeframe' = $3 order by o.created_at",
        *market,
    )
    found = []
    for row in rows:
        try:
            config = SessionConfig.model_validate({**json.loads(row["strategy_config"]), "session_id": row["id"]})
        except ValidationError:
            continue
        found.append((config, row["user_id"], str(row["order_id"])))
    return found


async def paper_portfolios(connection: "Connection") -> set[str]:
    """All accounts at the paper venue, of sessions or not: each must have reacted before prices move on."""
    return {str(row["id"]) for row in await connection.fetch("select id from portfolios where exchange = 'paper'")}
