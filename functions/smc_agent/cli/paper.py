"""`smc paper`: the paper venue by itself, matched against the live order book of an exchange."""

import asyncio
import json
import secrets
import signal
import subprocess
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from smc_agent.cli.options import Failed, Refused

START_LIMIT_S = 15.0


@click.command(
    epilog="""\b
Examples:
  smc paper
  smc paper --exchange kraken --symbol XBTUSDT --balance USDT=5000
  smc paper --latency 40 --port 9555

Point a bot at the address that it prints: REST and WebSocket API of Binance spot for the account `spot`, of USD-M
futures for the account `swap`. Their keys are in DIR/paper_venue.json. What was traded is there again after a restart.
"""
)
@click.option("--exchange", envvar="SMC_EXCHANGE", default="binance", show_default=True, help="ccxt's name of it.")
@click.option("--symbol", envvar="SMC_SYMBOL", default="BTCUSDT", show_default=True, help="The exchange's own id.")
@click.option("--exchange-url", envvar="SMC_EXCHANGE_URL", metavar="URL", help="Another address of the exchange.")
@click.option("--port", default=9443, show_default=True, type=click.IntRange(0, 65535), help="0: a free one.")
@click.option("--balance", "balances", multiple=True, metavar="ASSET=AMOUNT", help="At first [default: USDT=100000].")
@click.option("--latency", default=0, show_default=True, metavar="MS", type=click.IntRange(0, 60_000))
@click.option(
    "--state", "folder", default=Path(".smc-paper"), show_default=True, metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path), help="Keys, configuration and journal.",
)  # fmt: skip
def paper(
    exchange: str,
    symbol: str,
    exchange_url: str | None,
    port: int,
    balances: tuple[str, ...],
    latency: int,
    folder: Path,
) -> None:
    """Serve Binance's protocol on this machine, matched against an exchange's live order book and trades."""
    from smc_agent.local.installation import NotBuilt
    from smc_agent.market.exchange import ExchangeSource, network_errors

    try:
        source = ExchangeSource(exchange, symbol, "1m", exchange_url)
    except ValueError as error:
        raise Refused(f"{error}. Name one with --exchange.") from None
    funds = _amounts(balances or ("USDT=100000",))
    try:
        asyncio.run(_serve(source, folder, port, latency, funds))
    except (NotBuilt, _NoVenue) as error:
        raise Failed(str(error)) from None
    except ValueError as error:
        raise Refused(f"{error}. Name another with --symbol or --exchange.") from None
    except network_errors() as error:
        raise Failed(
            f"{exchange} cannot be reached ({type(error).__name__}). Check the network, or --exchange."
        ) from None


class _NoVenue(Exception):
    """The venue did not start, or ended."""


async def _serve(source: Any, folder: Path, port: int, latency: int, funds: dict[str, str]) -> None:
    from smc_agent.local.agent_venue import PaperVenue
    from smc_agent.local.installation import program
    from smc_agent.market.live_book import LiveBook

    binary = program("paper_venue")
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    try:
        await source.connect()
        config = _configuration(folder, port, latency, funds, source.rules())
        process = await asyncio.create_subprocess_exec(
            binary, "--config", folder / "paper_venue.json", stderr=subprocess.PIPE, env={"RUST_LOG": "info"}
        )
        try:
            address = await asyncio.wait_for(_address(process), START_LIMIT_S)
            log = asyncio.create_task(_pass_on(process))
            click.echo(f"http://{address} serves {source.symbol} at the prices of {source.exchange}; Ctrl-C stops it.")
            venue, book = PaperVenue(f"http://{address}", config["control_token"]), LiveBook(source)
            feeding = asyncio.create_task(_feed(venue, book, source.symbol))
            stopped, ended = asyncio.create_task(stop.wait()), asyncio.create_task(process.wait())
            await asyncio.wait({stopped, ended, feeding}, return_when=asyncio.FIRST_COMPLETED)
            for task in (stopped, feeding, log):
                task.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            if feeding.done() and not feeding.cancelled() and (error := feeding.exception()):
                raise error
            if not stop.is_set():
                raise _NoVenue(f"The venue ended by itself ({process.returncode}). Its last lines say why.")
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
    finally:
        await source.close()


async def _feed(venue: Any, book: Any, symbol: str) -> None:
    async for batch in book.messages():
        if not await venue.tell_book(symbol, batch):
            book.begin_anew()


async def _address(process: asyncio.subprocess.Process) -> str:
    """The address that the venue's log names; whatever else it says first is passed on."""
    assert process.stderr is not None
    while line := (await process.stderr.readline()).decode(errors="replace").strip():
        _, found, address = line.partition("listening on ")
        if found:
            return address
        click.echo(line, err=True)
    raise _NoVenue("The venue did not start. The lines above say why.")


async def _pass_on(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    while line := await process.stderr.readline():
        click.echo(line.decode(errors="replace").rstrip(), err=True)


def _configuration(folder: Path, port: int, latency: int, funds: dict[str, str], rules: Any) -> dict[str, Any]:
    """Writes the venue's configuration; keys and balances of an earlier one are kept."""
    from smc_agent.local.state import State

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = State(folder)
    before = state.read("paper_venue.json") or {}
    accounts = before.get("accounts") or [
        {
            "name": name, "market": name, "api_key": secrets.token_hex(32), "api_secret": secrets.token_hex(32),
            "balances": funds,
        }
        for name in ("spot", "swap")
    ]  # fmt: skip
    config = {
        "listen": f"127.0.0.1:{port}",
        "state": str(state.folder / "paper_venue.journal"),
        "control_token": before.get("control_token") or secrets.token_hex(32),
        "fees": {"maker": "0.001", "taker": "0.001"},
        "latency_ms": latency,
        "symbols": [json.loads(rules.model_dump_json())],
        "accounts": accounts,
    }
    state.write("paper_venue.json", config)
    return config


def _amounts(balances: tuple[str, ...]) -> dict[str, str]:
    funds = {}
    for balance in balances:
        asset, _, amount = balance.partition("=")
        try:
            if not asset or not (Decimal(amount) >= 0):
                raise InvalidOperation
        except InvalidOperation:
            raise Refused(f"--balance {balance!r} is no amount of an asset. Write it like USDT=100000.") from None
        funds[asset.upper()] = format(Decimal(amount), "f")
    return funds
