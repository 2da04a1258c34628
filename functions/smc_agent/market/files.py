"""Bars from files: CSV, Parquet and Feather, in whatever case and time unit they were written."""

import contextlib
import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from smc_agent.market.bars import PRICES, BarError, Bars, Times, Values, check_bars
from smc_agent.market.symbols import market_of_name, split_symbol
from smc_agent.market.timeframes import infer_timeframe, milliseconds

TIME_COLUMNS = ("time", "timestamp", "date", "")
FEATHER = (".feather", ".arrow", ".ipc")
PARQUET = (".parquet", ".pq")
CSV = (".csv", ".tsv", ".txt")
LATEST = 253_402_300_800_000  # epoch ms of the year 10000: no bar opens there


class UnclearMarket(ValueError):
    """Symbol or time frame of a file are not told, or not known."""


def with_cure(error: ValueError) -> str:
    """What `read_bars` found, for people who named the file on a command line: cause and cure."""
    unclear = isinstance(error, UnclearMarket)
    cure = "Give --symbol and --timeframe, or name another file" if unclear else "Correct the file, or name another"
    return f"{str(error).rstrip('.')}. {cure}."


def read_bars(path: str | Path, symbol: str | None = None, timeframe: str | None = None) -> Bars:
    """The bars of the file at `path`, checked; exchange is `replay`.

    Time is epoch seconds, milliseconds or microseconds, or ISO 8601 (UTC where it names no offset), in a column named
    time, timestamp, date or nothing. Volume may be absent (0 then). Symbol and time frame come from the arguments, else
    from the file's name, else (time frame) from the spacing. BarError names bar, column and rule; ValueError
    what else is wrong with the file, and the cure.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    named_symbol, named_timeframe = market_of_name(path)
    symbol = symbol or named_symbol
    if symbol is None:
        raise UnclearMarket(f"{path.name}: the file's name tells no symbol; name it, for example BTCUSDT")
    try:
        split_symbol(symbol)
        if timeframe is not None:
            milliseconds(timeframe)
    except ValueError as error:
        raise UnclearMarket(str(error)) from None
    table = _read_table(path)
    columns = _columns(table.column_names, path.name)
    time = _times(table.column(columns["time"]), path.name)
    open_, high, low, close = (_values(table.column(columns[name]), name, path.name) for name in PRICES)
    volume = (
        _values(table.column(columns["volume"]), "volume", path.name)
        if "volume" in columns
        else np.zeros(len(time), np.float64)
    )
    bars = Bars(time, open_, high, low, close, volume, symbol, "", "replay")
    if not len(bars):
        raise ValueError(f"{path.name}: has no bars")
    check_bars(bars, path.name)
    if timeframe is None:
        timeframe = _timeframe(bars, named_timeframe, path.name)
    bars = replace(bars, timeframe=timeframe)
    check_bars(bars, path.name)
    return bars


def _timeframe(bars: Bars, named: str | None, source: str) -> str:
    if len(bars) < 2 and named is not None:
        return named
    try:
        spaced = infer_timeframe(bars.time)
    except ValueError as error:
        raise UnclearMarket(f"{source}: {error}") from None
    if named is not None and named != spaced:
        raise UnclearMarket(f"{source}: the name says {named}, but its bars open {spaced} apart; name the time frame")
    return spaced


def _read_table(path: Path) -> Any:
    # pyarrow takes a third of a second to import; who reads no file does not pay for it.
    import pyarrow
    import pyarrow.csv
    import pyarrow.feather
    import pyarrow.parquet

    kind = path.suffix.lower()
    header: list[str] = []
    try:
        if kind in FEATHER:
            return pyarrow.feather.read_table(path)
        if kind in PARQUET:
            return pyarrow.parquet.read_table(path)
        if kind in CSV:
            header, delimiter = _header(path)
            _columns(header, path.name)
            return pyarrow.csv.read_csv(
                path,
                # Every field as text, so that a bad one is refused with its row instead of changing its column's type.
                read_options=pyarrow.csv.ReadOptions(column_names=_unique(header), skip_rows=1),
                parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types={name: pyarrow.string() for name in _unique(header)}, strings_can_be_null=False
                ),
            )
    except (pyarrow.ArrowInvalid, OSError) as error:
        if header:
            _refuse_ragged(path, len(header), delimiter)
        raise ValueError(f"{path.name}: not a readable {kind[1:]} file: {_shown(str(error))}") from None
    raise ValueError(
        f"{path.name}: {kind or 'no ending'} is not a known kind of file; known are .csv, .parquet and .feather"
    )


def _refuse_ragged(path: Path, width: int, delimiter: str) -> None:
    """Raises ValueError for the first bar with another number of fields than the header's `width`."""
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file, contextlib.suppress(csv.Error):
        lines = (line for line in csv.reader(file, delimiter=delimiter) if line)
        for row, line in enumerate(lines):
            if len(line) != width:
                raise ValueError(f"{path.name}: bar {row}: has {len(line)} fields, but the header has {width}")


def _shown(text: str) -> str:
    """What a file said, fit for a terminal: short, and without control characters."""
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return printable if len(printable) <= 200 else printable[:200] + " ..."


def _header(path: Path) -> tuple[list[str], str]:
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        line = file.readline().rstrip("\r\n")
    if not line.strip():
        raise ValueError(f"{path.name}: is empty; expected a header line such as time,open,high,low,close,volume")
    delimiter = max(",;\t", key=line.count)
    return next(csv.reader([line], delimiter=delimiter)), delimiter


