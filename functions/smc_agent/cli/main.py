"""The `smc` command.

Each subcommand is imported when it is used: `smc --help` stays fast, and one that lacks a library breaks no other.
"""

import contextlib
import importlib
import logging
import sys
import warnings
from typing import Any

import click

SUBCOMMANDS = {  # name: (module:command, what --help says)
    "up": ("smc_agent.cli.up:up", "Start the whole agent on this machine."),
    "status": (
        "smc_agent.cli.status:status",
        "Say what runs, and compare the books with the venue's, digit for digit.",
    ),
    "doctor": ("smc_agent.cli.doctor:doctor", "Check what the agent needs, and say how to mend what is missing."),
    "config": ("smc_agent.cli.config:config", "Print each setting with its source; secrets are masked."),
    "admin": ("smc_agent.cli.admin:admin", "Create users, make one-time links, list roles."),
    "detect": ("smc_agent.cli.detect:detect", "Detect Smart Money Concepts in a file of bars."),
    "explain": ("smc_agent.cli.explain:explain", "Say why an event is there, and what happened to it later."),
    "plot": ("smc_agent.cli.plot:plot", "Draw bars with their zones and breaks."),
    "prove": ("smc_agent.cli.prove:prove", "Prove on a file of bars that no event repaints."),
    "backtest": ("smc_agent.cli.backtest:backtest", "Backtest the strategy on a file of bars."),
    "paper": ("smc_agent.cli.paper:paper", "Serve Binance's protocol on this machine, at an exchange's live prices."),
    "reset": ("smc_agent.cli.reset:reset", "Delete the local state and start over."),
}


class Said(logging.Handler):
    """Log lines on standard error, in the form of this program's own."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"smc: {record.getMessage()}", err=True)


class Subcommands(click.Group):
    """Finds a subcommand by its name and imports it only then."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in SUBCOMMANDS:
            return None
        module, _, attribute = SUBCOMMANDS[name][0].partition(":")
        try:
            command: click.Command = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise click.ClickException(
                f"`smc {name}` needs {error.name}, which is not installed. Run `make setup`."
            ) from None
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, said) in SUBCOMMANDS.items()])


def _print_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"smc {version('smc-agent')}")
        ctx.exit()


@click.group(
    cls=Subcommands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `smc up`; `smc COMMAND --help` has examples.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Say which one."
)
def smc() -> None:
    """The SMC trading agent: Smart Money Concepts, found causally and traded through one order path."""


def main(arguments: list[str] | None = None) -> None:
    """Run `smc`. Errors are one line, `smc: <cause>. <cure>`: exit code 2 for what was asked, 1 for what went wrong."""
    # Said by a library of the embedded Postgres wherever nobody is logged in on a desktop; it means nothing here.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
    compiling = logging.getLogger("smc_agent.detection.native")  # who waits for it is told
    compiling.setLevel(logging.INFO)
    compiling.handlers = [Said()]
    compiling.propagate = False
    try:
        code: Any = smc.main(args=arguments, prog_name="smc", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(2)
    except click.UsageError as error:
        asked = error.ctx.command_path if error.ctx else "smc"
        click.echo(f"smc: {error.format_message().rstrip('.')}. See `{asked} --help`.", err=True)
        sys.exit(2)
    except click.ClickException as error:
        click.echo(f"smc: {error.format_message()}", err=True)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:  # of a library that a subcommand imports only when it is used
        library = str(error.name).partition(".")[0]
        if library == "smc_agent":
            raise
        click.echo(f"smc: This needs {library}, which is not installed. Run `make setup`.", err=True)
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        click.echo("smc: Stopped.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # `smc ... | head`: nobody listens any more
        sys.exit(141)
    except OSError as error:  # `smc ... > file` on a full disk
        with contextlib.suppress(OSError):
            sys.stdout.close()
        what = error.filename or "The output cannot be written"
        click.echo(f"smc: {what}: {error.strerror or error}. Mend that, and run it again.", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
