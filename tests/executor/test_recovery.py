"""A killed executor, a dead venue, a lost answer: nothing lost, nothing doubled."""

from __future__ import annotations

import random
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.executor.faulty_proxy import FaultyProxy
from tests.executor.running_executor import Desk, Executor
from tests.paper_venue.running_venue import PaperVenue

BRACKET = {"price": "50000", "stop_loss": "49000", "take_profit": "52000"}


def client_ids(venue: PaperVenue) -> list[str]:
    """Every order that ever reached the venue."""
    return [order["clientOrderId"] for order in venue.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT")]


def test_a_fill_while_the_executor_was_dead_gets_its_protection(desk: Desk) -> None:
    entry = desk.executor.place(quantity="0.1", **BRACKET)
    working = desk.executor.place(price="45000")
    desk.executor.stop(signal.SIGKILL)
    desk.venue.bar("50100", "50200", "49900", "50100")
    desk.executor.start()
    snapshot = desk.executor.drain()
    legs = [order for order in snapshot["open_orders"] if order["parent_id"] == entry["command_id"]]
    assert sorted((leg["type"], leg["quantity"]) for leg in legs) == [("limit", "0.0999"), ("stop_loss", "0.0999")]
    assert working["command_id"] in [order["order_id"] for order in snapshot["open_orders"]]
    assert snapshot["positions"][0]["quantity"] == "0.0999"
    assert snapshot["positions"][0]["entry_price"] is not None
    assert snapshot["unprotected"] == []
    # A second restart finds everything as it is.
    desk.executor.stop(signal.SIGKILL)
    desk.executor.start()
    again = desk.executor.drain()
    assert again["open_orders"] == snapshot["open_orders"]
    assert again["positions"] == snapshot["positions"]
    assert len(client_ids(desk.venue)) == len(set(client_ids(desk.venue))) == 4
    # And the first answers are still given.
    repeated = desk.executor.place(price="45000", quantity="0.01")
    assert repeated["status"] == "accepted"


def test_what_is_left_of_a_fill_after_a_sale_by_hand_is_protected(desk: Desk) -> None:
    entry = desk.executor.place(quantity="0.1", **BRACKET)
    desk.executor.stop(signal.SIGKILL)
    desk.venue.bar("50100", "50200", "49900", "50100")
    sale = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.04"}
    desk.venue.signed("POST", "/api/v3/order", **sale)
    desk.venue.bar("50100", "50100", "50100", "50100")
    desk.executor.start()
    snapshot = desk.executor.drain()
    legs = [order for order in snapshot["open_orders"] if order["parent_id"] == entry["command_id"]]
    assert sorted((leg["type"], leg["quantity"]) for leg in legs) == [("limit", "0.0599"), ("stop_loss", "0.0599")]
    assert snapshot["unprotected"] == [{"order_id": entry["command_id"], "quantity": "0.04"}]
    assert desk.executor.text().count("UNPROTECTED") == 1
    # Nothing was refused on the way, and a second start changes nothing.
    assert len(client_ids(desk.venue)) == 4
    desk.executor.stop(signal.SIGKILL)
    desk.executor.start()
    assert desk.executor.drain()["open_orders"] == snapshot["open_orders"]
    assert len(client_ids(desk.venue)) == 4


def test_answers_survive_a_kill(desk: Desk) -> None:
    envelope = desk.executor.envelope(
        "place", {"symbol": "BTCUSDT", "side": "buy", "type": "limit", "quantity": "0.01", "price": "45000"}
    )
    first = desk.executor.send(envelope)
    desk.executor.stop(signal.SIGKILL)
    desk.executor.start()
    assert desk.executor.send(envelope) == first
    assert len(client_ids(desk.venue)) == 1


def test_the_stop_that_filled_while_the_executor_was_dead_is_booked(desk: Desk) -> None:
    desk.executor.place(quantity="0.1", **BRACKET)
    desk.bar("50100", "50200", "49900", "50100")
    desk.executor.stop(signal.SIGKILL)
    desk.venue.bar("50000", "50000", "48000", "48500")
    desk.executor.start()
    snapshot = desk.executor.drain()
    assert snapshot["open_orders"] == []
    assert snapshot["positions"][0]["quantity"] == "0"
    assert snapshot["positions"][0]["realized_pnl"].startswith("-")
    assert snapshot["unprotected"] == []


def test_killed_at_random_moments_under_load(desk: Desk) -> None:
    """Commands from four threads while the executor is killed again and again: each at the venue at most once, each
    acknowledged one known, and in the end journal and venue agree."""
    chance = random.Random(7)
    envelopes: list[dict[str, Any]] = []
    acknowledged: list[dict[str, Any]] = []
    lock = threading.Lock()
    stop = threading.Event()

    def trade() -> None:
        # The venue takes 200 open orders; there must be room for those that are sent again in the end.
        while not stop.is_set() and len(envelopes) < 180:
            time.sleep(0.03)
            payload = {"symbol": "BTCUSDT", "side": "buy", "type": "limit", "quantity": "0.001", "price": "45000"}
            envelope = desk.executor.envelope("place", payload, ttl=600)
            with lock:
                envelopes.append(envelope)
            try:
                answer = desk.executor.send(envelope)
            except OSError:
                time.sleep(0.02)
                continue
            if answer["status"] == "accepted":
                with lock:
                    acknowledged.append(answer)

    threads = [threading.Thread(target=trade) for _ in range(4)]
    for thread in threads:
        thread.start()
    kills = 5
    for _ in range(kills):
        time.sleep(chance.uniform(0.2, 0.6))
        desk.executor.stop(signal.SIGKILL)
        desk.executor.start()
    stop.set()
    for thread in threads:
        thread.join()

    snapshot = desk.executor.drain()
    at_venue = client_ids(desk.venue)
    assert 0 < len(at_venue) <= len(envelopes)
    assert len(at_venue) == len(set(at_venue)), "an order was doubled"
    known = {order["client_order_id"] for order in snapshot["open_orders"]}
    assert known == {order["client_order_id"] for order in desk.venue.account()["open_orders"]}
    assert {answer["order"]["client_order_id"] for answer in acknowledged} <= known, "an acknowledged order was lost"
    assert len(acknowledged) > 20
    # Each command sent again gets an answer and makes no second order, whether it had been acted upon or not.
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(desk.executor.send, envelopes))
    after = client_ids(desk.venue)
    assert len(after) == len(set(after))
    accepted = [answer["order"]["client_order_id"] for answer in again if answer["status"] == "accepted"]
    assert sorted(accepted) == sorted(after), "what was accepted is what is at the venue"
    # The rest was journaled and never arrived: killed between the journal and the socket.
    refused = [answer for answer in again if answer["status"] != "accepted"]
    assert {answer["message"] for answer in refused} <= {"it never reached the venue"}
    assert len(refused) <= kills * len(threads)
    for answer in acknowledged:
        assert answer in again


