"""Each kind of order reaches the venue as it was asked for."""

from __future__ import annotations

from typing import Any

import pytest
from tests.executor.running_executor import Desk


@pytest.fixture
def holding(desk: Desk) -> Desk:
    """A desk that holds 0.0998 BTC, bought at 50,000."""
    desk.executor.place(type="market", quantity="0.1")
    desk.bar("50000", "50000", "50000", "50000")
    return desk


def listed(desk: Desk) -> dict[str, Any]:
    [order] = desk.venue.signed("GET", "/api/v3/openOrders", symbol="BTCUSDT")
    found: dict[str, Any] = order
    return found


def test_a_trailing_stop_trails_at_the_venue(holding: Desk) -> None:
    answer = holding.executor.place(side="sell", type="trailing_stop", quantity="0.05", trail="0.02", reduce_only=True)
    assert answer["order"]["status"] == "open", answer
    assert listed(holding)["type"] == "STOP_LOSS"
    [working] = holding.executor.drain()["open_orders"]
    assert (working["type"], working["trail"], working["reduce_only"]) == ("trailing_stop", "0.02", True)
    # It follows to 55,000 and sells on the way back.
    snapshot = holding.bar("50000", "55000", "50000", "55000")
    assert len(snapshot["open_orders"]) == 1
    snapshot = holding.bar("55000", "55000", "53000", "53000")
    assert snapshot["open_orders"] == []
    assert snapshot["positions"][0]["quantity"] == "0.0498"


def test_a_take_profit_waits_for_its_price(holding: Desk) -> None:
    holding.executor.place(side="sell", type="take_profit", stop_price="52000", quantity="0.05")
    assert (listed(holding)["type"], float(listed(holding)["stopPrice"])) == ("TAKE_PROFIT", 52000)
    assert len(holding.bar("50000", "51000", "50000", "51000")["open_orders"]) == 1
    assert holding.bar("51000", "52100", "51000", "52000")["open_orders"] == []


def test_a_stop_limit_becomes_a_limit(holding: Desk) -> None:
    place = holding.executor.place
    place(side="sell", type="stop_limit", price="48900", stop_price="49000", quantity="0.05", time_in_force="GTC")
    order = listed(holding)
    assert (order["type"], float(order["price"]), float(order["stopPrice"])) == ("STOP_LOSS_LIMIT", 48900, 49000)


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "trailing_stop"},
        {"type": "trailing_stop", "trail": "0"},
        {"type": "trailing_stop", "trail": "1"},
        {"type": "limit", "price": "50000", "trail": "0.01"},
        {"type": "market", "time_in_force": "IOC"},
        {"type": "limit", "price": "50000", "time_in_force": "IOC", "post_only": True},
        {"type": "take_profit"},
        {"type": "stop_limit", "stop_price": "49000"},
    ],
)
def test_what_makes_no_order_is_malformed(desk: Desk, payload: dict[str, Any]) -> None:
    assert desk.executor.place(**payload)["code"] == "malformed"
