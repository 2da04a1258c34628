"""The trading sessions that the agent runs: loaded from the database, with the account each trades on."""

import json
import logging
from dataclasses import dataclass
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

    @property
    def id(self) -> UUID:
        return self.config.session_id

    @property
    def account(self) -> str:
        return str(self.config.portfolio_id)


@dataclass
class Account:
    """An account as last seen; `saved` is what the last checkpoint has of it."""

    snapshot: Snapshot
    view: AccountView
    saved: str = ""

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Account":
        return cls(snapshot, snapshot.view())


@dataclass(frozen=True)
class SessionRow:
    """An active session as the database has it."""

    config: SessionConfig
    user_id: UUID
    on_paper: bool


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
        config = row["strategy_config"]
        fields = json.loads(config) if isinstance(config, str) else config
        try:
            session = SessionConfig.model_validate({**fields, "session_id": row["id"]})
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            log.error("session %s: strategy_config.%s: %s; it does not run", row["id"], where, first["msg"])
            continue
        sessions[session.session_id] = SessionRow(session, row["user_id"], row["exchange"] == "paper")
    return sessions


async def paper_portfolios(connection: "Connection") -> set[str]:
    """All accounts at the paper venue, of sessions or not: each must have reacted before prices move on."""
    return {str(row["id"]) for row in await connection.fetch("select id from portfolios where exchange = 'paper'")}
