"""`smc detect`: the events of a file of bars, each with the rule that made it."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from smc_agent.cli.bar_file import BarFile, bar_file, last_closed, named
from smc_agent.cli.options import Refused

if TYPE_CHECKING:
    from smc_agent.detection import TimeframeEvents

WIDTHS = {
    "timeframe": 9, "known": 9, "known_time": 20, "id": 7, "confirmed": 9, "confirmed_time": 20, "kind": 25, "scale": 8,
    "direction": 9, "label": 5, "top": 14, "bottom": 14, "anchor": 7, "anchor_time": 20, "ref": 7, "active": 6,
    "volume": 14, "share": 7, "rule": 0,
}  # fmt: skip
TONES = {"bullish": "green", "bearish": "red"}


@click.command(
    epilog="""\b
Examples:
  smc detect BTC-PERP_1m.csv | head
  smc detect eurusd.csv --symbol EURUSD --timeframe 15m --swing 20 --format table
  smc detect BTC-PERP_1m.csv --tf 5m,1h --kinds bos,choch
  smc detect BTC-PERP_1m.csv --as-of 2022-01-10T12:00 | jq 'select(.active)'
  smc detect BTC-PERP_1m.csv -o events.parquet
  smc detect BTC-PERP_1m.csv | jq 'select(.kind == "choch" and .scale == "swing")'
"""
)
@bar_file
@click.option("--as-of", metavar="BAR|TIME", help="What was known then; says of zones and levels if they stood.")
@click.option("--kinds", metavar="KIND,...", help="Only events of these kinds.")
@click.option("--tf", "timeframes", metavar="5m,1h", help="On bars of these time frames, made of those of the file.")
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "table", "parquet"]),
    help="JSON, one event a line (default); columns for people; or Parquet, into a file.",
)  # fmt: skip
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Into this file.")
def detect(
    file: BarFile, as_of: str | None, kinds: str | None, timeframes: str | None, form: str | None, output: Path | None
) -> None:
    """Detect Smart Money Concepts in FILE (CSV, Parquet or Feather; columns time, open, high, low, close, volume).

    Prints one event a line, in the order in which they became known: no line depends on a bar after its `confirmed`.
    `anchor` and `confirmed` count bars from 0; anchor_time and confirmed_time are the open times of those bars, and an
    event is known when bar `confirmed` closes.

    With --tf, `anchor` and `confirmed` count bars of the event's time frame, `id` its events, and `known` is the bar of
    the file at whose close it was known. With --as-of, `active` says which zones and levels stood then.
    """
    from smc_agent.detection import KINDS, detect_timeframes
    from smc_agent.market import TIMEFRAMES

    if form is None:
        form = "parquet" if output is not None and output.suffix in (".parquet", ".pq") else "jsonl"
    if form == "parquet" and output is None:
        raise click.UsageError("--format parquet goes into a file: add -o events.parquet")
    if output is not None and output.exists() and output.samefile(file.path):
        raise click.UsageError(f"-o {output} is the file of bars; name another")
    wanted = frozenset(named("--kinds", kinds, KINDS)) if kinds is not None else None
    asked = named("--tf", timeframes, tuple(TIMEFRAMES)) if timeframes is not None else [file.bars.timeframe]
    until = last_closed(file.bars, "--as-of", as_of) if as_of is not None else None
    try:
        found = detect_timeframes(file.bars, asked, file.params)
    except ValueError as error:
        raise Refused(f"{error}. Name other time frames with --tf.") from None
    columns = event_columns(file, found, until)
    if wanted is not None:
        kept = [kind in wanted for kind in columns["kind"].tolist()]
        columns = {name: column[kept] for name, column in columns.items()}
    if timeframes is None:
        for name in ("timeframe", "lower_timeframe", "known", "known_time"):
            del columns[name]
    if form == "parquet":
        assert output is not None
        _write_parquet(columns, output)
    elif output is not None:
        with replaced(output) as part, part.open("w", encoding="utf-8") as stream:
            _write(columns, form, stream, colours=False)
    else:
        _write(columns, form, sys.stdout, colours=sys.stdout.isatty() and "NO_COLOR" not in os.environ)
        sys.stdout.flush()


def event_columns(file: BarFile, found: "list[TimeframeEvents]", until: int | None) -> dict[str, Any]:
    """The events of all time frames as columns, in the order in which they became known (numpy arrays of one length).

    `until`: only those known at the close of that bar of the file, and whether each zone was active then.
    """
    import numpy as np

    from smc_agent.detection import LEVELS, ZONES, resting_levels, rule_text

    parts: list[dict[str, Any]] = []
    for one in found:
        events = one.events if until is None else one.until(until)
        columns = events.columns()
        known, n = one.closing[columns["confirmed"]], len(events)
        part = {
            "timeframe": np.full(n, one.timeframe),
            "lower_timeframe": np.full(n, one.lower),
            "known": known,
            "known_time": file.bars.time[known],
            **columns,
            "anchor_time": one.bars.time[columns["anchor"]],
            "confirmed_time": one.bars.time[columns["confirmed"]],
        }
        if until is not None:
            standing = {event.id for event in (*events.as_of(one.closed(until)), *resting_levels(events))}
            ending = ZONES | LEVELS
            part["active"] = np.array(
                [
                    i in standing if k in ending else None
                    for i, k in zip(part["id"].tolist(), part["kind"], strict=True)
                ],
                object,
            )
        rules = {kind: rule_text(kind, file.params) for kind in set(columns["kind"].tolist())}
        part["rule"] = np.array([rules[kind] for kind in columns["kind"].tolist()], object)
        parts.append(part)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(joined["known"], kind="stable")
    return {name: column[order] for name, column in joined.items()}


def _records(columns: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each event as plain values; what an event does not have (a label, a volume) is left out."""
    import numpy as np

    plain = {}
    for name, column in columns.items():
        if name.endswith("_time"):
            whole = not (column % 1000).any()
            text = np.datetime_as_string(column.astype("datetime64[ms]"), unit="s" if whole else "ms", timezone="UTC")
            plain[name] = text.tolist()
        else:
            plain[name] = column.tolist()
    plain["ref"] = [ref if ref >= 0 else None for ref in plain["ref"]]
    optional = [name for name in ("label", "volume", "share", "active") if name in plain]
    for row in zip(*plain.values(), strict=True):
        record = dict(zip(plain, row, strict=True))
        for name in optional:
            value = record[name]
            if value is None or value == "" or value != value:  # a NaN is not itself
                del record[name]
        yield record


