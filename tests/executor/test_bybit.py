"""The executor's Bybit client against the paper venue's Bybit dialect: the same programs, the other protocol."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from tests.executor.running_executor import Desk, Executor
from tests.paper_venue.running_venue import KEY, SECRET, PaperVenue

BRACKET = {"price": "50000", "stop_loss": "49000", "take_profit": "52000"}


@pytest.fixture
def open_desk(
    start_paper_venue: Callable[..., PaperVenue], make_executor: Callable[..., Executor]
) -> Callable[..., Desk]:
    def start(market: str = "spot") -> Desk:
        account = {"name": "alice", "api_key": KEY, "api_secret": SECRET, "market": market}
        venue = start_paper_venue(accounts=[account | {"balances": {"USDT": "100000"}}])
        executor = make_executor(venue_url=venue.url)
        ws = f"ws://{venue.address}/v5"
        category = "spot" if market == "spot" else "linear"
        executor.config["accounts"][0] |= {
            "exchange": "bybit",
            "market": market,
            "ws_api_url": ws,
            "market_ws_url": f"{ws}/public/{category}",
        }
        return Desk(venue, executor.start())

    return start


def kinds(snapshot: dict[str, Any]) -> list[str]:
    return sorted(order["type"] for order in snapshot["open_orders"])


def test_a_limit_order_rests_and_fills_once(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    answer = desk.executor.place(price="49000")
    assert (answer["status"], answer["order"]["status"]) == ("accepted", "open")
    at_venue = desk.venue.account()["open_orders"]
    assert [order["client_order_id"] for order in at_venue] == ["smc" + uuid.UUID(answer["command_id"]).hex]
    snapshot = desk.bar("50000", "50000", "48900", "49500")
    assert snapshot["open_orders"] == []
    assert snapshot["balances"]["BTC"] == {"free": "0.00999", "locked": "0"}
    assert snapshot["balances"]["USDT"]["free"] == "99510"


def test_refusals_have_their_codes(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    assert desk.executor.place(price="50000", quantity="3")["code"] == "insufficient_balance"
    assert desk.executor.place(price="50000.001")["code"] == "filter_price"
    unknown = {"symbol": "NOSUCH", "side": "buy", "type": "limit", "quantity": "0.01", "price": "50000"}
    assert desk.executor.command("place", unknown)["code"] == "unknown_symbol"


def test_an_entry_can_be_cancelled(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    entry = desk.executor.place(price="40000")
    answer = desk.executor.command("cancel", {"order_id": entry["command_id"]})
    assert (answer["status"], answer["order"]["status"]) == ("accepted", "cancelled")
    assert desk.venue.account()["open_orders"] == []


def test_a_stop_rests_at_the_venue_and_sells(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    desk.executor.place(quantity="0.1", price="50000", stop_loss="49000")
    snapshot = desk.bar("50100", "50200", "49900", "50100")
    assert kinds(snapshot) == ["stop_loss"]
    assert [order["type"] for order in desk.venue.account()["open_orders"]] == ["stop_loss"]
    assert snapshot["unprotected"] == []
    snapshot = desk.bar("50000", "50000", "48500", "48600")
    assert snapshot["open_orders"] == []
    assert snapshot["positions"][0]["quantity"] == "0"


def test_a_target_is_watched_where_the_venue_cannot_hold_both(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    desk.executor.place(quantity="0.1", **BRACKET)
    assert kinds(desk.bar("50100", "50200", "49900", "50100")) == ["stop_loss"]
    # The price passes the target; the stop gives way to a sale, which the next bar fills.
    for _ in range(3):
        snapshot = desk.bar("52100", "52200", "52050", "52100")
    assert snapshot["open_orders"] == []
    assert snapshot["positions"][0]["quantity"] == "0"
    assert [trade["side"] for trade in desk.venue.account()["trades"]] == ["buy", "sell"]


def test_a_swap_position_is_protected_and_flattened(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk("swap")
    desk.executor.place(side="sell", quantity="0.1", price="50000", stop_loss="51000", take_profit="48000")
    snapshot = desk.bar("49900", "50100", "49800", "49900")
    assert snapshot["positions"][0]["quantity"] == "-0.1"
    assert kinds(snapshot) == ["limit", "stop_loss"]
    assert snapshot["unprotected"] == []
    assert desk.executor.command("flatten")["status"] == "accepted"
    desk.executor.drain()
    for _ in range(2):
        snapshot = desk.bar("49900", "50000", "49800", "49900")
    assert snapshot["open_orders"] == []
    assert desk.venue.account()["positions"][0]["quantity"] == "0"


def test_a_killed_executor_finds_everything_again(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    desk.executor.place(quantity="0.1", price="50000", stop_loss="49000")
    desk.bar("50100", "50200", "49900", "50100")
    resting = desk.executor.place(price="45000")
    desk.executor.drain()
    desk.executor.stop(signal.SIGKILL)
    desk.executor.start()
    snapshot = desk.executor.drain()
    assert kinds(snapshot) == ["limit", "stop_loss"]
    assert resting["command_id"] in [order["order_id"] for order in snapshot["open_orders"]]
    assert len(desk.venue.account()["open_orders"]) == 2
    assert snapshot["unprotected"] == []
