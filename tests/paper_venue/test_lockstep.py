"""Bars over HTTP: phase by phase, each bar once, and the same state after a restart."""

from __future__ import annotations

import json
import signal
import struct
import threading
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
from tests.paper_venue.running_venue import MINUTE, START, PaperVenue


def place(venue: PaperVenue, **params: Any) -> Any:
    return venue.signed("POST", "/api/v3/order", symbol="BTCUSDT", **params)


def place_oco(venue: PaperVenue, quantity: str, target: str, stop: str, name: str = "oco") -> Any:
    return venue.signed(
        "POST",
        "/api/v3/orderList/oco",
        symbol="BTCUSDT",
        side="SELL",
        quantity=quantity,
        listClientOrderId=name,
        aboveType="LIMIT_MAKER",
        abovePrice=target,
        aboveClientOrderId=f"{name}-target",
        belowType="STOP_LOSS",
        belowStopPrice=stop,
        belowClientOrderId=f"{name}-stop",
    )


def test_a_bar_stands_still_after_a_fill_and_the_answer_to_it_sees_only_what_came_after(venue: PaperVenue) -> None:
    venue.bar("100", "101", "99", "100")
    place(venue, side="BUY", type="LIMIT", timeInForce="GTC", quantity="1", price="96", newClientOrderId="entry")
    answer = venue.bar("100", "105", "90", "95", done=False)
    assert (answer["done"], answer["events"] > 0) == (False, True)
    assert venue.public("/api/v3/ticker/price?symbol=BTCUSDT")["price"] == "96.00000000"

    place_oco(venue, "0.999", target="104", stop="92")
    answer = venue.go_on()
    assert not answer["done"]
    assert venue.go_on() | {"events": 0} == {
        "done": True,
        "duplicate": False,
        "events": 0,
        "clock_ms": START + 2 * MINUTE - 1,
    }
    trades = venue.account()["trades"]
    # The high of 105 may have come before the entry; the low of 90 cannot have.
    assert [(trade["client_order_id"], trade["price"]) for trade in trades] == [("entry", "96"), ("oco-stop", "92")]
    assert venue.account()["open_orders"] == []


def test_a_repeated_bar_changes_nothing_and_tells_where_the_bar_stands(venue: PaperVenue) -> None:
    venue.bar("100", "101", "99", "100")
    place(venue, side="BUY", type="MARKET", quantity="1")
    assert venue.bar("102", "103", "101", "102", done=False)["done"] is False
    before = venue.account()
    venue.bars -= 1
    again = venue.bar("102", "103", "101", "102", done=False)
    assert (again["done"], again["duplicate"]) == (False, True)
    assert venue.account() == before
    assert venue.go_on()["done"] is True
    venue.bars -= 1
    again = venue.bar("102", "103", "101", "102", done=False)
    assert (again["done"], again["duplicate"]) == (True, True)
    assert len(venue.public("/api/v3/klines?symbol=BTCUSDT&interval=1m")) == 2


def test_a_market_order_waits_for_the_next_open(venue: PaperVenue) -> None:
    venue.bar("100", "101", "99", "100")
    order = place(venue, side="BUY", type="MARKET", quantity="1")
    assert (order["status"], order["fills"]) == ("NEW", [])
    venue.bar("102", "103", "101", "102.5")
    order = venue.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=order["orderId"])
    assert (order["status"], order["cummulativeQuoteQty"]) == ("FILLED", "102.00000000")
    trade = venue.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT")[0]
    assert (trade["time"], trade["commission"], trade["isMaker"]) == (START + MINUTE, "0.00200000", False)


def test_volume_share_fills_in_parts(start_venue: Callable[..., PaperVenue]) -> None:
    venue = start_venue(volume_share="0.1")
    venue.bar("100", "101", "99", "100")
    order = place(venue, side="BUY", type="LIMIT", timeInForce="GTC", quantity="1.5", price="96")
    venue.bar("100", "101", "95", "97", volume="10")
    state = venue.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=order["orderId"])
    assert (state["status"], state["executedQty"]) == ("PARTIALLY_FILLED", "1.00000000")
    assert venue.account()["balances"]["USDT"] == {"free": "99856", "locked": "48"}
    venue.bar("97", "98", "95", "97", volume="10")
    state = venue.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=order["orderId"])
    assert (state["status"], state["executedQty"]) == ("FILLED", "1.50000000")
    assert venue.account()["balances"]["USDT"] == {"free": "99856", "locked": "0"}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_state_survives_a_restart_even_in_the_middle_of_a_bar(venue: PaperVenue, how: signal.Signals) -> None:
    venue.bar("100", "101", "99", "100")
    place(venue, side="BUY", type="LIMIT", timeInForce="GTC", quantity="1", price="96", newClientOrderId="entry")
    venue.bar("100", "105", "90", "95", done=False)
    place_oco(venue, "0.999", target="104", stop="92")
    place(
        venue, side="BUY", type="LIMIT", timeInForce="GTC", quantity="1", price="0.001"
    )  # refused, and again on replay
    before = venue.account()
    orders = venue.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT")
    assert venue.stop(how) == (0 if how is signal.SIGTERM else -how)

    venue.start()
    assert venue.account() == before
    assert venue.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT") == orders
    assert venue.go_on()["done"] is False
    assert venue.account()["trades"][-1]["client_order_id"] == "oco-stop"
    assert venue.go_on()["done"] is True
    # Ids go on where they stopped.
    assert place(venue, side="BUY", type="MARKET", quantity="1")["orderId"] == orders[-1]["orderId"] + 1


