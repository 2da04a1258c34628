"""Order lists over Binance's protocol, OTO and OTOCO; trailing stops on spot."""

from __future__ import annotations

from typing import Any

import pytest
from tests.paper_venue.running_venue import PaperVenue

WORKING = {
    "symbol": "BTCUSDT",
    "workingType": "LIMIT",
    "workingSide": "BUY",
    "workingTimeInForce": "GTC",
    "workingPrice": "99",
    "workingQuantity": "1",
    "workingClientOrderId": "entry",
    "pendingSide": "SELL",
    "pendingQuantity": "0.998",
}
OTOCO = WORKING | {
    "listClientOrderId": "bracket",
    "pendingAboveType": "LIMIT_MAKER",
    "pendingAbovePrice": "105",
    "pendingAboveClientOrderId": "target",
    "pendingBelowType": "STOP_LOSS",
    "pendingBelowStopPrice": "95",
    "pendingBelowClientOrderId": "stop",
}


@pytest.fixture
def open_venue(venue: PaperVenue) -> PaperVenue:
    """A venue whose last price is 100."""
    venue.bar("100", "101", "99.5", "100")
    return venue


def statuses(venue: PaperVenue, *names: str) -> list[str]:
    query = [venue.signed("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId=name) for name in names]
    return [order["status"] for order in query]


def test_an_otoco_protects_only_what_has_filled_completely(open_venue: PaperVenue) -> None:
    placed: dict[str, Any] = open_venue.signed("POST", "/api/v3/orderList/otoco", **OTOCO)
    assert (placed["contingencyType"], placed["listOrderStatus"]) == ("OTO", "EXECUTING")
    assert [order["clientOrderId"] for order in placed["orderReports"]] == ["entry", "stop", "target"]
    assert statuses(open_venue, "entry", "stop", "target") == ["NEW", "PENDING_NEW", "PENDING_NEW"]
    assert len(open_venue.signed("GET", "/api/v3/openOrderList")) == 1
    open_venue.bar("100", "100", "98.5", "99")
    assert statuses(open_venue, "entry", "stop", "target") == ["FILLED", "NEW", "NEW"]
    assert open_venue.account()["balances"]["BTC"] == {"free": "0.001", "locked": "0.998"}
    open_venue.bar("99", "106", "99", "105")
    assert statuses(open_venue, "stop", "target") == ["EXPIRED", "FILLED"]
    done = open_venue.signed("GET", "/api/v3/orderList", origClientOrderId="bracket")
    assert done["listOrderStatus"] == "ALL_DONE"


def test_an_oto_with_a_market_exit(open_venue: PaperVenue) -> None:
    oto = WORKING | {"pendingType": "STOP_LOSS", "pendingTrailingDelta": "200", "pendingClientOrderId": "trail"}
    open_venue.signed("POST", "/api/v3/orderList/oto", **oto)
    open_venue.bar("100", "100", "98.5", "99")
    open_venue.bar("99", "110", "99", "109")
    assert statuses(open_venue, "entry", "trail") == ["FILLED", "NEW"]
    open_venue.bar("109", "109", "107", "108")
    trade = open_venue.account()["trades"][-1]
    assert (trade["client_order_id"], trade["price"]) == ("trail", "107.8")


def test_cancelling_one_order_ends_the_list(open_venue: PaperVenue) -> None:
    open_venue.signed("POST", "/api/v3/orderList/otoco", **OTOCO)
    answer = open_venue.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="stop")
    assert [report["status"] for report in answer["orderReports"]] == ["CANCELED"] * 3
    assert open_venue.account()["open_orders"] == []
    open_venue.signed("POST", "/api/v3/orderList/otoco", **OTOCO)
    answer = open_venue.signed("DELETE", "/api/v3/orderList", symbol="BTCUSDT", listClientOrderId="bracket")
    assert answer["listOrderStatus"] == "ALL_DONE"


@pytest.mark.parametrize(
    ("path", "changes", "code"),
    [
        ("otoco", {"workingType": "MARKET"}, -1100),
        ("otoco", {"pendingAbovePrice": "94"}, -2010),
        ("otoco", {"pendingAboveType": "STOP_LOSS"}, -1100),
        ("otoco", {"pendingBelowClientOrderId": "entry"}, -2010),
        ("otoco", {"workingQuantity": "5000"}, -2010),
        ("oto", {"pendingType": "STOP_LOSS"}, -1102),
        ("oto", {"pendingType": "STOP_LOSS", "pendingTrailingDelta": "5"}, -1013),
        ("oto", {"pendingType": "TAKE_PROFIT", "pendingTrailingDelta": "50"}, -1106),
    ],
)
def test_a_refused_list_changes_nothing(open_venue: PaperVenue, path: str, changes: dict[str, str], code: int) -> None:
    before = open_venue.account()
    params = (OTOCO if path == "otoco" else WORKING) | changes
    assert open_venue.signed("POST", f"/api/v3/orderList/{path}", **params)["code"] == code
    assert open_venue.account() == before
