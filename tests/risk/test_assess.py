"""Which signals risk lets pass, and the reason it gives for the others."""

from dataclasses import replace
from decimal import Decimal

import pytest

from smc_agent.market import SymbolRules
from smc_agent.risk import AccountView, Balance, Book, OpenOrder, OrderIntent, Refusal, RiskLimits, assess
from smc_agent.strategy import Direction, Signal

RULES = SymbolRules(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick=Decimal(1),
    step=Decimal("0.001"),
    min_quantity=Decimal("0.001"),
    min_notional=Decimal(5),
)
ACCOUNT = AccountView({"USDT": Balance(Decimal(10_000))})
BOOK = Book(equity=Decimal(10_000), session_id="00000000-0000-0000-0000-000000000001")
LIMITS = RiskLimits()


def signal(entry: int = 1000, stop: int = 990, target: int = 1030, direction: Direction = "bullish") -> Signal:
    return Signal(
        id="s1", symbol="BTCUSDT", time_ms=60_000, direction=direction, entry=Decimal(entry), stop=Decimal(stop),
        target=Decimal(target), reasons=("A break.", "A zone."), valid_bars=10,
    )  # fmt: skip


def refused(
    said: Signal | None = None, account: AccountView = ACCOUNT, book: Book = BOOK, limits: RiskLimits = LIMITS,
    price: int = 1005,
) -> Refusal:  # fmt: skip
    verdict = assess(said or signal(), account, book, limits, RULES, Decimal(price))
    assert isinstance(verdict, Refusal)
    return verdict


def test_a_signal_becomes_a_bracket_order_with_an_id_of_its_own() -> None:
    first, again = (assess(signal(), ACCOUNT, BOOK, LIMITS, RULES, Decimal(1005)) for _ in range(2))
    assert isinstance(first, OrderIntent)
    assert first == again
    assert (first.side, first.type, first.price) == ("buy", "limit", Decimal(1000))
    assert (first.stop_loss, first.take_profit) == (Decimal(990), Decimal(1030))
    # 50 at risk; 10 + 1.99 of fees a unit: 4.170...
    assert first.quantity == Decimal("4.170")
    assert first.reason == "A break. A zone."
    other = assess(
        signal(),
        ACCOUNT,
        replace(BOOK, session_id="00000000-0000-0000-0000-000000000002"),
        LIMITS,
        RULES,
        Decimal(1005),
    )
    assert isinstance(other, OrderIntent)
    assert other.order_id != first.order_id


def test_a_spot_account_cannot_sell_short() -> None:
    verdict = refused(signal(stop=1010, target=970, direction="bearish"))
    assert verdict.code == "short_not_supported"
    assert "BTC" in verdict.reason


def test_switches_stop_entries() -> None:
    assert refused(account=replace(ACCOUNT, killed=True)).code == "killed"
    assert refused(account=replace(ACCOUNT, paused=True)).code == "paused"


def test_a_tripped_breaker_gives_its_own_reason() -> None:
    verdict = refused(book=replace(BOOK, tripped={"daily_loss": "The UTC day has lost 4 %."}))
    assert verdict == Refusal("daily_loss", "The UTC day has lost 4 %.")


def test_cooldown_counts_bars() -> None:
    verdict = refused(book=replace(BOOK, cooldown_left=3))
    assert verdict.code == "cooldown"
    assert "3 bars" in verdict.reason


def test_one_position_at_a_time() -> None:
    assert refused(book=replace(BOOK, positions=1)).code == "max_positions"
    two = RiskLimits(max_positions=2)
    assert isinstance(assess(signal(), ACCOUNT, replace(BOOK, positions=1), two, RULES, Decimal(1005)), OrderIntent)


def test_open_orders_count_without_protective_legs() -> None:
    entry = OpenOrder("e", "BTCUSDT", "buy", "limit", Decimal(1))
    leg = replace(entry, order_id="l", side="sell", parent_id="e")
    limits = RiskLimits(max_open_orders=2)
    full = replace(ACCOUNT, open_orders=(entry, entry))
    assert refused(account=full, limits=limits).code == "max_open_orders"
    protected = replace(ACCOUNT, open_orders=(entry, leg, leg))
    assert isinstance(assess(signal(), protected, BOOK, limits, RULES, Decimal(1005)), OrderIntent)


def test_a_target_too_near_is_refused() -> None:
    assert refused(signal(target=1014)).code == "min_risk_reward"
    assert isinstance(assess(signal(target=1015), ACCOUNT, BOOK, LIMITS, RULES, Decimal(1005)), OrderIntent)


def test_a_stop_that_price_has_passed_is_refused() -> None:
    assert refused(price=990).code == "stop_passed"


def test_no_money_and_too_little_risk_are_told_apart() -> None:
    poor = AccountView({"USDT": Balance(Decimal(4), Decimal(9_996))})
    assert refused(account=poor).code == "insufficient_balance"
    assert refused(book=replace(BOOK, exposure=Decimal(9_999))).code == "insufficient_balance"
    assert refused(book=replace(BOOK, equity=Decimal(10))).code == "too_small"


def test_what_could_not_be_protected_at_the_stop_is_not_bought() -> None:
    # 0.006 are worth 5.94 at the stop, but after the fee only 0.005 can be sold: 4.95, less than the venue takes.
    assert refused(limits=RiskLimits(risk_per_trade=Decimal("0.0000072"))).code == "too_small"
    enough = assess(signal(), ACCOUNT, BOOK, RiskLimits(risk_per_trade=Decimal("0.0000084")), RULES, Decimal(1005))
    assert isinstance(enough, OrderIntent)
    assert enough.quantity == Decimal("0.007")


def test_nobody_else_makes_an_intent() -> None:
    with pytest.raises(TypeError, match="assess"):
        OrderIntent(order_id="x", symbol="BTCUSDT", side="buy", type="market", quantity=Decimal(1), reason="mine")
    made = assess(signal(), ACCOUNT, BOOK, LIMITS, RULES, Decimal(1005))
    assert isinstance(made, OrderIntent)
    with pytest.raises((TypeError, ValueError)):
        replace(made, quantity=Decimal(1000))
    with pytest.raises(AttributeError):
        made.quantity = Decimal(1000)  # type: ignore[misc]  # the point of the test


def test_a_signal_out_of_order_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="between stop and target"):
        signal(stop=1001)
    with pytest.raises(ValueError, match="between stop and target"):
        signal(direction="bearish")
