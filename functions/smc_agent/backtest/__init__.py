"""Backtest: the live detector and trader over recorded bars, against a venue that assumes the worst within a bar."""

from smc_agent.backtest.engine import digest, run_backtest
from smc_agent.backtest.metrics import CurveMetrics, TradeMetrics, curve_metrics, daily_returns, trade_metrics
from smc_agent.backtest.result import BacktestResult, Trade
from smc_agent.backtest.venue import Fees, SimulatedVenue

__all__ = [
    "BacktestResult",
    "CurveMetrics",
    "Fees",
    "SimulatedVenue",
    "Trade",
    "TradeMetrics",
    "curve_metrics",
    "daily_returns",
    "digest",
    "run_backtest",
    "trade_metrics",
]
