"""`detect(frame)`: pandas and Polars frames give what arrays give, and neither library is needed."""

import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from smc_agent.detection import DetectionInputError, DetectionParams, Events, detect

from .series import generated

PARAMS = DetectionParams(swing=9, internal=3, equal=2, atr_period=14)
TIME, OPEN, HIGH, LOW, CLOSE, VOLUME = BARS = generated(800, 5)
EVENTS = detect(*BARS, PARAMS)
COLUMNS = {"time": TIME, "open": OPEN, "high": HIGH, "low": LOW, "close": CLOSE, "volume": VOLUME}
STAMPS = pd.to_datetime(TIME, unit="ms")


def pandas(**other: Any) -> pd.DataFrame:
    return pd.DataFrame({name: column for name, column in (COLUMNS | other).items() if column is not None})


FRAMES = {
    "pandas, milliseconds": pandas(),
    "pandas, timestamps": pandas(time=STAMPS),
    "pandas, timestamps in New York": pandas(time=STAMPS.tz_localize("UTC").tz_convert("America/New_York")),
    "pandas, an index of times": pandas(time=None).set_index(STAMPS),
    "pandas, an index of times in UTC": pandas(time=None).set_index(STAMPS.tz_localize("UTC")),
    "pandas, Arrow inside": pandas(time=STAMPS).convert_dtypes(dtype_backend="pyarrow"),
    "pandas, other names": pandas(time=STAMPS).rename(columns=str.title).rename(columns={"Time": "Date"}),
    "polars, milliseconds": pl.DataFrame(COLUMNS),
    "polars, timestamps": pl.DataFrame(COLUMNS).with_columns(pl.from_epoch("time", time_unit="ms")),
    "polars, timestamps in New York": pl.DataFrame(COLUMNS).with_columns(
        pl.from_epoch("time", time_unit="ms").dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York")
    ),
    "polars, microseconds": pl.DataFrame(COLUMNS).with_columns(
        pl.from_epoch("time", time_unit="ms").dt.cast_time_unit("us")
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_gives_the_events_of_its_arrays(name: str) -> None:
    assert len(EVENTS) > 200
    assert detect(FRAMES[name], params=PARAMS) == EVENTS


def test_without_volume_shares_are_unknown_and_all_else_is_the_same() -> None:
    without = detect(pandas(volume=None), params=PARAMS)
    assert list(without) == list(EVENTS)
    assert np.isnan(without.share).all()


@pytest.mark.parametrize("library", [pd, pl])
def test_events_become_a_frame(library: Any) -> None:
    frame = library.DataFrame(EVENTS.columns())
    assert len(frame) == len(EVENTS)
    for name in ("id", "kind", "direction", "anchor", "confirmed", "ref", "top", "bottom", "label"):
        assert frame[name].to_list() == getattr(EVENTS, name).tolist()
    assert set(Events.columns(EVENTS)) >= {"scale", "volume", "share"}


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (pandas(close=None), "no column close; it has time, open, high, low, volume. Rename"),
        (pandas(time=None), "no column time; it has open"),
        (pandas(time=None, low=None), "no column time, low"),
        (pl.DataFrame(), "no column time, open, high, low, close; it has none"),
        (pandas(Close=CLOSE), "more than one column close"),
        (pandas(close=CLOSE.astype(np.float32)), "column close: must be float64 or integers, not float32"),
        (pandas(close=CLOSE.astype(str)), "column close: must be float64 or integers"),
        (pandas(time=STAMPS.astype(str)), "column time: must be timestamps or integers"),
        (pandas(time=TIME.astype(np.float64)), "column time: must be timestamps or integers"),
        (pandas(time=STAMPS.where(np.arange(800) != 3)), "row 3, column time: must not be empty"),
        (pandas(time=STAMPS + pd.Timedelta(1, "ns")), "row 0, column time: must be a whole number of milliseconds"),
        (pandas(close=np.where(np.arange(800) == 7, np.nan, CLOSE)), "row 7, column close: must be a finite number"),
        (pl.DataFrame(COLUMNS).with_columns(pl.when(pl.int_range(pl.len()) != 7).then("close")),
         "row 7, column close: must be a finite number"),
    ],
)  # fmt: skip
def test_what_a_frame_lacks_is_named(frame: Any, says: str) -> None:
    with pytest.raises(ValueError, match="column") as refused:
        detect(frame)
    assert says in str(refused.value)
    assert isinstance(refused.value, DetectionInputError) == (", column " in str(refused.value))


def test_after_a_frame_only_parameters_may_follow() -> None:
    with pytest.raises(TypeError, match="takes nothing after the frame but params"):
        detect(pandas(), OPEN)  # type: ignore[call-overload]


def test_the_engine_imports_neither_frameworks_nor_exchanges_nor_databases() -> None:
    code = "import sys; from smc_agent.detection import detect, Detector; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    top = {name.partition(".")[0] for name in loaded}
    assert not top & {
        "numba", "fastapi", "starlette", "ccxt", "asyncpg", "psycopg", "sqlite3", "supabase", "httpx", "redis", "boto3",
        "pandas", "polars", "pyarrow", "matplotlib", "onnxruntime", "cryptography", "uvicorn", "aiohttp", "click",
    }  # fmt: skip
