"""Figures of an equity curve and of trades, defined once; None where a figure is undefined.

Equity is marked at each UTC day's end, returns are simple and daily, the first against the starting capital.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
DAY_MS = 86_400_000
# A spread of returns below this, against their size, is the dust of float arithmetic: no variance.
NO_SPREAD = 1e-12


@dataclass(frozen=True, slots=True)
class CurveMetrics:
    """Of an equity curve. Fractions; `max_drawdown` and VaR are negative or 0."""

    total_return: float
    days: int
    sharpe: float | None
    sortino: float | None
    cagr: float | None
    max_drawdown: float
    calmar: float | None
    volatility: float | None
    var_95: float | None
    cvar_95: float | None
    var_normal: float | None


@dataclass(frozen=True, slots=True)
class TradeMetrics:
    """Of closed trades. `expectancy` in the quote asset, `expectancy_r` in multiples of the risk taken."""

    trades: int
    wins: int
    losses: int
    win_rate: float | None
    profit_factor: float | None
    expectancy: float | None
    expectancy_r: float | None


def daily_returns(time: npt.NDArray[np.int64], equity: Values, initial: float) -> Values:
    """Simple returns between the ends of UTC days; `equity` at the close of the bars that open at `time` (ms)."""
    if not len(time):
        return np.empty(0)
    day = time // DAY_MS
    ends = np.append(np.flatnonzero(day[1:] != day[:-1]), len(day) - 1)
    marks = np.concatenate(([initial], equity[ends]))
    returns: Values = marks[1:] / marks[:-1] - 1
    return returns


def curve_metrics(
    time: npt.NDArray[np.int64], equity: Values, initial: float, days_a_year: int = 365, risk_free: float = 0.0
) -> CurveMetrics:
    """The figures of `equity`, marked at each bar's close; `risk_free` is a yearly rate."""
    returns = daily_returns(time, equity, initial)
    n = len(returns)
    drawdown = max_drawdown(equity, initial)
    total = float(equity[-1] / initial - 1) if len(equity) else 0.0
    if n < 2:
        return CurveMetrics(total, n, None, None, None, drawdown, None, None, None, None, None)
    excess = returns - ((1 + risk_free) ** (1 / days_a_year) - 1)
    mean = float(np.mean(excess))
    spread = float(np.std(excess, ddof=1))
    varies = spread > NO_SPREAD * max(1.0, abs(mean))
    downside = sqrt(float(np.sum(np.minimum(excess, 0) ** 2)) / n)
    growth = float(np.prod(1 + returns))
    cagr = growth ** (days_a_year / n) - 1 if growth > 0 else None
    var = float(np.percentile(returns, 5))
    return CurveMetrics(
        total_return=total,
        days=n,
        sharpe=mean / spread * sqrt(days_a_year) if varies else None,
        sortino=mean / downside * sqrt(days_a_year) if downside > NO_SPREAD else None,
        cagr=cagr,
        max_drawdown=drawdown,
        calmar=cagr / abs(drawdown) if cagr is not None and drawdown < 0 else None,
        volatility=float(np.std(returns, ddof=1)) * sqrt(days_a_year),
        var_95=var,
        cvar_95=float(np.mean(returns[returns <= var])),
        var_normal=float(np.mean(returns)) + NormalDist().inv_cdf(0.05) * float(np.std(returns, ddof=1)),
    )


def max_drawdown(equity: Values, initial: float) -> float:
    """The deepest fall from a peak, as a fraction of the peak, 0 or negative; the start counts as a peak."""
    if not len(equity):
        return 0.0
    peak = np.maximum(np.maximum.accumulate(equity), initial)
    return float(np.min(equity / peak - 1))


def trade_metrics(pnl: Sequence[float], r: Sequence[float]) -> TradeMetrics:
    """The figures of closed trades: `pnl` in the quote asset, `r` in multiples of the risk taken, one each a trade."""
    n = len(pnl)
    won = [x for x in pnl if x > 0]
    lost = [x for x in pnl if x < 0]
    return TradeMetrics(
        trades=n,
        wins=len(won),
        losses=len(lost),
        win_rate=len(won) / n if n else None,
        profit_factor=sum(won) / -sum(lost) if lost else None,
        expectancy=sum(pnl) / n if n else None,
        expectancy_r=sum(r) / n if n else None,
    )


def correlation(a: Values, b: Values) -> float | None:
    """Pearson's, of two series of returns; None with fewer than two, or when one does not vary."""
    if len(a) < 2 or np.std(a) <= NO_SPREAD or np.std(b) <= NO_SPREAD:
        return None
    return float(np.corrcoef(a, b)[0, 1])
