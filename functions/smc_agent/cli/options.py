"""Options that several subcommands share."""

from pathlib import Path

import click

state_option = click.option(
    "--state",
    "state_dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="SMC_STATE_DIR",
    default=Path(".smc"),
    show_default=True,
    metavar="DIR",
    help="Folder of the local state.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="For machines: one JSON object.")


class Refused(click.ClickException):
    """What was asked cannot be done as asked; exit code 2. The message is '<cause>. <cure>'."""

    exit_code = 2


class Failed(click.ClickException):
    """It went wrong; exit code 1. The message is '<cause>. <cure>'."""

    exit_code = 1
