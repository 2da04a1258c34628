"""`smc config`: each setting with its source."""

import json
import os
from pathlib import Path

import click
from pydantic import SecretStr, ValidationError

from smc_agent.cli.options import Failed, Refused, json_option, state_option
from smc_agent.platform.settings import Settings, environment_name, problems, read_state_environment


@click.command(
    epilog="""\b
Examples:
  smc config
  smc config --json | jq .SMC_EXECUTOR_URL.value
"""
)
@state_option
@json_option
def config(state_dir: Path, as_json: bool) -> None:
    """Print each setting with its source.

    The source is: environment, state (what the last `smc up` gave to its parts), or default. Secrets are masked.
    """
    try:
        settings, given = Settings.with_state(state_dir), read_state_environment(state_dir)
    except ValidationError as error:
        raise Refused(f"{problems(error)}. Correct it in the environment.") from None
    except ValueError as error:
        raise Failed(f"The settings in {state_dir} are damaged ({error}). Run `smc up` to write them anew.") from None
    rows = {}
    for field, described in Settings.model_fields.items():
        name, value = environment_name(field), getattr(settings, field)
        if os.environ.get(name):
            source = "environment"
        elif field == "state_dir":
            source = "default" if str(state_dir) == ".smc" else "option"
        else:
            source = "state" if name in given else "default"
        shown = "set, hidden" if isinstance(value, SecretStr) else None if value is None else str(value)
        rows[name] = {
            "value": shown,
            "source": source,
            "secret": isinstance(value, SecretStr),
            "means": described.description,
        }
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    widest = max(map(len, rows))
    for name, row in rows.items():
        click.echo(f"{name:<{widest}}  {row['value'] or '-'}  [{row['source']}]")
        click.echo(f"{'':<{widest}}  {row['means']}")
