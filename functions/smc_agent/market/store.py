"""Bars, patterns and checkpoints in Postgres. Every write is keyed, so that writing twice changes nothing."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg

from smc_agent.market.bars import Bar
from smc_agent.market.patterns import PatternRows
from smc_agent.market.symbols import Market

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Prices go as the text of their shortest repr: the digits that were in the file, not what a float rounds to.
_INSERT_BARS = """
insert into market_data (symbol, exchange, timeframe, timestamp, open, high, low, close, volume)
select $1, $2, $3, t, o::numeric, h::numeric, l::numeric, c::numeric, v::numeric
from unnest($4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[]) as b (t, o, h, l, c, v)
on conflict do nothing"""

_INSERT_PATTERNS = """
insert into smc_patterns (exchange, symbol, timeframe, id, pattern_type, scale, direction, event_id, pattern_data,
                          price_level_high, price_level_low, anchor_at, detected_at, is_active)
select $1, $2, $3, id, kind, scale, direction, event_id, data::jsonb,
       high::numeric, low::numeric, anchor, detected, active
from unnest($4::uuid[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[], $10::text[], $11::text[],
            $12::timestamptz[], $13::timestamptz[], $14::bool[])
  as p (id, kind, scale, direction, event_id, data, high, low, anchor, detected, active)
on conflict do nothing"""

_INSERT_DETECTIONS = """
insert into pattern_detections (id, pattern_id, event_id, kind, event_data, detected_at)
select id, pattern_id, event_id, kind, data::jsonb, detected
from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[])
  as d (id, pattern_id, event_id, kind, data, detected)
on conflict do nothing"""

_SAVE_CHECKPOINT = """
insert into agent_checkpoints (name, bar_time, state) values ($1, $2, $3)
on conflict (name) do update set bar_time = excluded.bar_time, state = excluded.state"""


def instant(time_ms: int) -> datetime:
    """Epoch milliseconds as a time; exact, where a float of seconds would not be."""
    return _EPOCH + timedelta(milliseconds=time_ms)


def epoch_ms(time: datetime) -> int:
    """A time as epoch milliseconds."""
    return (time - _EPOCH) // timedelta(milliseconds=1)


async def ensure_partitions(connection: "Connection", from_ms: int, to_ms: int) -> None:
    """Makes the monthly partitions for bars from..to (epoch ms), which cannot be made once such bars are stored."""
    await connection.execute(
        "select private.ensure_partitions('market_data', $1, $2)", instant(from_ms), instant(to_ms)
    )


async def store_bars(connection: "Connection", market: Market, bars: list[Bar]) -> None:
    """Writes closed bars; those that are there stay as they are."""
    if not bars:
        return
    times, *values = zip(*bars, strict=True)
    texts = [list(map(repr, column)) for column in values]
    await connection.execute(
        _INSERT_BARS, market.symbol, market.exchange, market.timeframe, list(map(instant, times)), *texts
    )


async def store_patterns(connection: "Connection", rows: PatternRows) -> None:
    """Writes patterns and detections, and marks the patterns that have ended."""
    if rows.patterns:
        *columns, anchors, detected, active = map(list, zip(*rows.patterns, strict=True))
        await connection.execute(
            _INSERT_PATTERNS, *rows.market, *columns, list(map(instant, anchors)), list(map(instant, detected)), active
        )
    if rows.detections:
        *columns, detected = map(list, zip(*rows.detections, strict=True))
        await connection.execute(_INSERT_DETECTIONS, *columns, list(map(instant, detected)))
    if rows.ended:
        await connection.execute("update smc_patterns set is_active = false where id = any($1::uuid[])", rows.ended)


async def load_checkpoint(connection: "Connection", name: str, lock: bool = False) -> tuple[int, bytes] | None:
    """(open time of the last bar in it, state) of the checkpoint `name`; `lock` holds it until the transaction ends."""
    row = await connection.fetchrow(
        f"select bar_time, state from agent_checkpoints where name = $1{' for update' if lock else ''}",  # noqa: S608 - no input
        name,
    )
    return (epoch_ms(row["bar_time"]), row["state"]) if row else None


async def save_checkpoint(connection: "Connection", name: str, bar_time: int, state: bytes) -> None:
    """Replaces the checkpoint `name`."""
    await connection.execute(_SAVE_CHECKPOINT, name, instant(bar_time), state)


async def bar_times(connection: "Connection", market: Market) -> list[int]:
    """The open times of all stored bars of `market`, oldest first: bar i of its detector opened at the i-th."""
    rows = await connection.fetch(
        "select timestamp from market_data where symbol = $1 and exchange = $2 and timeframe = $3 order by timestamp",
        market.symbol,
        market.exchange,
        market.timeframe,
    )
    return [epoch_ms(row[0]) for row in rows]
