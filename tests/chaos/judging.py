"""The end of a run: everything comes to rest, every command is sent once more, and the books are compared."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.chaos.books import Books
from tests.chaos.invariants import client_order_id, differences, doubled, halves, ids_of_pair

if TYPE_CHECKING:
    from tests.chaos.running import Run

PATIENCE = 45.0
POLL = 0.1
# A cancel that did not get through is repeated after a second.
TRIED_AGAIN_WITHIN = 1.2


def judge(run: Run) -> None:
    """Adds to the run's report what is wrong with its books."""
    snapshot = at_rest(run)
    agree(run, "at the end", snapshot)
    before, answered = run.market.orders(run.venue), set(run.answers)
    # Every command once more: each gets its first answer, and nothing happens.
    for envelope in list(run.sent.values()):
        run.send(envelope)
    snapshot = at_rest(run)
    count(run, before, answered)
    run.executor.stop()
    run.executor.start()
    again = run.insist(run.drain)
    agree(run, "after a restart", again)
    if again["open_orders"] != snapshot["open_orders"] or again["positions"] != snapshot["positions"]:
        run.report.failures.append(f"a restart changed the books: {snapshot} and then {again}")
    if run.books is not None:
        compare_rows(run, run.books)


def compare_rows(run: Run, books: Books) -> None:
    """Executions and open orders in Postgres are the venue's."""
    until = time.monotonic() + PATIENCE
    while (pending := run.insist(run.drain)["sink_pending"]) and time.monotonic() < until:
        time.sleep(POLL)
    if pending:
        run.report.failures.append(f"{pending} rows did not reach the database")
    account = run.venue.account()
    found = books.differences(account["trades"], account["open_orders"])
    run.report.failures += [f"in the database: {text}" for text in found]


def at_rest(run: Run) -> dict[str, Any]:
    """The account once no outcome is open, everything filled is protected, and nothing is tried again any more."""
    until = time.monotonic() + PATIENCE
    still_since, before = time.monotonic(), None
    while True:
        snapshot = run.insist(run.drain)
        unsettled = any(order["status"] in ("pending", "unknown") for order in snapshot["open_orders"])
        settled = not unsettled and all(run.market.is_dust(item, run.brackets) for item in snapshot["unprotected"])
        if not settled or snapshot["open_orders"] != before:
            still_since, before = time.monotonic(), snapshot["open_orders"]
        elif time.monotonic() - still_since > TRIED_AGAIN_WITHIN:
            return snapshot
        if time.monotonic() > until:
            run.report.failures.append("never came to rest: see at_rest.json")
            (run.folder / "at_rest.json").write_text(json.dumps(snapshot, indent=1))
            return snapshot
        time.sleep(POLL)


def agree(run: Run, when: str, snapshot: dict[str, Any]) -> None:
    """Executor and venue say the same, and everything is protected."""
    account = run.venue.account()
    protection = run.market.protection(run.brackets, account)
    found = differences(snapshot, account) + protection.missing() + protection.excess()
    found += halves(pairs_of(run), account["open_orders"])
    run.report.failures += [f"{when}: {text}" for text in found]


def pairs_of(run: Run) -> set[str]:
    return {command for command, envelope in run.sent.items() if envelope["action"] == "place_oco"}


def count(run: Run, before: list[dict[str, Any]], answered: set[str]) -> None:
    """Nothing lost, nothing doubled. `before`, `answered`: orders and answers before the commands were repeated."""
    placed = {command for command, envelope in run.sent.items() if envelope["action"] in ("place", "place_oco")}
    pairs = pairs_of(run)
    flattens = [command for command, envelope in run.sent.items() if envelope["action"] == "flatten"]
    orders = run.market.orders(run.venue)
    report = run.report
    report.failures += doubled(placed, orders, flattens) + run.market.careless(
        orders, {client_order_id(command) for command in placed}
    )
    at_venue = {order["clientOrderId"]: order for order in orders}
    new = {name for name in at_venue if name not in {order["clientOrderId"] for order in before}}
    for command, answer in run.answers.items():
        order = answer.get("order")
        if command in placed and answer["status"] == "accepted":
            assert order is not None
            if order["client_order_id"] not in at_venue:
                report.failures.append(f"acknowledged and not at the venue: {answer}")
        if command in placed and answer["status"] == "refused" and order and order["client_order_id"] in at_venue:
            found = at_venue[order["client_order_id"]]
            # Of a pair one half may have been there until the venue refused the other one.
            if command not in pairs or Decimal(found.get("executedQty", 0)):
                report.failures.append(f"refused and at the venue: {answer} {found}")
    # One that a kill left unanswered may never have been heard; it may be placed now.
    heard_now = {client_order_id(command) for command in placed - answered}
    heard_now |= {name for pair in pairs - answered for name in ids_of_pair(pair)}
    if new - heard_now:
        report.failures.append(f"repeated commands made orders: {sorted(new - heard_now)}")
    report.unanswered = len(run.sent) - len(answered)
    report.commands, report.accepted = len(run.sent), sum(a["status"] == "accepted" for a in run.answers.values())
    report.venue_orders, report.trades = len(orders), len(run.venue.account()["trades"])
    faults = run.venue.control("GET", "/paper/v1/faults")["injected"]
    report.faults = dict(sorted(faults.items()))
    report.venue_restarts += faults.get("restart", 0)
