"""Risk: where a portfolio stands, and the kill switch."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from smc_agent.api.commands import SAFE, Executor, raise_refusal
from smc_agent.api.decimal_json import Amount, DecimalRoute, Number, answer
from smc_agent.api.deps import SIGNED_IN, CommandId, Parts, PartsDep, Reader, Trader, read_portfolio
from smc_agent.api.errors import responses
from smc_agent.api.order_path import Fact, record
from smc_agent.platform.problems import Problem

router = APIRouter(prefix="/api/v1/risk", tags=["risk"], route_class=DecimalRoute)

ZERO = Decimal(0)
QUEUED_KILL_TTL = timedelta(days=1)


class PositionRisk(BaseModel):
    """What is held of one symbol, in the quote asset."""

    symbol: str
    quantity: Amount
    entry_price: Amount | None = Field(description="average cost; null when flat")
    current_price: Amount | None = Field(description="last close; null before the first mark")
    exposure: Amount = Field(description="quantity at the current price, else at cost")
    unrealized_pnl: Amount | None
    realized_pnl: Amount
    share_of_equity: Amount | None = Field(description="exposure as a fraction of equity")
    opened_at: datetime | None


class LimitUse(BaseModel):
    """A limit and how much of it is used; fractions of equity but for counts."""

    limit: Number
    used: Number | None = Field(description="null before the first mark")
    utilization: Number | None = Field(description="used / limit; 1 and above: tripped")


class PortfolioRisk(BaseModel):
    """architecture.md's five figures, and the switches. In the quote asset."""

    portfolio_id: UUID
    name: str
    trading_mode: Literal["paper", "live"]
    quote_asset: str
    total_exposure: Number = Field(description="value of all that is held")
    positions: list[PositionRisk]
    daily_pnl: Number | None = Field(
        description="equity less equity at the UTC day's start; null before the first mark"
    )
    max_drawdown: Number | None = Field(description="greatest so far, percent of the peak; null before the first mark")
    risk_limits: dict[str, LimitUse] = Field(description="by limit: daily_loss, drawdown, exposure, open_orders")
    drawdown: Number | None = Field(description="now, percent of the peak")
    equity: Amount | None
    var_95: Amount | None = Field(description="one day, historical; null with fewer than two days")
    breakers: dict[str, str] = Field(description="ok, or tripped with the reason", examples=[{"daily_loss": "ok"}])
    killed: bool
    measured_at: datetime | None = Field(description="market time of the last mark")
    synced_at: datetime | None = Field(description="when the executor last agreed with the venue")


@router.get(
    "/portfolio",
    response_model=PortfolioRisk,
    responses=responses(*SIGNED_IN, "unknown_portfolio", "portfolio_required"),
    summary="Risk of a portfolio",
    operation_id="read_portfolio_risk",
)
async def read_portfolio_risk(
    parts: PartsDep,
    reader: Reader,
    portfolio_id: Annotated[UUID | None, Query(description="may be left out by who has one portfolio")] = None,
) -> Response:
    """Exposure, positions, today's result, drawdown and the use of each limit, as of the last closed bar."""
    async with parts.database.as_user(reader.user_id) as connection:
        portfolio = await read_portfolio(connection, portfolio_id)
        positions = await connection.fetch(
            "select * from public.positions where portfolio_id = $1 and quantity <> 0 order by symbol", portfolio["id"]
        )
        metrics = await connection.fetchrow(
            "select m.*, (select max(drawdown) from public.risk_metrics where portfolio_id = $1) as max_drawdown"
            " from public.risk_metrics m where m.portfolio_id = $1 order by m.measured_at desc limit 1",
            portfolio["id"],
        )
        working = await connection.fetchval(
            "select count(*) from public.orders where portfolio_id = $1 and parent_id is null"
            " and status in ('pending', 'open', 'partially_filled', 'unknown')",
            portfolio["id"],
        )
    return answer(
        _portfolio_risk(portfolio, [_position(row, portfolio["equity"]) for row in positions], metrics, working)
    )


def _position(row: asyncpg.Record, equity: Decimal | None) -> PositionRisk:
    price = row["current_price"] if row["current_price"] is not None else row["entry_price"]
    exposure = abs(row["quantity"]) * price if price is not None else ZERO
    return PositionRisk.model_construct(
        symbol=row["symbol"],
        quantity=row["quantity"],
        entry_price=row["entry_price"],
        current_price=row["current_price"],
        exposure=exposure,
        unrealized_pnl=row["unrealized_pnl"],
        realized_pnl=row["realized_pnl"],
        share_of_equity=_ratio(exposure, equity),
        opened_at=row["opened_at"],
    )


