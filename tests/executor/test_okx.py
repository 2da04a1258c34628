"""The executor's OKX client against the paper venue's OKX dialect: the same programs, the other protocol."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from tests.executor.running_executor import Desk, Executor
from tests.paper_venue.running_venue import KEY, SECRET, PaperVenue

SPOT, SWAP = "BTC-USDT", "BTC-USDT-SWAP"


@pytest.fixture
def open_desk(
    start_paper_venue: Callable[..., PaperVenue], make_executor: Callable[..., Executor]
) -> Callable[..., Desk]:
    def start(market: str = "spot") -> Desk:
        account = {"name": "alice", "api_key": KEY, "api_secret": SECRET, "market": market}
        venue = start_paper_venue(accounts=[account | {"balances": {"USDT": "100000"}}])
        executor = make_executor(venue_url=venue.url)
        ws = f"ws://{venue.address}/ws/v5"
        executor.config["accounts"][0] |= {
            "exchange": "okx",
            "market": market,
            "ws_api_url": ws,
            "market_ws_url": f"{ws}/public",
            "passphrase": "anything",
        }
        return Desk(venue, executor.start())

    return start


def kinds(snapshot: dict[str, Any]) -> list[str]:
    return sorted(order["type"] for order in snapshot["open_orders"])


def test_a_limit_order_rests_and_fills_once(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    answer = desk.executor.place(symbol=SPOT, price="49000")
    assert (answer["status"], answer["order"]["status"]) == ("accepted", "open")
    # OKX has no room for the prefix.
    at_venue = desk.venue.account()["open_orders"]
    assert [order["client_order_id"] for order in at_venue] == [uuid.UUID(answer["command_id"]).hex]
    snapshot = desk.bar("50000", "50000", "48900", "49500")
    assert snapshot["open_orders"] == []
    assert snapshot["balances"]["BTC"] == {"free": "0.00999", "locked": "0"}
    assert snapshot["balances"]["USDT"]["free"] == "99510"


def test_refusals_have_their_codes(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    assert desk.executor.place(symbol=SPOT, price="50000", quantity="3")["code"] == "insufficient_balance"
    assert desk.executor.place(symbol=SPOT, price="50000.001")["code"] == "filter_price"
    assert desk.executor.place(symbol="NO-SUCH", price="50000")["code"] == "unknown_symbol"


def test_a_stop_is_an_algo_order_and_its_sale_is_booked(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    desk.executor.place(symbol=SPOT, quantity="0.1", price="50000", stop_loss="49000")
    snapshot = desk.bar("50100", "50200", "49900", "50100")
    assert kinds(snapshot) == ["stop_loss"]
    assert snapshot["unprotected"] == []
    snapshot = desk.bar("50000", "50000", "48500", "48600")
    assert snapshot["open_orders"] == []
    assert snapshot["positions"][0]["quantity"] == "0"
    assert [trade["side"] for trade in desk.venue.account()["trades"]] == ["buy", "sell"]


def test_a_resting_stop_and_a_plain_order_can_be_cancelled(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    entry = desk.executor.place(symbol=SPOT, price="40000")
    desk.executor.place(symbol=SPOT, quantity="0.1", price="50000", stop_loss="49000")
    snapshot = desk.bar("50100", "50200", "49900", "50100")
    stop = next(order for order in snapshot["open_orders"] if order["type"] == "stop_loss")
    for order_id in (entry["command_id"], stop["order_id"]):
        answer = desk.executor.command("cancel", {"order_id": order_id})
        assert (answer["status"], answer["order"]["status"]) == ("accepted", "cancelled")
    assert desk.venue.account()["open_orders"] == []


def test_a_trailing_stop_rests_at_the_venue(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    desk.executor.place(symbol=SPOT, type="market", quantity="0.1")
    desk.bar("50000", "50000", "50000", "50000")
    trailing = {"symbol": SPOT, "side": "sell", "type": "trailing_stop", "quantity": "0.05", "trail": "0.01"}
    answer = desk.executor.command("place", trailing)
    assert answer["status"] == "accepted", answer
    assert kinds(desk.bar("50000", "51000", "50000", "51000")) == ["trailing_stop"]
    # 1 % below the high of 51000.
    snapshot = desk.bar("51000", "51000", "50400", "50400")
    assert snapshot["open_orders"] == []
    assert desk.venue.account()["trades"][-1]["price"] == "50490"


def test_a_swap_position_is_protected_and_flattened(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk("swap")
    entry = {"symbol": SWAP, "side": "sell", "quantity": "0.1", "price": "50000"}
    desk.executor.place(**entry, stop_loss="51000", take_profit="48000")
    snapshot = desk.bar("49900", "50100", "49800", "49900")
    assert snapshot["positions"][0]["quantity"] == "-0.1"
    assert kinds(snapshot) == ["limit", "stop_loss"]
    assert {order["quantity"] for order in snapshot["open_orders"]} == {"0.1"}
    assert snapshot["unprotected"] == []
    assert desk.executor.command("flatten")["status"] == "accepted"
    desk.executor.drain()
    for _ in range(2):
        snapshot = desk.bar("49900", "50000", "49800", "49900")
    assert snapshot["open_orders"] == []
    assert desk.venue.account()["positions"][0]["quantity"] == "0"


def test_a_killed_executor_finds_what_a_stop_did_meanwhile(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    desk.executor.place(symbol=SPOT, quantity="0.1", price="50000", stop_loss="49000")
    desk.bar("50100", "50200", "49900", "50100")
    resting = desk.executor.place(symbol=SPOT, price="45000")
    desk.executor.drain()
    desk.executor.stop(signal.SIGKILL)
    desk.venue.bar("50000", "50000", "48500", "48600")
    desk.executor.start()
    snapshot = desk.executor.drain()
    assert [order["order_id"] for order in snapshot["open_orders"]] == [resting["command_id"]]
    assert snapshot["positions"][0]["quantity"] == "0"
    assert snapshot["unprotected"] == []
