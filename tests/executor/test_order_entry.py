"""Orders of Bybit and OKX accounts over the WebSocket, and over REST while it is away; lost answers are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from tests.executor.running_executor import Desk, Executor
from tests.paper_venue.running_venue import PaperVenue

# A fault that changes nothing, for the clock is shifted by nothing: it tells that a request came.
SEEN = "clock"


class Dialect(NamedTuple):
    exchange: str
    symbol: str
    sockets: str
    public: str
    entry: str
    """Where orders go over a WebSocket, and what the operations are called there."""
    order: str
    cancel: str
    rest: str


BYBIT = Dialect(
    "bybit", "BTCUSDT", "/v5", "/v5/public/spot", "/v5/trade", "order.create", "order.cancel", "/v5/order/create"
)
OKX = Dialect(
    "okx",
    "BTC-USDT",
    "/ws/v5",
    "/ws/v5/public",
    "/ws/v5/private",
    "order",
    "cancel-order",
    "/api/v5/trade/batch-orders",
)


@pytest.fixture(params=[BYBIT, OKX], ids=lambda dialect: dialect.exchange)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    spoken: Dialect = request.param
    return spoken


@pytest.fixture
def wired(paper_venue: PaperVenue, make_executor: Callable[..., Executor], dialect: Dialect) -> Desk:
    """A desk whose orders go over the WebSocket."""
    executor = make_executor(venue_url=paper_venue.url)
    executor.config["accounts"][0] |= {
        "exchange": dialect.exchange,
        "ws_api_url": f"ws://{paper_venue.address}{dialect.sockets}",
        "market_ws_url": f"ws://{paper_venue.address}{dialect.public}",
        "passphrase": "anything",
    }
    executor.start().until(lambda: "orders go over the WebSocket" in executor.text())
    return Desk(paper_venue, executor)


def arm(venue: PaperVenue, *faults: tuple[str, str]) -> None:
    armed = [{"fault": fault, "target": target} for fault, target in faults]
    venue.control("POST", "/paper/v1/faults", {"longest_skew_ms": 0, "next": armed})


def hit(venue: PaperVenue) -> list[str]:
    return [fault["target"] for fault in venue.control("GET", "/paper/v1/faults")["log"]]


def place(desk: Desk, dialect: Dialect, **order: str) -> dict[str, Any]:
    return desk.executor.place(symbol=dialect.symbol, **order)


def test_orders_and_cancels_go_over_the_websocket(wired: Desk, dialect: Dialect) -> None:
    arm(wired.venue, (SEEN, f"ws {dialect.order}"), (SEEN, f"ws {dialect.cancel}"))
    entry = place(wired, dialect, price="40000")
    assert (entry["status"], entry["order"]["status"]) == ("accepted", "open")
    assert place(wired, dialect, price="50000", quantity="3")["code"] == "insufficient_balance"
    answer = wired.executor.command("cancel", {"order_id": entry["command_id"]})
    assert (answer["status"], answer["order"]["status"]) == ("accepted", "cancelled")
    assert hit(wired.venue) == [f"ws {dialect.order}", f"ws {dialect.cancel}"]
    assert wired.venue.account()["open_orders"] == []


@pytest.mark.parametrize(
    ("fault", "at_venue"), [("drop_reply", 1), ("error_after", 1), ("garble", 1), ("drop_request", 0)]
)
def test_an_order_whose_answer_is_lost_is_asked_for_and_not_sent_again(
    wired: Desk, dialect: Dialect, fault: str, at_venue: int
) -> None:
    arm(wired.venue, (fault, f"ws {dialect.order}"))
    order = place(wired, dialect, price="40000")["command_id"]

    def settled() -> bool:
        known = [one["order_id"] for one in wired.executor.drain()["open_orders"]]
        return known == [order] * at_venue

    wired.executor.until(settled)
    assert len(wired.venue.account()["open_orders"]) == at_venue
    # The connection is back, and takes orders.
    assert place(wired, dialect, price="39000")["status"] == "accepted"
    assert len(wired.venue.account()["open_orders"]) == at_venue + 1
    assert hit(wired.venue) == [f"ws {dialect.order}"]


def test_while_the_websocket_is_away_orders_go_over_rest(wired: Desk, dialect: Dialect) -> None:
    away = [("drop_request", f"GET {dialect.entry}")] * 20
    arm(wired.venue, ("disconnect", f"ws {dialect.order}"), (SEEN, f"POST {dialect.rest}"), *away)
    assert place(wired, dialect, price="40000")["status"] == "accepted"
    wired.executor.until(lambda: "orders go over REST until it is back" in wired.executor.text())
    assert place(wired, dialect, price="39000")["status"] == "accepted"
    assert f"POST {dialect.rest}" in hit(wired.venue)
    assert len(wired.venue.account()["open_orders"]) == 2
