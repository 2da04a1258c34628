"""The loop: each closed bar through venue, detection, strategy and risk to the executor.

What a bar led to is committed together with the state that led to it, before any command of it is sent. So a crash at
any moment loses nothing: either the bar is done again from the state before it, or its commands, whose ids the executor
knows, are sent again. Bars that changed and decided nothing are committed many at a time.
"""

import asyncio
import logging
import time
from uuid import UUID

from smc_agent.detection import Detector, Event
from smc_agent.execution import Cancel, Snapshot, Trader
from smc_agent.local.agent_batch import Batch
from smc_agent.local.agent_executor import Command, PatientExecutor
from smc_agent.local.agent_progress import Progress
from smc_agent.local.agent_sessions import Account, Session, SessionRow, active_sessions, paper_portfolios
from smc_agent.local.agent_store import AgentStore
from smc_agent.local.agent_venue import PaperVenue, VenueAnswer, VenueError
from smc_agent.market import Bar, Market, SymbolRules, check_bar, milliseconds
from smc_agent.market.bus import Bus
from smc_agent.market.patterns import event_data
from smc_agent.market.store import bar_times

log = logging.getLogger(__name__)

_BATCH_BARS = 500
_BATCH_S = 0.25
_RELOAD_S = 2.0
# The bus is for those who watch; whoever needs every bar of a fast replay reads the database.
_BUS_BARS = 5
_BUS_EVENTS = 50
_DAY_MS = 86_400_000


class CheckpointError(Exception):
    """The stored state does not belong to the stored bars."""


