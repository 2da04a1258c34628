"""Metrics against values computed by hand, and none where they are undefined."""

from math import sqrt

import numpy as np
import pytest

from smc_agent.backtest import curve_metrics, daily_returns, trade_metrics
from smc_agent.backtest.metrics import correlation

DAY = 86_400_000
HALF = DAY // 2


def two_a_day(*equity: float) -> tuple[np.ndarray, np.ndarray]:
    """Two bars a UTC day; only the second of each is its end."""
    return np.arange(len(equity), dtype=np.int64) * HALF, np.array(equity, float)


# Day ends 110, 99, 118.8: returns 10 %, -10 %, 20 %.
TIME, EQUITY = two_a_day(90, 110, 120, 99, 100, 118.8)


def test_returns_are_between_the_ends_of_utc_days() -> None:
    assert daily_returns(TIME, EQUITY, 100) == pytest.approx([0.1, -0.1, 0.2])


def test_a_last_day_that_is_not_over_counts_from_its_last_bar() -> None:
    assert daily_returns(TIME[:5], EQUITY[:5], 100) == pytest.approx([0.1, -0.1, 100 / 99 - 1])


def test_ratios_by_hand() -> None:
    got = curve_metrics(TIME, EQUITY, 100)
    mean = 0.2 / 3
    deviations = [(x - mean) ** 2 for x in (0.1, -0.1, 0.2)]
    std = sqrt(sum(deviations) / 2)
    assert got.days == 3
    assert got.total_return == pytest.approx(0.188)
    assert got.sharpe == pytest.approx(mean / std * sqrt(365), rel=1e-12)
    assert got.sortino == pytest.approx(mean / sqrt(0.01 / 3) * sqrt(365), rel=1e-12)
    assert got.cagr == pytest.approx(1.188 ** (365 / 3) - 1, rel=1e-12)
    # The deepest fall is within days: from 120 to 99.
    assert got.max_drawdown == pytest.approx(-0.175)
    assert got.cagr is not None
    assert got.calmar == pytest.approx(got.cagr / 0.175)
    assert got.volatility == pytest.approx(std * sqrt(365))
    # Sorted -0.1, 0.1, 0.2: the 5th percentile lies a tenth of the way from the first to the second.
    assert got.var_95 == pytest.approx(-0.08)
    assert got.cvar_95 == pytest.approx(-0.1)
    assert got.var_normal == pytest.approx(mean - 1.6448536269514722 * std)


def test_the_start_counts_in_the_drawdown() -> None:
    assert curve_metrics(*two_a_day(80, 90), 100).max_drawdown == pytest.approx(-0.2)


def test_days_a_year_and_risk_free_rate() -> None:
    got = curve_metrics(TIME, EQUITY, 100, days_a_year=252, risk_free=0.05)
    rf = 1.05 ** (1 / 252) - 1
    excess = np.array([0.1, -0.1, 0.2]) - rf
    assert got.sharpe == pytest.approx(excess.mean() / excess.std(ddof=1) * sqrt(252))


def test_undefined_is_none_never_a_huge_number() -> None:
    one_day = curve_metrics(*two_a_day(100, 105), 100)
    assert one_day.total_return == pytest.approx(0.05)
    assert {one_day.sharpe, one_day.sortino, one_day.cagr, one_day.calmar, one_day.var_95, one_day.volatility} == {None}
    flat = curve_metrics(*two_a_day(100, 100, 100, 100, 100, 100), 100)
    assert (flat.sharpe, flat.sortino, flat.calmar) == (None, None, None)
    assert (flat.cagr, flat.max_drawdown, flat.var_95) == (0, 0, 0)
    steady = curve_metrics(*two_a_day(101, 101, 102.01, 102.01, 103.0301, 103.0301), 100)
    assert (steady.sharpe, steady.sortino, steady.calmar) == (None, None, None)
    nothing = curve_metrics(np.empty(0, np.int64), np.empty(0), 100)
    assert (nothing.total_return, nothing.days, nothing.sharpe) == (0, 0, None)


def test_trades_by_hand() -> None:
    got = trade_metrics([100, -50, 30, 0], [2, -1, 0.6, 0])
    assert (got.trades, got.wins, got.losses) == (4, 2, 1)
    assert got.win_rate == 0.5
    assert got.profit_factor == pytest.approx(2.6)
    assert got.expectancy == pytest.approx(20)
    assert got.expectancy_r == pytest.approx(0.4)


def test_no_trade_and_no_loss() -> None:
    none = trade_metrics([], [])
    assert {none.win_rate, none.profit_factor, none.expectancy, none.expectancy_r} == {None}
    assert trade_metrics([5], [1]).profit_factor is None


def test_correlation() -> None:
    up, down = np.array([0.1, 0.2, -0.1]), np.array([-0.1, -0.2, 0.1])
    assert correlation(up, down) == pytest.approx(-1)
    assert correlation(up, np.zeros(3)) is None
    assert correlation(up[:1], down[:1]) is None
