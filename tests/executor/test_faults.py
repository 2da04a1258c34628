"""What chaos runs found, each by itself: an event lost without a sign, half a target, a venue that answers in part."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from tests.executor.running_executor import Desk, Executor
from tests.paper_venue.running_venue import PaperVenue

BRACKET = {"price": "50000", "stop_loss": "49000", "take_profit": "52000"}


def arm(venue: PaperVenue, fault: str, target: str) -> None:
    venue.control("POST", "/paper/v1/faults", {"next": [{"fault": fault, "target": target}]})


def test_a_fill_that_the_stream_lost_is_found_and_protected(
    paper_venue: PaperVenue, make_executor: Callable[..., Executor]
) -> None:
    desk = Desk(paper_venue, make_executor(audit_every_s=1).start())
    entry = desk.executor.place(quantity="0.1", **BRACKET)
    arm(paper_venue, "gap", "event executionReport TRADE")
    desk.bar("50100", "50200", "49900", "50100")

    def protected() -> bool:
        legs = [order for order in desk.executor.snapshot()["open_orders"] if order["parent_id"] == entry["command_id"]]
        return sorted(leg["quantity"] for leg in legs) == ["0.0999", "0.0999"]

    desk.executor.until(protected)
    assert desk.executor.get("/readyz")[0] == 200, "entries go on during an audit"
    assert desk.executor.snapshot()["unprotected"] == []


def test_what_is_left_of_a_half_filled_target_is_not_left_without_its_stop(
    start_thin_venue: Callable[[], PaperVenue], make_executor: Callable[..., Executor]
) -> None:
    venue = start_thin_venue()
    desk = Desk(venue, make_executor(venue_url=venue.url).start())
    desk.executor.place(quantity="0.1", **BRACKET)
    desk.bar("50100", "50200", "49900", "50100")
    venue_bar = venue.bar("50100", "52100", "50000", "51000", volume="0.5", done=False)
    assert not venue_bar["done"]
    snapshot = desk.executor.drain()
    sold = sum(
        (Decimal(trade["quantity"]) for trade in venue.account()["trades"] if trade["side"] == "sell"), Decimal(0)
    )
    assert sold == Decimal("0.05"), "the venue has taken the stop away with the first piece of the target"
    assert snapshot["unprotected"] == []
    resting = [order for order in snapshot["open_orders"] if order["type"] != "limit"]
    assert [order["quantity"] for order in resting] == ["0.0499"]
    while not venue.go_on()["done"]:
        desk.executor.drain()
    desk.bar("51000", "51000", "51000", "51000")
    desk.bar("51000", "51000", "48900", "48950")
    snapshot = desk.executor.drain()
    assert snapshot["open_orders"] == []
    assert snapshot["positions"][0]["quantity"] == "0"