def _write(columns: dict[str, Any], form: str, stream: IO[str], colours: bool) -> None:
    if form == "jsonl":
        for record in _records(columns):
            stream.write(json.dumps(record) + "\n")
        return
    widths = {name: width for name, width in WIDTHS.items() if name in columns}
    widths["kind"] = max([25, *map(len, columns["kind"].tolist())])
    stream.write(_line(widths, {name: name for name in widths}))
    for record in _records(columns):
        line = _line(widths, record)
        stream.write(click.style(line, fg=TONES.get(record["direction"])) if colours else line)


def _line(widths: dict[str, int], record: dict[str, Any]) -> str:
    cells = []
    for name, width in widths.items():
        value = record.get(name)
        text = "-" if value in (None, "") else f"{value:.4f}" if name == "share" and value != name else str(value)
        cells.append(text.ljust(width))
    return "  ".join(cells).rstrip() + "\n"


def _write_parquet(columns: dict[str, Any], output: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    made = {}
    for name, column in columns.items():
        if name.endswith("_time"):
            made[name] = pyarrow.array(column, pyarrow.timestamp("ms", tz="UTC"))
        elif name == "ref":
            made[name] = pyarrow.array(column, mask=column < 0)
        elif column.dtype.kind == "f":
            made[name] = pyarrow.array(column, from_pandas=True)  # NaN: none
        elif name == "active":
            made[name] = pyarrow.array(column.tolist(), pyarrow.bool_())
        elif column.dtype.kind in "UO":
            made[name] = pyarrow.array(column.tolist(), pyarrow.string()).dictionary_encode()
        else:
            made[name] = pyarrow.array(column)
    with replaced(output) as part:
        pyarrow.parquet.write_table(pyarrow.table(made), part)


@contextlib.contextmanager
def replaced(output: Path) -> Iterator[Path]:
    """Where to write what takes the place of `output` once it is whole; nothing is left of one that is not."""
    part = output.with_name(f".{output.name}.part")
    try:
        yield part
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
