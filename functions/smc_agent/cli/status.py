"""`smc status`: what runs, how far it is, and whether the books equal the venue's."""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import click
import httpx
from pydantic import ValidationError

from smc_agent.cli.options import Failed, json_option, state_option
from smc_agent.local.comparison import Difference, compare, read_books, read_venue
from smc_agent.local.disk_watch import shortage
from smc_agent.local.state import State, StateError
from smc_agent.local.supervisor import identity_of
from smc_agent.platform.settings import Settings, problems

LOOKS = 5  # fills are on their way to Postgres for a moment: only a difference that stays is one
BETWEEN_LOOKS = 0.4


@click.command(
    epilog="""\b
Examples:
  smc status
  smc status --json | jq .portfolios
  smc status && echo "runs, and the books are right"

The exit code is 0 only if everything runs and the books equal the venue's.
"""
)
@state_option
@json_option
def status(state_dir: Path, as_json: bool) -> None:
    """Say what runs, and compare the books with the venue's.

    For each paper portfolio, balances, positions and open orders in Postgres are compared with the paper venue's own,
    digit for digit.
    """
    try:
        found = asyncio.run(look(State(state_dir)))
    except StateError as error:
        raise Failed(str(error)) from None
    except ValidationError as error:
        raise Failed(f"{problems(error)}. Correct it in the environment.") from None
    click.echo(json.dumps(found, indent=2) if as_json else describe(found))
    sys.exit(0 if found["running"] and found["equal"] else 1)


async def look(state: State) -> dict[str, Any]:
    """All that is to be said, as JSON: `running`: every part runs; `equal`: every portfolio is compared and equal."""
    run = state.read("run.json") if state.holder() else None
    if run is None:
        return {"running": False, "equal": False, "state": str(state.folder), "parts": [], "portfolios": []}
    now = time.time()
    parts = [
        {
            "name": part["name"],
            "state": part["state"] if _lives(part) or not part["pid"] else "dead",
            "pid": part["pid"],
            "uptime_s": round(now - part["started_at"]) if part["pid"] else None,
            "restarts": part["restarts"],
        }
        for part in run["parts"]
    ]
    portfolios, problem = await _compare_until_equal(state)
    return {
        "running": bool(parts) and all(part["state"] == "running" for part in parts),
        "equal": problem is None and bool(portfolios) and all(portfolio["equal"] for portfolio in portfolios),
        "state": str(state.folder),
        "address": run["address"],
        "pid": run["pid"],
        "uptime_s": round(now - run["started_at"]),
        "market": run["market"],
        "progress": state.read("agent.json"),
        "parts": parts,
        "portfolios": portfolios,
        "problem": problem,
        "disk": shortage(state.folder),
    }


async def _compare_until_equal(state: State) -> tuple[list[dict[str, Any]], str | None]:
    """Each paper portfolio with its differences; and why they could not be compared, if so."""
    settings = Settings.with_state(state.folder)
    ours = (state.read("account.json") or {}).get("portfolio_id")
    if settings.database_url is None or settings.paper_url is None or settings.paper_token is None:
        return [], "the parts are still starting"
    client = httpx.AsyncClient(
        base_url=settings.paper_url,
        headers={"Authorization": f"Bearer {settings.paper_token.get_secret_value()}"},
        timeout=10,
        trust_env=False,
    )
    try:
        connection = await asyncpg.connect(settings.database_url.get_secret_value(), timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        await client.aclose()
        return [], f"the database does not answer ({type(error).__name__})"
    try:
        portfolios: list[dict[str, Any]] = []
        for look in range(LOOKS):
            if look:
                await asyncio.sleep(BETWEEN_LOOKS)
            portfolios = []
            for books in await read_books(connection):
                venue = await read_venue(client, books.portfolio_id)
                if venue is None and str(books.portfolio_id) != ours:
                    continue  # of another installation on the same hosted project
                differences = compare(books, venue)
                portfolios.append(_portfolio(str(books.portfolio_id), books.name, differences, venue))
            if all(portfolio["equal"] for portfolio in portfolios):
                break
        return portfolios, None
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return [], f"the paper venue cannot be asked ({type(error).__name__})"
    finally:
        await connection.close()
        await client.aclose()


def _portfolio(ident: str, name: str, differences: list[Difference], venue: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "id": ident,
        "name": name,
        "equal": not differences,
        "differences": [{"what": d.what, "books": d.books, "venue": d.venue} for d in differences],
        "balances": (venue or {}).get("balances", {}),
        "positions": (venue or {}).get("positions", []),
        "open_orders": len((venue or {}).get("open_orders", [])),
        "trades": _count((venue or {}).get("trades")),
    }


def describe(found: dict[str, Any]) -> str:
    """The same for people."""
    if "address" not in found:
        return f"Not running in {found['state']}. Start it with `smc up`."
    lines = [
        f"{found['address']}  (pid {found['pid']}, up {_duration(found['uptime_s'])})",
        f"market: {found['market']}",
    ]
    if progress := found["progress"]:
        lines.append(f"agent: {_progress(progress)}")
    for part in found["parts"]:
        up = f"pid {part['pid']}, up {_duration(part['uptime_s'])}" if part["pid"] else ""
        restarts = f", {part['restarts']} restarts" if part["restarts"] else ""
        lines.append(f"  {part['name']:<10} {part['state']:<10} {up}{restarts}".rstrip())
    for portfolio in found["portfolios"]:
        lines.append(f"portfolio {portfolio['name']} ({portfolio['id']}):")
        for asset, balance in sorted(portfolio["balances"].items()):
            lines.append(f"  {asset:<6} free {balance['free']}, locked {balance['locked']}")
        lines.append(f"  {portfolio['open_orders']} open orders, {portfolio['trades']} trades")
        lines.append("  books and venue: " + ("equal" if portfolio["equal"] else "DIFFERENT"))
        lines += [f"    {d['what']}: books {d['books']}, venue {d['venue']}" for d in portfolio["differences"]]
    if found["disk"]:
        lines.append(found["disk"])
    if found["problem"]:
        lines.append(f"not compared: {found['problem']}")
    return "\n".join(lines)


def _lives(part: dict[str, Any]) -> bool:
    return bool(part["pid"]) and identity_of(part["pid"]) == part["identity"]


def _count(trades: Any) -> int:
    return len(trades) if isinstance(trades, list) else int(trades or 0)


def _progress(progress: dict[str, Any]) -> str:
    total = f" of {progress['bars_total']:,}" if progress["bars_total"] else ""
    at = progress["bar_time_ms"]
    last = f", the last of {datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M} UTC" if at else ""
    state = ", finished" if progress["finished"] else ", THE FEED IS SILENT" if progress["stale"] else ""
    counts = ", ".join(f"{progress[name]} {name}" for name in ("signals", "refusals", "orders"))
    return f"{progress['bars_done']:,}{total} bars{last}{state}; in all runs: {counts}"


def _duration(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s" if rest >= 60 else f"{rest} s"
