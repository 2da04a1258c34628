"""`smc admin`: users, one-time links, roles."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click
from pydantic import ValidationError

from smc_agent.cli.options import Email, Failed, json_option, state_option
from smc_agent.local.first_user import ROLES, AdminError, AuthAdmin
from smc_agent.local.state import State
from smc_agent.platform.settings import Settings, problems

T = TypeVar("T")


@click.group()
def admin() -> None:
    """Create users, make one-time links, list roles. Needs the running agent, or SUPABASE_URL and its service key."""


@admin.command(
    epilog="""\b
Examples:
  smc admin create ada@example.com
  smc admin create ada@example.com --role admin
"""
)
@click.argument("email", type=Email())
@click.option("--role", type=click.Choice(ROLES), default="trader", show_default=True)
@state_option
def create(email: str, role: str, state_dir: Path) -> None:
    """Make a user and print a one-time link for him."""

    async def work(auth: AuthAdmin) -> str | None:
        return (await auth.invite(email, role))[1]

    fragment = _with_auth(state_dir, work)
    if fragment is None:
        click.echo(f"{email} has signed in before; the role is now {role}.")
    else:
        click.echo(f"{email}, {role}. One-time link, valid for a day:\n{_address(state_dir)}/login#{fragment}")


@admin.command(
    epilog="""\b
Example:
  smc admin link admin@localhost.localdomain
"""
)
@click.argument("email", type=Email())
@state_option
def link(email: str, state_dir: Path) -> None:
    """Make a new one-time link for a user; earlier ones are void."""
    fragment = _with_auth(state_dir, lambda auth: auth.link(email))
    click.echo(f"One-time link, valid for a day:\n{_address(state_dir)}/login#{fragment}")


@admin.command(
    epilog="""\b
Example:
  smc admin roles --json
"""
)
@state_option
@json_option
def roles(state_dir: Path, as_json: bool) -> None:
    """List every user with his role."""
    rows = _with_auth(state_dir, lambda auth: auth.roles())
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['role']:<8} {row['email']}{'' if row['is_active'] else '  (inactive)'}")


def _with_auth(state_dir: Path, work: Callable[[AuthAdmin], Awaitable[T]]) -> T:
    try:
        settings = Settings.with_state(state_dir)
    except ValidationError as error:
        raise Failed(f"{problems(error)}. Correct it in the environment.") from None
    url, key = settings.supabase_url, settings.supabase_service_role_key
    if url is None or key is None:
        raise Failed(f"Nothing was started in {state_dir}. Start it with `smc up`, or set SUPABASE_URL and its keys.")

    async def run() -> T:
        async with AuthAdmin(url, key.get_secret_value()) as auth:
            return await work(auth)

    try:
        return asyncio.run(run())
    except AdminError as error:
        raise Failed(str(error)) from None


def _address(state_dir: Path) -> str:
    """Of the web app: where it runs, or where it would be behind the hosted project's site URL."""
    run = State(state_dir).read("run.json") or {}
    return str(run.get("address", "<address of the web app>"))
