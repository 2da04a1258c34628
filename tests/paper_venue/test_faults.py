"""Faults on demand: what each does, that they can be repeated, and what they do to a replay's lockstep."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
from typing import Any

import aiohttp
import pytest
from tests.paper_venue.running_venue import PaperVenue
from tests.paper_venue.test_user_stream import Connection, connection

__all__ = ["connection"]

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "90"}


def arm(venue: PaperVenue, fault: str, target: str = "", **plan: Any) -> None:
    """Has `fault` hit the next request or event of `target`."""
    told = venue.control("POST", "/paper/v1/faults", plan | {"next": [{"fault": fault, "target": target}]})
    assert told["seed"] == plan.get("seed", 0), told


@pytest.fixture
def traded(venue: PaperVenue) -> PaperVenue:
    """A venue whose last price is 100."""
    venue.bar("100", "101", "99", "100")
    return venue


def place(venue: PaperVenue, name: str = "order") -> Any:
    return venue.signed("POST", "/api/v3/order", newClientOrderId=name, **ORDER)


def names(venue: PaperVenue) -> list[str]:
    return [order["client_order_id"] for order in venue.account()["open_orders"]]


@pytest.mark.parametrize(("fault", "acts"), [("drop_request", False), ("drop_reply", True)])
def test_a_dropped_request_is_not_done_and_a_dropped_reply_is(traded: PaperVenue, fault: str, acts: bool) -> None:
    arm(traded, fault, "POST /api/v3/order")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError, urllib.error.URLError)):
        place(traded)
    assert names(traded) == (["order"] if acts else [])
    told = traded.control("GET", "/paper/v1/faults")
    assert told["injected"] == {fault: 1}
    assert told["log"] == [{"number": 1, "fault": fault, "target": "POST /api/v3/order", "opportunity": 1}]
    assert place(traded, "second")["status"] == "NEW", "only the next one was asked for"


@pytest.mark.parametrize(("fault", "acts"), [("error_before", False), ("error_after", True)])
def test_a_5xx_before_or_after_acting(traded: PaperVenue, fault: str, acts: bool) -> None:
    codes = set()
    for seed in range(8):
        arm(traded, fault, "POST /api/v3/order", seed=seed)
        codes.add(place(traded, f"order-{seed}")["code"])
    assert names(traded) == ([f"order-{seed}" for seed in range(8)] if acts else [])
    assert codes == ({-1000, -1006, -1007} if acts else {-1000})


def test_a_garbled_answer_is_an_order_all_the_same(traded: PaperVenue) -> None:
    arm(traded, "garble", "POST /api/v3/order")
    with pytest.raises(json.JSONDecodeError):
        place(traded)
    assert names(traded) == ["order"]


def test_429_hits_one_request_and_418_all_until_it_is_over(traded: PaperVenue) -> None:
    arm(traded, "too_many", "POST /api/v3/order", retry_after_s=7)
    headers, body = traded.signed_with_headers("POST", "/api/v3/order", newClientOrderId="order", **ORDER)
    assert (headers["retry-after"], body["code"]) == ("7", -1003)
    assert place(traded)["status"] == "NEW"
    arm(traded, "ban", "POST /api/v3/order", retry_after_s=60)
    assert place(traded, "banned")["code"] == -1003
    assert traded.public("/api/v3/time")["code"] == -1003, "a ban is for everything"
    traded.control("POST", "/paper/v1/faults", {})
    assert names(traded) == ["order"]
    assert place(traded, "after")["status"] == "NEW"


def test_the_clock_is_off_until_the_plan_ends(traded: PaperVenue) -> None:
    arm(traded, "clock", "GET /api/v3/time", seed=1, longest_skew_ms=3_600_000)
    off = traded.public("/api/v3/time")["serverTime"] - time.time() * 1000
    assert abs(off) > 5_000
    assert place(traded)["code"] == -1021
    query: dict[str, Any] = {"timestamp": int(time.time() * 1000 + off), **ORDER}
    assert traded.signed("POST", "/api/v3/order", newClientOrderId="by-its-clock", **query)["status"] == "NEW"
    traded.control("POST", "/paper/v1/faults", {})
    assert place(traded)["status"] == "NEW"


def test_a_restart_keeps_the_state_and_the_address(traded: PaperVenue) -> None:
    place(traded, "before")
    pid = traded.process.pid
    arm(traded, "restart", "POST /api/v3/order", longest_ms=1)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError, urllib.error.URLError)):
        place(traded)
    deadline = time.monotonic() + 10
    while True:
        try:
            assert names(traded) == ["before", "order"]
            break
        except (OSError, http.client.HTTPException):
            assert time.monotonic() < deadline
    assert traded.process.pid == pid
    assert "restarting" in traded.log.read_text()
    assert traded.control("GET", "/paper/v1/faults")["total"] == 1, "numbers go on"
    assert traded.stop() == 0


def test_the_same_seed_over_the_same_requests_gives_the_same_faults(venue: PaperVenue) -> None:
    def run(seed: int) -> list[dict[str, Any]]:
        chances = {"error_before": 0.3, "too_many": 0.2, "error_after": 0.1}
        venue.control("POST", "/paper/v1/faults", {"seed": seed, "chances": chances})
        before = venue.control("GET", "/paper/v1/faults")["total"]
        for _ in range(60):
            venue.public("/api/v3/ticker/price?symbol=BTCUSDT")
        log = venue.control("GET", "/paper/v1/faults")["log"]
        return [entry | {"number": 0} for entry in log if entry["number"] > before]

    venue.bar("100", "101", "99", "100")
    first, second, other = run(5), run(5), run(6)
    assert first == second
    assert len(first) > 10
    assert first != other


def test_a_plan_that_makes_no_sense_is_refused_and_the_control_token_is_needed(venue: PaperVenue) -> None:
    refuse = venue.control("POST", "/paper/v1/faults", {"chances": {"drop_reply": 1.5}})
    assert "within 0 and 1" in refuse["msg"]
    assert "unknown variant" in venue.control("POST", "/paper/v1/faults", {"chances": {"flood": 1}})["msg"]
    assert venue.control("GET", "/paper/v1/faults", token="wrong")["code"] == -2015


# --- the WebSocket API


@pytest.fixture
async def stream(connection: Connection) -> Connection:
    """A connection that hears alice's events."""
    await connection.send_signed("userDataStream.subscribe.signature")
    assert (await connection.receive())["status"] == 200
    return connection


