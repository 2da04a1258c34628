"""One run: a venue with faults, an executor that is killed, a database and a network that go away, and the books."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import signal
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from tests.chaos.books import Books
from tests.chaos.judging import PATIENCE, POLL, judge
from tests.chaos.markets import market_of
from tests.chaos.report import Report
from tests.chaos.scenario import Scenario
from tests.chaos.table import CommandTable
from tests.chaos.trading import NAMESPACE
from tests.executor.faulty_proxy import FaultyProxy
from tests.executor.running_executor import Executor
from tests.paper_venue.running_venue import MINUTE, START, PaperVenue

AWAY = (OSError, http.client.HTTPException, json.JSONDecodeError)
# Beyond the stated turn: a refused or lost protective order is tried again after 1 s, a lost one asked for up to 7 s.
LONGEST_BARE = 12.0

T = TypeVar("T")


class Run:
    """Without `books` the database is away all the time."""

    def __init__(self, scenario: Scenario, folder: Path, books: Books | None = None) -> None:
        self.scenario, self.folder = scenario, folder
        self.report = Report(scenario.seed, database=scenario.database, market=scenario.swap or "spot")
        self.market = market_of(scenario)
        self.tape = self.market.tape
        self.books = books
        self.table = None if books is None else CommandTable(books)
        self.sent: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        # Sent over HTTPS while the disturbances lasted.
        self.posted: set[str] = set()
        # The orders that are to be protected, by their ids.
        self.brackets: dict[str, dict[str, Any]] = {}
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.venue = PaperVenue(folder, volume_share="0.1", accounts=[self.market.account])
        self.venue.config["listen"] = self.venue.address
        self.proxy = FaultyProxy(self.venue.address) if scenario.cuts else None
        url = self.proxy.url if self.proxy else self.venue.url
        if books is None:
            self.executor = Executor(folder, url, audit_every_s=1)
        else:
            self.executor = Executor(folder, url, books.url, account=books.account, user_id=books.user, audit_every_s=1)
        self.executor.config["accounts"][0] |= self.market.settings(url.removeprefix("http://"))

    # --- the run

    def play(self) -> Report:
        """Trades through the disturbances, lets everything come to rest, and looks at the books."""
        begun = time.monotonic()
        try:
            self._trade()
            judge(self)
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
                self.bar(number)
        threads[0].join()
        self.insist(lambda: self.venue.control("POST", "/paper/v1/faults", {}))
        self._hear_the_table()
        if self.scenario.ends_flat:
            self._flatten(steps)
        self.over.set()
        threads[1].join()

    def _command(self, command_id: str, action: str, payload: dict[str, Any]) -> None:
        envelope = self.executor.envelope(action, payload, command_id=command_id, ttl=600)
        with self.lock:
            self.sent[command_id] = envelope
            if "stop_loss" in payload:
                self.brackets[command_id] = payload
        way = random.Random(f"{self.scenario.seed} way {command_id}").random()
        by_table, by_both = self.scenario.ways
        if way < by_table + by_both:
            self._store(envelope)
        if way >= by_table:
            self.posted.add(command_id)
            self.send(envelope)

    def send(self, envelope: dict[str, Any]) -> None:
        with contextlib.suppress(*AWAY):
            answer = self.executor.send(envelope)
            # `not_ready` is no answer: the command may be sent again.
            if answer["code"] != "not_ready":
                self._hear(envelope["command_id"], answer)

    def _hear(self, command_id: str, answer: dict[str, Any]) -> None:
        with self.lock:
            first = self.answers.setdefault(command_id, answer)
            if first != answer:
                self.report.failures.append(f"a repeated command got another answer: {first} then {answer}")

    def _store(self, envelope: dict[str, Any]) -> None:
        assert self.table is not None
        # Whoever gets no answer asks again in the end, over HTTPS.
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            self.table.put(envelope)

    def _hear_the_table(self) -> None:
        """Every command in the table gets its answer, the same as by the other way."""
        if self.table is None:
            return
        until = time.monotonic() + PATIENCE
        while True:
            told = self.table.answers()
            open_ones = [name for name, answer in told.items() if answer is None]
            if not open_ones:
                break
            if time.monotonic() > until:
                self.report.failures.append(f"no answer in the table: {open_ones}")
                break
            time.sleep(POLL)
        if lost := self.table.stored - set(told):
            self.report.failures.append(f"gone from the table: {lost}")
        for command_id, answer in told.items():
            if answer is not None:
                self._hear(command_id, answer)
        self.report.by_table, self.report.by_both = len(told), len(set(told) & self.posted)

    def bar(self, number: int) -> None:
        prices, volume = self.tape.bar(number)
        opened = START + (number + 1) * MINUTE
        body = dict(zip(("open", "high", "low", "close"), prices, strict=True)) | {
            "symbol": "BTCUSDT",
            "interval": "1m",
            "open_time_ms": opened,
            "close_time_ms": opened + MINUTE - 1,
            "volume": volume,
        }
        answer = self.insist(lambda: self.venue.control("POST", "/paper/v1/bar", body))
        while not answer["done"]:
            self._react()
            answer = self.insist(self.venue.go_on)
        if rate := self.tape.funding(number):
            settled = {"symbol": "BTCUSDT", "rate": rate, "time_ms": opened + MINUTE - 1}
            self.insist(lambda: self.venue.control("POST", "/paper/v1/funding", settled))
            self.report.fundings += 1
        self._react()

    def _react(self) -> None:
        """Waits for the executor's reactions, and looks whether they were what they had to be."""
        snapshot = self.insist(self.drain)
        unsettled = any(order["status"] in ("pending", "unknown") for order in snapshot["open_orders"])
        if self.scenario.is_exact and not unsettled:
            protection = self.market.protection(self.brackets, self.insist(self.venue.account))
            self.report.exact_checks += 1
            self.report.failures += [f"after a drain: {text}" for text in protection.missing() + protection.excess()]

    def drain(self) -> dict[str, Any]:
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
            self.bar(number)
            number += 1
            snapshot = self.insist(self.drain)
            # What is left may be too small to sell.
            held = [abs(Decimal(position["quantity"])) for position in snapshot["positions"]]
            if not snapshot["open_orders"] and all(quantity <= self.market.dust for quantity in held):
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
            bare = {
                item["order_id"] for item in snapshot["unprotected"] if not self.market.is_dust(item, self.brackets)
            }
            if not snapshot["ready"]:
                bare = set()
            since = {entry: since.get(entry, now) for entry in bare}
            for entry, begun in since.items():
                self.report.longest_bare_s = max(self.report.longest_bare_s, round(now - begun, 2))
                if now - begun > LONGEST_BARE:
                    self.report.failures.append(f"entry {entry} lay bare for {now - begun:.1f} s")
                    since[entry] = now

    # --- the end

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

    def insist(self, ask: Callable[[], T]) -> T:
        """Asks until there is an answer: whoever is away comes back."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return ask()
            except AWAY as error:
                if time.monotonic() > until:
                    raise TimeoutError(f"no answer for {PATIENCE} s: {error}") from error
                time.sleep(0.02)
