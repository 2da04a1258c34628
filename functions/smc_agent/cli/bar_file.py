"""What the commands on a file of bars share: their options, and a place among the bars."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smc_agent.cli.options import Refused

if TYPE_CHECKING:
    from smc_agent.detection import DetectionParams
    from smc_agent.market import Bars


@dataclass(frozen=True)
class BarFile:
    """The bars of the file that a command was given, and the parameters to look at them with."""

    path: Path
    bars: "Bars"
    params: "DetectionParams"


def bar_file(command: Callable[..., None]) -> Callable[..., None]:
    """Gives `command` a BarFile as its first argument, and the options that make one."""

    @functools.wraps(command)
    def read(
        file: Path, swing: int, internal: int, settings: tuple[str, ...], symbol: str | None, timeframe: str | None,
        **rest: Any,
    ) -> None:  # fmt: skip
        from pydantic import ValidationError

        from smc_agent.detection import DetectionParams
        from smc_agent.market import read_bars, with_cure

        given: dict[str, Any] = {"swing": swing, "internal": internal, **_pairs(settings)}
        unknown = [name for name in given if name not in DetectionParams.model_fields]
        if unknown:
            known = ", ".join(DetectionParams.model_fields)
            raise click.UsageError(f"--param: there is no {unknown[0]}; there are {known}")
        try:
            params = DetectionParams.model_validate(given)
        except ValidationError as error:
            fault = error.errors()[0]
            where = f"--{fault['loc'][0]}: " if fault["loc"] else ""
            raise click.UsageError(where + fault["msg"]) from None
        try:
            bars = read_bars(file, symbol, timeframe)
        except ValueError as error:
            raise Refused(with_cure(error)) from None
        command(BarFile(file, bars, params), **rest)

    for option in reversed(_OPTIONS):
        read = option(read)
    return read


_OPTIONS: list[Callable[[Any], Any]] = [
    click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path)),
    click.option("--swing", default=50, show_default=True, help="Bars on the right that confirm a swing pivot."),
    click.option("--internal", default=5, show_default=True, help="Bars on the right that confirm an internal pivot."),
    click.option(
        "--param", "settings", multiple=True, metavar="NAME=VALUE", help="Another parameter of detection; repeatable."
    ),
    click.option("--symbol", help="The bars' symbol, where the file's name does not tell it: BTCUSDT."),
    click.option("--timeframe", help="The bars' time frame, where neither name nor spacing tells it: 15m."),
]


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals:
            raise click.UsageError(f"--param {item!r} has no value; write --param NAME=VALUE")
        pairs[name.strip()] = value.strip()
    return pairs


def named(option: str, text: str, known: tuple[str, ...]) -> list[str]:
    """The names in a list with commas; a usage error for one that is not `known`."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in known:
            raise click.UsageError(f"{option}: there is no {name}; there are {', '.join(known)}")
    if not names:
        raise click.UsageError(f"{option}: name at least one of {', '.join(known)}")
    return names


def last_closed(bars: "Bars", option: str, text: str) -> int:
    """The bar that `text` names: its index, or a time, which names the last bar that had closed by then."""
    moment = _place(bars, option, text)
    if isinstance(moment, int):
        return moment
    index = int((bars.close_time <= moment.timestamp() * 1000).sum()) - 1
    if index < 0:
        raise Refused(f"{option} {text}: no bar had closed by then. The first opens at {_iso(bars, 0)}.")
    return index


def first_open(bars: "Bars", option: str, text: str) -> int:
    """The bar that `text` names: its index, or a time, which names the first bar that opens then or later."""
    moment = _place(bars, option, text)
    if isinstance(moment, int):
        return moment
    index = int((bars.time < moment.timestamp() * 1000).sum())
    if index == len(bars):
        raise Refused(f"{option} {text}: no bar opens then or later. The last opens at {_iso(bars, -1)}.")
    return index


def _place(bars: "Bars", option: str, text: str) -> int | datetime:
    if text.isascii() and text.isdigit() and len(text) < 12:
        if int(text) >= len(bars):
            raise Refused(f"{option} {text}: there are bars 0 to {len(bars) - 1}. Name one of them, or a time.")
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"{option}: {text!r} is no bar (0, 1, ...) and no time (2024-01-31T12:00)") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _iso(bars: "Bars", index: int) -> str:
    from smc_agent.market.bars import moment

    return moment(int(bars.time[index]))
