"""A swap account at the paper venue by Binance USD-M's protocol: both books, both directions, restarts."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from tests.executor.running_executor import Desk, Executor
from tests.paper_venue.running_venue import KEY, SECRET, PaperVenue

ALICE = {"name": "alice", "market": "swap", "api_key": KEY, "api_secret": SECRET, "balances": {"USDT": "100000"}}


@pytest.fixture
def desk(start_paper_venue: Callable[..., PaperVenue], make_executor: Callable[..., Executor]) -> Desk:
    """A running executor of a swap account, at 50,000."""
    venue = start_paper_venue(accounts=[ALICE])
    executor = make_executor(venue_url=venue.url)
    executor.config["accounts"][0] |= {"market": "swap", "ws_api_url": f"ws://{venue.address}/ws-fapi/v1"}
    return Desk(venue, executor.start())


def held(desk: Desk) -> Decimal:
    """The position, the same on both sides."""
    ours = {row["symbol"]: Decimal(row["quantity"]) for row in desk.executor.drain()["positions"]}
    theirs = {row["symbol"]: Decimal(row["quantity"]) for row in desk.venue.account()["positions"]}
    assert ours.get("BTCUSDT", 0) == theirs.get("BTCUSDT", 0)
    return Decimal(ours.get("BTCUSDT", 0))


def working(snapshot: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(row["type"], row["side"], row["quantity"]) for row in snapshot["open_orders"]}


def at_the_venue(desk: Desk) -> int:
    orders = desk.venue.signed("GET", "/fapi/v1/openOrders")
    return len(orders) + len(desk.venue.signed("GET", "/fapi/v1/openAlgoOrders"))


def test_positions_have_a_sign(desk: Desk) -> None:
    assert desk.executor.place(type="market", quantity="0.1")["status"] == "accepted"
    desk.bar("50000", "50100", "49900", "50000")
    assert held(desk) == Decimal("0.1")
    assert desk.executor.place(type="market", side="sell", quantity="0.3")["status"] == "accepted"
    desk.bar("50000", "50100", "49900", "50000")
    assert held(desk) == Decimal("-0.2")


def test_a_long_bracket_ends_with_one_leg(desk: Desk) -> None:
    desk.executor.place(price="49500", quantity="0.1", stop_loss="49000", take_profit="51000")
    snapshot = desk.bar("50000", "50000", "49400", "49600")
    assert working(snapshot) == {("stop_loss", "sell", "0.1"), ("limit", "sell", "0.1")}
    assert snapshot["unprotected"] == []
    assert at_the_venue(desk) == 2
    snapshot = desk.bar("49600", "51200", "49600", "51100")
    assert working(snapshot) == set()
    assert held(desk) == at_the_venue(desk) == 0


def test_a_short_bracket_is_stopped_above(desk: Desk) -> None:
    desk.executor.place(side="sell", price="50500", quantity="0.1", stop_loss="51000", take_profit="49000")
    snapshot = desk.bar("50000", "50600", "50000", "50550")
    assert working(snapshot) == {("stop_loss", "buy", "0.1"), ("limit", "buy", "0.1")}
    snapshot = desk.bar("50550", "51300", "50550", "51200")
    assert working(snapshot) == set()
    assert held(desk) == at_the_venue(desk) == 0


def test_a_trailing_stop_follows_the_price(desk: Desk) -> None:
    desk.executor.place(type="market", quantity="0.1")
    desk.bar("50000", "50000", "50000", "50000")
    placed = desk.executor.place(type="trailing_stop", side="sell", quantity="0.1", trail="0.01", reduce_only=True)
    assert (placed["status"], placed["order"]["status"]) == ("accepted", "open")
    desk.bar("50000", "51000", "50000", "51000")
    assert held(desk) == Decimal("0.1")
    desk.bar("51000", "51000", "50000", "50100")
    assert held(desk) == 0


def test_a_conditional_order_can_be_cancelled(desk: Desk) -> None:
    placed = desk.executor.place(type="stop_loss", quantity="0.1", stop_price="51000")
    assert at_the_venue(desk) == 1
    assert desk.executor.command("cancel", {"order_id": placed["command_id"]})["status"] == "accepted"
    assert (working(desk.executor.drain()), at_the_venue(desk)) == (set(), 0)
    desk.bar("50000", "51500", "50000", "51400")
    assert held(desk) == 0


def test_what_triggered_while_the_executor_was_away_is_booked(desk: Desk) -> None:
    entry = desk.executor.place(type="market", quantity="0.1", stop_loss="49000")
    desk.bar("50000", "50000", "50000", "50000")
    assert held(desk) == Decimal("0.1")
    desk.executor.stop(signal.SIGKILL)
    desk.venue.bar("50000", "50000", "48800", "48900")
    desk.executor.start()
    snapshot = desk.executor.drain()
    assert held(desk) == 0
    assert (working(snapshot), snapshot["unprotected"]) == (set(), [])
    assert entry["status"] == "accepted"
    # The next start finds nothing new: what was booked is not booked twice.
    desk.executor.stop(signal.SIGKILL)
    desk.executor.start()
    assert held(desk) == 0


def test_flatten_closes_a_short(desk: Desk) -> None:
    desk.executor.place(type="market", side="sell", quantity="0.1", stop_loss="51000")
    desk.bar("50000", "50000", "50000", "50000")
    desk.executor.place(price="40000", quantity="0.1")
    assert held(desk) == Decimal("-0.1")
    assert desk.executor.command("flatten")["status"] == "accepted"
    desk.executor.drain()
    desk.bar("50000", "50000", "50000", "50000")
    assert held(desk) == at_the_venue(desk) == 0


def test_a_margin_that_does_not_suffice_is_refused(desk: Desk) -> None:
    answer = desk.executor.place(price="50000", quantity="1000")
    assert (answer["status"], answer["code"]) == ("refused", "insufficient_balance")


def test_protection_of_what_an_exit_by_hand_has_closed_is_taken_back(desk: Desk) -> None:
    desk.executor.place(type="market", quantity="0.1", stop_loss="49000", take_profit="51000")
    desk.bar("50000", "50000", "50000", "50000")
    desk.executor.place(type="market", side="sell", quantity="0.1", reduce_only=True)
    snapshot = desk.bar("50000", "50000", "50000", "50000")
    assert (working(snapshot), snapshot["unprotected"], at_the_venue(desk)) == (set(), [], 0)
    # The old stop would have closed the next position at the last one's price.
    desk.executor.place(type="market", quantity="0.1", stop_loss="48000")
    desk.bar("50000", "50000", "48500", "48600")
    assert held(desk) == Decimal("0.1")


def test_an_entry_of_the_other_side_is_protected_for_what_it_opens(desk: Desk) -> None:
    desk.executor.place(type="market", quantity="0.1", stop_loss="49000", take_profit="51000")
    desk.bar("50000", "50000", "50000", "50000")
    desk.executor.place(type="market", side="sell", quantity="0.04", stop_loss="51500", take_profit="48500")
    snapshot = desk.bar("50000", "50000", "50000", "50000")
    assert working(snapshot) == {("stop_loss", "sell", "0.1"), ("limit", "sell", "0.1")}
    assert snapshot["unprotected"] == []
    desk.executor.place(type="market", side="sell", quantity="0.09", stop_loss="51600", take_profit="48400")
    snapshot = desk.bar("50000", "50000", "50000", "50000")
    assert held(desk) == Decimal("-0.03")
    assert working(snapshot) == {("stop_loss", "buy", "0.03"), ("limit", "buy", "0.03")}
    assert (snapshot["unprotected"], at_the_venue(desk)) == ([], 2)
    # A restart protects nothing of it again.
    desk.executor.stop(signal.SIGKILL)
    desk.executor.start()
    snapshot = desk.executor.drain()
    assert working(snapshot) == {("stop_loss", "buy", "0.03"), ("limit", "buy", "0.03")}
    assert (snapshot["unprotected"], at_the_venue(desk)) == ([], 2)


EXITS = {"symbol": "BTCUSDT", "side": "sell", "quantity": "0.1", "price": "51000", "stop_price": "49000"}


@pytest.mark.parametrize("prices", [("50000", "51100", "50000", "51000"), ("50000", "50000", "48900", "49000")])
def test_of_a_stop_and_a_target_by_command_one_fills_and_the_other_is_cancelled(
    desk: Desk, prices: tuple[str, ...]
) -> None:
    desk.executor.place(type="market", quantity="0.3")
    desk.bar("50000", "50000", "50000", "50000")
    answer = desk.executor.command("place_oco", EXITS | {"reduce_only": True})
    assert (answer["status"], answer["order"]["order_id"]) == ("accepted", answer["command_id"])
    assert working(desk.executor.drain()) == {("stop_loss", "sell", "0.1"), ("limit", "sell", "0.1")}
    assert working(desk.bar(*prices)) == set()
    assert (held(desk), at_the_venue(desk)) == (Decimal("0.2"), 0)


def test_a_pair_whose_stop_is_passed_already_leaves_no_target(desk: Desk) -> None:
    desk.executor.place(type="market", quantity="0.3")
    desk.bar("50000", "50000", "50000", "50000")
    answer = desk.executor.command("place_oco", EXITS | {"stop_price": "50500", "reduce_only": True})
    assert answer["status"] == "refused"
    assert desk.executor.command("place_oco", EXITS)["code"] == "venue_rejected"
    assert (working(desk.executor.drain()), at_the_venue(desk)) == (set(), 0)


def test_the_half_that_is_left_over_is_cancelled_by_the_next_executor(desk: Desk) -> None:
    desk.executor.place(type="market", quantity="0.3")
    desk.bar("50000", "50000", "50000", "50000")
    desk.executor.command("place_oco", EXITS | {"reduce_only": True})
    desk.executor.stop(signal.SIGKILL)
    desk.venue.bar("50000", "50000", "48900", "49000")
    desk.executor.start()
    desk.executor.until(lambda: at_the_venue(desk) == 0)
    assert (held(desk), working(desk.executor.drain())) == (Decimal("0.2"), set())


@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.2, 0.3])
def test_a_pair_is_whole_or_nothing_after_a_kill(desk: Desk, after_s: float) -> None:
    desk.executor.place(type="market", quantity="0.3")
    desk.bar("50000", "50000", "50000", "50000")
    desk.executor.stop()
    desk.executor.config["inject_delay_ms"] = 200
    desk.executor.start()
    envelope = desk.executor.envelope("place_oco", EXITS | {"reduce_only": True}, ttl=60)
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(desk.executor.send, envelope)
        time.sleep(after_s)
        desk.executor.stop(signal.SIGKILL)
        sent.exception()
    desk.executor.config["inject_delay_ms"] = 0
    desk.executor.start()
    first = desk.executor.send(envelope)
    # What was journaled and never sent is believed to be missing after the venue's own delay.
    desk.executor.until(lambda: at_the_venue(desk) in (0, 2) and len(desk.executor.drain()["open_orders"]) in (0, 2))
    assert desk.executor.send(envelope) == first
    assert working(desk.executor.drain()) in (set(), {("stop_loss", "sell", "0.1"), ("limit", "sell", "0.1")})