@pytest.fixture
def proxied(paper_venue: PaperVenue, make_executor: Callable[..., Executor]) -> Iterator[tuple[FaultyProxy, Executor]]:
    """An executor that reaches the venue through a proxy which can lose requests and answers."""
    proxy = FaultyProxy(paper_venue.address)
    yield proxy, make_executor(venue_url=proxy.url).start()
    proxy.close()


def test_a_lost_answer_is_asked_for_and_the_order_not_sent_again(
    proxied: tuple[FaultyProxy, Executor], paper_venue: PaperVenue
) -> None:
    proxy, executor = proxied
    proxy.lose_next("answer", "order.place")
    answer = executor.place(price="45000")
    assert (answer["status"], answer["code"]) == ("unknown", "unknown")
    executor.until(lambda: [order["status"] for order in executor.snapshot()["open_orders"]] == ["open"])
    assert client_ids(paper_venue) == [answer["order"]["client_order_id"]]
    assert proxy.seen.count("order.place") == 1


def test_a_lost_request_is_freed_after_the_venue_has_said_so_for_long_enough(
    proxied: tuple[FaultyProxy, Executor], paper_venue: PaperVenue
) -> None:
    proxy, executor = proxied
    proxy.lose_next("request", "order.place")
    begun = time.monotonic()
    answer = executor.place(price="45000")
    assert answer["status"] == "unknown"
    assert [order["status"] for order in executor.snapshot()["open_orders"]] == ["unknown"]
    executor.until(lambda: executor.snapshot()["open_orders"] == [])
    assert time.monotonic() - begun >= 5, "a venue's `no such order` is not believed before its consistency delay"
    assert client_ids(paper_venue) == []
    assert proxy.seen.count("order.place") == 1