def _unique(names: list[str]) -> list[str]:
    # Arrow refuses to convert by a name that occurs twice; the first keeps it.
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return result


def _columns(given: list[str], source: str) -> dict[str, int]:
    """Field -> index of the column, among those `given`, that holds it."""
    names = [name.strip().lower().strip("<>") for name in given]
    names = ["" if name == "__index_level_0__" or name.startswith("unnamed:") else name for name in names]
    found = {name: names.index(name) for name in (*PRICES, "volume") if name in names}
    time = next((names.index(name) for name in TIME_COLUMNS if name in names), None)
    missing = [name for name in PRICES if name not in found]
    if time is None:
        missing.insert(0, "time")
    if missing or time is None:
        has = _shown(", ".join(given))
        raise ValueError(
            f"{source}: no column {', '.join(missing)}; it has: {has}. Expected time, open, high, low, close, volume"
        )
    return {**found, "time": time}


def _values(column: Any, name: str, source: str) -> Values:
    import pyarrow

    kind = column.type
    if name != "volume" and (pyarrow.types.is_float32(kind) or pyarrow.types.is_float16(kind)):
        raise BarError(1, name, f"prices must be float64, but the file holds {kind}, which has lost digits", source)
    if pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind):
        column = _cast(column, pyarrow.float64(), name, "must be a number", source)
    else:
        try:
            if pyarrow.types.is_boolean(kind):  # which Arrow would make 0 and 1 of
                raise pyarrow.ArrowInvalid
            column = column.cast(pyarrow.float64(), safe=False)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
            raise BarError(1, name, f"must be a number, but is of type {kind}", source) from None
    # A null becomes NaN, which the check for finite numbers refuses with its row.
    return np.asarray(column.to_numpy(), dtype=np.float64)


def _times(column: Any, source: str) -> Times:
    """Epoch milliseconds of a column of numbers, timestamps or text."""
    import pyarrow
    import pyarrow.compute

    types = pyarrow.types
    if column.null_count:
        row = next(i for i, value in enumerate(column) if not value.is_valid) + 1
        raise BarError(row, "time", "must not be empty", source)
    kind = column.type
    if types.is_string(kind) or types.is_large_string(kind):
        text = pyarrow.compute.utf8_trim_whitespace(column)
        first = text[0].as_py() if len(text) else ""
        if _is_number(first):
            column = _cast(text, pyarrow.float64(), "time", "must be an epoch or ISO 8601", source)
        else:
            text = pyarrow.compute.replace_substring_regex(text, r"^(\d{4})[./](\d{2})[./](\d{2})", r"\1-\2-\3")
            zoned = first.endswith("Z") or "+" in first[10:] or "-" in first[10:]
            target = pyarrow.timestamp("us", tz="UTC" if zoned else None)
            column = _cast(text, target, "time", "must be an epoch or ISO 8601, as in the first bar", source)
        kind = column.type
    if types.is_date(kind):
        column = column.cast(pyarrow.timestamp("us"))
        kind = column.type
    if types.is_timestamp(kind):
        # Through nanoseconds nothing is lost, and what is finer than a millisecond shows below.
        return _whole_milliseconds(
            column.cast(pyarrow.timestamp("ns", tz=kind.tz)).cast(pyarrow.int64()).to_numpy(), 1_000_000, source
        )
    try:
        numbers = np.asarray(column.cast(pyarrow.float64(), safe=False).to_numpy(), dtype=np.float64)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
        raise BarError(1, "time", f"must be an epoch or ISO 8601, but is of type {kind}", source) from None
    if not np.isfinite(numbers).all():
        raise BarError(int(np.argmax(~np.isfinite(numbers))) + 1, "time", "must be an epoch or ISO 8601", source)
    # The unit by magnitude: 1e11 s is the year 5138, 1e11 ms is 1973.
    # Of the one in the middle: a single number that is no time at all says nothing of the others' unit.
    middle = float(np.median(np.abs(numbers))) if len(numbers) else 0.0
    units = 0 if middle < 1e11 else 1 if middle < 1e14 else 1000 if middle < 1e17 else 1_000_000
    beyond = np.abs(numbers) >= (units or 0.001) * LATEST
    if beyond.any():
        row = int(np.argmax(beyond))
        raise BarError(row + 1, "time", f"must be an epoch or ISO 8601, but is {numbers[row]:.15g}", source)
    if not units:  # seconds
        return np.asarray(np.round(numbers * 1000), dtype=np.int64)
    if types.is_integer(kind):
        numbers = column.cast(pyarrow.int64()).to_numpy()
    return _whole_milliseconds(numbers, units, source)


def _whole_milliseconds(numbers: Any, units: int, source: str) -> Times:
    rest = numbers % units
    if rest.any():
        raise BarError(int(np.argmax(rest != 0)) + 1, "time", "must be a whole number of milliseconds", source)
    return np.asarray(numbers // units, dtype=np.int64)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _cast(column: Any, target: Any, name: str, rule: str, source: str) -> Any:
    import pyarrow

    try:
        return column.cast(target)
    except pyarrow.ArrowInvalid:
        for row, value in enumerate(column, start=1):
            try:
                value.cast(target)
            except pyarrow.ArrowInvalid:
                raise BarError(row, name, f"{rule}, but is {_shown(repr(value.as_py()))}", source) from None
        raise
