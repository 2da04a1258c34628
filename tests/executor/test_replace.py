"""Replace: never two live orders, and a kill in between leaves something definite."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.executor.faulty_proxy import FaultyProxy
from tests.executor.running_executor import Desk, Executor
from tests.paper_venue.running_venue import PaperVenue


def replace(executor: Executor, order_id: str, **change: Any) -> dict[str, Any]:
    return executor.command("replace", {"order_id": order_id, **change})


def orders(venue: PaperVenue) -> dict[str, str]:
    """Status at the venue of each order's price."""
    listed = venue.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT")
    return {order["price"].rstrip("0").rstrip("."): order["status"] for order in listed}


def test_the_old_order_is_cancelled_and_the_new_one_has_the_commands_id(desk: Desk) -> None:
    old = desk.executor.place(price="45000", quantity="0.02", stop_loss="44000")
    new = replace(desk.executor, old["command_id"], price="46000")
    assert (new["status"], new["order"]["status"]) == ("accepted", "open"), new
    assert new["order"]["order_id"] == new["command_id"]
    [working] = desk.executor.drain()["open_orders"]
    assert (working["order_id"], working["price"], working["quantity"]) == (new["command_id"], "46000", "0.02")
    assert orders(desk.venue) == {"45000": "CANCELED", "46000": "NEW"}
    # Its fills get the protection that was asked for.
    snapshot = desk.bar("50000", "50000", "45900", "47000")
    assert [(leg["type"], leg["stop_price"]) for leg in snapshot["open_orders"]] == [("stop_loss", "44000")]


def test_what_had_filled_is_not_bought_again(
    start_thin_venue: Callable[[], PaperVenue], make_executor: Callable[..., Executor]
) -> None:
    venue = start_thin_venue()
    desk = Desk(venue, make_executor(venue_url=venue.url).start())
    old = desk.executor.place(price="50000", quantity="1.5")
    desk.bar("50100", "50200", "49900", "50100")
    new = replace(desk.executor, old["command_id"], quantity="1.7", price="49000")
    assert new["status"] == "accepted"
    [working] = desk.executor.drain()["open_orders"]
    assert (working["quantity"], working["price"]) == ("0.7", "49000")
    less = replace(desk.executor, new["command_id"], quantity="0.2")
    assert [order["quantity"] for order in desk.executor.drain()["open_orders"]] == ["0.2"], less


def test_a_new_order_that_is_refused_leaves_the_old_one_alone(desk: Desk) -> None:
    old = desk.executor.place(price="45000", quantity="0.02")
    assert replace(desk.executor, old["command_id"], price="45000.001")["code"] == "filter_price"
    assert replace(desk.executor, old["command_id"], stop_price="1")["code"] == "malformed"
    assert replace(desk.executor, old["command_id"])["code"] == "malformed"
    assert replace(desk.executor, "00000000-0000-4000-8000-000000000000", price="1")["code"] == "unknown_order"
    desk.executor.command("set_limits", {"max_order_notional": "1000"})
    # Its own worth does not count against the one that takes its place.
    desk.executor.command("set_limits", {"max_position_notional": "1000", "max_open_orders": 1})
    assert replace(desk.executor, old["command_id"], price="46000", quantity="0.03")["code"] == "max_order_notional"
    assert [order["order_id"] for order in desk.executor.drain()["open_orders"]] == [old["command_id"]]
    assert replace(desk.executor, old["command_id"], price="46000")["status"] == "accepted"


def test_an_order_that_filled_first_is_not_replaced(desk: Desk) -> None:
    old = desk.executor.place(price="50000", quantity="0.01")
    desk.venue.bar("50100", "50200", "49900", "50100")
    answer = replace(desk.executor, old["command_id"], price="48000")
    assert (answer["status"], answer["code"]) == ("refused", "unknown_order")
    snapshot = desk.executor.drain()
    assert snapshot["open_orders"] == []
    assert snapshot["positions"][0]["quantity"] == "0.00999"


@pytest.fixture
def proxied(paper_venue: PaperVenue, make_executor: Callable[..., Executor]) -> Iterator[tuple[FaultyProxy, Executor]]:
    proxy = FaultyProxy(paper_venue.address)
    yield proxy, make_executor(venue_url=proxy.url).start()
    proxy.close()


def test_a_lost_answer_to_the_cancel_is_followed_up(
    proxied: tuple[FaultyProxy, Executor], paper_venue: PaperVenue
) -> None:
    proxy, executor = proxied
    old = executor.place(price="45000")
    proxy.lose_next("answer", "DELETE /api/v3/order")
    assert replace(executor, old["command_id"], price="46000")["status"] == "accepted"
    assert orders(paper_venue) == {"45000": "CANCELED", "46000": "NEW"}


