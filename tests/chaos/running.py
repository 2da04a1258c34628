"""One run: a venue with faults, an executor that is killed, a database and a network that go away, and the books."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tests.chaos.books import Books
from tests.chaos.invariants import Protection, client_order_id, differences, doubled
from tests.chaos.scenario import Scenario
from tests.chaos.trading import NAMESPACE, Tape
from tests.executor.faulty_proxy import FaultyProxy
from tests.executor.running_executor import Executor
from tests.paper_venue.running_venue import MINUTE, START, PaperVenue

AWAY = (OSError, http.client.HTTPException, json.JSONDecodeError)
PATIENCE = 45.0
# Beyond the stated turn: a refused or lost protective order is tried again after 1 s, a lost one asked for up to 7 s.
LONGEST_BARE = 12.0
POLL = 0.1
# A cancel that did not get through is repeated after a second.
TRIED_AGAIN_WITHIN = 1.2
DUST = Decimal("0.00012")

T = TypeVar("T")


@dataclass
class Report:
    """What happened in a run and what was wrong in the end."""

    seed: int
    failures: list[str] = field(default_factory=list)
    commands: int = 0
    accepted: int = 0
    unanswered: int = 0
    venue_orders: int = 0
    trades: int = 0
    kills: int = 0
    venue_restarts: int = 0
    network_cuts: int = 0
    database: str = ""
    faults: dict[str, int] = field(default_factory=dict)
    observations: int = 0
    exact_checks: int = 0
    longest_bare_s: float = 0.0
    seconds: float = 0.0


class Run:
    """Without `books` the database is away all the time."""

    def __init__(self, scenario: Scenario, folder: Path, books: Books | None = None) -> None:
        self.scenario, self.folder = scenario, folder
        self.report = Report(scenario.seed, database=scenario.database)
        self.tape = Tape(scenario.seed, scenario.by_hand)
        self.books = books
        self.sent: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self.brackets: dict[str, Decimal] = {}
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.venue = PaperVenue(folder, volume_share="0.1")
        self.venue.config["listen"] = self.venue.address
        self.proxy = FaultyProxy(self.venue.address) if scenario.cuts else None
        url = self.proxy.url if self.proxy else self.venue.url
        if books is None:
            self.executor = Executor(folder, url, audit_every_s=1)
        else:
            self.executor = Executor(folder, url, books.url, account=books.account, user_id=books.user, audit_every_s=1)

    # --- the run

    def play(self) -> Report:
        """Trades through the disturbances, lets everything come to rest, and looks at the books."""
        begun = time.monotonic()
        try:
            self._trade()
            self._judge()
        except Exception as error:
            self.report.failures.append(f"the run broke off: {type(error).__name__}: {str(error)[-600:]}")
        finally:
            self.over.set()
            self._end()
        self.report.seconds = round(time.monotonic() - begun, 1)
        return self.report

    def _trade(self) -> None:
        self.venue.bar("50000", "50000", "50000", "50000")
        self.executor.start()
        self.venue.control("POST", "/paper/v1/faults", self.scenario.plan)
        self.begun = time.monotonic()
        threads = [threading.Thread(target=work) for work in (self._disturb, self._watch)]
        for thread in threads:
            thread.start()
        steps = self.scenario.steps
        with ThreadPoolExecutor(4) as pool:
            for number in range(steps):
                # Spread over the disturbances, so that they meet something to disturb.
                time.sleep(max(0.0, self.begun + self.scenario.over_after * number / steps - time.monotonic()))
                commands = list(self.tape.step(number, list(self.sent)))
                list(pool.map(lambda command: self._command(*command), commands))
                self._bar(number)
        threads[0].join()
        self._insist(lambda: self.venue.control("POST", "/paper/v1/faults", {}))
        if self.scenario.ends_flat:
            self._flatten(steps)
        self.over.set()
        threads[1].join()

    def _command(self, command_id: str, action: str, payload: dict[str, Any]) -> None:
        envelope = self.executor.envelope(action, payload, command_id=command_id, ttl=600)
        with self.lock:
            self.sent[command_id] = envelope
            if "stop_loss" in payload:
                self.brackets[command_id] = Decimal(payload["stop_loss"])
        self._send(envelope)

    def _send(self, envelope: dict[str, Any]) -> None:
        with contextlib.suppress(*AWAY):
            answer = self.executor.send(envelope)
            # `not_ready` is no answer: the command may be sent again.
            if answer["code"] != "not_ready":
                with self.lock:
                    first = self.answers.setdefault(envelope["command_id"], answer)
                    if first != answer:
                        self.report.failures.append(f"a repeated command got another answer: {first} then {answer}")

    def _bar(self, number: int) -> None:
        prices, volume = self.tape.bar(number)
        opened = START + (number + 1) * MINUTE
        body = dict(zip(("open", "high", "low", "close"), prices, strict=True)) | {
            "symbol": "BTCUSDT",
            "interval": "1m",
            "open_time_ms": opened,
            "close_time_ms": opened + MINUTE - 1,
            "volume": volume,
        }
        answer = self._insist(lambda: self.venue.control("POST", "/paper/v1/bar", body))
        while not answer["done"]:
            self._react()
            answer = self._insist(self.venue.go_on)
        self._react()

    def _react(self) -> None:
        """Waits for the executor's reactions, and looks whether they were what they had to be."""
        snapshot = self._insist(self._drain)
        unsettled = any(order["status"] in ("pending", "unknown") for order in snapshot["open_orders"])
        if self.scenario.is_exact and not unsettled:
            protection = Protection(self.brackets, self._insist(self.venue.account))
            self.report.exact_checks += 1
            self.report.failures += [f"after a drain: {text}" for text in protection.missing() + protection.excess()]

    def _drain(self) -> dict[str, Any]:
        status, snapshot = self.executor.post(f"/v1/accounts/{self.executor.account}/drain", "", authorized=True)
        if status != 200:
            raise ConnectionError(f"drain: {status}")
        assert isinstance(snapshot, dict)
        return snapshot

    def _flatten(self, number: int) -> None:
        self._command(str(uuid.uuid5(NAMESPACE, f"{self.scenario.seed}:flatten")), "flatten", {})
        until = time.monotonic() + PATIENCE
        while True:
            # The sale waits for the next bar's open.
            self._bar(number)
            number += 1
            snapshot = self._insist(self._drain)
            # What is left may be too small to sell.
            if not snapshot["open_orders"] and all(Decimal(p["quantity"]) < DUST for p in snapshot["positions"]):
                break
            if time.monotonic() > until:
                self.report.failures.append(f"not flat after {PATIENCE} s: {snapshot}")
                break
            time.sleep(POLL)
        self.brackets.clear()

    # --- what goes wrong beside the faults

    def _disturb(self) -> None:
        scenario = self.scenario
        moments: list[tuple[float, Callable[[], None]]] = [(at, self._kill) for at in scenario.kills]
        moments += [(at, self._kill_venue) for at in scenario.venue_kills]
        moments += [(at, partial(self._cut, length)) for at, length in scenario.cuts]
        if self.books is not None:
            moments += [(at, partial(self.books.cut, length)) for at, length in scenario.database_cuts]
        for at, happen in sorted(moments, key=lambda moment: moment[0]):
            if self.over.wait(max(0.0, self.begun + at - time.monotonic())):
                return
            try:
                happen()
            except Exception as error:
                self.report.failures.append(f"{type(error).__name__} while disturbing: {str(error)[-600:]}")

    def _kill(self) -> None:
        self.executor.stop(signal.SIGKILL)
        self.report.kills += 1
        self.executor.start(ready=False)

    def _kill_venue(self) -> None:
        self.venue.stop(signal.SIGKILL)
        self.report.venue_restarts += 1
        # A new process counts from the start, so it must not repeat the faults of the one before.
        self.venue.config["faults"] = self.scenario.plan | {"seed": self.scenario.seed + 1_000_000}
        self.venue.start()

    def _cut(self, length: float) -> None:
        assert self.proxy is not None
        self.proxy.pause()
        self.report.network_cuts += 1
        time.sleep(length)
        self.proxy.resume()

    def _watch(self) -> None:
        """Looks at the account all the while: how long does anything filled lie bare, though the executor is ready?"""
        since: dict[str, float] = {}
        while not self.over.wait(POLL):
            try:
                snapshot = self.executor.snapshot()
            except (*AWAY, AssertionError):
                since.clear()
                continue
            self.report.observations += 1
            now = time.monotonic()
            bare = {item["order_id"] for item in snapshot["unprotected"] if not is_dust(item, self.brackets)}
            if not snapshot["ready"]:
                bare = set()
            since = {entry: since.get(entry, now) for entry in bare}
            for entry, begun in since.items():
                self.report.longest_bare_s = max(self.report.longest_bare_s, round(now - begun, 2))
                if now - begun > LONGEST_BARE:
                    self.report.failures.append(f"entry {entry} lay bare for {now - begun:.1f} s")
                    since[entry] = now

    # --- the end

    def _judge(self) -> None:
        snapshot = self._at_rest()
        self._agree("at the end", snapshot)
        before, answered = self._orders(), set(self.answers)
        # Every command once more: each gets its first answer, and nothing happens.
        for envelope in list(self.sent.values()):
            self._send(envelope)
        snapshot = self._at_rest()
        self._count(before, answered)
        self.executor.stop()
        self.executor.start()
        again = self._insist(self._drain)
        self._agree("after a restart", again)
        if again["open_orders"] != snapshot["open_orders"] or again["positions"] != snapshot["positions"]:
            self.report.failures.append(f"a restart changed the books: {snapshot} and then {again}")
        if self.books is not None:
            self._compare_rows(self.books)

    def _compare_rows(self, books: Books) -> None:
        until = time.monotonic() + PATIENCE
        while (pending := self._insist(self._drain)["sink_pending"]) and time.monotonic() < until:
            time.sleep(POLL)
        if pending:
            self.report.failures.append(f"{pending} rows did not reach the database")
        account = self.venue.account()
        found = books.differences(account["trades"], account["open_orders"])
        self.report.failures += [f"in the database: {text}" for text in found]

    def _at_rest(self) -> dict[str, Any]:
        """The account once no outcome is open, everything filled is protected, and nothing is tried again any more."""
        until = time.monotonic() + PATIENCE
        still_since, before = time.monotonic(), None
        while True:
            snapshot = self._insist(self._drain)
            unsettled = any(order["status"] in ("pending", "unknown") for order in snapshot["open_orders"])
            settled = not unsettled and all(is_dust(item, self.brackets) for item in snapshot["unprotected"])
            if not settled or snapshot["open_orders"] != before:
                still_since, before = time.monotonic(), snapshot["open_orders"]
            elif time.monotonic() - still_since > TRIED_AGAIN_WITHIN:
                return snapshot
            if time.monotonic() > until:
                self.report.failures.append("never came to rest: see at_rest.json")
                (self.folder / "at_rest.json").write_text(json.dumps(snapshot, indent=1))
                return snapshot
            time.sleep(POLL)

    def _agree(self, when: str, snapshot: dict[str, Any]) -> None:
        account = self.venue.account()
        protection = Protection(self.brackets, account)
        found = differences(snapshot, account) + protection.missing() + protection.excess()
        self.report.failures += [f"{when}: {text}" for text in found]

    def _orders(self) -> list[dict[str, Any]]:
        orders: list[dict[str, Any]] = self.venue.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT", limit=1000)
        assert isinstance(orders, list), orders
        return orders

    def _count(self, before: list[dict[str, Any]], answered: set[str]) -> None:
        placed = {command for command, envelope in self.sent.items() if envelope["action"] == "place"}
        flattens = [command for command, envelope in self.sent.items() if envelope["action"] == "flatten"]
        orders = self._orders()
        report = self.report
        report.failures += doubled(placed, orders, flattens)
        at_venue = {order["clientOrderId"]: order for order in orders}
        new = {name for name in at_venue if name not in {order["clientOrderId"] for order in before}}
        for command, answer in self.answers.items():
            order = answer.get("order")
            if command in placed and answer["status"] == "accepted":
                assert order is not None
                if order["client_order_id"] not in at_venue:
                    report.failures.append(f"acknowledged and not at the venue: {answer}")
            if command in placed and answer["status"] == "refused" and order and order["client_order_id"] in at_venue:
                report.failures.append(f"refused and at the venue: {answer} {at_venue[order['client_order_id']]}")
        # One that a kill left unanswered may never have been heard; it may be placed now.
        heard_now = {client_order_id(command) for command in placed if command not in answered}
        if new - heard_now:
            report.failures.append(f"repeated commands made orders: {sorted(new - heard_now)}")
        report.unanswered = len(self.sent) - len(answered)
        report.commands, report.accepted = len(self.sent), sum(a["status"] == "accepted" for a in self.answers.values())
        report.venue_orders, report.trades = len(orders), len(self.venue.account()["trades"])
        faults = self.venue.control("GET", "/paper/v1/faults")["injected"]
        report.faults = dict(sorted(faults.items()))
        report.venue_restarts += faults.get("restart", 0)

    def _end(self) -> None:
        with contextlib.suppress(Exception):
            if self.executor.process is not None and self.executor.process.poll() is None and self.executor.stop() != 0:
                self.report.failures.append("SIGTERM did not end the executor with 0")
        with contextlib.suppress(Exception):
            self.venue.stop(signal.SIGKILL)
        if self.proxy is not None:
            self.proxy.close()
        for line in self.executor.text().splitlines():
            if "panicked" in line or "contradicts itself" in line:
                self.report.failures.append(line[-300:])
        if self.report.failures:
            told = [{"sent": envelope, "answer": self.answers.get(name)} for name, envelope in self.sent.items()]
            (self.folder / "commands.json").write_text(json.dumps(told, indent=1))

    def _insist(self, ask: Callable[[], T]) -> T:
        """Asks until there is an answer: whoever is away comes back."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return ask()
            except AWAY as error:
                if time.monotonic() > until:
                    raise TimeoutError(f"no answer for {PATIENCE} s: {error}") from error
                time.sleep(0.02)


def is_dust(item: dict[str, Any], brackets: dict[str, Decimal]) -> bool:
    """Too small for the venue to take a protective order of."""
    return Decimal(item["quantity"]) * brackets.get(item["order_id"], Decimal(0)) < 5
