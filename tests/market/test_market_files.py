"""Files of bars: the real ones are read whole, malformed ones are refused with bar, column and rule."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smc_agent.market import Bar, BarError, Bars, bars_of, check_bar, check_bars, read_bars, with_cure

DATA = Path(__file__).parents[2].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the recorded data is not in {DATA}")

HEADER = "time,open,high,low,close,volume"
START = 1_700_000_040_000


def csv(folder: Path, *lines: str, header: str = HEADER, name: str = "BTCUSDT_1m.csv") -> Path:
    path = folder / name
    path.write_text("\n".join((header, *lines)) + "\n")
    return path


def line(i: int, rest: str = "10,12,9,11,5") -> str:
    return f"{START + 60_000 * i},{rest}"


@needs_data
@pytest.mark.parametrize(
    ("file", "symbol", "timeframe", "rows", "first", "gaps"),
    [
        ("crypto/BTC-PERP_1m.csv", "BTCUSDT", "1m", 45_031,
         Bar(1640991660000, 46319.0, 46385.0, 46319.0, 46377.0, 2300413.7295), 0),
        ("crypto/ETH_BTC-5m.feather", "ETHBTC", "5m", 5_760,
         Bar(1515560100000, 0.0984, 0.0994766, 0.09828605, 0.0994766, 1820.54447418), 0),
        ("crypto/XRP_ETH-1m.feather", "XRPETH", "1m", 2_469,
         Bar(1570752000000, 0.00141342, 0.00141557, 0.00141266, 0.00141418, 1482.0), 676),
        ("crypto/futures_XRP_USDT_USDT-1h-futures.feather", "XRPUSDT", "1h", 100,
         Bar(1637110800000, 1.0801, 1.09758, 1.07654, 1.07925, 3153694.607359), 0),
        ("crypto/futures_XRP_USDT_USDT-5m-futures.feather", "XRPUSDT", "5m", 1_999,
         Bar(1636934400000, 1.1893, 1.1954, 1.1891, 1.1941, 9289043.5), 0),
        ("fx/EURUSD_1h.csv", "EURUSD", "1h", 5_000,
         Bar(1492592400000, 1.0716, 1.0722, 1.07083, 1.07219, 1413.0), 42),
        ("smc/EURUSD_15m.csv", "EURUSD", "15m", 24_423,
         Bar(1665360000000, 0.97312, 0.97369, 0.97312, 0.97357, 0.0), 52),
    ],
)  # fmt: skip
def test_recorded_files_are_read_whole(
    file: str, symbol: str, timeframe: str, rows: int, first: Bar, gaps: int
) -> None:
    bars = read_bars(DATA / file)
    assert (bars.symbol, bars.timeframe, bars.exchange) == (symbol, timeframe, "replay")
    assert abs(len(bars) - rows) <= 1  # the last line of one has no line end
    assert bars[0] == first
    assert len(bars.gaps()) == gaps


@needs_data
def test_missing_bars_are_reported_and_not_invented() -> None:
    bars = read_bars(DATA / "fx/EURUSD_1h.csv")
    weekend = bars.gaps()[0]
    assert weekend.after - weekend.before == (weekend.missing + 1) * 3_600_000
    assert weekend.missing == 48
    assert weekend.before in bars.time
    assert not set(range(weekend.before + 3_600_000, weekend.after, 3_600_000)) & set(bars.time.tolist())


@needs_data
def test_recorded_files_that_hold_no_bars_are_refused() -> None:
    with pytest.raises(ValueError, match=r"trades.feather: no column open, high, low, close; it has: timestamp"):
        read_bars(DATA / "crypto/XRP_ETH-trades.feather")
    with pytest.raises(BarError, match=r"bar 1, column low: must be greater than 0"):
        read_bars(DATA / "crypto/futures_XRP_USDT_USDT-8h-funding_rate.feather")


@pytest.mark.parametrize(
    ("bad", "row", "column", "rule"),
    [
        ("10,12,9,nan,5", 3, "close", "must be a finite number"),
        ("10,inf,9,11,5", 3, "high", "must be a finite number"),
        ("10,10.5,9,11,5", 3, "high", r"at least max\(open, close\)"),
        ("10,12,10.5,11,5", 3, "low", r"at most min\(open, close\)"),
        ("10,12,0,11,5", 3, "low", "greater than 0"),
        ("10,12,-1,11,5", 3, "low", "greater than 0"),
        ("10,12,9,11,-5", 3, "volume", "must not be negative"),
        ("10,12,9,eleven,5", 3, "close", "must be a number, but is 'eleven'"),
        ("10,12,9,,5", 3, "close", "must be a number, but is ''"),
        ('10,"1,200",9,11,5', 3, "high", "must be a number, but is '1,200'"),
    ],
)
def test_each_rule_is_refused_with_its_row_and_column(
    tmp_path: Path, bad: str, row: int, column: str, rule: str
) -> None:
    path = csv(tmp_path, line(0), line(1), line(2, bad), line(3), line(4, "10,12,9,nan,5"))
    with pytest.raises(BarError, match=rule) as caught:
        read_bars(path)
    assert (caught.value.row, caught.value.column) == (row, column)
    assert path.name in str(caught.value)


@pytest.mark.parametrize("second", [0, -1])
def test_open_times_must_increase(tmp_path: Path, second: int) -> None:
    with pytest.raises(BarError, match="strictly increasing, but is 2023-11-14T22:1") as caught:
        read_bars(csv(tmp_path, line(0), line(second), line(1)))
    assert (caught.value.row, caught.value.column) == (2, "time")


def test_a_bar_that_opens_within_the_one_before_is_refused(tmp_path: Path) -> None:
    path = csv(tmp_path, line(0), line(1), f"{START + 90_000},10,12,9,11,5", line(3), line(4), line(5))
    with pytest.raises(BarError, match="opens before the 1m bar in front of it has closed") as caught:
        read_bars(path)
    assert caught.value.row == 3


def times() -> list[datetime]:
    return [datetime(2022, 10, 10, 0, 15 * i, tzinfo=UTC) for i in range(3)]


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("time", lambda t: str(int(t.timestamp()))),
        ("timestamp", lambda t: str(int(t.timestamp() * 1000))),
        ("Date", lambda t: str(int(t.timestamp() * 1_000_000))),
        ("", lambda t: f"{t.timestamp()}"),
        ("TIME", lambda t: t.isoformat()),
        ("Timestamp", lambda t: t.isoformat().replace("+00:00", "Z")),
        ("date", lambda t: t.strftime("%Y.%m.%d %H:%M:%S")),
        ("date", lambda t: t.strftime("%Y-%m-%d %H:%M")),
        ("Date", lambda t: t.strftime("%Y-%m-%d %H:%M:%S.000000")),
        ("time", lambda t: (t + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00")),
    ],
)
def test_time_is_understood_in_each_form(tmp_path: Path, name: str, write: Any) -> None:
    lines = [f"{write(t)},10,12,9,11" for t in times()]
    bars = read_bars(csv(tmp_path, *lines, header=f"{name},OPEN,High,low,Close", name="EURUSD_15m.csv"))
    assert bars.time.tolist() == [int(t.timestamp() * 1000) for t in times()]
    assert bars.volume.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("yesterday", "must be an epoch or ISO 8601"),
        ("", "must be an epoch or ISO 8601"),
        ("1700000100000001", "whole number of milliseconds"),
        ("9" * 23, "must be an epoch or ISO 8601, but is 1e[+]23"),
    ],
)
def test_a_time_that_is_none_is_refused(tmp_path: Path, value: str, rule: str) -> None:
    unit = 1000 if rule.startswith("whole") else 1
    path = csv(tmp_path, f"{START * unit},10,12,9,11,5", f"{value},10,12,9,11,5")
    with pytest.raises(BarError, match=rule) as caught:
        read_bars(path)
    assert (caught.value.row, caught.value.column) == (2, "time")


@pytest.mark.parametrize("ending", ["feather", "parquet"])
@pytest.mark.parametrize("kind", ["ns", "ms", "int64", "text"])
def test_columns_of_other_formats_give_the_same_bars(tmp_path: Path, ending: str, kind: str) -> None:
    column: Any = {
        "ns": lambda: pyarrow.array(times(), pyarrow.timestamp("ns", tz="UTC")),
        "ms": lambda: pyarrow.array([t.replace(tzinfo=None) for t in times()], pyarrow.timestamp("ms")),
        "int64": lambda: pyarrow.array([int(t.timestamp() * 1000) for t in times()], pyarrow.int64()),
        "text": lambda: pyarrow.array([t.isoformat() for t in times()]),
    }[kind]()
    prices = {name: [10.1, 10.2, 10.3] for name in ("Open", "High", "Low", "Close")}
    table = pyarrow.table({"Date": column, **prices, "Volume": pyarrow.array([1, 2, 3])})
    path = tmp_path / f"ETH_BTC-15m.{ending}"
    if ending == "feather":
        pyarrow.feather.write_feather(table, path)
    else:
        pyarrow.parquet.write_table(table, path)
    bars = read_bars(path)
    assert bars.time.tolist() == [int(t.timestamp() * 1000) for t in times()]
    assert bars[2] == Bar(int(times()[2].timestamp() * 1000), 10.3, 10.3, 10.3, 10.3, 3.0)


def test_prices_of_32_bits_are_refused(tmp_path: Path) -> None:
    column = pyarrow.array([10.1, 10.2, 10.3], pyarrow.float32())
    prices = dict.fromkeys(("open", "high", "low", "close"), column)
    path = tmp_path / "BTCUSDT_15m.feather"
    pyarrow.feather.write_feather(pyarrow.table({"time": pyarrow.array(times()), **prices}), path)
    with pytest.raises(BarError, match="prices must be float64, but the file holds float"):
        read_bars(path)


def test_prices_of_truth_values_are_refused(tmp_path: Path) -> None:
    columns = dict.fromkeys(("open", "high", "low", "close"), pyarrow.array([True, True, True]))
    path = tmp_path / "BTCUSDT_15m.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"time": pyarrow.array(times()), **columns}), path)
    with pytest.raises(BarError, match="must be a number, but is of type bool"):
        read_bars(path)


def test_people_are_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tells no symbol") as caught:
        read_bars(csv(tmp_path, line(0), name="bars.csv"))
    assert with_cure(caught.value).endswith("BTCUSDT. Give --symbol and --timeframe, or name another file.")
    with pytest.raises(BarError) as caught:
        read_bars(csv(tmp_path, line(0, "10,9,8,10,5")))
    assert with_cure(caught.value).endswith("but is 9.0. Correct the file, or name another.")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("BTCUSDT_1m.csv", "", "is empty"),
        ("BTCUSDT_1m.csv", HEADER + "\n", "has no bars"),
        ("BTCUSDT_1m.csv", "time,open,high,low\n1,1,1,1\n", "no column close; it has: time, open, high, low"),
        ("BTCUSDT_1m.csv", f"{HEADER}\n{line(0)}\n\n1,2\n", "bar 2: has 2 fields, but the header has 6"),
        ("BTCUSDT_1m.csv", "PK\x03\x1b[2J\n", r"it has: PK\?\?\[2J\. Expected time"),
        ("BTCUSDT_1m.feather", "not a feather", "not a readable feather file"),
        ("BTCUSDT_1m.xlsx", "x", "not a known kind of file"),
        ("bars.csv", f"{HEADER}\n{line(0)}\n", "tells no symbol; name it"),
        ("BTCUSDT.csv", f"{HEADER}\n{line(0)}\n", "fewer than two bars; name it"),
        ("BTCUSDT_5m.csv", f"{HEADER}\n{line(0)}\n{line(1)}\n", "the name says 5m, but its bars open 1m apart"),
        ("BTCUSDT.csv", f"{HEADER}\n{line(0)}\n{START + 7_000},10,12,9,11,5\n", "open every 7 s are of no known time"),
    ],
)
def test_files_that_are_none_say_what_is_wrong(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        read_bars(tmp_path / name)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"BTCUSDT_1m\.csv: no such file"):
        read_bars(tmp_path / "BTCUSDT_1m.csv")


def test_arguments_win_over_the_name_and_the_spacing(tmp_path: Path) -> None:
    path = csv(tmp_path, line(0), line(5), line(10), name="anything_5m.csv")
    bars = read_bars(path, symbol="ETHUSDT", timeframe="1m")
    assert (bars.symbol, bars.timeframe) == ("ETHUSDT", "1m")
    assert [gap.missing for gap in bars.gaps()] == [4, 4]
    with pytest.raises(ValueError, match="unknown time frame '7m'"):
        read_bars(path, symbol="ETHUSDT", timeframe="7m")
    with pytest.raises(ValueError, match="unknown symbol 'ETH/USDT'"):
        read_bars(path, symbol="ETH/USDT")


price = st.floats(0.01, 1e6, allow_nan=False)


@st.composite
def sound_bars(draw: st.DrawFn) -> Bars:
    rows = []
    for i in range(draw(st.integers(2, 8))):
        low, a, b, high = sorted(draw(st.lists(price, min_size=4, max_size=4)))
        first, last = draw(st.sampled_from([(a, b), (b, a)]))
        rows.append(Bar(START + 60_000 * i, first, high, low, last, draw(st.floats(0, 1e9))))
    return bars_of(rows, "BTCUSDT", "1m", "replay")


@settings(max_examples=60, deadline=None)
@given(bars=sound_bars())
def test_what_is_written_is_read_digit_for_digit(bars: Bars, tmp_path_factory: pytest.TempPathFactory) -> None:
    lines = [",".join(map(repr, bar)) for bar in bars]
    again = read_bars(csv(tmp_path_factory.mktemp("csv"), *lines))
    assert list(again) == list(bars)


@settings(max_examples=200, deadline=None)
@given(
    bars=sound_bars(),
    column=st.sampled_from(["open", "high", "low", "close", "volume"]),
    value=st.sampled_from([math.nan, math.inf, -math.inf, -1.0]),
    data=st.data(),
)
def test_one_unsound_number_anywhere_is_found(bars: Bars, column: str, value: float, data: st.DataObject) -> None:
    check_bars(bars)
    row = data.draw(st.integers(0, len(bars) - 1))
    getattr(bars, column)[row] = value
    with pytest.raises(BarError) as caught:
        check_bars(bars)
    assert caught.value.row == row + 1
    with pytest.raises(BarError):
        check_bar(bars[row], None, row=row + 1)


def test_slices_share_the_market_and_iterate_as_python_numbers() -> None:
    bars = bars_of([Bar(START + 60_000 * i, 1.5, 2, 1, 1.25, 3) for i in range(4)], "BTCUSDT", "1m", "replay")
    part = bars[1:3]
    assert (len(part), part.symbol, part.timeframe) == (2, "BTCUSDT", "1m")
    assert [type(value) for value in next(iter(part))] == [int, float, float, float, float, float]
    assert part.close_time.tolist() == [START + 120_000, START + 180_000]
    assert part.time.dtype == np.int64
