"""The dialect of `smartmoneyconcepts`: equal to what that package published, sound at the edges, and used by no one."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import smc_agent
from smc_agent.compat.smartmoneyconcepts import smc

PACKAGE = Path(smc_agent.__file__).parent
SHARED = Path(os.environ.get("SMC_SHARED") or Path(__file__).parents[3] / "shared")
DATA = SHARED / "data" / "smc"
OF_SWINGS = (smc.bos_choch, smc.ob, smc.liquidity, smc.retracements)
PUBLISHED: dict[str, Callable[[Any, Any], Any]] = {
    "swing_highs_lows_result_data": lambda bars, swings: swings,
    "fvg_result_data": lambda bars, swings: smc.fvg(bars),
    "fvg_consecutive_result_data": lambda bars, swings: smc.fvg(bars, join_consecutive=True),
    "bos_choch_result_data": lambda bars, swings: smc.bos_choch(bars, swings),
    "ob_result_data": lambda bars, swings: smc.ob(bars, swings),
    "liquidity_result_data": lambda bars, swings: smc.liquidity(bars, swings),
    "previous_high_low_result_data_4h": lambda bars, swings: smc.previous_high_low(bars, time_frame="4h"),
    "previous_high_low_result_data_1D": lambda bars, swings: smc.previous_high_low(bars, time_frame="1D"),
    "previous_high_low_result_data_W": lambda bars, swings: smc.previous_high_low(bars, time_frame="W"),
    "sessions_result_data": lambda bars, swings: smc.sessions(bars, session="London"),
    "retracements_result_data": lambda bars, swings: smc.retracements(bars, swings),
}


def frame(high: Any, low: Any, close: Any = None, open_: Any = None, every: str = "15min") -> Any:
    high, low = np.asarray(high, dtype=float), np.asarray(low, dtype=float)
    middle = (high + low) / 2
    columns = {
        "open": middle if open_ is None else open_,
        "high": high,
        "low": low,
        "close": middle if close is None else close,
        "volume": np.arange(1.0, len(high) + 1),
    }
    return pd.DataFrame(columns, index=pd.date_range("2024-01-01", periods=len(high), freq=every))


def everything(bars: Any, swing_length: int = 2) -> dict[str, Any]:
    swings = smc.swing_highs_lows(bars, swing_length=swing_length)
    return {
        "swings": swings,
        "fvg": smc.fvg(bars),
        "joined": smc.fvg(bars, join_consecutive=True),
        "days": smc.previous_high_low(bars),
        "sessions": smc.sessions(bars, session="London"),
        **{function.__name__: function(bars, swings) for function in OF_SWINGS},
    }


@pytest.fixture(scope="module")
def published() -> tuple[Any, Any]:
    if not DATA.exists():
        pytest.skip(f"the published bars are not at {DATA}: set SMC_SHARED to the folder that holds data/smc")
    bars = pd.read_csv(DATA / "EURUSD_15m.csv", index_col="Date")
    return bars, smc.swing_highs_lows(bars, swing_length=5)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_result_is_met_to_the_byte(name: str, published: tuple[Any, Any]) -> None:
    result = PUBLISHED[name](*published)
    expected = (DATA / "expected" / f"{name}.csv").read_text()
    assert result.to_csv(index=False, lineterminator="\n") == expected


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 5])
def test_a_short_frame_has_a_row_for_each_bar(rows: int) -> None:
    bars = frame(np.arange(rows) + 1.5, np.arange(rows) + 0.5)
    for name, result in everything(bars).items():
        assert len(result) == rows, name
        assert list(result.index) == list(range(rows)), name


def test_equal_prices_give_no_gap_no_break_and_one_swing() -> None:
    bars = frame(np.full(40, 2.0), np.full(40, 1.0))
    results = everything(bars)
    for name in ("fvg", "joined", "bos_choch", "ob"):
        assert results[name].isna().all().all(), name
    # All are as high as their window; the first that has one stays, between the two made-up ends.
    assert results["swings"]["HighLow"].dropna().to_dict() == {0: -1.0, 3: 1.0, 39: -1.0}


def test_of_equal_highs_in_a_row_the_first_is_the_swing() -> None:
    bars = frame([9, 1, 1, 2, 5, 2, 2, 5, 2, 1, 1], np.arange(11) / 10)
    swings = smc.swing_highs_lows(bars, swing_length=2)
    assert swings["HighLow"].dropna().to_dict() == {0: -1.0, 4: 1.0, 10: -1.0}
    assert swings["Level"].dropna().to_dict() == {0: 0.0, 4: 5.0, 10: 1.0}


def test_gaps_join_on_the_last_and_are_mitigated_at_their_near_edge() -> None:
    low = np.array([1.0, 2.0, 4.0, 6.0, 8.0, 7.0, 4.5, 8.0])
    bars = frame(low + 1.5, low, close=low + 1, open_=low + 0.5)
    gaps = smc.fvg(bars)
    assert gaps["FVG"].dropna().to_dict() == {1: 1.0, 2: 1.0, 3: 1.0}
    assert gaps["MitigatedIndex"].dropna().tolist() == [0.0, 6.0, 5.0]
    joined = smc.fvg(bars, join_consecutive=True).dropna()
    assert joined.to_numpy().tolist() == [[1.0, 8.0, 2.5, 5.0]]
    assert joined.index.tolist() == [3]


def test_a_session_includes_both_ends_and_may_cross_midnight() -> None:
    hours = frame(np.arange(48) + 1.0, np.arange(48) + 0.5, every="1h")
    active = smc.sessions(hours, session="Sydney")["Active"].to_numpy()
    assert np.flatnonzero(active[:24]).tolist() == [0, 1, 2, 3, 4, 5, 6, 21, 22, 23]
    custom = smc.sessions(hours, "Custom", start_time="09:00", end_time="10:00", time_zone="UTC+3")
    assert np.flatnonzero(custom["Active"]).tolist() == [6, 7, 30, 31]


def test_a_nan_is_crossed_by_nothing() -> None:
    rng = np.random.default_rng(1)
    close = 100 + rng.normal(0, 1, 400).cumsum()
    bars = frame(close + 1, close - 1, close)
    bars.iloc[[50, 51, 200], :4] = np.nan
    for result in everything(bars).values():
        assert len(result) == 400


def test_what_cannot_be_read_is_refused() -> None:
    bars = frame([2.0, 3.0], [1.0, 2.0])
    swings = smc.swing_highs_lows(bars)
    with pytest.raises(LookupError, match='Must have a dataframe column named "high"'):
        smc.fvg(bars.drop(columns="high"))
    with pytest.raises(LookupError, match='"volume"'):
        smc.ob(bars.drop(columns="volume"), swings)
    with pytest.raises(ValueError, match="swing_highs_lows has 1 rows, ohlc 2"):
        smc.ob(bars, swings[:1])
    with pytest.raises(ValueError, match="at least 1"):
        smc.swing_highs_lows(bars, swing_length=0)
    with pytest.raises(ValueError, match="unknown session"):
        smc.sessions(bars, session="Mars")
    with pytest.raises(ValueError, match="requires a start and end time"):
        smc.sessions(bars, session="Custom")


def test_column_names_may_be_in_any_case_and_the_frame_stays_as_it_was() -> None:
    bars = frame([2.0, 3.0, 4.0], [1.0, 2.0, 3.0])
    upper = bars.rename(columns=str.upper)
    before = upper.copy()
    for one, other in zip(everything(bars, 1).values(), everything(upper, 1).values(), strict=True):
        pd.testing.assert_frame_equal(one, other)
    pd.testing.assert_frame_equal(upper, before)


def test_without_pandas_one_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "from smc_agent.compat.smartmoneyconcepts import smc\n"
        "try: smc.fvg(None)\n"
        "except ImportError as error: print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert "pip install pandas" in said.stdout


def test_nothing_else_in_the_agent_imports_it() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.is_relative_to(PACKAGE / "compat"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                names += [alias.name for alias in node.names] if node.level else []
            assert not any("compat" in name.split(".") or name == "pandas" for name in names), path


def rows(result: Any) -> list[list[float | None]]:
    """The rows that say anything: their number, then their values, None for NaN."""
    said = result[result.notna().any(axis=1)]
    return [
        [i, *(None if np.isnan(value) else round(float(value), 4) for value in row)]
        for i, row in zip(said.index, said.to_numpy(), strict=True)
    ]


def test_a_walk_gives_what_the_original_gave_for_it() -> None:
    """What `smartmoneyconcepts` 0.0.27 put out for this walk, chosen for its cases: both kinds of break, a block whose
    edges are swapped, blocks and liquidity of both directions, swept or not, mitigated or not."""
    rng = np.random.default_rng(373)
    close = 100 + rng.integers(-3, 4, 60).cumsum() / 2.0
    open_ = np.concatenate([[100.0], close[:-1]])
    high = np.maximum(open_, close) + rng.integers(0, 3, 60) / 2
    low = np.minimum(open_, close) - rng.integers(0, 3, 60) / 2
    bars = frame(high, low, close, open_)
    bars["volume"] = rng.integers(1, 9, 60) * 1.0
    swings = smc.swing_highs_lows(bars, swing_length=2)
    assert rows(smc.bos_choch(bars, swings)) == [
        [6, 1.0, None, 107.0, 9.0],
        [11, None, None, None, 36.0],
        [19, 1.0, None, 109.5, 23.0],
        [30, 1.0, None, 110.5, 36.0],
        [37, 1.0, None, 113.5, 43.0],
        [44, None, -1.0, 113.0, 48.0],
        [50, -1.0, None, 110.5, 57.0],
    ]
    assert rows(smc.ob(bars, swings)) == [
        [0, 1.0, 99.5, 101.5, 2.0, 0.0, 0.0],
        [8, 1.0, 106.5, 104.0, 12.0, 0.0, 50.0],
        [21, 1.0, 108.5, 107.0, 19.0, 0.0, 72.7273],
        [34, 1.0, 111.0, 109.0, 16.0, 58.0, 33.3333],
        [40, 1.0, 113.0, 110.5, 6.0, 56.0, 50.0],
        [46, -1.0, 116.0, 113.5, 17.0, 0.0, 70.0],
        [54, -1.0, 114.0, 112.0, 13.0, 0.0, 18.1818],
    ]
    assert rows(smc.liquidity(bars, swings, range_percent=0.05)) == [
        [11, 1.0, 110.75, 15.0, 23.0],
        [18, -1.0, 106.8333, 29.0, 0.0],
        [32, -1.0, 108.75, 59.0, 0.0],
        [39, -1.0, 110.5, 50.0, 59.0],
    ]
    assert smc.retracements(bars, swings)[40:46].to_numpy().tolist() == [
        [-1.0, 33.3, 33.3],
        [-1.0, 83.3, 83.3],
        [-1.0, 100.0, 100.0],
        [-1.0, 100.0, 100.0],
        [1.0, 0.0, 0.0],
        [-1.0, 50.0, 50.0],
    ]


@pytest.mark.parametrize("time_frame", ["4h", "1D", "W"])
def test_what_says_that_it_does_not_look_ahead_does_not(time_frame: str) -> None:
    close = 100 + np.random.default_rng(7).normal(0, 1, 700).cumsum()
    bars = frame(close + 1, close - 1, close, every="1h")
    whole = smc.previous_high_low(bars, time_frame), smc.sessions(bars, "Sydney")
    for known in (1, 2, 24, 25, 26, 150, 337, 699):
        part = smc.previous_high_low(bars[:known], time_frame), smc.sessions(bars[:known], "Sydney")
        for one, other in zip(part, whole, strict=True):
            pd.testing.assert_frame_equal(one, other[:known])
