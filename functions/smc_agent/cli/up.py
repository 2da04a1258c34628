"""`smc up`: the whole agent on this machine, until Ctrl-C."""

import asyncio
import signal
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import click
from pydantic import ValidationError

from smc_agent.cli.options import Email, Failed, Refused, state_option
from smc_agent.local.disk_watch import DiskWatch
from smc_agent.local.first_user import Account, AdminError
from smc_agent.local.installation import NotBuilt, program, web_app
from smc_agent.local.joined_log import JoinedLog
from smc_agent.local.market_choice import Asked, MarketError, choose, remembered
from smc_agent.local.migrate import MigrationFailed
from smc_agent.local.ports import PortTaken, claim_first
from smc_agent.local.postgres import PostgresFailed
from smc_agent.local.postgrest import postgrest_binary
from smc_agent.local.stack import Stack
from smc_agent.local.state import State, StateError
from smc_agent.local.supervisor import StartError
from smc_agent.platform.settings import Settings, problems

PORTS = range(8700, 8800)  # the first that is free, so that the address mostly stays


@click.command(
    epilog="""\b
Examples:
  smc up                                        live bars on paper; generated ones where no exchange answers
  smc up --replay BTC-PERP_1m.csv --speed max   a recording, as fast as it is worked off
  smc up --replay BTC-PERP_1m.csv --speed 60    a minute a second
  smc up --live binance --symbol ETHUSDT --timeframe 5m
  smc up --synthetic --state /tmp/demo --port 8800
  smc up                                        a second time: goes on where it stopped
"""
)
@click.option(
    "--replay", type=click.Path(path_type=Path), metavar="FILE", help="Recorded bars: CSV, Parquet or Feather."
)
@click.option("--live", metavar="EXCHANGE", help="Public bars of an exchange, by its ccxt name; traded on paper.")
@click.option("--synthetic", is_flag=True, help="Generated bars, without network or recording.")
@click.option("--speed", metavar="max|N", help="Of a replay or generated bars: N times faster than life. [default: 60]")
@click.option("--symbol", help="The venue's own id, BTCUSDT. [default: the file's, or BTCUSDT]")
@click.option("--timeframe", help="1m, 5m, 1h ... [default: the file's, or 1m]")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Of the web app and its API. [default: the first free from 8700]"
)
@click.option("--email", type=Email(), help="Of the first user. [default: admin@localhost.localdomain]")
@state_option
def up(
    replay: Path | None,
    live: str | None,
    synthetic: bool,
    speed: str | None,
    symbol: str | None,
    timeframe: str | None,
    port: int | None,
    email: str | None,
    state_dir: Path,
) -> None:
    """Start the whole agent on this machine, on paper, and keep it running until Ctrl-C.

    The first start makes an administrator, a paper account and a session on the market, and prints a one-time link. The
    state folder remembers the market: a later `smc up` goes on with it.
    """
    if sum((replay is not None, live is not None, synthetic)) > 1:
        raise Refused("--replay, --live and --synthetic exclude each other. Choose one.")
    try:
        settings = Settings(speed=speed) if speed else Settings()
    except ValidationError as error:
        raise Refused(f"{problems(error).replace('SMC_SPEED', '--speed', 1) if speed else problems(error)}.") from None
    kind: Literal["live", "replay", "synthetic"] | None
    kind = "replay" if replay else "live" if live else "synthetic" if synthetic else None
    if kind is None and settings.market != "auto":
        kind = settings.market
    elif kind is None and settings.replay:
        kind = "replay"
    given = settings.model_fields_set
    asked = Asked(
        kind=kind,
        replay=replay or (settings.replay if kind == "replay" else None),
        exchange=live or settings.exchange,
        exchange_url=settings.exchange_url,
        symbol=symbol or settings.symbol,
        timeframe=timeframe or settings.timeframe,
        speed=settings.speed if "speed" in given else None,
    )
    try:
        asyncio.run(_run(asked, settings, State(state_dir), port, email))
    except (MarketError, PortTaken) as error:
        raise Refused(str(error)) from None
    except (StateError, StartError, AdminError, NotBuilt, PostgresFailed, MigrationFailed, LookupError) as error:
        raise Failed(str(error)) from None
    except OSError as error:  # of the disk: whatever can be foreseen has its own error
        raise Failed(State(state_dir).why(error)) from None


async def _run(asked: Asked, settings: Settings, state: State, port: int | None, email: str | None) -> None:
    program("executor"), program("paper_venue"), web_app()  # before anything else: nothing is left behind
    if settings.database_url is None:
        postgrest_binary()
    market = await choose(asked, remembered(state))
    state.open()
    try:
        with claim_first([port] if port else PORTS) as front_door:
            account = Account.of(state, email)
            log = JoinedLog(state.folder / "logs" / "smc.log")
            try:
                stack = Stack(state, market, account, log, settings, front_door)
                state.announce(stack.address)
                await _until_stopped(stack, asked)
            finally:
                log.close()
    finally:
        state.close()


async def _until_stopped(stack: Stack, asked: Asked) -> None:
    """Start, then wait for Ctrl-C or SIGTERM; a second one while stopping kills what is left."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(name: str) -> None:
        if stopped.is_set():
            stack.log.say(f"{name} again: killing what is left")
            stack.supervisor.force()
        stopped.set()

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signum, on_signal, signum.name)
    stack.log.say(f"market: {stack.market.describe()}")
    if asked.kind is None and stack.market.kind == "synthetic":
        stack.log.say(f"{asked.exchange} does not answer from here, so the market is SYNTHETIC")
    watching = asyncio.ensure_future(DiskWatch(stack.state.folder, stack.log.say).run())
    try:
        starting = asyncio.ensure_future(stack.start())
        waiting = asyncio.ensure_future(stopped.wait())
        await asyncio.wait((starting, waiting), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            stack.log.banner(banner(stack))
            await waiting
        else:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        stack.log.say("stopping")
    finally:
        stopped.set()
        await stack.stop()
        watching.cancel()
    stack.log.say("stopped; `smc up` goes on from here")


def banner(stack: Stack) -> str:
    """What a person sees once everything runs: where to go, what it is, what to do next."""
    market, account = stack.market, stack.account
    first = (
        f"one-time link, for the administrator {account.email}:\n               {stack.link}"
        if stack.link
        else f"sign in as {account.email} (`smc admin link {account.email}` makes a new one-time link)"
    )
    return f"""
  SMC Trading Agent {version("smc-agent")}    PAPER: no real money moves

    address    {stack.address}
    sign in    {first}
    market     {market.describe()}
    state      {stack.state.folder}
    next       open the link; `smc status` compares the books; Ctrl-C stops, `smc up` goes on

"""
