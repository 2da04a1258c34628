"""What the routes depend on: the parts of this process, the caller, his portfolio."""

import asyncio
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import asyncpg
import httpx
from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPBearer

from smc_agent.api.detection_history import DetectionHistory
from smc_agent.api.stream_hub import StreamHub
from smc_agent.api.symbols import SymbolDirectory
from smc_agent.platform.auth import Authenticator, Principal, bearer_of
from smc_agent.platform.database import Database
from smc_agent.platform.limits import HEAVY, READ, WRITE, Limiter, Rate, enforce
from smc_agent.platform.problems import Problem
from smc_agent.platform.settings import Settings

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from smc_agent.platform.database import Connection


@dataclass(frozen=True)
class Parts:
    """What one API process holds."""

    settings: Settings
    database: Database
    authenticator: Authenticator
    limiter: Limiter
    http: httpx.AsyncClient
    symbols: SymbolDirectory
    stream: StreamHub
    backtests: asyncio.Semaphore  # how many may run at once
    detections: DetectionHistory

    async def close(self) -> None:
        """Give everything back."""
        await self.stream.close()
        await self.http.aclose()
        await self.limiter.close()
        await self.database.close()


def parts_of(connection: "HTTPConnection") -> Parts:
    parts: Parts = connection.app.state.parts
    return parts


async def _parts(request: Request) -> Parts:
    return parts_of(request)


async def _database(request: Request) -> Database:
    return parts_of(request).database


# Documents the scheme; the header itself is read by _principal, whose errors say more.
_bearer = HTTPBearer(
    auto_error=False, scheme_name="bearer", description="A Supabase access token, or an API key `smc_...`"
)


async def _principal(request: Request, _: Annotated[object, Security(_bearer)]) -> Principal:
    return await parts_of(request).authenticator.authenticate(bearer_of(request.headers.get("authorization")))


async def _limited(request: Request, principal: Principal, rate: Rate) -> Principal:
    await enforce(parts_of(request).limiter, rate, principal.rate_key)
    return principal


async def _reader(request: Request, principal: Annotated[Principal, Depends(_principal)]) -> Principal:
    principal.require("read")
    return await _limited(request, principal, READ)


async def _trader(request: Request, principal: Annotated[Principal, Depends(_principal)]) -> Principal:
    principal.require("trade")
    return await _limited(request, principal, WRITE)


async def _analyst(request: Request, principal: Annotated[Principal, Depends(_principal)]) -> Principal:
    principal.require("read")
    return await _limited(request, principal, HEAVY)


async def _command_id(
    principal: Annotated[Principal, Depends(_principal)],
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=200,
            description="Repeats of a request under one key act once and get the first answer",
            examples=["7f3c1a52-ticket-1"],
        ),
    ] = None,
) -> UUID:
    return uuid.uuid5(principal.user_id, idempotency_key) if idempotency_key else uuid.uuid4()


PartsDep = Annotated[Parts, Depends(_parts)]
DatabaseDep = Annotated[Database, Depends(_database)]
Reader = Annotated[Principal, Depends(_reader)]  # may read, and has not asked too often
Trader = Annotated[Principal, Depends(_trader)]  # may trade
Analyst = Annotated[Principal, Depends(_analyst)]  # may ask for what costs seconds
CommandId = Annotated[UUID, Depends(_command_id)]

# The problems that any route of a signed-in user may answer with.
SIGNED_IN = (
    "missing_credentials",
    "invalid_token",
    "token_expired",
    "invalid_api_key",
    "api_key_expired",
    "api_key_revoked",
    "inactive_user",
    "insufficient_scope",
    "validation_failed",
    "rate_limited",
    "internal_error",
    "database_unavailable",
)


async def read_portfolio(connection: "Connection", portfolio_id: UUID | None) -> asyncpg.Record:
    """A portfolio of the user that `connection` reads as; without an id his only one.

    Raises Problem `unknown_portfolio` (also for another user's: one cannot tell them apart), `portfolio_required`.
    """
    rows = await connection.fetch(
        "select p.*, u.risk_limits from public.portfolios p join public.users u on u.id = p.user_id"
        " where $1::uuid is null or p.id = $1 order by p.created_at limit 2",
        portfolio_id,
    )
    if not rows:
        raise Problem(
            "unknown_portfolio",
            "You have no portfolio yet." if portfolio_id is None else "You have no portfolio with this id.",
        )
    if len(rows) > 1:
        raise Problem("portfolio_required", "You have several portfolios; name one as portfolio_id.")
    return rows[0]
