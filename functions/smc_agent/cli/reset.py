"""`smc reset`: delete the local state."""

import shutil
from pathlib import Path

import click

from smc_agent.cli.options import Failed, Refused, state_option
from smc_agent.local.state import State, StateError

MARKS = ("lock", "secrets.json", "market.json", "account.json")  # by which a state folder is told from any other


@click.command(
    epilog="""\b
Examples:
  smc reset
  smc reset --yes --state /tmp/demo
"""
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@state_option
def reset(yes: bool, state_dir: Path) -> None:
    """Delete the local state: database, journals, secrets, logs. Refuses while it runs."""
    state = State(state_dir)
    if not state.folder.exists():
        click.echo(f"Nothing to delete: {state.folder} is not there.")
        return
    if not any((state.folder / mark).exists() for mark in MARKS) and any(state.folder.iterdir()):
        raise Refused(f"{state.folder} is no state folder of the agent. Name the right one with --state.")
    try:
        if holder := state.holder():
            raise Failed(f"Running in {state.folder}, pid {holder.get('pid')}. Stop it first, with Ctrl-C there.")
        if not yes:
            click.confirm(
                f"Delete {state.folder} with its database, journals and secrets? It cannot be undone", abort=True
            )
        state.open(min_free_bytes=0)  # nobody starts in it meanwhile
        shutil.rmtree(state.folder)
    except StateError as error:
        raise Failed(str(error)) from None
    except OSError as error:
        raise Failed(f"{error.filename}: {error.strerror}. Delete it as its owner.") from None
    finally:
        state.close()
    click.echo(f"Deleted {state.folder}. `smc up` starts anew.")