async def reports(stream: Connection) -> list[str]:
    """What the execution reports that come before the answer to a ping are about."""
    events = [message["event"] for message in await stream.until_ping()]
    return [event["x"] for event in events if event["e"] == "executionReport"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("late", ["TRADE"]), ("duplicate", ["TRADE", "TRADE"]), ("reorder", ["TRADE"]), ("gap", [])],
)
async def test_a_ping_is_answered_behind_every_event_however_late(
    stream: Connection, venue: PaperVenue, fault: str, expected: list[str]
) -> None:
    place(venue)
    assert await reports(stream) == ["NEW"]
    arm(venue, fault, "event executionReport TRADE", longest_ms=60_000)
    answer = venue.bar("100", "101", "89", "95", done=False)
    assert answer.get("lost", 0) == (1 if fault == "gap" else 0), "what is never told is not silent to the driver"
    assert await reports(stream) == expected


async def test_a_late_fill_comes_behind_what_followed_it(stream: Connection, venue: PaperVenue) -> None:
    place(venue)
    await stream.until_ping()
    arm(venue, "late", "event executionReport TRADE", longest_ms=60_000)
    venue.bar("100", "101", "89", "95", done=False)
    kinds = [message["event"]["e"] for message in await stream.until_ping()]
    assert kinds == ["outboundAccountPosition", "executionReport"]


async def test_the_market_does_not_move_over_an_event_that_is_held_back(stream: Connection, venue: PaperVenue) -> None:
    place(venue)
    await stream.until_ping()
    arm(venue, "late", "event executionReport TRADE", longest_ms=60_000)
    venue.bar("100", "101", "89", "95", done=False)
    # Nobody asks; the next phase lets it out all the same.
    venue.go_on()
    kinds = [(await stream.receive())["event"]["e"] for _ in range(2)]
    assert kinds == ["outboundAccountPosition", "executionReport"]


async def test_a_cut_stream_ends_without_a_farewell(stream: Connection, venue: PaperVenue) -> None:
    arm(venue, "disconnect", "event executionReport NEW")
    place(venue)
    message = await stream.socket.receive(timeout=10)
    assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert stream.socket.close_code == 1006
    assert names(venue) == ["order"]


async def test_requests_over_the_websocket_are_hit_as_well(connection: Connection, venue: PaperVenue) -> None:
    async def ask() -> Any:
        await connection.send("time")
        return await connection.receive()

    arm(venue, "ban", "ws time")
    answer = await ask()
    assert (answer["status"], answer["error"]["code"]) == (418, -1003)
    assert answer["error"]["data"]["retryAfter"] > answer["error"]["data"]["serverTime"]
    arm(venue, "error_after", "ws time")
    assert (await ask())["status"] >= 400
    arm(venue, "delay", "ws message", longest_ms=1)
    assert (await ask())["status"] == 200
    arm(venue, "drop_reply", "ws time")
    await connection.send("time")
    await connection.socket.receive(timeout=10)
    assert connection.socket.close_code == 1006