def _ratio(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    return round(part / whole, 8) if part is not None and whole else None


def _portfolio_risk(
    portfolio: asyncpg.Record, positions: list[PositionRisk], metrics: asyncpg.Record | None, working: int
) -> PortfolioRisk:
    from smc_agent.risk import RiskLimits

    limits = RiskLimits.model_validate(json.loads(portfolio["risk_limits"]))
    equity: Decimal | None = portfolio["equity"]
    exposure = sum((position.exposure for position in positions), ZERO)
    day_start = portfolio["day_start_equity"]
    daily_pnl = equity - day_start if equity is not None and day_start is not None else None
    drawdown = metrics["drawdown"] if metrics else None

    def use(limit: Decimal | int, used: Decimal | int | None) -> LimitUse:
        spent = None if used is None else Decimal(used)
        return LimitUse.model_construct(limit=Decimal(limit), used=spent, utilization=_ratio(spent, Decimal(limit)))

    lost = None if daily_pnl is None else _ratio(max(ZERO, -daily_pnl), day_start)
    return PortfolioRisk.model_construct(
        portfolio_id=portfolio["id"],
        name=portfolio["name"],
        trading_mode=portfolio["trading_mode"],
        quote_asset=portfolio["quote_asset"],
        total_exposure=exposure,
        positions=positions,
        daily_pnl=daily_pnl,
        max_drawdown=metrics["max_drawdown"] * 100 if metrics else None,
        risk_limits={
            "daily_loss": use(limits.max_daily_loss, lost),
            "drawdown": use(limits.max_drawdown, drawdown),
            "exposure": use(limits.max_exposure, _ratio(exposure, equity)),
            "open_orders": use(limits.max_open_orders, working),
        },
        drawdown=drawdown * 100 if drawdown is not None else None,
        equity=equity,
        var_95=metrics["var_95"] if metrics else None,
        breakers=json.loads(metrics["breakers"]) if metrics else {},
        killed=portfolio["killed"],
        measured_at=metrics["measured_at"] if metrics else None,
        synced_at=portfolio["synced_at"],
    )


class KillBody(BaseModel):
    """Which portfolio to stop."""

    model_config = ConfigDict(extra="forbid")
    portfolio_id: UUID
    flatten: bool = Field(False, description="sell all that is held, at market, too")
    reason: Annotated[str, Field(max_length=200)] = "Kill switch, by hand."


class ResumeBody(BaseModel):
    """Which portfolio may trade again."""

    model_config = ConfigDict(extra="forbid")
    portfolio_id: UUID
    reason: Annotated[str, Field(max_length=200)] = "Resumed by hand."


class SwitchAnswer(BaseModel):
    """What became of the switch."""

    portfolio_id: UUID
    killed: bool = Field(description="as asked for; with status `queued` from the moment the executor is back")
    status: Literal["done", "unknown", "queued"]
    code: str = Field(description="of the executor", examples=["accepted"])
    message: str
    execution_time_ms: Number | None


@router.post(
    "/kill",
    response_model=SwitchAnswer,
    responses={
        **responses(*SIGNED_IN, "unknown_portfolio", "invalid_json", "order_refused", "command_not_accepted"),
        202: {"model": SwitchAnswer, "description": "The executor is away: stored, and obeyed the moment it is back"},
    },
    summary="Kill switch",
    operation_id="kill_portfolio",
)
async def kill_portfolio(parts: PartsDep, trader: Trader, command_id: CommandId, body: KillBody) -> Response:
    """No entries from now on, working entries cancelled, protective stops kept; with `flatten` everything sold.

    Survives restarts. Where the executor does not answer the command waits for it in the database."""
    payload = {"reason": body.reason, "flatten": body.flatten}
    return await _switch(parts, trader, command_id, body.portfolio_id, "kill", payload)


@router.post(
    "/resume",
    response_model=SwitchAnswer,
    responses=responses(
        *SIGNED_IN, "unknown_portfolio", "invalid_json", "order_refused", "command_not_accepted", "executor_unavailable"
    ),
    summary="Lift the kill switch",
    operation_id="resume_portfolio",
)
async def resume_portfolio(parts: PartsDep, trader: Trader, command_id: CommandId, body: ResumeBody) -> Response:
    """Entries are let through again. Tripped breakers stay tripped."""
    return await _switch(parts, trader, command_id, body.portfolio_id, "resume", {"reason": body.reason})


async def _switch(
    parts: Parts, trader: Trader, command_id: UUID, portfolio_id: UUID, action: str, payload: dict[str, Any]
) -> Response:
    async with parts.database.as_user(trader.user_id) as connection:
        await read_portfolio(connection, portfolio_id)
    executor = Executor(parts.settings, parts.http)
    fact = Fact(action, f"{command_id}:{action}", "user", str(payload["reason"]), payload)
    await record(parts, portfolio_id, None, fact)
    killed = action == "kill"
    try:
        said = await executor.submit(executor.envelope(command_id, portfolio_id, action, payload))
        raise_refusal(said)
    except Problem as problem:
        if not killed or problem.code != "executor_unavailable":
            raise
        envelope = executor.envelope(command_id, portfolio_id, action, payload, QUEUED_KILL_TTL)
        await _queue(parts, command_id, portfolio_id, envelope)
        message = f"The executor does not answer; it will stop the moment it is back. {SAFE}"
        queued = SwitchAnswer(
            portfolio_id=portfolio_id,
            killed=True,
            status="queued",
            code="queued",
            message=message,
            execution_time_ms=None,
        )
        return answer(queued, 202)
    done = SwitchAnswer(
        portfolio_id=portfolio_id,
        killed=killed,
        status="done" if said.status == "accepted" else "unknown",
        code=said.code or said.status,
        message=said.message or "",
        execution_time_ms=Decimal(repr(said.latency_ms or 0.0)),
    )
    return answer(done, 200 if done.status == "done" else 202)


async def _queue(parts: Parts, command_id: UUID, portfolio_id: UUID, envelope: dict[str, Any]) -> None:
    async with parts.database.as_functions() as connection:
        await connection.execute(
            "insert into public.executor_commands (command_id, portfolio_id, envelope) values ($1, $2, $3)"
            " on conflict (command_id) do nothing",
            command_id,
            portfolio_id,
            json.dumps(envelope),
        )
