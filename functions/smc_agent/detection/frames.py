"""Bars from frames of pandas or Polars: neither is imported, a frame is what has columns by name."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from smc_agent.detection.errors import DetectionInputError

TIMES = ("time", "timestamp", "datetime", "date", "open_time")
PRICES = ("open", "high", "low", "close")


def is_frame(given: object) -> bool:
    return hasattr(given, "columns") and hasattr(given, "__getitem__")


def columns_of_frame(frame: Any) -> tuple[NDArray[Any], ...]:
    """time (int64, epoch ms), open, high, low, close, volume of a frame; volume is 0 where it has no such column.

    Columns are found by name, in whatever case; the time is the column time, timestamp, datetime, date or open_time, or
    else an index of times: timestamps (UTC where they name no zone) or integers (epoch milliseconds). ValueError names
    a column that is missing or there twice; DetectionInputError a time that is neither.
    """
    names: dict[str, list[Any]] = {}
    for name in frame.columns:
        names.setdefault(str(name).strip().lower(), []).append(name)
    twice = [name for name in (*TIMES, *PRICES, "volume") if len(names.get(name, ())) > 1]
    if twice:
        raise ValueError(f"the frame has more than one column {twice[0]}: keep one")
    found = next((name for name in TIMES if name in names), None)
    index = getattr(frame, "index", None)
    indexed = found is None and np.asarray(index).dtype.kind in "MO" and hasattr(index, "tz")
    missing = [name for name in PRICES if name not in names]
    if missing or (found is None and not indexed):
        lacking = ", ".join(missing if found or indexed else ["time", *missing])
        has = ", ".join(map(str, frame.columns)) or "none"
        raise ValueError(f"the frame has no column {lacking}; it has {has}. Rename its columns")
    time = _milliseconds(index if found is None else frame[names[found][0]])
    prices = [np.asarray(frame[names[name][0]]) for name in PRICES]
    volume = np.asarray(frame[names["volume"][0]]) if "volume" in names else np.zeros(len(time))
    return (time, *prices, volume)


def _milliseconds(column: Any) -> NDArray[np.int64]:
    values = np.asarray(column)
    if values.dtype.kind == "O" and getattr(getattr(column, "dtype", None), "tz", None) is not None:
        values = np.asarray(column, dtype="datetime64[ns]")  # pandas, with a zone: as UTC
    if values.dtype.kind == "M":
        empty = np.isnat(values)
        if empty.any():
            raise DetectionInputError(int(np.argmax(empty)), "time", "must not be empty")
        whole = values.astype("datetime64[ms]")
        finer = whole != values
        if finer.any():
            raise DetectionInputError(int(np.argmax(finer)), "time", "must be a whole number of milliseconds")
        values = whole.astype(np.int64)
    if len(values) and values.dtype.kind not in "iu":
        rule = f"must be timestamps or integers (epoch milliseconds), not {values.dtype}"
        raise DetectionInputError(0, "time", rule)
    return values.astype(np.int64)