def test_a_torn_tail_costs_only_the_torn_input(venue: PaperVenue) -> None:
    venue.bar("100", "101", "99", "100")
    place(venue, side="BUY", type="LIMIT", timeInForce="GTC", quantity="1", price="96", newClientOrderId="kept")
    venue.stop()
    with venue.state_path.open("ab") as state:
        state.write(struct.pack("<II", 500, 1) + b'{"input":"place"')
    venue.start()
    assert "torn tail" in venue.log.read_text()
    assert [order["client_order_id"] for order in venue.account()["open_orders"]] == ["kept"]


def test_a_changed_config_leaves_what_was_traded_and_adds_what_is_new(venue: PaperVenue) -> None:
    venue.bar("100", "101", "99", "100")
    place(venue, side="BUY", type="MARKET", quantity="1")
    venue.bar("100", "101", "99", "100")
    venue.stop()
    venue.config["fees"] = {"maker": "0", "taker": "0"}
    venue.config["accounts"][0]["balances"] = {"USDT": "1"}
    venue.config["accounts"].append(
        {"name": "carol", "api_key": "key-of-carol", "api_secret": "secret-of-carol", "balances": {"USDT": "7"}}
    )
    venue.start()
    assert venue.account()["balances"]["BTC"]["free"] == "0.998"
    assert venue.account()["balances"]["USDT"]["free"] == "99900"
    assert venue.account("carol")["balances"]["USDT"]["free"] == "7"
    place(venue, side="BUY", type="MARKET", quantity="1")
    venue.bar("100", "101", "99", "100")
    assert venue.account()["balances"]["BTC"]["free"] == "1.998"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"high": "98"}, "high must not be below open or close"),
        ({"low": "101"}, "low must not be above open or close"),
        ({"open": "-1", "low": "-1"}, "prices must be above zero"),
        ({"open": 100.5}, "expected a decimal in a string"),
        ({"open": "abc"}, '"abc" is not a decimal'),
        ({"close_time_ms": START - 1}, "close_time_ms must be after open_time_ms"),
        ({"interval": "7m"}, "is none of 1m 3m 5m"),
        ({"symbol": "ETHUSDT"}, "Invalid symbol."),
        ({"symbol": None}, "expected a string"),
    ],
)
def test_a_bad_bar_gets_one_clear_error(venue: PaperVenue, change: dict[str, Any], problem: str) -> None:
    body = {
        "symbol": "BTCUSDT",
        "interval": "1m",
        "open_time_ms": START,
        "close_time_ms": START + MINUTE,
    } | dict.fromkeys(("open", "high", "low", "close", "volume"), "100")
    answer = venue.control("POST", "/paper/v1/bar", body | change)
    assert problem in answer["msg"], answer
    assert venue.control("POST", "/paper/v1/bar", body)["done"] is True


def test_bars_may_not_run_ahead_overlap_or_change_their_interval(venue: PaperVenue) -> None:
    venue.bar("100", "101", "99", "100")
    place(venue, side="BUY", type="MARKET", quantity="1")
    venue.bar("100", "101", "99", "100", done=False)
    assert "is not done" in venue.bar("100", "101", "99", "100", done=False)["msg"]
    venue.go_on()
    body = {
        "symbol": "BTCUSDT",
        "interval": "5m",
        "open_time_ms": START + 9 * MINUTE,
        "close_time_ms": START + 14 * MINUTE,
    }
    body |= dict.fromkeys(("open", "high", "low", "close", "volume"), "100")
    assert "goes by bars of 1m" in venue.control("POST", "/paper/v1/bar", body)["msg"]
    body |= {"interval": "1m", "open_time_ms": START + MINUTE + 5, "close_time_ms": START + 2 * MINUTE}
    assert "overlaps" in venue.control("POST", "/paper/v1/bar", body)["msg"]


def test_the_control_api_wants_its_token(venue: PaperVenue) -> None:
    answer = venue.control("GET", "/paper/v1/accounts/alice", token="wrong-token-of-the-test")
    assert answer["code"] == -2015
    assert "Authorization: Bearer" in answer["msg"]
    assert venue.control("GET", "/paper/v1/accounts/nobody")["msg"] == 'No account "nobody".'


def test_orders_from_many_connections_each_count_once(venue: PaperVenue) -> None:
    venue.bar("100", "101", "99", "100")

    def trade(number: int) -> None:
        for index in range(20):
            name = f"order-{number}-{index}"
            kind = {"type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "96", "newClientOrderId": name}
            assert place(venue, side="BUY", **kind)["clientOrderId"] == name

    threads = [threading.Thread(target=trade, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    orders = venue.signed("GET", "/api/v3/openOrders", symbol="BTCUSDT")
    assert sorted(order["orderId"] for order in orders) == list(range(1, 101))
    assert venue.account()["balances"]["USDT"] == {"free": "90400", "locked": "9600"}
    cancelled = venue.signed("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
    assert len(cancelled) == 100
    assert venue.account()["balances"]["USDT"] == {"free": "100000", "locked": "0"}


def test_numbers_keep_their_digits(venue: PaperVenue) -> None:
    venue.bar("67123.45000001", "67123.45000001", "67123.45000001", "67123.45000001", volume="0.10000001")
    line = venue.public("/api/v3/klines?" + urllib.parse.urlencode({"symbol": "BTCUSDT", "interval": "1m"}))[0]
    assert line[1:6] == ["67123.45000001"] * 4 + ["0.10000001"]
    assert json.dumps(line[0]) == str(START)
