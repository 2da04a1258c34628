"""Orders through the executor to the paper venue: placed, filled, protected, cancelled."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from tests.executor.running_executor import Desk, Executor
from tests.paper_venue.running_venue import PaperVenue

BRACKET = {"price": "50000", "stop_loss": "49000", "take_profit": "52000"}


def test_a_limit_order_rests_and_fills_once(desk: Desk) -> None:
    answer = desk.executor.place(price="49000")
    assert (answer["status"], answer["code"]) == ("accepted", "accepted")
    assert answer["order"]["status"] == "open"
    assert answer["order"]["client_order_id"] == "smc" + uuid.UUID(answer["command_id"]).hex
    assert answer["latency_ms"] > 0
    assert [order["order_id"] for order in desk.executor.drain()["open_orders"]] == [answer["command_id"]]

    snapshot = desk.bar("50000", "50000", "48900", "49500")
    assert snapshot["open_orders"] == []
    # Maker fee of 0.1 % in the asset received.
    assert snapshot["balances"]["BTC"] == {"free": "0.00999", "locked": "0"}
    assert snapshot["positions"][0]["quantity"] == "0.00999"
    assert snapshot["balances"]["USDT"]["free"] == "99510"


def test_a_bracket_protects_what_was_filled_and_ends_with_one_leg(desk: Desk) -> None:
    entry = desk.executor.place(quantity="0.1", **BRACKET)
    assert entry["status"] == "accepted", entry
    snapshot = desk.bar("50100", "50200", "49900", "50100")
    legs = {order["type"]: order for order in snapshot["open_orders"]}
    assert set(legs) == {"stop_loss", "limit"}
    assert legs["stop_loss"]["stop_price"] == "49000"
    assert legs["limit"]["price"] == "52000"
    # 0.1 less the fee of 0.0001, down to the step.
    assert {leg["quantity"] for leg in legs.values()} == {"0.0999"}
    assert {leg["parent_id"] for leg in legs.values()} == {entry["command_id"]}
    assert legs["stop_loss"]["order_id"] == str(uuid.uuid5(uuid.UUID(entry["command_id"]), "stop:1"))
    assert legs["limit"]["order_id"] == str(uuid.uuid5(uuid.UUID(entry["command_id"]), "target:1"))
    assert snapshot["unprotected"] == []

    snapshot = desk.bar("50100", "52100", "50000", "52050")
    assert snapshot["open_orders"] == []
    assert snapshot["positions"][0]["quantity"] == "0"
    assert snapshot["positions"][0]["entry_price"] is None
    # Bought for 5000, sold 0.0999 at 52000 less 0.1 %.
    assert snapshot["positions"][0]["realized_pnl"] == "189.6052"
    assert snapshot["balances"]["USDT"] == {"free": "100189.6052", "locked": "0"}


def test_each_partial_fill_is_protected_at_once(
    start_thin_venue: Callable[[], PaperVenue], make_executor: Callable[..., Executor]
) -> None:
    # A tenth of the bar's volume of 10 can be had: 1 of the 1.5 asked for, then the rest.
    venue = start_thin_venue()
    desk = Desk(venue, make_executor(venue_url=venue.url).start())
    entry = desk.executor.place(quantity="1.5", **BRACKET)
    snapshot = desk.bar("50100", "50200", "49900", "50100")
    by_type = {(order["type"], order["parent_id"] is None): order for order in snapshot["open_orders"]}
    assert by_type["limit", True]["status"] == "partially_filled"
    assert by_type["limit", True]["filled_quantity"] == "1"
    assert by_type["stop_loss", False]["quantity"] == by_type["limit", False]["quantity"] == "0.999"
    snapshot = desk.bar("50100", "50200", "49900", "50100")
    stops = [order["quantity"] for order in snapshot["open_orders"] if order["type"] == "stop_loss"]
    assert sorted(stops) == ["0.4995", "0.999"]
    assert entry["command_id"] not in [order["order_id"] for order in snapshot["open_orders"]]


def test_a_cancelled_entry_keeps_the_protection_of_what_it_had_filled(
    start_thin_venue: Callable[[], PaperVenue], make_executor: Callable[..., Executor]
) -> None:
    venue = start_thin_venue()
    desk = Desk(venue, make_executor(venue_url=venue.url).start())
    entry = desk.executor.place(quantity="1.5", price="50000", stop_loss="49000")
    desk.bar("50100", "50200", "49900", "50100")
    answer = desk.executor.command("cancel", {"order_id": entry["command_id"]})
    assert (answer["order"]["status"], answer["order"]["filled_quantity"]) == ("cancelled", "1")
    left = desk.executor.drain()["open_orders"]
    assert [(leg["type"], leg["quantity"]) for leg in left] == [("stop_loss", "0.999")]
    assert desk.executor.snapshot()["unprotected"] == []


def test_a_stop_alone_protects_too(desk: Desk) -> None:
    desk.executor.place(quantity="0.1", price="50000", stop_loss="49000")
    snapshot = desk.bar("50100", "50200", "49900", "50100")
    assert [order["type"] for order in snapshot["open_orders"]] == ["stop_loss"]
    snapshot = desk.bar("50000", "50000", "48500", "48600")
    assert snapshot["open_orders"] == []
    assert snapshot["positions"][0]["quantity"] == "0"


def test_a_market_order_fills_at_the_next_open(desk: Desk) -> None:
    assert desk.executor.place(type="market")["order"]["status"] == "open"
    snapshot = desk.bar("50123", "50200", "50100", "50150")
    assert snapshot["open_orders"] == []
    assert snapshot["balances"]["USDT"]["free"] == "99498.77"


def test_an_entry_can_be_cancelled_once(desk: Desk) -> None:
    entry = desk.executor.place(price="40000")
    answer = desk.executor.command("cancel", {"order_id": entry["command_id"]})
    assert (answer["status"], answer["order"]["status"]) == ("accepted", "cancelled")
    assert desk.executor.drain()["open_orders"] == []
    assert desk.venue.account()["open_orders"] == []
    again = desk.executor.command("cancel", {"order_id": entry["command_id"]})
    assert (again["status"], again["code"]) == ("refused", "unknown_order")
    stranger = desk.executor.command("cancel", {"order_id": str(uuid.uuid4())})
    assert stranger["code"] == "unknown_order"


def test_cancel_all_leaves_protection_in_place(desk: Desk) -> None:
    desk.executor.place(quantity="0.1", **BRACKET)
    desk.bar("50100", "50200", "49900", "50100")
    desk.executor.place(price="45000")
    desk.executor.place(price="44000")
    assert len(desk.executor.drain()["open_orders"]) == 4
    assert desk.executor.command("cancel_all")["status"] == "accepted"
    left = desk.executor.drain()["open_orders"]
    assert sorted(order["type"] for order in left) == ["limit", "stop_loss"]
    assert all(order["parent_id"] for order in left)


def test_flatten_cancels_everything_and_sells_what_is_held(desk: Desk) -> None:
    desk.executor.place(quantity="0.1", **BRACKET)
    desk.bar("50100", "50200", "49900", "50100")
    desk.executor.place(price="45000")
    assert desk.executor.command("flatten")["status"] == "accepted"
    working = desk.executor.drain()["open_orders"]
    assert [(order["type"], order["side"], order["quantity"]) for order in working] == [("market", "sell", "0.0999")]
    snapshot = desk.bar("50100", "50200", "50000", "50100")
    assert snapshot["open_orders"] == []
    assert snapshot["positions"][0]["quantity"] == "0"
    assert snapshot["unprotected"] == []
    # And trading goes on.
    assert desk.executor.place(price="45000")["status"] == "accepted"


def test_a_stop_that_would_trigger_at_once_becomes_a_sale(desk: Desk) -> None:
    # The bar opens through the entry and below the stop: filled at 48500 (as taker), with the stop already passed.
    desk.executor.place(quantity="0.1", **BRACKET)
    snapshot = desk.bar("48500", "48600", "48400", "48500")
    exits = snapshot["open_orders"]
    assert [(order["type"], order["side"], order["quantity"]) for order in exits] == [("market", "sell", "0.0998")]
    snapshot = desk.bar("48500", "48600", "48400", "48500")
    assert snapshot["open_orders"] == []
    assert snapshot["positions"][0]["quantity"] == "0"


def test_guards_refuse_what_the_limits_forbid(desk: Desk) -> None:
    limits = {"max_order_notional": "1000", "price_collar": "0.05"}
    assert desk.executor.command("set_limits", limits)["status"] == "accepted"
    too_large = desk.executor.place(price="50000", quantity="0.03")
    assert (too_large["status"], too_large["code"]) == ("refused", "max_order_notional")
    assert desk.executor.place(price="52600")["code"] == "price_collar"
    assert desk.executor.place(type="market", quantity="0.03")["code"] == "max_order_notional"
    assert desk.executor.place(price="50000.001")["code"] == "filter_price"
    assert desk.executor.place(price="50000", quantity="0.010001")["code"] == "filter_lot"
    assert desk.executor.place(price="50000", quantity="0.00001")["code"] == "filter_notional"
    assert desk.executor.place(side="sell", price="50000", reduce_only=True)["code"] == "reduce_only"
    assert desk.executor.command("place", place("NOSUCH"))["code"] == "unknown_symbol"
    assert desk.executor.place(price="50000")["status"] == "accepted"
    assert len(desk.venue.account()["open_orders"]) == 1


def test_the_venue_refuses_what_the_balance_does_not_cover(desk: Desk) -> None:
    answer = desk.executor.place(price="50000", quantity="3")
    assert (answer["status"], answer["code"]) == ("refused", "insufficient_balance")
    assert answer["order"]["status"] == "rejected"
    assert desk.executor.drain()["open_orders"] == []


def place(symbol: str) -> dict[str, str]:
    return {"symbol": symbol, "side": "buy", "type": "limit", "quantity": "0.01", "price": "50000"}
