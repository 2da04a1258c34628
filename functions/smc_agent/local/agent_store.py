"""The agent's side of the database: one connection, one transaction for each commit, tried again until it holds."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import asyncpg

from smc_agent import __version__
from smc_agent.execution import Figures
from smc_agent.local.agent_batch import Batch
from smc_agent.local.agent_executor import Command, Stopped, stopped_within
from smc_agent.local.agent_sessions import Session
from smc_agent.market import Market, decimal_of, milliseconds
from smc_agent.market.store import (
    ensure_partitions,
    instant,
    load_checkpoint,
    save_checkpoint,
    store_bars,
    store_patterns,
)

log = logging.getLogger(__name__)

T = TypeVar("T")
if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

_INSERT_FACTS = """
insert into order_events (portfolio_id, session_id, order_id, event_key, event_type, actor, reason, details,
                          market_time, version)
select p, s, o, key, type, actor, reason, details::jsonb, at, $9
from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $10::timestamptz[]) as e (p, s, o, key, type, actor, reason, details, at)
on conflict (portfolio_id, event_key) do nothing returning event_key"""

_MARK_PORTFOLIOS = """
update portfolios p set equity = m.equity, peak_equity = m.peak, day_start_equity = m.day_start, marked_at = $5
from unnest($1::uuid[], $2::numeric[], $3::numeric[], $4::numeric[]) as m (id, equity, peak, day_start)
where p.id = m.id and (p.equity, p.peak_equity, p.day_start_equity) is distinct from
  (m.equity::numeric(20,8), m.peak::numeric(20,8), m.day_start::numeric(20,8))"""

_MARK_POSITIONS = """
update positions set current_price = $3, unrealized_pnl = coalesce(($3 - entry_price) * quantity, 0)
where portfolio_id = any($1::uuid[]) and symbol = $2
  and (current_price is distinct from $3::numeric(20,8)
       or unrealized_pnl is distinct from coalesce(($3 - entry_price) * quantity, 0)::numeric(20,8))"""

_MARK_SESSIONS = """
update trading_sessions s set total_pnl = m.pnl, total_trades = m.trades, winning_trades = m.wins,
  max_drawdown = greatest(s.max_drawdown, m.drawdown)
from unnest($1::uuid[], $2::numeric[], $3::int[], $4::int[], $5::numeric[]) as m (id, pnl, trades, wins, drawdown)
where s.id = m.id"""

# The 5th percentile of the daily returns up to then, in money of the day's equity; null with fewer than two days.
_INSERT_RISK = """
insert into risk_metrics (portfolio_id, measured_at, equity, exposure, daily_pnl, drawdown, breakers, var_95)
select $1, $2, $3, $4, $5, $6, $7::jsonb, (
  select $3::numeric * (percentile_cont(0.05) within group (order by r))::numeric
  from (select (equity / nullif(lag(equity) over (order by measured_at), 0) - 1)::float8 as r
        from risk_metrics where portfolio_id = $1 and measured_at < $2
          and measured_at = date_trunc('day', measured_at, 'UTC')) as days
  having count(r) >= 2)
