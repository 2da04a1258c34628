"""What a backtest found: trades, decisions, equity, figures, and what is needed to run it again."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from smc_agent.backtest.brackets import ExitKind
from smc_agent.backtest.metrics import CurveMetrics, TradeMetrics
from smc_agent.backtest.venue import Fees, Fill
from smc_agent.execution import Decision, Place, Refused


@dataclass(frozen=True, slots=True)
class Trade:
    """A closed position. Times are open times of bars (ms). `pnl` and `fees` in the quote asset; `pnl` is after fees.

    `r`: pnl over the loss that the stop would have made, fees included. `ambiguous`: within one bar the order of events
    decided, and the adverse one was assumed.
    """

    order_id: str
    signal_id: str
    entry_bar: int
    exit_bar: int
    entry_time_ms: int
    exit_time_ms: int
    entry_price: Decimal
    exit_price: Decimal
    quantity: Decimal
    stop: Decimal
    target: Decimal
    exit: ExitKind
    pnl: Decimal
    r: float
    fees: Decimal
    ambiguous: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpenTrade:
    """A position that the data's end left open; marked, not closed."""

    order_id: str
    entry_time_ms: int
    entry_price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class BuyAndHold:
    """All the capital in the base asset from the first open on, one taker fee."""

    metrics: CurveMetrics
    correlation: float | None


@dataclass(frozen=True, slots=True)
class Reproducibility:
    """The same four give the same bytes. Nothing is drawn at random: there is no seed."""

    data_sha256: str
    config: dict[str, Any]
    version: str
    seed: None = None


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """`equity` float64[n] at the close of the bars that open at `time` int64[n]. `decisions`: (bar, decision).

    `fills`: every one, in order, for comparison with what paper or live logged.
    """

    symbol: str
    timeframe: str
    quote: str
    initial_capital: Decimal
    final_equity: Decimal
    fees: Fees
    time: npt.NDArray[np.int64]
    equity: npt.NDArray[np.float64]
    trades: tuple[Trade, ...]
    open_trade: OpenTrade | None
    decisions: tuple[tuple[int, Decision], ...]
    fills: tuple[Fill, ...]
    curve: CurveMetrics
    trading: TradeMetrics
    exposure: float
    ambiguous_bars: int
    benchmark: BuyAndHold
    reproducibility: Reproducibility

    @property
    def signals(self) -> int:
        """Signals that risk was asked about."""
        return sum(isinstance(decision, Place | Refused) for _, decision in self.decisions)

    @property
    def refusals(self) -> dict[str, int]:
        """How often each refusal code was given, the most frequent first."""
        counts = Counter(decision.code for _, decision in self.decisions if isinstance(decision, Refused))
        return dict(counts.most_common())

    @property
    def verdict(self) -> str:
        """In plain words, whether it was worth it."""
        mine, held = self.curve.total_return, self.benchmark.metrics.total_return
        if not self.trades:
            return "No trade was closed: there is nothing to judge."
        words = f"The strategy made {mine:+.2%}, buying and holding {held:+.2%}"
        if mine <= 0:
            return f"{words}: it lost money" + (
                ", though less than the market." if mine > held else ", and did not beat the market."
            )
        return f"{words}: " + ("it beat the market." if mine > held else "it did not beat the market.")

    def report(self) -> dict[str, Any]:
        """Everything but the equity curve and the decisions, as JSON values; money as strings."""
        return {
            "verdict": self.verdict,
            "symbol": self.symbol,
            "timeframe": self.timeframe,
            "bars": len(self.time),
            "from": iso(int(self.time[0])) if len(self.time) else None,
            "to": iso(int(self.time[-1])) if len(self.time) else None,
            "quote": self.quote,
            "initial_capital": f"{self.initial_capital:f}",
            "final_equity": f"{self.final_equity:f}",
            "fees": {"maker": f"{self.fees.maker:f}", "taker": f"{self.fees.taker:f}"},
            "metrics": {**asdict(self.curve), **asdict(self.trading), "exposure": self.exposure},
            "benchmark": {"buy_and_hold": asdict(self.benchmark.metrics), "correlation": self.benchmark.correlation},
            "signals": self.signals,
            "refusals": self.refusals,
            "ambiguous_bars": self.ambiguous_bars,
            "assumptions": [
                "Bars only: within a bar the adverse order of events is assumed (stop before target).",
                "An entry's own bar counts only prices that provably came after its fill.",
                "Orders fill whole; no slippage beyond gaps. Market orders and stops pay the taker's fee.",
            ],
            "trades": [plain_trade(trade) for trade in self.trades],
            "open_trade": None if self.open_trade is None else _plain(asdict(self.open_trade)),
            "reproducibility": asdict(self.reproducibility),
        }

    def to_json(self) -> bytes:
        """The report with the equity curve, `[[time_ms, equity], ...]`: the same bytes for the same run."""
        curve = [[time, value] for time, value in zip(self.time.tolist(), self.equity.tolist(), strict=True)]
        report = {**self.report(), "equity_curve": curve}
        return json.dumps(report, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def plain_trade(trade: Trade) -> dict[str, Any]:
    """`trade` as JSON values; money as strings."""
    return {**_plain(asdict(trade)), "entered": iso(trade.entry_time_ms), "left": iso(trade.exit_time_ms)}


def iso(time_ms: int) -> str:
    """Epoch milliseconds as ISO 8601 UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat().replace("+00:00", "Z")


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: f"{value:f}" if isinstance(value, Decimal) else value for name, value in values.items()}
