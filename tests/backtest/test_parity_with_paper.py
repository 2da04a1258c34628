"""One truth: a backtest and a paper run over the same bars give the same decisions, orders and fills, one by one.

The paper run is the whole agent as its user starts it: detection bar by bar, signed commands, executor and paper venue.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.e2e.books import Books, books
from tests.e2e.running_agent import BTC_MONTH, running_agent, slice_of_month

from smc_agent.backtest import BacktestResult, Fees, run_backtest
from smc_agent.execution import Place, Refused, SessionConfig
from smc_agent.market import Bars, read_bars, rules_of

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not BTC_MONTH.exists(), reason="needs ../shared/data/crypto/BTC-PERP_1m.csv"),
]
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return slice_of_month(tmp_path_factory.mktemp("bars") / "BTC-PERP_1m.csv", 0, 6000)


@pytest.fixture(scope="module")
def paper(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    state = tmp_path_factory.mktemp("paper") / "state"
    with running_agent(state, "--replay", file, "--speed", "max") as agent:
        status = agent.wait_until_finished(400)
        assert status["equal"], status
        yield books(state)


@pytest.fixture(scope="module")
def tested(file: Path) -> BacktestResult:
    bars = read_bars(file)
    session = SessionConfig(
        session_id=UUID(int=1),
        portfolio_id=UUID(int=2),
        exchange="replay",
        symbol=bars.symbol,
        timeframe=bars.timeframe,
    )
    fees = Fees(Decimal("0.001"), Decimal("0.001"))
    return run_backtest(bars, session, rules_of(bars), Decimal(100_000), fees)


def bar_of(time: datetime, bars: Bars) -> int:
    return int((time - at(int(bars.time[0]))) // MINUTE)


def at(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def test_the_same_decisions(tested: BacktestResult, paper: Books) -> None:
    told: list[tuple[Any, ...]] = []
    for i, decision in tested.decisions:
        close = at(int(tested.time[i])) + MINUTE
        if isinstance(decision, Place):
            told.append((close, "signal", " ".join(decision.signal.reasons)))
            told.append((close, "intent", decision.intent.reason))
        elif isinstance(decision, Refused):
            told.append((close, "signal", " ".join(decision.signal.reasons)))
            told.append((close, "refusal", decision.reason))
        else:
            told.append((close, "cancel", decision.reason))
    logged = [(time, kind, reason) for time, kind, _, reason in paper.decisions]
    assert sorted(logged) == sorted(told)
    assert {"signal", "intent", "refusal", "cancel"} <= {kind for _, kind, _ in told}


def test_the_same_fills_to_the_last_digit(file: Path, tested: BacktestResult, paper: Books) -> None:
    bars = read_bars(file)
    assert len(tested.fills) >= 6
    backtested = [
        (f.bar, f.side, f.quantity, f.price, f.fee, f.fee_asset, f.maker) for f in tested.fills
    ]  # fmt: skip
    traded = [
        (bar_of(time, bars), side, quantity, price, fee, asset, maker)
        for time, _, side, quantity, price, fee, asset, maker, _ in paper.fills
    ]
    assert traded == backtested