class Agent:
    """Follows one market for all trading sessions on it."""

    def __init__(
        self, market: Market, rules: SymbolRules, store: AgentStore, venue: PaperVenue, executor: PatientExecutor,
        bus: Bus, progress: Progress,
    ) -> None:  # fmt: skip
        self.market, self._rules, self._store, self._venue = market, rules, store, venue
        self._executor, self._bus, self._progress = executor, bus, progress
        self._length = milliseconds(market.timeframe)
        self._detector = Detector()
        self._times: list[int] = []
        self._sessions: dict[UUID, Session] = {}
        self._accounts: dict[str, Account] = {}
        self._paper: set[str] = set()
        self._batch = Batch(market)
        self._events: list[Event] = []
        self._account_moved = False
        self._committed_at = self._loaded_at = time.monotonic()

    @property
    def last_bar(self) -> int | None:
        """Open time of the last bar that was handled."""
        return self._times[-1] if self._times else None

    async def start(self) -> None:
        """Restores the state of the last commit and sends what it had decided; CheckpointError when bars and state differ."""
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
        if self._times:
            log.info("continuing after bar %s of %s", f"{len(self._times):,}", self.market)
        await self._load_sessions()
        for session in self._sessions.values():
            await self._send_again(session)

    async def on_bar(self, bar: Bar, more_waiting: bool) -> None:
        """Handles one closed bar, in order; one that was handled before changes nothing.

        `more_waiting`: the next bar is there already, so the commit may wait for it. BarError for an unsound bar.
        """
        if self.last_bar is not None and bar.time <= self.last_bar:
            return
        check_bar(bar, self.last_bar, row=len(self._times) + 1, source=str(self.market))
        if time.monotonic() - self._loaded_at >= _RELOAD_S:
            await self._load_sessions()
        await self._trade_through(bar)
        events = self._detector.push(*bar)
        commands = self._decide(bar, events)
        batch = self._batch
        due = (
            not more_waiting
            or len(batch.bars) >= _BATCH_BARS
            or time.monotonic() - self._committed_at >= _BATCH_S
        )
        if due or batch.facts or self._account_moved:
            await self.commit(marked=due)
        for command in commands:
            await self._submit(command)

    async def commit(self, marked: bool) -> None:
        """Makes everything since the last commit durable, then tells the bus."""
        batch = self._batch
        if not batch.bars:
            return
        if marked:
            self._add_risk(batch)
        checkpoints = {f"detector:{self.market}": self._detector.save()}
        for session in self._sessions.values():
            checkpoints[f"session:{session.id}"] = session.trader.save()
            account = self._accounts[session.account]
            checkpoints[f"account:{session.account}:{self.market}"] = account.snapshot.model_dump_json().encode()
        await self._store.commit(batch, checkpoints, self._sessions.values(), marked)
        self._batch, self._account_moved = Batch(self.market), False
        if marked:
            self._committed_at = time.monotonic()
        events, self._events = self._events[-_BUS_EVENTS:], []
        await self._tell(batch, events)

    async def _trade_through(self, bar: Bar) -> None:
        """Lets the venue trade through `bar`, with the executor reacting to each event before prices move on."""
        answer = await self._ask_venue(bar)
        happened = answer.events > 0
        while not answer.done:
            await self._drain_all()
            answer = await self._ask_venue(None)
            happened = happened or answer.events > 0
        if answer.duplicate and answer.clock_ms > bar.time + self._length:
            # After a crash: the venue is further on. Nothing happened in this bar, or it would have been committed.
            return
        if happened or answer.duplicate:
            await self._drain_all()
        for session in self._sessions.values():
            if not session.on_paper:
                self._see(session.account, await self._executor.drain(session.account))

    async def _ask_venue(self, bar: Bar | None) -> VenueAnswer:
        async def once() -> VenueAnswer:
            if bar is None:
                return await self._venue.go_on(self.market.symbol)
            return await self._venue.bar(self.market.symbol, self.market.timeframe, bar)

        return await self._executor.until_answered(once)

    async def _drain_all(self) -> None:
        """Waits until every paper account has reacted, and takes a new look at those of sessions."""
        own = {session.account for session in self._sessions.values() if session.on_paper}
        snapshots = await asyncio.gather(
            *(self._executor.drain(account) for account in own),
            *(self._executor.drain_others(account) for account in self._paper - own),
        )
        for snapshot in snapshots:
            if snapshot is not None:
                self._see(snapshot.account, snapshot)

    def _see(self, account: str, snapshot: Snapshot) -> None:
        known = self._accounts.get(account)
        if known is None or not known.same_as(snapshot):
            self._accounts[account] = Account.of(snapshot)
            self._account_moved = True

    def _decide(self, bar: Bar, events: list[Event]) -> list[Command]:
        """Takes `bar` and its events into the batch, with what each session decides."""
        index = len(self._times)
        before = self.last_bar
        self._times.append(bar.time)
        self._batch.bars.append(bar)
        if events:
            self._batch.patterns.add(events, self._times.__getitem__)
            self._events += events
        commands: list[Command] = []
        new_day = before is not None and bar.time // _DAY_MS != before // _DAY_MS
        for session in list(self._sessions.values()):
            trader = session.trader
            if new_day and trader.figures.equity:
                self._batch.add_risk(session, bar.time // _DAY_MS * _DAY_MS, trader.figures)
            try:
                decisions = trader.on_bar(bar, index, events, self._accounts[session.account].view)
            except Exception:
                # One user's session must not stop the others'.
                log.exception("session %s failed at bar %d; it does not run until the agent starts again", session.id, index)
                del self._sessions[session.id]
                continue
            figures = trader.figures
            session.worst_drawdown = max(session.worst_drawdown, figures.drawdown)
            if figures.breakers != session.breakers:
                session.breakers = figures.breakers
                self._batch.add_risk(session, bar.time + self._length, figures)
            if decisions:
                commands += self._batch.add_decisions(session, decisions, bar)
        self._progress.count(bar, self._batch)
        return commands

    def _add_risk(self, batch: Batch) -> None:
        """Notes what the accounts are worth now, where bars come slowly enough for it to be seen."""
        if len(batch.bars) == 1:
            for session in self._sessions.values():
                batch.add_risk(session, batch.bars[-1].time + self._length, session.trader.figures)

    async def _submit(self, command: Command) -> None:
        answer = await self._executor.submit(command)
        account = Account
        if answer.status == "unknown":
            # The venue is being asked; prices must not move before that is known.
            await self._executor.drain(command.account)
        del account
        self._stale_accounts.add(command.account)
