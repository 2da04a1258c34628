"""Sizing never risks more than asked, whatever is rounded."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from smc_agent.market import SymbolRules
from smc_agent.risk import AccountView, Balance, Book, OrderIntent, RiskLimits, assess
from smc_agent.risk.sizing import loss_per_unit, size_of
from smc_agent.strategy import Signal

RULES = SymbolRules(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick=Decimal("0.01"),
    step=Decimal("0.00001"),
    min_quantity=Decimal("0.00001"),
    min_notional=Decimal(5),
)
SESSION = "00000000-0000-0000-0000-000000000001"


def money(low: str, high: str) -> st.SearchStrategy[Decimal]:
    return st.decimals(Decimal(low), Decimal(high), places=2)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Signal, AccountView, Book, RiskLimits]:
    entry = draw(money("10", "100000"))
    stop = draw(st.decimals(entry / 2, entry - Decimal("0.01"), places=2).filter(lambda x: Decimal(0) < x < entry))
    signal = Signal(
        id="a", symbol="BTCUSDT", time_ms=1, direction="bullish", entry=entry, stop=stop,
        target=entry + 3 * (entry - stop), reasons=("because",), valid_bars=5,
    )  # fmt: skip
    free, locked, base = draw(money("0", "1000000")), draw(money("0", "1000")), draw(money("0", "2"))
    limits = RiskLimits(
        risk_per_trade=draw(st.decimals(Decimal("0.0001"), Decimal("0.1"), places=4)),
        max_exposure=draw(st.decimals(Decimal("0.01"), Decimal(1), places=2)),
        fee_rate=draw(st.decimals(Decimal(0), Decimal("0.01"), places=4)),
    )
    account = AccountView({"USDT": Balance(free, locked), "BTC": Balance(base)})
    book = Book(equity=free + locked + base * entry, exposure=base * entry, session_id=SESSION)
    return signal, account, book, limits


@given(situations())
def test_a_trade_risks_holds_and_costs_no_more_than_allowed(
    situation: tuple[Signal, AccountView, Book, RiskLimits],
) -> None:
    signal, account, book, limits = situation
    verdict = assess(signal, account, book, limits, RULES, signal.entry)
    if not isinstance(verdict, OrderIntent):
        assert verdict.code in {"too_small", "insufficient_balance"}
        return
    fees = (signal.entry + signal.stop) * verdict.quantity * limits.fee_rate
    lost = (signal.entry - signal.stop) * verdict.quantity + fees
    assert lost <= limits.risk_per_trade * book.equity
    assert verdict.risk == lost
    notional = verdict.quantity * signal.entry
    assert book.exposure + notional <= limits.max_exposure * book.equity
    assert notional * (1 + limits.fee_rate) <= account.balance("USDT").free
    assert verdict.quantity % RULES.step == 0
    assert verdict.quantity >= RULES.min_quantity
    assert notional >= RULES.min_notional
    # What is left after the fee can be protected: the venue takes a stop for it.
    left = RULES.round_quantity(verdict.quantity * (1 - limits.fee_rate))
    assert left * signal.stop >= RULES.min_notional


@given(situations())
def test_one_step_more_would_break_a_limit(situation: tuple[Signal, AccountView, Book, RiskLimits]) -> None:
    signal, account, book, limits = situation
    size = size_of(signal.entry, signal.stop, limits.risk_per_trade, account, book, limits, RULES)
    more = size + RULES.step
    assert (
        more * loss_per_unit(signal.entry, signal.stop, limits.fee_rate) > limits.risk_per_trade * book.equity
        or more * signal.entry * (1 + limits.fee_rate) > account.balance("USDT").free
        or more * signal.entry * (1 + limits.fee_rate) > limits.max_exposure * book.equity - book.exposure
    )


def test_half_a_percent_of_a_hundred_thousand() -> None:
    account = AccountView({"USDT": Balance(Decimal(100_000))})
    book = Book(equity=Decimal(100_000), session_id=SESSION)
    limits = RiskLimits(fee_rate=Decimal(0))
    # 500 USDT at risk, 200 a unit: 2.5, which costs 100,000 of the 100,000 there are.
    assert size_of(Decimal(40_000), Decimal(39_800), Decimal("0.005"), account, book, limits, RULES) == Decimal("2.5")
    # 100 a unit would be 5, worth 200,000: the exposure limit of all the equity halves it.
    assert size_of(Decimal(40_000), Decimal(39_900), Decimal("0.005"), account, book, limits, RULES) == Decimal("2.5")
    # 1,000 a unit: 0.5.
    assert size_of(Decimal(40_000), Decimal(39_000), Decimal("0.005"), account, book, limits, RULES) == Decimal("0.5")