def test_protection_whose_request_was_lost_is_placed_once(
    proxied: tuple[FaultyProxy, Executor], paper_venue: PaperVenue
) -> None:
    proxy, executor = proxied
    entry = executor.place(quantity="0.1", **BRACKET)
    proxy.lose_next("request", "orderList.place.oco")
    desk = Desk(paper_venue, executor)
    desk.bar("50100", "50200", "49900", "50100")

    def protected() -> bool:
        legs = [order for order in executor.snapshot()["open_orders"] if order["parent_id"] == entry["command_id"]]
        return len(legs) == 2 and all(leg["status"] == "open" for leg in legs)

    assert executor.snapshot()["unprotected"] == [{"order_id": entry["command_id"], "quantity": "0.0999"}]
    executor.until(protected)
    assert executor.snapshot()["unprotected"] == []
    assert len(paper_venue.account()["open_orders"]) == 2


def test_the_stream_lost_and_back_reconciles_before_entries(
    proxied: tuple[FaultyProxy, Executor], paper_venue: PaperVenue
) -> None:
    proxy, executor = proxied
    entry = executor.place(quantity="0.1", **BRACKET)
    proxy.pause()
    executor.until(lambda: executor.get("/readyz")[0] == 503)
    assert executor.place(price="45000")["code"] == "not_ready"
    paper_venue.bar("50100", "50200", "49900", "50100")
    proxy.resume()
    executor.until(lambda: executor.get("/readyz")[0] == 200)
    legs = [order for order in executor.drain()["open_orders"] if order["parent_id"] == entry["command_id"]]
    assert len(legs) == 2
    assert executor.place(price="45000")["status"] == "accepted"


def test_an_order_that_cannot_leave_is_refused_for_good(desk: Desk) -> None:
    desk.executor.place(type="market", quantity="0.1")
    desk.bar("50000", "50000", "50000", "50000")
    desk.venue.stop()
    desk.executor.until(lambda: desk.executor.get("/readyz")[0] == 503)
    assert desk.executor.place(price="45000")["code"] == "not_ready"
    envelope = desk.executor.envelope(
        "place", {"symbol": "BTCUSDT", "side": "sell", "type": "limit", "quantity": "0.01", "price": "55000"}
    )
    first = desk.executor.send(envelope)
    assert (first["status"], first["code"], first["order"]["status"]) == ("refused", "venue_rejected", "rejected")
    desk.venue.start()
    desk.executor.config["accounts"][0]["rest_url"] = desk.venue.url
    desk.executor.config["accounts"][0]["ws_api_url"] = f"ws://{desk.venue.address}/ws-api/v3"
    desk.executor.stop()
    desk.executor.start()
    assert desk.executor.send(envelope) == first
    assert desk.executor.drain()["open_orders"] == []


def test_an_order_placed_by_other_hands_is_adopted(desk: Desk) -> None:
    foreign = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.02"}
    desk.venue.signed("POST", "/api/v3/order", price="44000", newClientOrderId="by-hand", **foreign)
    assert [order["client_order_id"] for order in desk.executor.drain()["open_orders"]] == ["by-hand"]
    desk.executor.stop()
    desk.venue.signed("POST", "/api/v3/order", price="43000", newClientOrderId="while-away", **foreign)
    desk.executor.start()
    found = {order["client_order_id"]: order["order_id"] for order in desk.executor.drain()["open_orders"]}
    assert set(found) == {"by-hand", "while-away"}
    assert desk.executor.command("cancel", {"order_id": found["by-hand"]})["status"] == "accepted"
    assert [order["client_order_id"] for order in desk.venue.account()["open_orders"]] == ["while-away"]


def test_a_clean_stop_answers_what_is_in_flight(
    make_executor: Callable[..., Executor], paper_venue: PaperVenue
) -> None:
    executor = make_executor(inject_delay_ms=500).start()
    with ThreadPoolExecutor(1) as pool:
        placing = pool.submit(executor.place, price="45000")
        executor.until(lambda: executor.snapshot()["open_orders"])
        assert executor.stop() == 0
        assert placing.result()["status"] == "accepted"
    assert len(client_ids(paper_venue)) == 1
    assert uuid.UUID(client_ids(paper_venue)[0].removeprefix("smc"))
