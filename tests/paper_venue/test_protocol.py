"""Binance's REST as its clients know it: signatures, error codes, filters, headers, order types, queries."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.paper_venue.running_venue import KEY, SECRET, PaperVenue, request

LIMIT = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "96"}
STOP = {"symbol": "BTCUSDT", "side": "BUY", "type": "STOP_LOSS", "quantity": "1", "stopPrice": "104"}


def without(params: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in params.items() if name not in names}


@pytest.fixture
def open_venue(venue: PaperVenue) -> PaperVenue:
    """A venue whose last price is 100."""
    venue.bar("100", "101", "99", "100")
    return venue


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        (LIMIT | {"symbol": "DOGEUSDT"}, -1121, "Invalid symbol."),
        (LIMIT | {"price": "96.001"}, -1013, "Filter failure: PRICE_FILTER"),
        (LIMIT | {"quantity": "0.000011"}, -1013, "Filter failure: LOT_SIZE"),
        (LIMIT | {"quantity": "0.00001"}, -1013, "Filter failure: NOTIONAL"),
        (LIMIT | {"price": "600"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        (LIMIT | {"quantity": "0"}, -1013, "above zero"),
        (LIMIT | {"quantity": "1e3"}, -1100, "Illegal characters found in parameter 'quantity'"),
        (LIMIT | {"quantity": "-1"}, -1100, "Illegal characters found in parameter 'quantity'"),
        (LIMIT | {"price": "96.123456789"}, -1111, "too much precision"),
        (LIMIT | {"quantity": "5000"}, -2010, "insufficient balance"),
        (LIMIT | {"side": "HOLD"}, -1117, "Invalid side."),
        (LIMIT | {"type": "ICEBERG"}, -1116, "Invalid type."),
        (LIMIT | {"timeInForce": "GTD"}, -1115, "Invalid timeInForce."),
        (without(LIMIT, "price"), -1102, "'price'"),
        (without(LIMIT, "timeInForce"), -1102, "'timeInForce'"),
        (without(LIMIT, "symbol"), -1102, "'symbol'"),
        (without(LIMIT, "timeInForce") | {"type": "MARKET"}, -1106, "'price'"),
        (LIMIT | {"newClientOrderId": "no spaces"}, -1100, "newClientOrderId"),
        (LIMIT | {"trailingDelta": "100"}, -1106, "trailingDelta"),
        (STOP | {"trailingDelta": "100"}, -1106, "stopPrice"),
        (without(LIMIT, "timeInForce") | {"type": "LIMIT_MAKER", "price": "100"}, -2010, "immediately match"),
        (STOP | {"stopPrice": "100"}, -2010, "trigger immediately"),
        (STOP | {"side": "SELL", "stopPrice": "96"}, -2010, "insufficient balance"),
    ],
)
def test_a_refused_order_has_binances_code_and_changes_nothing(
    open_venue: PaperVenue, params: dict[str, str], code: int, message: str
) -> None:
    before = open_venue.account()
    answer = open_venue.signed("POST", "/api/v3/order", **params)
    assert (answer["code"], message in answer["msg"]) == (code, True), answer
    assert open_venue.account() == before


def test_a_client_order_id_is_taken_while_its_order_is_open(open_venue: PaperVenue) -> None:
    mine = LIMIT | {"newClientOrderId": "mine"}
    first = open_venue.signed("POST", "/api/v3/order", **mine)
    assert open_venue.signed("POST", "/api/v3/order", **mine) == {"code": -2010, "msg": "Duplicate order sent."}
    cancelled = open_venue.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="mine")
    assert (cancelled["orderId"], cancelled["status"]) == (first["orderId"], "CANCELED")
    assert cancelled["origClientOrderId"] == "mine" != cancelled["clientOrderId"]
    # As at Binance it is free again then: a client that reuses ids trades twice.
    assert open_venue.signed("POST", "/api/v3/order", **mine)["orderId"] != first["orderId"]


def test_unknown_orders(open_venue: PaperVenue) -> None:
    for method, code in (("GET", -2013), ("DELETE", -2011)):
        for target in ({"orderId": 77}, {"origClientOrderId": "nothing"}):
            assert open_venue.signed(method, "/api/v3/order", symbol="BTCUSDT", **target)["code"] == code
        assert open_venue.signed(method, "/api/v3/order", symbol="BTCUSDT")["code"] == -1102
    mine = open_venue.signed("POST", "/api/v3/order", **LIMIT)["orderId"]
    other = {"key": "key-of-bob", "secret": "secret-of-bob"}
    assert open_venue.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=mine, **other)["code"] == -2013
    assert open_venue.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=mine, **other)["code"] == -2011


def test_only_a_right_signature_in_time_is_let_in(venue: PaperVenue) -> None:
    def code(**params: Any) -> int:
        answer: dict[str, int] = venue.signed("GET", "/api/v3/account", **params)
        return answer.get("code", 0)

    now = int(time.time() * 1000)
    assert code() == 0
    assert code(secret="wrong") == -1022
    assert code(key="nobody") == -2015
    assert code(key="") == -2014
    assert code(key="key-of-bob") == -1022
    assert code(timestamp=now - 5_500) == -1021
    assert code(timestamp=now - 5_500, recvWindow=30_000) == 0
    assert code(timestamp=now + 5_000) == -1021
    assert code(recvWindow=60_001) == -1131
    assert code(timestamp="soon") == -1100
    unsigned = request(f"{venue.url}/api/v3/account?timestamp={now}", "GET", {"X-MBX-APIKEY": KEY})[1]
    assert unsigned["code"] == -1102


def test_the_signature_covers_query_and_body_as_sent(venue: PaperVenue) -> None:
    import hashlib
    import hmac

    now = int(time.time() * 1000)
    query, body = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC", f"quantity=1&price=96.0&timestamp={now}"

    def send(signed: str, sent_query: str, sent_body: str) -> Any:
        signature = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
        url = f"{venue.url}/api/v3/order?{sent_query}"
        return request(url, "POST", {"X-MBX-APIKEY": KEY}, f"{sent_body}&signature={signature}")[1]

    assert send(query + body, query, body)["status"] == "NEW"
    assert send(query + body, query, body.replace("quantity=1", "quantity=9"))["code"] == -1022
    assert send(query + body, query.replace("BUY", "SELL"), body)["code"] == -1022
    assert send(query + body, query + "&quantity=2", body)["code"] == -1101


def test_headers_tell_the_weight_and_the_order_count(open_venue: PaperVenue) -> None:
    first = open_venue.signed_with_headers("GET", "/api/v3/account")[0]
    second = open_venue.signed_with_headers("GET", "/api/v3/account")[0]
    assert "x-mbx-order-count-10s" not in first
    # A minute may begin between the two.
    assert int(second["x-mbx-used-weight-1m"]) in (int(first["x-mbx-used-weight-1m"]) + 20, 20)
    assert open_venue.signed_with_headers("POST", "/api/v3/order", **LIMIT)[0]["x-mbx-order-count-1d"] == "1"


def test_immediate_or_cancel_meets_the_last_price(open_venue: PaperVenue) -> None:
    filled = open_venue.signed("POST", "/api/v3/order", **LIMIT | {"timeInForce": "IOC", "price": "101"})
    assert (filled["status"], filled["fills"][0]["price"]) == ("FILLED", "100.00000000")
    for kind in ("IOC", "FOK"):
        answer = open_venue.signed("POST", "/api/v3/order", **LIMIT | {"timeInForce": kind, "price": "99.99"})
        assert (answer["status"], answer["fills"]) == ("EXPIRED", [])
    assert open_venue.account()["balances"]["USDT"] == {"free": "99900", "locked": "0"}


def test_a_stop_limit_that_triggers_beyond_its_limit_rests(open_venue: PaperVenue) -> None:
    params = STOP | {"type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "price": "105"}
    order = open_venue.signed("POST", "/api/v3/order", **params)
    assert set(order) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    open_venue.bar("106", "107", "105.5", "106")
    state = open_venue.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=order["orderId"])
    assert (state["status"], state["isWorking"], state["stopPrice"]) == ("NEW", True, "104.00000000")
    open_venue.bar("106", "107", "104.5", "106")
    trade = open_venue.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT")[0]
    assert (trade["price"], trade["isMaker"]) == ("105.00000000", True)


def test_a_take_profit_fills_when_its_price_is_met(open_venue: PaperVenue) -> None:
    open_venue.signed("POST", "/api/v3/order", symbol="BTCUSDT", side="BUY", type="MARKET", quoteOrderQty="100")
    open_venue.bar("100", "101", "99", "100")
    assert open_venue.account()["balances"]["BTC"] == {"free": "0.998", "locked": "0"}
    sell = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.5"}
    open_venue.signed("POST", "/api/v3/order", **sell, type="TAKE_PROFIT", stopPrice="103")
    limit = {"type": "TAKE_PROFIT_LIMIT", "stopPrice": "103", "price": "102", "timeInForce": "GTC"}
    assert open_venue.signed("POST", "/api/v3/order", **sell, **limit)["code"] == -2010  # 0.498 are free
    open_venue.bar("100", "104", "99", "103.5")
    assert open_venue.account()["trades"][-1]["price"] == "103"


def test_an_oco_is_one_quantity_and_one_cancel(open_venue: PaperVenue) -> None:
    open_venue.signed("POST", "/api/v3/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="1")
    open_venue.bar("100", "101", "99", "100")
    oco = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "quantity": "0.998",
        "listClientOrderId": "bracket",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": "110",
        "belowType": "STOP_LOSS",
        "belowStopPrice": "95",
    }
    path = "/api/v3/orderList/oco"
    for change in ({"abovePrice": "99"}, {"belowStopPrice": "101"}):
        assert open_venue.signed("POST", path, **oco | change)["code"] == -2010
    assert open_venue.signed("POST", path, **oco | {"aboveType": "STOP_LOSS"})["code"] == -1100
    assert open_venue.signed("POST", path, **without(oco, "belowStopPrice"))["code"] == -1102
    placed = open_venue.signed("POST", path, **oco)
    assert (placed["contingencyType"], placed["listOrderStatus"]) == ("OCO", "EXECUTING")
    assert [report["type"] for report in placed["orderReports"]] == ["STOP_LOSS", "LIMIT_MAKER"]
    assert open_venue.account()["balances"]["BTC"] == {"free": "0", "locked": "0.998"}
    assert [one["listClientOrderId"] for one in open_venue.signed("GET", "/api/v3/openOrderList")] == ["bracket"]
    leg = placed["orderReports"][0]["orderId"]
    cancelled = open_venue.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=leg)
    assert [report["status"] for report in cancelled["orderReports"]] == ["CANCELED", "CANCELED"]
    assert open_venue.account()["balances"]["BTC"] == {"free": "0.998", "locked": "0"}
    done = open_venue.signed("GET", "/api/v3/orderList", orderListId=placed["orderListId"])
    assert done["listOrderStatus"] == "ALL_DONE"
    assert open_venue.signed("GET", "/api/v3/openOrderList") == []


def test_queries_page(open_venue: PaperVenue) -> None:
    for _ in range(3):
        open_venue.signed("POST", "/api/v3/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="1")
        open_venue.bar("100", "101", "99", "100")
    trades = open_venue.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT")
    ids = [trade["id"] for trade in trades]
    assert len(ids) == 3
    assert ids == sorted(ids)

    def asked(**params: Any) -> list[int]:
        answer = open_venue.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT", **params)
        return [trade["id"] for trade in answer]

    assert asked(fromId=ids[1]) == ids[1:]
    assert asked(fromId=ids[0], limit=2) == ids[:2]
    assert asked(limit=2) == ids[1:]
    assert asked(orderId=2) == [ids[1]]
    assert asked(startTime=trades[2]["time"]) == ids[2:]
    assert asked(endTime=trades[0]["time"]) == ids[:1]
    orders = open_venue.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT", orderId=2)
    assert [order["orderId"] for order in orders] == [2, 3]
    other = {"key": "key-of-bob", "secret": "secret-of-bob"}
    assert open_venue.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT", **other) == []


def test_klines_join_into_longer_bars(venue: PaperVenue) -> None:
    for price in range(100, 112):
        venue.bar(str(price), str(price + 2), str(price - 1), str(price + 1), volume="1")
    five = venue.public("/api/v3/klines?symbol=BTCUSDT&interval=5m")
    first = five[1]
    members = [
        line
        for line in venue.public("/api/v3/klines?symbol=BTCUSDT&interval=1m")
        if line[0] // 300_000 == first[0] // 300_000
    ]
    assert len(members) == 5
    assert first[0] % 300_000 == 0
    assert first[6] == first[0] + 299_999
    assert (first[1], first[4], first[5]) == (members[0][1], members[-1][4], "5.00000000")
    assert (first[2], first[3]) == (members[-1][2], members[0][3])
    assert venue.public("/api/v3/klines?symbol=BTCUSDT&interval=5m&limit=1") == five[-1:]
    start = five[1][0]
    assert venue.public(f"/api/v3/klines?symbol=BTCUSDT&interval=5m&startTime={start}&limit=1") == [five[1]]
    assert venue.public("/api/v3/klines?symbol=BTCUSDT&interval=9m")["code"] == -1120


def test_unknown_paths_and_methods_are_told_apart(venue: PaperVenue) -> None:
    assert "does not have GET /api/v3/nothing" in venue.public("/api/v3/nothing")["msg"]
    assert "does not take DELETE" in request(f"{venue.url}/api/v3/ping", "DELETE", {})[1]["msg"]
