"""Analytics: backtests over stored bars."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from smc_agent.api.bars import MAX_STORED_BARS, choose_series, read_period, read_series
from smc_agent.api.decimal_json import Amount, DecimalRoute, Number
from smc_agent.api.deps import SIGNED_IN, Analyst, PartsDep
from smc_agent.api.errors import responses
from smc_agent.api.routes.market import Exchange, Symbol, Timeframe
from smc_agent.market.timeframes import TIMEFRAMES
from smc_agent.platform.problems import Problem

router = APIRouter(prefix="/api/v1/analytics", tags=["analytics"], route_class=DecimalRoute)


class StrategyConfig(BaseModel):
    """What is traded and how; as trading_sessions.strategy_config, without the portfolio."""

    model_config = ConfigDict(extra="forbid")

    symbol: Symbol
    timeframe: Timeframe
    exchange: Exchange | None = Field(None, description="default: the one with the newest bar")
    strategy: Literal["smc_confluence"] = "smc_confluence"
    params: dict[str, Any] = Field({}, description="of the strategy; what is left out has its default")
    risk: dict[str, Any] = Field({}, description="risk limits; what is left out has its default")


class BacktestBody(BaseModel):
    """A backtest over the stored bars of a period."""

    model_config = ConfigDict(extra="forbid")

    strategy_config: StrategyConfig
    start_date: datetime = Field(
        description="ISO 8601; UTC where it names no offset", examples=["2020-01-01T00:00:00Z"]
    )
    end_date: datetime = Field(description="bars that have closed by then", examples=["2020-01-03T00:00:00Z"])
    initial_capital: Annotated[Number, Field(gt=0, examples=[100000])]


class EquityPoint(BaseModel):
    """Equity at the close of a bar."""

    time_ms: int
    equity: Amount


class Reproducibility(BaseModel):
    """The same four give the same bytes."""

    data_digest: str = Field(description="SHA-256 of the bars")
    config: dict[str, Any]
    version: str = Field(description="of the program")
    seed: int | None = Field(description="null: nothing in this run is drawn by chance")


class Backtest(BaseModel):
    """The result; figures that are not defined (no trade, fewer than two days) are null."""

    performance_metrics: dict[str, float | int | None]
    equity_curve: list[EquityPoint]
    trade_log: list[dict[str, Any]]
    risk_metrics: dict[str, float | int | None]
    bars: int
    reproducibility: Reproducibility


@router.post(
    "/backtest",
    response_model=Backtest,
    responses=responses(
        *SIGNED_IN, "invalid_json", "body_too_large", "unknown_market", "unsupported_timeframe", "too_many_bars",
        "backtest_busy",
    ),
    summary="Run a backtest",
    operation_id="run_backtest",
)  # fmt: skip
async def run_backtest(parts: PartsDep, analyst: Analyst, body: BacktestBody) -> Response:
    raise NotImplementedError
