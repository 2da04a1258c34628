"""Bars: closed candles, one by one (`Bar`) and as columns (`Bars`), and the rules each must keep."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from smc_agent.market.timeframes import milliseconds

Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

PRICES = ("open", "high", "low", "close")


class Bar(NamedTuple):
    """One closed candle, named by its open time (epoch milliseconds, UTC)."""

    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class BarError(ValueError):
    """A bar that breaks a rule: `row` counts bars from 1, `column` is its field, `rule` says what must hold."""

    def __init__(self, row: int, column: str, rule: str, source: str = "") -> None:
        self.row, self.column, self.rule, self.source = row, column, rule, source
        super().__init__(f"{source + ': ' if source else ''}bar {row}, column {column}: {rule}")


class Gap(NamedTuple):
    """Bars that are missing: the open times before and after them, and how many would fit between."""

    before: int
    after: int
    missing: int


@dataclass(frozen=True, eq=False)
class Bars:
    """Columns of n closed bars of one market: `time` int64[n] (open, epoch ms), the others float64[n]."""

    time: Times
    open: Values
    high: Values
    low: Values
    close: Values
    volume: Values
    symbol: str = ""
    timeframe: str = ""
    exchange: str = ""

    def __len__(self) -> int:
        return len(self.time)

    @overload
    def __getitem__(self, index: int) -> Bar: ...
    @overload
    def __getitem__(self, index: slice) -> "Bars": ...
    def __getitem__(self, index: int | slice) -> "Bar | Bars":
        if isinstance(index, slice):
            columns = {name: getattr(self, name)[index] for name in Bar._fields}
            return replace(self, **columns)
        return Bar(
            int(self.time[index]),
            float(self.open[index]),
            float(self.high[index]),
            float(self.low[index]),
            float(self.close[index]),
            float(self.volume[index]),
        )

    def __iter__(self) -> Iterator[Bar]:
        # tolist() turns a column into Python numbers at once, an order of magnitude faster than element by element.
        columns = (getattr(self, name).tolist() for name in Bar._fields)
        return map(Bar, *columns)

    def where(self, kept: npt.NDArray[np.bool_]) -> "Bars":
        """The bars whose place in `kept` (bool[n]) is true."""
        columns = {name: getattr(self, name)[kept] for name in Bar._fields}
        return replace(self, **columns)

    def of_market(self, symbol: str, timeframe: str, exchange: str) -> "Bars":
        """The same columns, said to be of another market."""
        return replace(self, symbol=symbol, timeframe=timeframe, exchange=exchange)

    @property
    def close_time(self) -> Times:
        """When each bar closed: the open time of the next one, int64[n], epoch ms."""
        return self.time + milliseconds(self.timeframe)

    def gaps(self) -> list[Gap]:
        """Where bars are missing (weekends, outages). They are legal, and reported; nothing is made up for them."""
        length = milliseconds(self.timeframe)
        steps = np.diff(self.time)
        return [
            Gap(int(self.time[i]), int(self.time[i + 1]), int(steps[i] // length) - 1)
            for i in np.flatnonzero(steps >= 2 * length)
        ]


def bars_of(rows: list[Bar], symbol: str = "", timeframe: str = "", exchange: str = "") -> Bars:
    """The columns of `rows`; not checked."""
    time = np.array([row.time for row in rows], dtype=np.int64)
    open_, high, low, close, volume = (np.array([row[i] for row in rows], dtype=np.float64) for i in range(1, 6))
    return Bars(time, open_, high, low, close, volume, symbol, timeframe, exchange)


def joined(first: Bars, then: Bars) -> Bars:
    """Both, one after the other, as of the market of `first`; not checked."""
    columns: dict[str, Any] = {
        name: np.concatenate((getattr(first, name), getattr(then, name))) for name in Bar._fields
    }
    return replace(first, **columns)


def check_bars(bars: Bars, source: str = "") -> None:
    """Raises BarError for the first bar of `bars` that breaks a rule of the input."""
    found: tuple[int, str, str] | None = None

    def broken(bad: npt.NDArray[np.bool_], column: str, rule: str) -> None:
        nonlocal found
        if bad.any():
            row = int(np.argmax(bad)) + 1
            # The first bar counts; within a bar, the first rule.
            if found is None or row < found[0]:
                found = (row, column, rule)

    with np.errstate(invalid="ignore"):
        for name in (*PRICES, "volume"):
            broken(~np.isfinite(getattr(bars, name)), name, "must be a finite number")
        if len(bars):
            before = np.concatenate(([bars.time[0] - 1], bars.time[:-1]))
            broken(bars.time <= before, "time", "open times must be strictly increasing")
        broken(bars.low <= 0, "low", "must be greater than 0")
        broken(bars.high < np.maximum(bars.open, bars.close), "high", "must be at least max(open, close)")
        broken(bars.low > np.minimum(bars.open, bars.close), "low", "must be at most min(open, close)")
        broken(bars.volume < 0, "volume", "must not be negative")
        if len(bars) and bars.timeframe:
            length = milliseconds(bars.timeframe)
            early = bars.time - before < length
            early[0] = False
            broken(early, "time", f"opens before the {bars.timeframe} bar in front of it has closed")
    if found is not None:
        row, column, rule = found
        value = getattr(bars, column)[row - 1]
        shown = moment(int(value)) if column == "time" else repr(float(value))
        raise BarError(row, column, f"{rule}, but is {shown}", source)


def check_bar(bar: Bar, after: int | None, row: int, source: str = "") -> None:
    """Raises BarError when one streamed `bar` breaks a rule; `after` is the open time of the bar before it."""
    if not _plainly_sound(bar):
        try:
            check_bars(bars_of([bar]))
        except BarError as error:
            raise BarError(row, error.column, error.rule, source) from None
    if after is not None and bar.time <= after:
        raise BarError(row, "time", f"open times must be strictly increasing, but is {moment(bar.time)}", source)


def _plainly_sound(bar: Bar) -> bool:
    # Chained, so that a NaN anywhere makes it false; min and max would pass over one.
    return (
        0 < bar.low <= bar.open <= bar.high < math.inf
        and bar.low <= bar.close <= bar.high
        and 0 <= bar.volume < math.inf
    )


def moment(time_ms: int) -> str:
    """`time_ms` (epoch milliseconds) as ISO 8601 UTC."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError):
        return f"{time_ms} ms"
