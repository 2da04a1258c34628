"""Stored bars, read for the API: which markets there are, and closed bars of any time frame made of the stored ones."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from smc_agent.market.timeframes import TIMEFRAMES, WEEK
from smc_agent.platform.problems import Problem

if TYPE_CHECKING:
    from smc_agent.market.bars import Bar
    from smc_agent.platform.database import Connection

MAX_STORED_BARS = 500_000  # read for one request; a longer period is paged
MONDAY_MS = 4 * 86_400_000  # the epoch was a Thursday; weeks open on Monday, as market.timeframes has it

# Walks the primary key from market to market; a plain DISTINCT would read every bar.
_SERIES = """
with recursive market as (
  (select symbol, exchange, timeframe from public.market_data order by symbol, exchange, timeframe limit 1)
  union all
  select n.symbol, n.exchange, n.timeframe from market m cross join lateral (
    select symbol, exchange, timeframe from public.market_data
    where (symbol, exchange, timeframe) > (m.symbol, m.exchange, m.timeframe)
    order by symbol, exchange, timeframe limit 1) n
)
select m.exchange, m.symbol, m.timeframe, (extract(epoch from l.timestamp) * 1000)::bigint as last_bar_ms, l.close
from market m cross join lateral (
  select d.timestamp, d.close from public.market_data d
  where d.symbol = m.symbol and d.exchange = m.exchange and d.timeframe = m.timeframe
  order by d.timestamp desc limit 1) l
where $1::text is null or m.symbol = $1
"""

# Buckets of $6 ms, $7 ms off the epoch's multiples, of the stored bars with $4 <= open time < $5.
_BARS = """
select (t - $7) / $6 * $6 + $7, (array_agg(open order by t))[1]::float8, max(high)::float8, min(low)::float8,
  (array_agg(close order by t desc))[1]::float8, sum(volume)::float8
from (
  select (extract(epoch from timestamp) * 1000)::bigint as t, open, high, low, close, volume from public.market_data
  where symbol = $1 and exchange = $2 and timeframe = $3 and timestamp >= $4 and timestamp < $5
) stored
group by 1 order by 1
"""


class Series(NamedTuple):
    """One stored run of bars. last_bar_ms: open time of its newest; close: that bar's."""

    exchange: str
    symbol: str
    timeframe: str
    last_bar_ms: int
    close: Decimal

    @property
    def length_ms(self) -> int:
        return TIMEFRAMES[self.timeframe]

    @property
    def closed_until_ms(self) -> int:
        """Close time of the newest bar."""
        return self.last_bar_ms + self.length_ms


async def read_series(connection: "Connection", symbol: str | None = None) -> list[Series]:
    """Every stored series of known time frames, or those of `symbol`."""
    rows = await connection.fetch(_SERIES, symbol)
    return [Series(*row.values()) for row in rows if row["timeframe"] in TIMEFRAMES]


def choose_series(series: list[Series], timeframe: str, exchange: str | None = None) -> Series:
    """The stored series that bars of `timeframe` are best made of: itself, else the longest that divides it.

    Without an exchange the one with the newest bar. Raises Problem `unknown_market`, `unsupported_timeframe`.
    """
    of_exchange = [s for s in series if exchange is None or s.exchange == exchange]
    if not of_exchange:
        where = f" from {exchange}" if exchange else ""
        raise Problem(
            "unknown_market", f"No bars{where} of this symbol are stored; GET /api/v1/market/symbols lists all."
        )
    fitting = [s for s in of_exchange if TIMEFRAMES[timeframe] % s.length_ms == 0]
    if not fitting:
        stored = ", ".join(sorted({s.timeframe for s in of_exchange}, key=TIMEFRAMES.__getitem__))
        raise Problem("unsupported_timeframe", f"{timeframe} cannot be made of the stored bars ({stored}).")
    newest = max(fitting, key=lambda s: s.closed_until_ms).exchange
    return max((s for s in fitting if s.exchange == newest), key=lambda s: s.length_ms)


class Page(NamedTuple):
    """bars: closed, oldest first. next_before_ms: where the page before this one ends; None: there is none."""

    bars: "list[Bar]"
    next_before_ms: int | None


def _floor(time_ms: int, length: int, offset: int) -> int:
    return (time_ms - offset) // length * length + offset


def _ceil(time_ms: int, length: int, offset: int) -> int:
    return -_floor(-time_ms, length, -offset)


def _moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)


async def read_period(
    connection: "Connection", series: Series, timeframe: str, start_ms: int, end_ms: int
) -> "list[Bar]":
    """The bars of `timeframe` that opened at or after `start_ms` and have closed by `end_ms`."""
    from smc_agent.market.bars import Bar

    length = TIMEFRAMES[timeframe]
    offset = MONDAY_MS if length == WEEK else 0
    end_ms = _floor(min(end_ms, series.closed_until_ms), length, offset)
    oldest_ms = await _open_time(connection, series, "min", end_ms)
    if oldest_ms is None:
        return []
    start_ms = _ceil(max(start_ms, oldest_ms), length, offset)  # of a bar that began before, the open is not known
    if start_ms >= end_ms:
        return []
    rows = await connection.fetch(
        _BARS, series.symbol, series.exchange, series.timeframe, _moment(start_ms), _moment(end_ms), length, offset
    )
    return await asyncio.to_thread(lambda: [Bar(*row.values()) for row in rows])  # may be 200,000


async def read_page(
    connection: "Connection", series: Series, timeframe: str, limit: int, before_ms: int | None
) -> Page:
    """The newest `limit` bars of `timeframe` that opened before `before_ms`; fewer where the stored bars have holes."""
    length = TIMEFRAMES[timeframe]
    offset = MONDAY_MS if length == WEEK else 0
    limit = min(limit, max(1, MAX_STORED_BARS * series.length_ms // length))
    end_ms = series.closed_until_ms if before_ms is None else min(before_ms, series.closed_until_ms)
    # Start at the last bar there is, so that a hole longer than a page does not end the paging.
    newest = await _open_time(connection, series, "max", end_ms)
    oldest = await _open_time(connection, series, "min", end_ms)
    if newest is None or oldest is None:
        return Page([], None)
    end_ms = min(_floor(series.closed_until_ms, length, offset), _floor(newest, length, offset) + length)
    if before_ms is not None:
        end_ms = min(end_ms, _ceil(before_ms, length, offset))
    start_ms = end_ms - limit * length
    bars = await read_period(connection, series, timeframe, start_ms, end_ms)
    more = _ceil(oldest, length, offset) < start_ms
    return Page(bars, start_ms if more else None)


async def oldest_open_ms(connection: "Connection", series: Series) -> int | None:
    """Open time of the oldest stored bar; None where there is none."""
    return await _open_time(connection, series, "min", series.closed_until_ms)


async def _open_time(connection: "Connection", series: Series, which: str, before_ms: int) -> int | None:
    time_ms: int | None = await connection.fetchval(
        f"select (extract(epoch from {which}(timestamp)) * 1000)::bigint from public.market_data"  # noqa: S608 - ours
        " where symbol = $1 and exchange = $2 and timeframe = $3 and timestamp < $4",
        series.symbol,
        series.exchange,
        series.timeframe,
        _moment(before_ms),
    )
    return time_ms
