"""Lambda: pushes one closed bar through detection. All it knows is in the database, so any copy may run."""

import asyncio
import json
from typing import TYPE_CHECKING, Any

import asyncpg
from aws_lambda_powertools import Logger
from pydantic import BaseModel, ConfigDict, Field

from smc_agent.detection import Detector, Event
from smc_agent.market.bars import Bar, check_bar
from smc_agent.market.patterns import PatternRows
from smc_agent.market.store import (
    epoch_ms,
    instant,
    load_checkpoint,
    save_checkpoint,
    store_bars,
    store_patterns,
)
from smc_agent.market.symbols import Market
from smc_agent.market.timeframes import milliseconds
from smc_agent.platform.settings import Settings

if TYPE_CHECKING:
    from smc_agent.market.store import Connection

logger = Logger(service="on_bar_close")


class ClosedBar(BaseModel):
    """What the function is called with: a market, and its bar as [open time in ms, open, high, low, close, volume]."""

    model_config = ConfigDict(extra="forbid")

    exchange: str = Field(max_length=50)
    symbol: str = Field(max_length=20)
    timeframe: str
    bar: tuple[int, float, float, float, float, float]


async def on_bar_close(connection: "Connection", market: Market, bar: Bar) -> list[Event]:
    """Pushes `bar` through the market's detector and stores what it made known; a bar that it has changes nothing.

    All in one transaction, one bar of a market at a time. Returns the new events. ValueError for an unsound bar.
    """
    milliseconds(market.timeframe)
    name = f"detector:{market}"
    async with connection.transaction():
        # The first bar has no checkpoint to lock.
        await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", name)
        checkpoint = await load_checkpoint(connection, name)
        detector = Detector.restore(checkpoint[1]) if checkpoint else Detector()
        if checkpoint and bar.time <= checkpoint[0]:
            return []
        check_bar(bar, checkpoint[0] if checkpoint else None, row=detector.bars + 1, source=str(market))
        events = detector.push(*bar)
        await store_bars(connection, market, [bar])
        opened = await _open_times(connection, market, bar, detector.bars - 1, {event.anchor for event in events})
        rows = PatternRows(market)
        rows.add(events, opened.__getitem__)
        await store_patterns(connection, rows)
        await save_checkpoint(connection, name, bar.time, detector.save())
    return events


async def _open_times(
    connection: "Connection", market: Market, bar: Bar, index: int, indices: set[int]
) -> dict[int, int]:
    """Bar index -> open time, of `indices` and of `bar` itself, whose index is `index`."""
    opened = {index: bar.time}
    for i in indices - {index}:
        time = await connection.fetchval(
            "select timestamp from market_data where symbol = $1 and exchange = $2 and timeframe = $3"
            " and timestamp <= $4 order by timestamp desc offset $5 limit 1",
            market.symbol,
            market.exchange,
            market.timeframe,
            instant(bar.time),
            index - i,
        )
        if time is None:
            raise RuntimeError(
                f"{market}: bar {i} of the detector is not in market_data; its checkpoint is of other bars"
            )
        opened[i] = epoch_ms(time)
    return opened


async def _handle(calls: list[ClosedBar]) -> int:
    settings = Settings()
    settings.require("database_url")
    assert settings.database_url is not None
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        found = 0
        for call in calls:
            market = Market(call.exchange, call.symbol, call.timeframe)
            events = await on_bar_close(connection, market, Bar(*call.bar))
            found += len(events)
            logger.info("bar closed", extra={"market": str(market), "bar_ms": call.bar[0], "events": len(events)})
        return found
    finally:
        await connection.close()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """One bar (`ClosedBar`), or an SQS batch with one in each body, in order; answers how many `events` they made."""
    bodies = [json.loads(record["body"]) for record in event["Records"]] if "Records" in event else [event]
    return {"events": asyncio.run(_handle([ClosedBar.model_validate(body) for body in bodies]))}
