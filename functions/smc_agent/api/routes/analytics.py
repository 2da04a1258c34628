"""Analytics: backtests over stored bars, by the code that trades."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from smc_agent.api.backtest_view import Backtest
from smc_agent.api.bars import choose_series, read_period, read_series
from smc_agent.api.decimal_json import DecimalRoute, Given
from smc_agent.api.deps import SIGNED_IN, Analyst, PartsDep
from smc_agent.api.errors import responses
from smc_agent.api.routes.market import Exchange, Symbol, Timeframe
from smc_agent.market.timeframes import TIMEFRAMES
from smc_agent.platform.problems import FieldError, Problem

if TYPE_CHECKING:
    from smc_agent.execution import SessionConfig

router = APIRouter(prefix="/api/v1/analytics", tags=["analytics"], route_class=DecimalRoute)

MAX_BARS = 200_000
NO_PORTFOLIO = UUID(int=0)  # nothing is traded; the same config has to give the same bytes


class StrategyConfig(BaseModel):
    """What is traded and how; as trading_sessions.strategy_config, without the portfolio."""

    model_config = ConfigDict(extra="forbid")

    symbol: Symbol
    timeframe: Timeframe
    exchange: Exchange | None = Field(None, description="default: the one with the newest bar")
    strategy: Literal["smc_confluence"] = "smc_confluence"
    params: dict[str, Any] = Field({}, description="of the strategy; what is left out has its default")
    risk: dict[str, Any] = Field(
        {}, description="risk limits; what is left out has its default. fee_rate is the fee of every fill"
    )


class BacktestBody(BaseModel):
    """A backtest over the stored bars of a period."""

    model_config = ConfigDict(extra="forbid")

    strategy_config: StrategyConfig
    start_date: datetime = Field(
        description="ISO 8601; UTC where it names no offset", examples=["2020-01-01T00:00:00Z"]
    )
    end_date: datetime = Field(description="bars that have closed by then", examples=["2020-01-03T00:00:00Z"])
    initial_capital: Annotated[Given, Field(gt=0, description="in the quote asset", examples=[100000])]


@router.post(
    "/backtest",
    response_model=Backtest,
    responses=responses(
        *SIGNED_IN,
        "invalid_json",
        "body_too_large",
        "unknown_market",
        "unknown_symbol",
        "unsupported_timeframe",
        "too_many_bars",
        "backtest_busy",
    ),
    summary="Run a backtest",
    operation_id="run_backtest",
)
async def run_backtest(parts: PartsDep, analyst: Analyst, body: BacktestBody) -> Response:
    """Replays the closed bars of a period through detection, strategy and risk into a simulated venue that assumes the
    adverse order of events within a bar. At most 200,000 bars."""
    config = body.strategy_config
    start_ms, end_ms = _epoch_ms(body.start_date), _epoch_ms(body.end_date)
    if start_ms >= end_ms:
        raise _invalid("body.end_date", "period", "must be after start_date")
    if parts.backtests.locked():
        raise Problem("backtest_busy", "Other backtests are running; wait a little.", headers={"Retry-After": "5"})
    async with parts.backtests:
        async with parts.database.as_user(analyst.user_id) as connection:
            series = choose_series(await read_series(connection, config.symbol), config.timeframe, config.exchange)
            count = (min(end_ms, series.closed_until_ms) - start_ms) // TIMEFRAMES[config.timeframe]
            if count > MAX_BARS:
                detail = (
                    f"The period holds up to {count} bars of {config.timeframe}; at most {MAX_BARS} are run at once."
                )
                raise Problem("too_many_bars", f"{detail} Shorten it, or take a higher time frame.")
            bars = await read_period(connection, series, config.timeframe, start_ms, end_ms)
        if not bars:
            raise Problem("unknown_market", f"No {config.timeframe} bar of {config.symbol} closed in this period.")
        rules = await parts.symbols.rules(parts.database, series, config.symbol)
        if rules is None:
            raise Problem("unknown_symbol", f"The steps that {config.symbol} trades in are not known.")
        session = await asyncio.to_thread(_session, config, series.exchange)
        text = await asyncio.to_thread(_run, bars, session, rules, body.initial_capital)
    return Response(text, media_type="application/json")


def _epoch_ms(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def _invalid(field: str, code: str, message: str) -> Problem:
    return Problem("validation_failed", f"{field}: {message}.", (FieldError(field, code, message),))


def _session(config: StrategyConfig, exchange: str) -> "SessionConfig":
    from smc_agent.execution import SessionConfig

    asked = config.model_dump() | {
        "exchange": exchange,
        "session_id": NO_PORTFOLIO,
        "portfolio_id": NO_PORTFOLIO,
    }
    try:
        return SessionConfig.model_validate(asked)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = "body.strategy_config." + ".".join(map(str, first["loc"]))
        raise _invalid(where, first["type"], first["msg"].removeprefix("Value error, ")) from None


def _run(bars: Any, session: "SessionConfig", rules: Any, initial_capital: Any) -> str:
    from smc_agent import backtest
    from smc_agent.api.backtest_view import view_json
    from smc_agent.market.bars import bars_of

    fees = backtest.Fees(maker=session.risk.fee_rate, taker=session.risk.fee_rate)
    columns = bars_of(bars, session.symbol, session.timeframe, session.exchange)
    return view_json(backtest.run_backtest(columns, session, rules, initial_capital, fees))