@pytest.mark.parametrize("cancel_arrived", [False, True])
def test_a_kill_between_cancel_and_new_order_is_finished_by_the_restart(desk: Desk, cancel_arrived: bool) -> None:
    old = desk.executor.place(price="45000", quantity="0.05")
    desk.executor.stop()
    desk.executor.config["inject_delay_ms"] = 5000
    desk.executor.start()
    envelope = desk.executor.envelope("replace", {"order_id": old["command_id"], "price": "46000"}, ttl=600)
    journal = Path(desk.executor.config["journal"])
    with ThreadPoolExecutor(1) as pool:
        placing = pool.submit(desk.executor.send, envelope)
        desk.executor.until(lambda: b'"replacing"' in journal.read_bytes())
        desk.executor.stop(signal.SIGKILL)
        assert placing.exception() is not None
    if cancel_arrived:
        known = {"symbol": "BTCUSDT", "origClientOrderId": old["order"]["client_order_id"]}
        desk.venue.signed("DELETE", "/api/v3/order", **known)
    assert "46000" not in orders(desk.venue)
    desk.executor.config["inject_delay_ms"] = 0
    desk.executor.start()
    # `unknown` where the new order is on its way just now.
    assert desk.executor.send(envelope)["status"] in ("accepted", "unknown")
    desk.executor.until(lambda: orders(desk.venue) == {"45000": "CANCELED", "46000": "NEW"})
    assert [order["order_id"] for order in desk.executor.drain()["open_orders"]] == [envelope["command_id"]]


def test_an_entry_whose_command_expired_meanwhile_does_not_follow(desk: Desk) -> None:
    old = desk.executor.place(price="45000", quantity="0.05")
    desk.executor.stop()
    desk.executor.config["inject_delay_ms"] = 5000
    desk.executor.start()
    # Three seconds are given for clocks that differ.
    envelope = desk.executor.envelope("replace", {"order_id": old["command_id"], "price": "46000"}, ttl=0.1, age=2)
    journal = Path(desk.executor.config["journal"])
    with ThreadPoolExecutor(1) as pool:
        pool.submit(desk.executor.send, envelope)
        desk.executor.until(lambda: b'"replacing"' in journal.read_bytes())
        desk.executor.stop(signal.SIGKILL)
    time.sleep(1.5)
    desk.executor.config["inject_delay_ms"] = 0
    desk.executor.start()
    answer = desk.executor.send(envelope)
    assert (answer["status"], answer["code"]) == ("refused", "expired")
    assert orders(desk.venue) == {"45000": "CANCELED"}
    assert desk.executor.drain()["open_orders"] == []


def test_a_stop_and_a_target_by_command_of_which_one_fills(desk: Desk) -> None:
    desk.executor.place(type="market", quantity="0.1")
    desk.bar("50000", "50000", "50000", "50000")
    pair = {"symbol": "BTCUSDT", "side": "sell", "quantity": "0.0998", "price": "52000", "stop_price": "49000"}
    answer = desk.executor.command("place_oco", pair)
    assert (answer["status"], answer["order"]["order_id"]) == ("accepted", answer["command_id"]), answer
    working = {order["type"]: order for order in desk.executor.drain()["open_orders"]}
    assert set(working) == {"limit", "stop_loss"}
    assert working["stop_loss"]["parent_id"] == answer["command_id"]
    # The pair counts once: all that is held is being sold, and no more.
    assert desk.executor.place(side="sell", price="53000", quantity="0.001", reduce_only=True)["code"] == "reduce_only"
    assert replace(desk.executor, answer["command_id"], price="53000")["code"] == "unknown_order"
    snapshot = desk.bar("50000", "52100", "50000", "52000")
    assert snapshot["open_orders"] == []
    assert snapshot["positions"][0]["quantity"] == "0"


def test_a_pair_that_the_guards_refuse_is_never_sent(desk: Desk) -> None:
    pair = {"symbol": "BTCUSDT", "side": "buy", "quantity": "0.01", "price": "48000", "stop_price": "47000"}
    assert desk.executor.command("place_oco", pair)["code"] == "filter_price"
    desk.executor.command("kill")
    assert desk.executor.command("place_oco", pair | {"stop_price": "52000"})["code"] == "killed"
    assert desk.venue.account()["open_orders"] == []


def test_a_pair_can_be_cancelled_by_either(desk: Desk) -> None:
    pair = {"symbol": "BTCUSDT", "side": "buy", "quantity": "0.01", "price": "48000", "stop_price": "52000"}
    first = desk.executor.command("place_oco", pair)
    assert first["status"] == "accepted", first
    assert desk.executor.command("cancel", {"order_id": first["command_id"]})["status"] == "accepted"
    assert desk.executor.drain()["open_orders"] == []
    second = desk.executor.command("place_oco", pair)
    stop = next(order for order in desk.executor.drain()["open_orders"] if order["type"] == "stop_loss")
    assert stop["parent_id"] == second["command_id"]
    assert desk.executor.command("cancel", {"order_id": stop["order_id"]})["status"] == "accepted"
    assert desk.executor.drain()["open_orders"] == []


def test_time_in_force_and_post_only_reach_the_venue(desk: Desk) -> None:
    assert desk.executor.place(price="49000", time_in_force="IOC")["order"]["status"] == "expired"
    assert desk.executor.place(price="49000", time_in_force="FOK")["order"]["status"] == "expired"
    assert desk.executor.place(price="51000", post_only=True)["code"] == "venue_rejected"
    resting = desk.executor.place(price="49000", post_only=True)
    [listed] = desk.venue.signed("GET", "/api/v3/openOrders", symbol="BTCUSDT")
    assert (listed["type"], listed["clientOrderId"]) == ("LIMIT_MAKER", resting["order"]["client_order_id"])
    profit = desk.executor.place(side="sell", type="take_profit", stop_price="52000", quantity="0.01")
    assert profit["code"] == "insufficient_balance"
