"""The loop: each closed bar through venue, detection, strategy and risk to the executor.

What a bar led to is committed together with the state that led to it, before any command of it is sent. So a crash at
any moment loses nothing: either the bar is done again from the state before it, or its commands, whose ids the executor
knows, are sent again. Bars that changed and decided nothing are committed many at a time.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from smc_agent.detection import Detector, Event
from smc_agent.execution import Cancel, Snapshot, Trader, UnknownAccount
from smc_agent.local.agent_batch import Batch
from smc_agent.local.agent_executor import Command, PatientExecutor
from smc_agent.local.agent_progress import Progress
from smc_agent.local.agent_sessions import (
    Account,
    Session,
    SessionRow,
    active_sessions,
    orphaned_entries,
    paper_portfolios,
)
from smc_agent.local.agent_store import AgentStore
from smc_agent.local.agent_venue import Venue, VenueAnswer
from smc_agent.market import Bar, Market, SymbolRules, check_bar, milliseconds
from smc_agent.market.bus import Bus
from smc_agent.market.patterns import event_data
from smc_agent.market.store import bar_times

log = logging.getLogger(__name__)

# Bars that wait for a commit: at most so many, and at most so long.
BATCH_BARS = 500
BATCH_S = 0.25
_RELOAD_S = 2.0
_RISK_S = 10.0
# The bus is for those who watch; whoever needs every bar of a fast replay reads the database.
_BUS_BARS = 5
_BUS_EVENTS = 50
_DAY_MS = 86_400_000


class CheckpointError(Exception):
    """The stored state does not belong to the stored bars."""


class Agent:
    """Follows one market for all trading sessions on it."""

    def __init__(
        self, market: Market, rules: SymbolRules, store: AgentStore, venue: Venue, executor: PatientExecutor, bus: Bus,
        progress: Progress,
    ) -> None:  # fmt: skip
        self.market, self._rules, self._store, self._venue = market, rules, store, venue
        self._executor, self._bus, self._progress = executor, bus, progress
        self._length = milliseconds(market.timeframe)
        self._detector = Detector()
        self._times: list[int] = []
        self._sessions: dict[UUID, Session] = {}
        self._failed: set[UUID] = set()
        self._aside: dict[UUID, str] = {}  # sessions that wait for the executor to have their account
        self._accounts: dict[str, Account] = {}
        self._paper: set[str] = set()
        self._parting: dict[str, Command] = {}
        self._cancelled: set[str] = set()
        self._batch = Batch(market)
        self._events: list[Event] = []
        self._moved = False  # an account is no longer as the last commit has it
        self._committed_at = self._loaded_at = self._risk_at = time.monotonic()

    @property
    def last_bar(self) -> int | None:
        """Open time of the last bar that was handled, epoch ms."""
        return self._times[-1] if self._times else None

    @property
    def commit_due_s(self) -> float | None:
        """Seconds until the bars that wait are to be committed; None when none wait."""
        return max(0.0, self._committed_at + BATCH_S - time.monotonic()) if self._batch.bars else None

    async def start(self) -> None:
        """Restores the last commit and sends its commands again; CheckpointError when bars and state differ."""
        checkpoint = await self._store.checkpoint(f"detector:{self.market}")
        self._times = await self._store.run(lambda connection: bar_times(connection, self.market))
        if checkpoint is not None:
            self._detector = Detector.restore(checkpoint[1])
        if self._detector.bars != len(self._times) or (checkpoint is not None and checkpoint[0] != self.last_bar):
            raise CheckpointError(
                f"market_data holds {len(self._times)} bars of {self.market}, but the state of detection is of "
                f"{self._detector.bars}; `smc reset` starts over"
            )
        self._progress.bars_done, self._progress.bar_time_ms = len(self._times), self.last_bar
        counts = await self._store.decided()
        self._progress.signals, self._progress.refusals = counts.get("signal", 0), counts.get("refusal", 0)
        self._progress.orders = counts.get("intent", 0)
        if self._times:
            log.info("continuing after bar %s of %s", f"{len(self._times):,}", self.market)
        await self._load_sessions()
        if self.last_bar is not None:
            for session in list(self._sessions.values()):
                await self._send_again(session, self.last_bar)

    async def on_bar(self, bar: Bar) -> None:
        """Handles one closed bar; one that was handled before changes nothing. BarError for an unsound bar."""
        if self.last_bar is not None and bar.time <= self.last_bar:
            return
        check_bar(bar, self.last_bar, row=len(self._times) + 1, source=str(self.market))
        if time.monotonic() - self._loaded_at >= _RELOAD_S:
            await self._load_sessions()
        await self._trade_through(bar)
        commands = self._decide(bar, self._detector.push(*bar))
        due = len(self._batch.bars) >= BATCH_BARS or self.commit_due_s == 0
        if due or self._batch.facts or self._moved:
            batch, events = await self._commit(marked=due)
            await self._submit(commands)
            await self._tell(batch, events)

    async def commit(self) -> None:
        """Makes everything since the last commit durable, with what the accounts are worth, and tells the bus."""
        if self._batch.bars:
            await self._tell(*await self._commit(marked=True))

    async def _trade_through(self, bar: Bar) -> None:
        """Lets the venue trade through `bar`; the executor reacts to each event before prices move on."""
        answer = await self._ask_venue(bar)
        duplicate, happened = answer.duplicate, answer.events > 0
        while not answer.done:
            await self._drain_all()
            answer = await self._ask_venue(None)
            happened = happened or answer.events > 0
        if duplicate and answer.clock_ms > bar.time + self._length:
            # After a crash, and the venue is further on: nothing happened in this bar, or it would be committed.
            return
        if happened or duplicate:
            await self._drain_all()
        for account in {session.account for session in self._sessions.values() if not session.on_paper}:
            await self._look_at(account)

    async def _ask_venue(self, bar: Bar | None) -> VenueAnswer:
        async def once() -> VenueAnswer:
            if bar is None:
                return await self._venue.go_on(self.market.symbol)
            return await self._venue.bar(self.market.symbol, self.market.timeframe, bar)

        return await self._executor.until_answered(once, "paper venue")

    async def _drain_all(self) -> None:
        """Waits until every paper account has reacted, and takes a new look at those of sessions."""
        own = {session.account for session in self._sessions.values() if session.on_paper}
        await asyncio.gather(*map(self._look_at, own))
        await asyncio.gather(*map(self._executor.drain_known, self._paper - own))

    async def _look_at(self, account: str) -> None:
        """Takes a new look at `account`; when the executor does not have it any more, its sessions stand aside."""
        try:
            self._see(await self._executor.drain(account))
        except UnknownAccount:
            self._stand_aside(account, [s.id for s in self._sessions.values() if s.account == account])

    def _stand_aside(self, account: str, sessions: Iterable[UUID]) -> None:
        """Lets `sessions` wait until the executor has `account`; the others go on. Each is named once."""
        self._accounts.pop(account, None)
        for session_id in sessions:
            self._sessions.pop(session_id, None)
            if self._aside.get(session_id) != account:
                self._aside[session_id] = account
                log.warning(
                    "session %s: the executor does not have its account %s (its config file lists them);"
                    " the session does not run until it does", session_id, account,
                )  # fmt: skip

    def _see(self, snapshot: Snapshot) -> None:
        seen, known = Account.of(snapshot), self._accounts.get(snapshot.account)
        if known is None or known.snapshot != seen.snapshot:
            self._accounts[snapshot.account] = seen
            self._moved = True

    def _decide(self, bar: Bar, events: list[Event]) -> list[Command]:
        """Takes `bar` and its events into the batch, and what each session decides; the commands to send."""
        before, index = self.last_bar, len(self._times)
        self._times.append(bar.time)
        self._batch.bars.append(bar)
        if events:
            self._batch.patterns.add(events, self._times.__getitem__)
            self._events += events
        new_day = before is not None and bar.time // _DAY_MS != before // _DAY_MS
        commands, self._parting = list(self._parting.values()), {}
        for session in list(self._sessions.values()):
            if new_day and session.breakers:
                self._batch.add_risk(session, bar.time // _DAY_MS * _DAY_MS, session.trader.figures)
            try:
                decisions = session.trader.on_bar(bar, index, events, self._accounts[session.account].view)
            except Exception:
                # One user's session must not stop the others'.
                log.exception("session %s failed and does not run until the agent starts again", session.id)
                self._failed.add(session.id)
                del self._sessions[session.id]
                continue
            self._mark(session, bar)
            if decisions:
                commands += self._batch.add_decisions(session, decisions, bar)
                self._progress.count(decisions)
        self._progress.bars_done, self._progress.bar_time_ms = len(self._times), bar.time
        self._progress.run_bars += 1
        return commands

    def _mark(self, session: Session, bar: Bar) -> None:
        figures = session.trader.figures
        session.worst_drawdown = max(session.worst_drawdown, figures.drawdown)
        if figures.breakers != session.breakers:
            session.breakers = figures.breakers
            self._batch.add_risk(session, bar.time + self._length, figures)

    async def _commit(self, marked: bool) -> tuple[Batch, list[Event]]:
        """Commits the batch; it, and the events in it."""
        batch, events = self._batch, self._events
        close_ms = batch.bars[-1].time + self._length
        if marked and time.monotonic() - self._risk_at >= _RISK_S:
            self._risk_at = time.monotonic()
            for session in self._sessions.values():
                batch.add_risk(session, close_ms, session.trader.figures)
        checkpoints = {f"detector:{self.market}": self._detector.save()}
        for session in self._sessions.values():
            checkpoints[_session_name(session.id)] = session.trader.save()
            snapshot = self._accounts[session.account].snapshot
            checkpoints[self._account_name(session.account)] = snapshot.model_dump_json().encode()
        await self._store.commit(batch, checkpoints, self._sessions.values(), marked)
        self._batch, self._events, self._moved = Batch(self.market), [], False
        if marked:
            self._committed_at = time.monotonic()
        return batch, events

    async def _submit(self, commands: list[Command]) -> None:
        for command in commands:
            await self._executor.submit(command)
        # Also where the outcome is not yet known: it is, before prices move on.
        for account in dict.fromkeys(command.account for command in commands):
            if account in self._accounts:
                await self._look_at(account)

    async def _send_again(self, session: Session, bar_time: int) -> None:
        """Sends what `session` decided at its last bar; the executor knows what it has had."""
        commands = await self._store.commands_of(session.id, bar_time)
        late = time.time() * 1000 - bar_time > 3 * self._length
        if late and not session.on_paper:
            # A venue that did not stand still: an entry of then is none of now.
            commands = [command for command in commands if command.action != "place"]
        await self._submit(commands)

    async def _load_sessions(self) -> None:
        """Takes up sessions that began, lets go of those that ended, and looks at the switches of their accounts."""
        self._loaded_at = time.monotonic()
        rows = await self._store.run(lambda connection: active_sessions(connection, self.market))
        self._paper = await self._store.run(paper_portfolios)
        orphans = await self._store.run(lambda connection: orphaned_entries(connection, self.market))
        for config, _, order_id in orphans:
            if order_id not in self._cancelled and self.last_bar is not None:
                self._cancelled.add(order_id)
                cancel = Cancel(order_id, "The session has ended.")
                command = self._batch.add_cancel(config, cancel, "agent", self.last_bar + self._length)
                self._parting[order_id] = command
        for session_id in list(self._sessions):
            if session_id not in rows:
                log.info("session %s has ended", session_id)
                del self._sessions[session_id]
        for session_id in set(self._aside) - set(rows):
            del self._aside[session_id]
        rows = {session_id: row for session_id, row in rows.items() if session_id not in self._failed}
        seen: dict[str, Snapshot] = {}
        for account in dict.fromkeys(row.account for row in rows.values()):
            try:
                seen[account] = await self._executor.drain(account)
            except UnknownAccount:
                self._stand_aside(account, [s for s, row in rows.items() if row.account == account])
        for session_id, row in rows.items():
            session = self._sessions.get(session_id)
            if row.account not in seen or (session is not None and session.config == row.config):
                continue
            if self._aside.pop(session_id, None) is not None:
                log.warning("session %s: the executor has its account %s now", session_id, row.account)
            self._sessions[session_id] = await self._begin(row, session, seen[row.account])
        for account, fresh in seen.items():
            known = self._accounts[account].snapshot
            self._see(known.model_copy(update={"killed": fresh.killed, "paused": fresh.paused}))

    async def _begin(self, row: SessionRow, running: Session | None, fresh: Snapshot) -> Session:
        """The session of `row`: as its last commit left it, as it runs under its former settings, or from its start.

        `fresh` is its account now.
        """
        config = row.config
        name, saved = "anew", await self._store.checkpoint(_session_name(config.session_id))
        state = saved[1] if saved is not None and saved[0] == self.last_bar else None
        if running is not None:
            state, name = running.trader.save(), "with new settings"
        trader = Trader(config, self._rules)
        if state is not None:
            try:
                trader = Trader.restore(config, self._rules, state)
                name = name if running is not None else "where it stopped"
            except ValueError as error:
                log.warning("session %s: %s", config.session_id, error)
        account = row.account
        if account not in self._accounts:
            seen = await self._store.checkpoint(self._account_name(account))
            if seen is not None and seen[0] == self.last_bar:
                self._accounts[account] = Account.of(Snapshot.model_validate_json(seen[1]))
            else:
                self._see(fresh)
        log.info("session %s on %s begins %s", config.session_id, self.market, name)
        return Session(config, row.user_id, row.on_paper, trader)

    async def _tell(self, batch: Batch, events: list[Event]) -> None:
        await self._bus.publish(bus_messages(batch, events[-_BUS_EVENTS:], self._times))

    def _account_name(self, account: str) -> str:
        return f"account:{account}:{self.market}"


def _session_name(session_id: UUID) -> str:
    return f"session:{session_id}"


def bus_messages(batch: Batch, events: list[Event], times: list[int]) -> list[dict[str, Any]]:
    """What the API's stream says of a commit: its newest bars, `events`, and the signals in it."""
    market, length = batch.market, milliseconds(batch.market.timeframe)
    messages: list[dict[str, Any]] = []
    for bar in batch.bars[-_BUS_BARS:]:
        open_time, *values = bar
        data = {"exchange": market.exchange, "timeframe": market.timeframe, "time_ms": open_time,
                **dict(zip(Bar._fields[1:], values, strict=True)), "closed": True}  # fmt: skip
        messages.append({"type": "market_data", "symbol": market.symbol, "data": data, "timestamp": open_time + length})
    for event in events:
        data = {"exchange": market.exchange, "timeframe": market.timeframe,
                **event_data(event, market, times.__getitem__)}  # fmt: skip
        messages.append(
            {"type": "smc_pattern", "symbol": market.symbol, "data": data, "timestamp": data["confirmed_ms"]}
        )
    return messages + batch.messages