on conflict (portfolio_id, measured_at) do update set equity = excluded.equity, exposure = excluded.exposure,
  daily_pnl = excluded.daily_pnl, drawdown = excluded.drawdown, breakers = excluded.breakers,
  var_95 = excluded.var_95"""

_DECIDED = """
select details -> 'command' as command from order_events
where session_id = $1 and event_type in ('intent', 'cancel') and market_time = $2 order by id"""


_COUNT_DECISIONS = """
select event_type, count(*) as n from order_events
where event_type in ('signal', 'refusal', 'intent') and session_id in (
  select id from trading_sessions where strategy_config ->> 'exchange' = $1 and strategy_config ->> 'symbol' = $2
    and strategy_config ->> 'timeframe' = $3) group by 1"""


# Errors that are over when the database is back, or when another transaction is done.
_PASSING = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.TooManyConnectionsError,
)


class AgentLockedError(Exception):
    """Another agent already follows the market."""


class AgentStore:
    """Reads and writes for the agent that follows `market`; at most one agent does, the database sees to it."""

    def __init__(self, database_url: str, market: Market, stop: asyncio.Event) -> None:
        self._url, self.market, self._stop = database_url, market, stop
        self._connection: Connection | None = None
        self._partitions_until = 0

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """What `work` gives, in a transaction; again on a new connection when the old one is lost."""
        wait, said = 0.1, False
        while True:
            try:
                connection = self._connection or await self._connect()
                async with connection.transaction():
                    result = await work(connection)
            except _PASSING as error:
                if self._connection is not None:
                    self._connection.terminate()
                    self._connection = None
                if not said:
                    log.warning("database: %s; the market waits until it is back", type(error).__name__)
                    said = True
                if await stopped_within(self._stop, wait):
                    raise Stopped from None
                wait = min(2 * wait, 2.0)
            else:
                if said:
                    log.warning("database: is back, going on")
                return result

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close(timeout=5)

    async def make_partitions(self, from_ms: int, to_ms: int) -> None:
        """Makes the partitions for bars from..to, and remembers that they are there."""
        await self.run(lambda connection: ensure_partitions(connection, from_ms, to_ms))
        self._partitions_until = to_ms

    async def commit(
        self, batch: Batch, checkpoints: dict[str, bytes], sessions: Iterable[Session], marked: bool
    ) -> None:
        """Writes `batch` and the checkpoints at its last bar; with `marked` also what the accounts are worth."""
        last = batch.bars[-1]
        if last.time > self._partitions_until:
            await self.make_partitions(batch.bars[0].time, last.time + int(timedelta(days=31).total_seconds() * 1000))

        async def write(connection: Connection) -> None:
            await store_bars(connection, self.market, batch.bars)
            await store_patterns(connection, batch.patterns)
            await _store_facts(connection, batch)
            for row in batch.risk.values():
                await connection.execute(_INSERT_RISK, row[0], instant(row[1]), *row[2:])
            if marked:
                await _mark(connection, self.market, batch, list(sessions))
            for name, state in checkpoints.items():
                await save_checkpoint(connection, name, last.time, state)

        await self.run(write)

    async def checkpoint(self, name: str) -> tuple[int, bytes] | None:
        """(open time of the last bar in it, state)."""
        return await self.run(lambda connection: load_checkpoint(connection, name))

    async def decided(self) -> dict[str, int]:
        """How many signals, refusals and intents the sessions on this market have made, by event type."""
        rows = await self.run(lambda connection: connection.fetch(_COUNT_DECISIONS, *self.market))
        return {row["event_type"]: row["n"] for row in rows}

    async def commands_of(self, session: UUID, bar_time: int) -> list[Command]:
        """The commands that `session` decided at bar `bar_time`."""
        close = instant(bar_time + milliseconds(self.market.timeframe))
        rows = await self.run(lambda connection: connection.fetch(_DECIDED, session, close))
        return [Command(**json.loads(row["command"])) for row in rows]

    async def _connect(self) -> Connection:
        connection: Connection = await asyncpg.connect(self._url, timeout=10, command_timeout=60)
        if not await connection.fetchval(
            "select pg_try_advisory_lock(hashtextextended($1, 0))", f"agent:{self.market}"
        ):
            await connection.close()
            raise AgentLockedError(f"another agent already follows {self.market}; stop it first")
        self._connection = connection
        return connection


async def _store_facts(connection: Connection, batch: Batch) -> None:
    if not batch.facts:
        return
    *columns, times = map(list, zip(*batch.facts, strict=True))
    new = await connection.fetch(_INSERT_FACTS, *columns, __version__, list(map(instant, times)))
    triggered: Counter[UUID] = Counter()
    for row in new:
        triggered.update(batch.triggers.get(row["event_key"], {}))
    if triggered:
        await connection.execute(
            "update smc_patterns p set triggered_orders = triggered_orders + t.n"
            " from unnest($1::uuid[], $2::int[]) as t (id, n) where p.id = t.id",
            list(triggered),
            list(triggered.values()),
        )


async def _mark(connection: Connection, market: Market, batch: Batch, sessions: list[Session]) -> None:
    if not sessions:
        return
    last = batch.bars[-1]
    close = instant(last.time + milliseconds(market.timeframe))
    figures: dict[UUID, Figures] = {s.config.portfolio_id: s.trader.figures for s in sessions}
    marks = figures.values()
    await connection.execute(
        _MARK_PORTFOLIOS, list(figures), [f.equity for f in marks], [f.peak_equity for f in marks],
        [f.day_start_equity for f in marks], close,
    )  # fmt: skip
    await connection.execute(_MARK_POSITIONS, list(figures), market.symbol, decimal_of(last.close))
    own = [s.trader.figures for s in sessions]
    await connection.execute(
        _MARK_SESSIONS, [s.id for s in sessions], [f.realized_pnl for f in own], [f.trades for f in own],
        [f.wins for f in own], [s.worst_drawdown for s in sessions],
    )  # fmt: skip
