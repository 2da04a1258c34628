"""`smc doctor`: what the agent needs, and how to mend what is missing."""

import asyncio
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import click
from pydantic import ValidationError

from smc_agent.cli.options import json_option, state_option
from smc_agent.local import installation
from smc_agent.local.ports import PortTaken, claim_first
from smc_agent.local.readiness import get
from smc_agent.local.state import MIN_FREE_BYTES, State, StateError, too_open
from smc_agent.local.supervisor import NotReady
from smc_agent.platform.settings import Settings, problems

SECRET_FILES = ("secrets.json", "environment.json", "run.json", "run/paper.json", "run/executor.json", "logs/smc.log")
EXCHANGE_PING = {"binance": "https://api.binance.com/api/v3/ping"}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `cure` says how to mend it; 'info' is worth knowing and nothing to mend."""

    name: str
    state: Literal["ok", "failed", "info"]
    found: str
    cure: str = ""


@click.command(
    epilog="""\b
Examples:
  smc doctor
  smc doctor --json | jq '.checks[] | select(.state == "failed")'

The exit code is 0 only if nothing failed.
"""
)
@state_option
@json_option
def doctor(state_dir: Path, as_json: bool) -> None:
    """Check what the agent needs, and say how to mend what is missing."""
    checks = [*tools(), *built(), *folder(State(state_dir)), *ports(State(state_dir)), *settings(state_dir)]
    checks += asyncio.run(connections(State(state_dir)))
    healthy = all(check.state != "failed" for check in checks)
    if as_json:
        click.echo(json.dumps({"healthy": healthy, "checks": [asdict(check) for check in checks]}, indent=2))
    else:
        marks = {"ok": "ok    ", "failed": "FAILED", "info": "info  "}
        for check in checks:
            click.echo(
                f"{marks[check.state]}  {check.name}: {check.found}" + (f"\n        {check.cure}" if check.cure else "")
            )
        click.echo("Everything is in order." if healthy else "Mend what FAILED, then run `smc doctor` again.")
    sys.exit(0 if healthy else 1)


def tools() -> Iterator[Check]:
    """Python, Node and cargo, with their versions."""
    version = ".".join(map(str, sys.version_info[:3]))
    fits = (3, 11) <= sys.version_info[:2] < (3, 13)
    yield Check(
        "Python", "ok" if fits else "failed", version, "" if fits else "Install Python 3.11 or 3.12; make setup."
    )
    for name, least, cure in (
        ("node", 20, "Install Node 20 or newer (https://nodejs.org); it builds the web app."),
        ("cargo", 1, "Install Rust (https://rustup.rs); it builds the executor."),
    ):
        said = _version_of(name)
        if said is None:
            yield Check(name, "failed", "not found in PATH", cure)
        else:
            number = said.removeprefix("v").removeprefix("cargo ").split()[0]
            yield (
                Check(name, "ok", number) if int(number.split(".")[0]) >= least else Check(name, "failed", number, cure)
            )


def built() -> Iterator[Check]:
    """The parts that `make setup` builds or installs."""
    for name in ("executor", "paper_venue"):
        yield _built(name, partial(installation.program, name))
    yield _built("web app", installation.web_app)
    try:
        from smc_agent.local.postgrest import postgrest_binary

        yield _built("PostgREST", postgrest_binary)
    except ImportError as error:
        yield Check("Postgres", "failed", f"{error.name} is not installed", "Run `make setup`.")


def folder(state: State) -> Iterator[Check]:
    """The state folder: room, permissions, secrets."""
    place = next(path for path in (state.folder, *state.folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    cure = (
        ""
        if free >= MIN_FREE_BYTES
        else f"Free {MIN_FREE_BYTES // 1_000_000} MB, or choose another place with --state."
    )
    yield Check("disk", "failed" if cure else "ok", f"{free // 1_000_000} MB free at {place}", cure)
    if not state.folder.exists():
        yield Check("state", "info", f"{state.folder} is not there yet; `smc up` makes it")
        return
    if not os.access(state.folder, os.W_OK | os.X_OK):
        yield Check(
            "state", "failed", f"{state.folder} cannot be written", "Give this user the folder, or use --state."
        )
        return
    mode = stat.S_IMODE(state.folder.stat().st_mode)
    # Under root 0701: the database server's own user passes through.
    private = not mode & 0o066
    cure = "" if private else f"chmod 700 {state.folder}"
    yield Check("state", "ok" if private else "failed", f"{state.folder} ({mode:04o})", cure)
    for name in SECRET_FILES:
        path = state.folder / name
        if opened := too_open(path):
            yield Check(name, "failed", f"others may read it ({opened})", f"chmod 600 {path}")
    try:
        yield Check("secrets", "ok", f"{len(state.read('secrets.json') or {})} in secrets.json")
    except StateError as error:
        yield Check("secrets", "failed", *_cause_and_cure(error))


def ports(state: State) -> Iterator[Check]:
    """A free port for the web app, or who runs here already."""
    try:
        if holder := state.holder():
            yield Check("running", "info", f"pid {holder.get('pid')}, {holder.get('address')}")
            return
        with claim_first(range(8700, 8800)) as claimed:
            yield Check("ports", "ok", f"the web app gets {claimed.getsockname()[1]}")
    except (PortTaken, StateError) as error:
        yield Check("ports", "failed", *_cause_and_cure(error))


def settings(state_dir: Path) -> Iterator[Check]:
    """Whether the settings can be meant."""
    try:
        found = Settings.with_state(state_dir)
    except ValidationError as error:
        yield Check(
            "settings", "failed", problems(error), "Correct it in the environment; `smc config` shows the sources."
        )
        return
    except ValueError as error:
        yield Check("settings", "failed", f"damaged in {state_dir} ({error})", "`smc up` writes them anew.")
        return
    if found.replay is not None and not found.replay.exists():
        yield Check("settings", "failed", f"SMC_REPLAY: {found.replay} is not there", "Bring the file back.")
    else:
        yield Check("settings", "ok", "all can be meant")


async def connections(state: State) -> list[Check]:
    """Whether database, gateway and executor answer, where they run; and the exchange, as information."""
    checks = []
    run = state.read("run.json") if state.folder.exists() and state.holder() else None
    try:
        found = Settings.with_state(state.folder)
    except ValueError:
        return []
    if found.database_url is not None and (run or os.environ.get("DATABASE_URL")):
        checks.append(await _database(found.database_url.get_secret_value()))
    if run:
        for name, url in (("gateway", f"{run['address']}/config.json"), ("executor", f"{found.executor_url}/readyz")):
            try:
                status, _ = await asyncio.wait_for(get(url), timeout=5)
                cure = "" if status == 200 else f"Look for {name} in {state.folder}/logs/smc.log."
                checks.append(Check(name, "failed" if cure else "ok", f"{url} answers {status}", cure))
            except (NotReady, TimeoutError) as error:
                cure = f"Look for {name} in {state.folder}/logs/smc.log; it is started again by itself."
                checks.append(Check(name, "failed", str(error) or "no answer within 5 s", cure))
    checks.append(await _exchange(found))
    return checks


async def _database(url: str) -> Check:
    import asyncpg

    try:
        connection = await asyncpg.connect(url, timeout=5)
        version = await connection.fetchval("show server_version")
        await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        return Check(
            "database", "failed", f"does not answer ({type(error).__name__})", "Check DATABASE_URL, or `smc up`."
        )
    return Check("database", "ok", f"Postgres {version}")


async def _exchange(settings: Settings) -> Check:
    import httpx

    url = settings.exchange_url or EXCHANGE_PING.get(settings.exchange)
    if url is None:
        return Check("exchange", "info", f"{settings.exchange}: not tried")
    try:
        async with httpx.AsyncClient(timeout=4) as client:
            answer = await client.get(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Check(
            "exchange",
            "info",
            f"{settings.exchange} does not answer from here ({type(error).__name__})",
            "Without it, run on recorded bars (--replay FILE) or on generated ones (--synthetic).",
        )
    return Check("exchange", "info", f"{settings.exchange} answers ({answer.status_code})")


def _version_of(name: str) -> str | None:
    try:
        done = subprocess.run([name, "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _built(name: str, find: Callable[[], Path]) -> Check:
    try:
        return Check(name, "ok", str(find()))
    except installation.NotBuilt as error:
        return Check(name, "failed", *_cause_and_cure(error))


def _cause_and_cure(error: Exception) -> tuple[str, str]:
    cause, _, cure = str(error).partition(". ")
    return cause, cure
