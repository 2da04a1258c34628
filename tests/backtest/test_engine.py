"""The backtest as a whole: it repeats itself, does not look ahead, and its books agree with its trades."""

from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from smc_agent.backtest import BacktestResult, Fees, digest, run_backtest
from smc_agent.execution import Place, SessionConfig
from smc_agent.market import Bar, Bars, SymbolRules, bars_of, read_bars, rules_of
from smc_agent.risk import RiskLimits
from smc_agent.strategy import SmcConfluenceParams

DATA = Path(__file__).parents[3] / "shared" / "data" / "crypto" / "BTC-PERP_1m.csv"
CAPITAL = Decimal(100_000)
FEES = Fees(Decimal("0.001"), Decimal("0.001"))
SESSION = SessionConfig(
    session_id=UUID(int=1), portfolio_id=UUID(int=2), exchange="replay", symbol="BTCUSDT", timeframe="1m",
    # Stops of half a percent would never be met in these small waves.
    params=SmcConfluenceParams(min_stop=0.001),
)  # fmt: skip


def wave(n: int, seed: int = 11) -> Bars:
    """Bars that swing, with gaps and spikes; a tick of 0.1."""
    random = np.random.default_rng(seed)
    i = np.arange(n + 1)
    path = 1000 + 60 * np.sin(i / 180) + 25 * np.sin(i / 37) + np.cumsum(random.normal(0, 0.8, n + 1))
    rows = []
    for k in range(n):
        start, end = round(float(path[k]), 1), round(float(path[k + 1]), 1)
        if random.random() < 0.01:
            start = round(start + float(random.normal(0, 6)), 1)
        up, down = np.abs(random.normal(0, 0.6, 2)) * (12 if random.random() < 0.02 else 1)
        high, low = round(max(start, end) + float(up), 1), round(min(start, end) - float(down), 1)
        rows.append(Bar(k * 60_000, start, high, low, end, float(random.integers(1, 100))))
    return bars_of(rows, "BTCUSDT", "1m", "synthetic")


BARS = wave(6000)
RULES = rules_of(BARS)


def backtest(bars: Bars = BARS, session: SessionConfig = SESSION, rules: SymbolRules = RULES) -> BacktestResult:
    return run_backtest(bars, session, rules, CAPITAL, FEES)


@pytest.fixture(scope="module")
def whole() -> BacktestResult:
    return backtest()


def test_twice_the_same_bytes(whole: BacktestResult) -> None:
    assert backtest().to_json() == whole.to_json()


@pytest.mark.parametrize("cut", [700, 1501, 2999, 4444])
def test_signals_orders_trades_and_equity_of_a_prefix_are_those_of_the_whole(whole: BacktestResult, cut: int) -> None:
    part = backtest(BARS[:cut])
    assert part.decisions == tuple((i, decision) for i, decision in whole.decisions if i < cut)
    assert part.trades == tuple(trade for trade in whole.trades if trade.exit_bar < cut)
    assert np.array_equal(part.equity, whole.equity[:cut])


def test_the_books_agree_with_the_trades(whole: BacktestResult) -> None:
    assert len(whole.trades) >= 5
    assert whole.open_trade is None
    made = sum((trade.pnl for trade in whole.trades), Decimal(0))
    # What is left besides is dust of the base asset, less than a step for each trade.
    dust = whole.final_equity - CAPITAL - made
    assert 0 <= dust < len(whole.trades) * RULES.step * Decimal(str(BARS.close[-1]))
    assert whole.equity[-1] == float(whole.final_equity)


def test_no_trade_loses_more_than_it_risked_unless_price_gapped(whole: BacktestResult) -> None:
    for trade in whole.trades:
        if trade.exit == "stop" and trade.exit_price == trade.stop:
            # Up to the fee's own truncation and the dust the fee leaves: at most the planned loss and a step.
            slack = float(RULES.step * trade.entry_price / Decimal(500))
            assert trade.r >= -1 - slack
        assert trade.exit_bar >= trade.entry_bar
        assert trade.entry_price <= trade.target


def test_every_trade_is_entered_after_its_signal(whole: BacktestResult) -> None:
    placed = {decision.intent.order_id: i for i, decision in whole.decisions if isinstance(decision, Place)}
    assert whole.trades
    for trade in whole.trades:
        assert trade.entry_bar > placed[trade.order_id]


def test_positions_do_not_overlap(whole: BacktestResult) -> None:
    for earlier, later in zip(whole.trades, whole.trades[1:], strict=False):
        assert later.entry_bar >= earlier.exit_bar


def test_doubled_costs_earn_less(whole: BacktestResult) -> None:
    dear = run_backtest(BARS, SESSION, RULES, CAPITAL, Fees(Decimal("0.002"), Decimal("0.002")))
    assert sum(trade.fees for trade in dear.trades) > sum(trade.fees for trade in whole.trades)


def test_the_report_names_what_it_was_made_of(whole: BacktestResult) -> None:
    made_of = whole.report()["reproducibility"]
    assert made_of["data_sha256"] == digest(BARS)
    assert made_of["config"]["params"]["min_stop"] == 0.001
    assert made_of["version"]
    changed = wave(6000)
    changed.close[17] += 0.1
    assert digest(changed) != digest(BARS)


def test_a_losing_or_idle_strategy_is_called_so() -> None:
    idle = backtest(BARS[:60])
    assert idle.trades == ()
    assert "nothing to judge" in idle.verdict
    assert idle.trading.win_rate is None
    assert idle.final_equity == CAPITAL
    assert idle.exposure == 0


def test_a_drawdown_breaker_ends_the_trading() -> None:
    careful = SESSION.model_copy(update={"risk": RiskLimits(max_drawdown=Decimal("0.01"))})
    result = backtest(session=careful)
    first = next((i for i, d in result.decisions if getattr(d, "code", "") == "drawdown"), None)
    assert first is not None
    assert not any(isinstance(decision, Place) for i, decision in result.decisions if i >= first)


def test_bars_of_another_market_are_refused() -> None:
    with pytest.raises(ValueError, match="the session trades BTCUSDT 5m"):
        backtest(session=SESSION.model_copy(update={"timeframe": "5m"}))
    with pytest.raises(ValueError, match="ETHUSDT"):
        backtest(rules=RULES.model_copy(update={"symbol": "ETHUSDT"}))
    with pytest.raises(ValueError, match="no bars"):
        backtest(BARS[:0])
    with pytest.raises(ValueError, match="more than 0"):
        run_backtest(BARS, SESSION, RULES, Decimal(0), FEES)


@pytest.mark.skipif(not DATA.exists(), reason=f"needs the recorded bars at {DATA}")
def test_a_month_of_bitcoin() -> None:
    bars = read_bars(DATA)
    session = SESSION.model_copy(update={"params": SmcConfluenceParams()})
    result = run_backtest(bars, session, rules_of(bars), CAPITAL, FEES)
    assert 20 <= len(result.trades) <= 300
    assert result.refusals["short_not_supported"] > 50
    assert all(trade.r > -1.2 for trade in result.trades)
    assert result.benchmark.metrics.total_return == pytest.approx(bars.close[-1] / bars.open[0] * 0.999 - 1)
