"""`smc explain`: why one event is there, and what happened to it later."""

import json
from typing import TYPE_CHECKING, Any

import click

from smc_agent.cli.bar_file import BarFile, bar_file, named
from smc_agent.cli.options import Refused, json_option

if TYPE_CHECKING:
    from smc_agent.detection import Event, TimeframeEvents
    from smc_agent.detection.evidence import Evidence

SHOWN = 20  # what happened later, and bars, that people are shown; --json has all


@click.command(
    epilog="""\b
Examples:
  smc explain BTC-PERP_1m.csv 4711
  smc explain BTC-PERP_1m.csv 4711 --json | jq .later
  smc detect BTC-PERP_1m.csv --kinds choch --format table | tail -3
  smc explain BTC-PERP_1m.csv 128 --tf 1h

\b
An event's id is the one of `smc detect` with the same file and parameters (and --tf).
"""
)
@bar_file
@click.argument("event_id", type=click.IntRange(0))
@click.option("--tf", "tf", metavar="1h", help="The event is one of this time frame, made of the file's bars.")
@json_option
def explain(file: BarFile, event_id: int, tf: str | None, as_json: bool) -> None:
    """Explain event EVENT_ID of FILE: the rule, the bars with their numbers, and what happened to it later."""
    from smc_agent.detection import detect_timeframes
    from smc_agent.detection.evidence import evidence
    from smc_agent.market import TIMEFRAMES

    asked = named("--tf", tf, tuple(TIMEFRAMES)) if tf is not None else [file.bars.timeframe]
    if len(asked) > 1:
        raise click.UsageError("--tf: an event is of one time frame; name one")
    try:
        (found,) = detect_timeframes(file.bars, asked, file.params)
    except ValueError as error:
        raise Refused(f"{error}. Name another time frame with --tf.") from None
    if not len(found.events):
        raise Refused(f"These {len(found.bars):,} bars have no events. `smc detect` needs more of them.")
    try:
        told = evidence(found.bars, found.events, event_id, file.params)
    except IndexError as error:
        raise Refused(f"{str(error)[:1].upper()}{str(error)[1:]}. `smc detect` lists them.") from None
    if as_json:
        click.echo(json.dumps(_report(found, told)))
    else:
        click.echo(_text(found, told))


def _text(found: "TimeframeEvents", told: "Evidence") -> str:
    event, bars = told.event, found.bars
    lines = [
        _said(event),
        f"  {told.rule}",
        *(f"  {fact}" for fact in told.facts),
        f"  Lies at bar {event.anchor} ({_at(found, event.anchor)}); first known at the close of bar {event.confirmed}"
        f" ({_at(found, event.confirmed)})." + _lower(found, event),
    ]
    if told.causes:
        lines += ["", "Follows from", *(f"  {_said(cause)}, bar {cause.confirmed}" for cause in told.causes)]
    shown = sorted(told.bars)
    table: list[tuple[str, ...]] = [("bar", "time", "open", "high", "low", "close", "volume")]
    for i in shown:
        numbers = (bars.open, bars.high, bars.low, bars.close, bars.volume)
        table.append((str(i), _at(found, i), *(f"{column[i]:.10g}" for column in numbers)))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    notes = ["", *(told.bars[i] for i in shown)]
    lines += ["", "The bars"]
    lines += [
        "  "
        + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        + (f"  {note}" if note else "")
        for row, note in zip(table, notes, strict=True)
    ]
    lines += ["", "What happened later"]
    for later in told.later[:SHOWN]:
        after = later.confirmed - event.confirmed
        when = "in the same bar" if not after else "1 bar later" if after == 1 else f"{after:,} bars later"
        lines.append(f"  {_said(later)}, bar {later.confirmed} ({_at(found, later.confirmed)}), {when}")
    if len(told.later) > SHOWN:
        lines.append(f"  and {len(told.later) - SHOWN:,} more events (--json has all)")
    if not told.later:
        lines.append("  Nothing, by the last bar.")
    if told.active is not None:
        lines.append(f"  At the last bar, {len(bars) - 1}, it is {'still active' if told.active else 'over'}.")
    return "\n".join(lines)


def _said(event: "Event") -> str:
    name = " ".join(word for word in (event.kind, event.scale, event.direction) if word)
    prices = f"{event.bottom:.10g}" if event.top == event.bottom else f"{event.bottom:.10g} to {event.top:.10g}"
    return f"Event {event.id}: {name}, {prices}"


def _at(found: "TimeframeEvents", bar: int) -> str:
    from smc_agent.market.bars import moment

    return moment(int(found.bars.time[bar]))


def _lower(found: "TimeframeEvents", event: "Event") -> str:
    if found.lower == found.timeframe:
        return ""
    return (
        f" Bars are of {found.timeframe}; that one closed with bar {found.closing[event.confirmed]} of {found.lower}."
    )


def _report(found: "TimeframeEvents", told: "Evidence") -> dict[str, Any]:
    def plain(event: "Event") -> dict[str, Any]:
        times = {"anchor_time": _at(found, event.anchor), "confirmed_time": _at(found, event.confirmed)}
        return {**event._asdict(), **times}

    return {
        "event": plain(told.event),
        "timeframe": found.timeframe,
        "lower_timeframe": found.lower,
        "known": int(found.closing[told.event.confirmed]),
        "rule": told.rule,
        "facts": told.facts,
        "follows_from": [plain(cause) for cause in told.causes],
        "bars": [
            {"bar": i, **found.bars[i]._asdict(), "time": _at(found, i), "note": told.bars[i]}
            for i in sorted(told.bars)
        ],
        "later": [plain(event) for event in told.later],
        "active": told.active,
    }
