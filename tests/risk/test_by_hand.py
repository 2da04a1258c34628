"""An order made by hand passes the same gate, and every reason against it is shown at once."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from smc_agent.market import SymbolRules
from smc_agent.risk import (
    AccountView,
    Balance,
    Book,
    OrderIntent,
    OrderRequest,
    Refusal,
    RiskLimits,
    assess_order,
    preview_order,
)

RULES = SymbolRules(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick=Decimal("0.5"),
    step=Decimal("0.001"),
    min_quantity=Decimal("0.001"),
    min_notional=Decimal(5),
)
ACCOUNT = AccountView({"USDT": Balance(Decimal(10_000)), "BTC": Balance(Decimal(1), Decimal(1))})
BOOK = Book(equity=Decimal(12_000), exposure=Decimal(2_000))
LIMITS = RiskLimits()
PRICE = Decimal(1000)


def request(**fields: Any) -> OrderRequest:
    return OrderRequest.model_validate({"symbol": "BTCUSDT", "side": "buy", "type": "limit", **fields})


def codes(**fields: Any) -> set[str]:
    return {refusal.code for refusal in preview_order(request(**fields), ACCOUNT, BOOK, LIMITS, RULES, PRICE).refusals}


def test_figures_of_a_bracket() -> None:
    shown = preview_order(
        request(quantity="2", price="1000", stop_loss="980", take_profit="1040"), ACCOUNT, BOOK, LIMITS, RULES, PRICE
    )
    assert shown.refusals == ()
    assert shown.notional == 2000
    assert shown.fee == 2
    assert shown.risk == 2 * (20 + Decimal("1.98"))
    assert shown.reward == 2 * (40 - Decimal("2.04"))
    assert shown.risk_reward == 2


def test_risk_percent_sizes_by_the_stop() -> None:
    shown = preview_order(
        request(risk_percent="0.5", price="1000", stop_loss="980"), ACCOUNT, BOOK, LIMITS, RULES, PRICE
    )
    assert shown.quantity == Decimal("2.729")  # 60 / 21.98
    assert shown.risk is not None
    assert shown.risk <= 60


def test_every_reason_is_shown_at_once() -> None:
    assert codes(quantity="20.0001", price="1000.3", stop_loss="980") == {
        "filter_price", "filter_lot", "risk_per_trade", "insufficient_balance",
    }  # fmt: skip
    assert codes(quantity="0.001", price="1000") == {"filter_notional"}
    assert codes(quantity="1", price="1000", stop_loss="1000") >= {"stop_passed"}
    assert codes(quantity="1", price="1000", take_profit="999") >= {"target_passed"}
    assert codes(quantity="1", price="1000", stop_loss="990", take_profit="1010") == {"min_risk_reward"}
    assert codes(quantity="1", price="1000", reduce_only=True) == {"reduce_only"}


def test_a_sell_needs_what_it_sells_and_passes_the_breakers() -> None:
    stopped = replace(BOOK, tripped={"daily_loss": "lost"})
    paused = replace(ACCOUNT, paused=True, killed=True)
    sell = request(side="sell", type="market", quantity="1")
    assert preview_order(sell, paused, stopped, LIMITS, RULES, PRICE).refusals == ()
    more = request(side="sell", type="market", quantity="1.001")
    assert [r.code for r in preview_order(more, paused, stopped, LIMITS, RULES, PRICE).refusals] == [
        "insufficient_balance"
    ]
    buy = request(quantity="1", price="1000")
    assert [r.code for r in preview_order(buy, ACCOUNT, stopped, LIMITS, RULES, PRICE).refusals] == ["daily_loss"]


def test_the_approved_order_has_the_callers_id() -> None:
    order = assess_order(request(quantity="1", price="1000"), ACCOUNT, BOOK, LIMITS, RULES, PRICE, order_id="my-id")
    assert isinstance(order, OrderIntent)
    assert order.order_id == "my-id"
    assert order.quantity == 1
    assert order.price == 1000
    refusal = assess_order(request(quantity="100", price="1000"), ACCOUNT, BOOK, LIMITS, RULES, PRICE, order_id="my-id")
    assert isinstance(refusal, Refusal)
    assert refusal.code == "insufficient_balance"


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({}, "either quantity or risk_percent"),
        ({"quantity": 1, "risk_percent": 1}, "either quantity or risk_percent"),
        ({"risk_percent": 1, "price": 5}, "stop_loss"),
        ({"quantity": 1}, "needs a price"),
        ({"quantity": 1, "type": "stop_loss"}, "needs a stop_price"),
        ({"quantity": 1, "side": "sell", "price": 5, "stop_loss": 4}, "spot sell"),
        ({"quantity": "NaN", "price": 5}, "finite"),
    ],
)
def test_what_is_incomplete_is_refused_with_its_cause(fields: dict[str, Any], cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        request(**fields)
