"""The agent process: `python -m smc_agent.local.agent` follows the settings' market until it is told to stop."""

import asyncio
import base64
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable

import httpx
from pydantic import SecretStr, ValidationError

from smc_agent.execution import ExecutorClient, WrongToken
from smc_agent.local.agent_executor import PatientExecutor, Stopped
from smc_agent.local.agent_loop import Agent, CheckpointError
from smc_agent.local.agent_market import open_source
from smc_agent.local.agent_progress import Progress
from smc_agent.local.agent_store import AgentLockedError, AgentStore
from smc_agent.local.agent_venue import PaperVenue, VenueError
from smc_agent.market import Bar, Market
from smc_agent.market.bus import open_bus
from smc_agent.market.source import ReplaySource, Source
from smc_agent.platform.settings import Settings, problems

log = logging.getLogger("agent")

_QUEUE = 64


async def bars_until(
    stop: asyncio.Event, source: Source, after: int | None, patience: Callable[[], float | None]
) -> AsyncIterator[Bar | None]:
    """The source's bars until it ends or `stop` is set; None when none came for `patience()` seconds (None: ever)."""
    queue: asyncio.Queue[Bar] = asyncio.Queue(_QUEUE)

    async def pump() -> None:
        async for bar in source.bars(after):
            await queue.put(bar)

    reading, stopping = asyncio.create_task(pump()), asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            if not queue.empty():
                yield queue.get_nowait()
                continue
            if reading.done():
                reading.result()
                return
            arrival = asyncio.create_task(queue.get())
            await asyncio.wait({arrival, reading, stopping}, timeout=patience(), return_when=asyncio.FIRST_COMPLETED)
            if arrival.done():
                yield arrival.result()
                continue
            arrival.cancel()
            if not reading.done() and not stop.is_set():
                yield None
    finally:
        for task in (reading, stopping):
            task.cancel()
        await asyncio.gather(reading, stopping, return_exceptions=True)


async def follow(agent: Agent, source: Source, stop: asyncio.Event) -> None:
    """Gives `agent` the bars of `source`, until there are no more or `stop` is set; then everything is committed."""
    try:
        async for bar in bars_until(stop, source, agent.last_bar, lambda: agent.commit_due_s):
            if bar is None:
                await agent.commit()
            else:
                await agent.on_bar(bar)
    except Stopped:
        pass
    with contextlib.suppress(Stopped):
        await agent.commit()


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Follows the settings' market until `stop` is set; after the end of a recording it waits for that."""
    settings.require("database_url", "executor_url", "executor_token", "command_key", "paper_url", "paper_token")
    assert settings.executor_url is not None
    assert settings.paper_url is not None
    database_url = _secret(settings.database_url)
    source = await open_source(settings)
    market = Market(source.exchange, source.symbol, source.timeframe)
    venue = PaperVenue(settings.paper_url, _secret(settings.paper_token))
    http = httpx.AsyncClient(timeout=httpx.Timeout(60, connect=5))
    executor = PatientExecutor(
        ExecutorClient(settings.executor_url, _secret(settings.executor_token), http),
        base64.b64decode(_secret(settings.command_key)),
        settings.command_key_id,
        stop,
    )
    store = AgentStore(database_url, market, stop)
    bus = open_bus(database_url, settings.redis_url.get_secret_value() if settings.redis_url else None)
    progress = Progress(source, market, settings.state_dir)
    beside = [asyncio.create_task(progress.report()), asyncio.create_task(executor.keep_beating())]
    try:
        rules = await executor.until_answered(lambda: venue.rules(source.symbol), "paper venue")
        if isinstance(source, ReplaySource):
            await store.make_partitions(*source.span)
            gaps = source.gaps()
            if gaps:
                log.info("the recording lacks %d bars in %d places", sum(gap.missing for gap in gaps), len(gaps))
        agent = Agent(market, rules, store, venue, executor, bus, progress)
        await agent.start()
        await follow(agent, source, stop)
        if not stop.is_set():
            progress.finished = True
            progress.write()
            log.info(
                "replay finished: %s bars, %d signals, %d refused, %d orders; %s bars in this run, %.1f s (%.0f/s)",
                f"{progress.bars_done:,}", progress.signals, progress.refusals, progress.orders,
                f"{progress.run_bars:,}", progress.seconds, progress.run_bars / progress.seconds,
            )  # fmt: skip
            await stop.wait()
    except Stopped:
        pass
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        progress.write()
        await asyncio.gather(source.close(), venue.close(), http.aclose(), store.close(), bus.close(),
                             return_exceptions=True)  # fmt: skip


def _secret(value: SecretStr | None) -> str:
    return value.get_secret_value() if value is not None else ""


async def main() -> int:
    """Reads the settings and follows the market; the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    try:
        await run(Settings(), stop)
    except ValidationError as error:
        log.error("agent: %s", problems(error))
    except (ValueError, LookupError, CheckpointError, AgentLockedError, VenueError, WrongToken) as error:
        log.error("agent: %s", error)
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
