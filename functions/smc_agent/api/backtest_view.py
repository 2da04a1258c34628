"""A backtest's result in the shapes of /analytics/backtest."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from smc_agent.backtest import BacktestResult

MAX_POINTS = 2_000


class EquityPoint(BaseModel):
    """Equity at the close of a bar."""

    time_ms: int = Field(description="open time of the bar, epoch ms")
    equity: float


class LoggedTrade(BaseModel):
    """A closed position; times are open times of bars, epoch ms; money in the quote asset."""

    order_id: str
    signal_id: str
    entry_bar: int
    exit_bar: int
    entry_time_ms: int
    exit_time_ms: int
    entry_price: str
    exit_price: str
    quantity: str
    stop: str
    target: str
    exit: str = Field(description="what closed it", examples=["stop"])
    pnl: str = Field(description="fees included")
    r: float = Field(description="pnl over what the stop would have lost")
    fees: str
    ambiguous: bool = Field(description="within one bar the order of events decided; the adverse one was assumed")
    reasons: list[str]


class PerformanceMetrics(BaseModel):
    """Fractions, but for counts; null where undefined (no closed trade, fewer than two days, no variance)."""

    total_return: float
    days: int
    sharpe: float | None
    sortino: float | None
    cagr: float | None
    max_drawdown: float = Field(description="of every bar's equity; negative or 0")
    calmar: float | None
    trades: int
    wins: int
    losses: int
    win_rate: float | None
    profit_factor: float | None
    expectancy: float | None = Field(description="per trade, in the quote asset")
    expectancy_r: float | None = Field(description="per trade, in multiples of the risk taken")
    exposure: float = Field(description="bars in the market / bars")
    buy_and_hold_return: float = Field(description="of the same capital, bought at the first open")
    final_equity: str


class RiskMetrics(BaseModel):
    """Of daily returns; VaR 95 and CVaR 95 are historical, as fractions."""

    volatility: float | None
    var_95: float | None
    cvar_95: float | None
    var_normal: float | None
    max_drawdown: float
    correlation: float | None = Field(description="to buying and holding")


class Reproducibility(BaseModel):
    """The same four give the same bytes."""

    data_sha256: str = Field(description="of the bars")
    config: dict[str, Any]
    version: str = Field(description="of the program")
    seed: int | None = Field(description="null: nothing in this run is drawn by chance")


class Backtest(BaseModel):
    """The result, and what is needed to have it again."""

    verdict: str = Field(description="in plain words", examples=["No trade was closed: there is nothing to judge."])
    performance_metrics: PerformanceMetrics
    equity_curve: list[EquityPoint] = Field(
        description="of every k-th bar and the last, 2,000 points at most; figures are of every bar"
    )
    trade_log: list[LoggedTrade]
    risk_metrics: RiskMetrics
    bars: int
    signals: int = Field(description="that risk was asked about")
    refusals: dict[str, int] = Field(description="signals that risk refused, by code")
    ambiguous_bars: int
    assumptions: list[str]
    reproducibility: Reproducibility


def view_json(result: "BacktestResult") -> str:
    """The result as the JSON of a Backtest."""
    report = result.report()
    curve = asdict(result.curve)
    risk_only = ("volatility", "var_95", "cvar_95", "var_normal")
    step = -(-len(result.time) // (MAX_POINTS - 1)) or 1
    picked = [*range(0, len(result.time) - 1, step), len(result.time) - 1]
    body = {
        "verdict": report["verdict"],
        "performance_metrics": {
            **{name: value for name, value in report["metrics"].items() if name not in risk_only},
            "buy_and_hold_return": result.benchmark.metrics.total_return,
            "final_equity": report["final_equity"],
        },
        "equity_curve": [{"time_ms": int(result.time[i]), "equity": float(result.equity[i])} for i in picked],
        "trade_log": report["trades"],
        "risk_metrics": {
            **{name: curve[name] for name in (*risk_only, "max_drawdown")},
            "correlation": result.benchmark.correlation,
        },
        "bars": report["bars"],
        "signals": report["signals"],
        "refusals": report["refusals"],
        "ambiguous_bars": report["ambiguous_bars"],
        "assumptions": report["assumptions"],
        "reproducibility": report["reproducibility"],
    }
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
