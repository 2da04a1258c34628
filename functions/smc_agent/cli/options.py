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


class Email(click.ParamType[str]):
    """An e-mail address, in the form in which users are kept."""

    name = "address"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from smc_agent.local.auth.errors import AuthError
        from smc_agent.local.auth.users import checked_email

        try:
            return checked_email(value)
        except AuthError:
            self.fail(f"{value!r} is no e-mail address; write it like ada@example.com", param, ctx)


json_option = click.option("--json", "as_json", is_flag=True, help="For machines: one JSON object.")


class Refused(click.ClickException):
    """What was asked cannot be done as asked; exit code 2. The message is '<cause>. <cure>'."""

    exit_code = 2


class Failed(click.ClickException):
    """It went wrong; exit code 1. The message is '<cause>. <cure>'."""

    exit_code = 1
