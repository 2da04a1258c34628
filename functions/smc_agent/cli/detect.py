"""`smc detect`: the events of a file of bars, each with the rule that made it."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from smc_agent.cli.options import Refused

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HEADINGS = "id confirmed confirmed_time kind scale direction label top bottom anchor anchor_time ref volume share rule"
WIDTHS = dict(zip(HEADINGS.split(), (7, 9, 20, 25, 8, 9, 5, 14, 14, 7, 20, 7, 14, 7, 0), strict=True))


@click.command(
    epilog="""\b
Examples:
  smc detect BTC-PERP_1m.csv | head
  smc detect eurusd.csv --symbol EURUSD --timeframe 15m --swing 20 --format table
  smc detect BTC-PERP_1m.csv | jq 'select(.kind == "choch" and .scale == "swing")'
"""
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--swing", default=50, show_default=True, help="Bars on the right that confirm a swing pivot.")
@click.option("--internal", default=5, show_default=True, help="Bars on the right that confirm an internal pivot.")
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "table"]), default="jsonl", show_default=True,
    help="JSON, one event a line; or columns.",
)  # fmt: skip
@click.option("--symbol", help="The bars' symbol, where the file's name does not tell it: BTCUSDT.")
@click.option("--timeframe", help="The bars' time frame, where neither name nor spacing tells it: 15m.")
def detect(file: Path, swing: int, internal: int, form: str, symbol: str | None, timeframe: str | None) -> None:
    """Detect Smart Money Concepts in FILE (CSV, Parquet or Feather; columns time, open, high, low, close, volume).

    Prints one event a line, in the order in which they became known: no line depends on a bar after its `confirmed`.
    `anchor` and `confirmed` count bars from 0; anchor_time and confirmed_time are the open times of those bars, and an
    event is known when bar `confirmed` closes.
    """
    from pydantic import ValidationError

    from smc_agent.detection import DetectionParams
    from smc_agent.market import read_bars, with_cure

    try:
        params = DetectionParams(swing=swing, internal=internal)
    except ValidationError as error:
        fault = error.errors()[0]
        raise click.UsageError(f"--{fault['loc'][0]}: {fault['msg']}") from None
    try:
        bars = read_bars(file, symbol, timeframe)
    except ValueError as error:
        raise Refused(with_cure(error)) from None
    records = _records(bars, params)
    if form == "jsonl":
        for record in records:
            sys.stdout.write(json.dumps(record) + "\n")
    else:
        sys.stdout.write(_line({name: name for name in WIDTHS}))
        for record in records:
            sys.stdout.write(_line(record))
    sys.stdout.flush()


def _records(bars: Any, params: Any) -> Iterator[dict[str, Any]]:
    from smc_agent.detection import detect as detect_events
    from smc_agent.detection import rule_text

    events = detect_events(bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume, params)
    rules: dict[str, str] = {}
    for event, label, volume, share in zip(events, events.label, events.volume, events.share, strict=True):
        extra = {"label": str(label), "volume": float(volume), "share": float(share)}
        yield {
            **event._asdict(),
            "anchor_time": _iso(int(bars.time[event.anchor])),
            "confirmed_time": _iso(int(bars.time[event.confirmed])),
            **{name: value for name, value in extra.items() if value and value == value},  # not empty, not NaN
            "rule": rules.setdefault(event.kind, rule_text(event.kind, params)),
        }


def _iso(milliseconds: int) -> str:
    return (EPOCH + timedelta(milliseconds=milliseconds)).isoformat().replace("+00:00", "Z")


def _line(record: dict[str, Any]) -> str:
    cells = []
    for name, width in WIDTHS.items():
        value = record.get(name)
        text = "-" if value in (None, "") else f"{value:.4f}" if name == "share" and value != name else str(value)
        cells.append(text.ljust(width))
    return "  ".join(cells).rstrip() + "\n"
