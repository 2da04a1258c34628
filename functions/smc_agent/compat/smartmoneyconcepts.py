"""The functions of the PyPI package `smartmoneyconcepts` 0.0.27: its names, arguments, defaults and result columns.

    from smc_agent.compat.smartmoneyconcepts import smc

    swings = smc.swing_highs_lows(ohlc, swing_length=5)
    breaks = smc.bos_choch(ohlc, swings)

Written anew, and equal to what that package puts out, odd definitions included, in near-linear time. `ohlc` is a pandas
frame with columns open, high, low, close (in any case, as there) and for `ob` volume; results are pandas frames with
rows 0..n-1. pandas is not installed with the agent: `pip install pandas`.

Several of these outputs look ahead: their row i holds what is known only after bar i, so a backtest that reads them bar
by bar sees the future. Each docstring says so. The agent, its backtests and its models never use this module; their
detection is `smc_agent.detection`.

Where this differs from the package, on purpose:
- columns are computed as float64, whatever they come as;
- a swings frame with another number of rows than `ohlc` is a ValueError, and it is read by row, not by its index;
- `swing_length` below 1 is a ValueError;
- a missing `volume` is the same LookupError as any missing column; `previous_high_low` does not need one;
- an unknown session is a ValueError (that is no KeyError);
- `ohlc` may be passed by name, and nothing is printed on import.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from smc_agent.compat import kernel, running

if TYPE_CHECKING:
    from pandas import DataFrame

Floats = NDArray[np.float64]

SESSIONS = {
    "Sydney": ("21:00", "06:00"),
    "Tokyo": ("00:00", "09:00"),
    "London": ("07:00", "16:00"),
    "New York": ("13:00", "22:00"),
    "Asian kill zone": ("00:00", "04:00"),
    "London open kill zone": ("6:00", "9:00"),
    "New York kill zone": ("11:00", "14:00"),
    "london close kill zone": ("14:00", "16:00"),
}


def _pandas() -> Any:
    """pandas, imported when a frame is needed: the agent runs without it."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError("smc_agent.compat.smartmoneyconcepts needs pandas: pip install pandas") from error
    return pandas


def _frame(**columns: NDArray[Any]) -> "DataFrame":
    return _pandas().DataFrame(columns)


def _columns(ohlc: "DataFrame", *extra: str) -> tuple[Floats, ...]:
    """open, high, low, close and `extra` of the frame, whatever the case of their names."""
    _pandas()
    names = {str(name).lower(): place for place, name in reversed(list(enumerate(ohlc.columns)))}
    for name in ("open", "high", "low", "close", *extra):
        if name not in names:
            raise LookupError(f'Must have a dataframe column named "{name}"')
    wanted = ("open", "high", "low", "close", *extra)
    return tuple(np.array(ohlc.iloc[:, names[name]].to_numpy(), dtype=np.float64) for name in wanted)


def _swings(swing_highs_lows: "DataFrame", rows: int) -> tuple[Floats, Floats]:
    if len(swing_highs_lows) != rows:
        raise ValueError(f"swing_highs_lows has {len(swing_highs_lows)} rows, ohlc {rows}")
    side, level = (np.array(swing_highs_lows[name].to_numpy(), dtype=np.float64) for name in ("HighLow", "Level"))
    return side, level


def _minute(clock: str) -> int:
    time = datetime.strptime(clock, "%H:%M")
    return time.hour * 60 + time.minute


class smc:
    """The functions, as the package has them: called on the class."""

    __version__ = "0.0.27"

    @classmethod
    def fvg(cls, ohlc: "DataFrame", join_consecutive: bool = False) -> "DataFrame":
        """Fair value gaps: the bars before and after a candle leave a gap in the candle's direction.

        Looks ahead: a gap stands on its middle candle and needs the next one; joined gaps need all of their row;
        MitigatedIndex is the future.

        FVG: 1 bullish, -1 bearish. Top, Bottom: of the gap. MitigatedIndex: the first row, from the second after, that
        reaches the near edge (not the far one); 0 where none does. With `join_consecutive` gaps of one direction in a
        row become one, from the lowest bottom to the highest top, on the last of them.
        """
        open_, high, low, close = _columns(ohlc)
        side, top, bottom, filled = kernel.fair_value_gaps(open_, high, low, close, bool(join_consecutive))
        return _frame(FVG=side, Top=top, Bottom=bottom, MitigatedIndex=filled)

    @classmethod
    def swing_highs_lows(cls, ohlc: "DataFrame", swing_length: int = 50) -> "DataFrame":
        """Swing highs and lows, alternating: a high that no bar of the window around it passes, and the like for lows.

        Looks ahead: by `swing_length` bars, and further: of several highs without a low between only the highest stays,
        however much later it comes. The first and the last row always hold a swing that no price supports.

        HighLow: 1 high, -1 low. Level: its price. The window is one bar shorter before than after:
        i - swing_length + 1 .. i + swing_length, and it takes in none of the first `swing_length` bars.
        """
        if swing_length < 1:
            raise ValueError("swing_length must be at least 1")
        _, high, low, _ = _columns(ohlc)
        side, level = kernel.swings(high, low, int(swing_length))
        return _frame(HighLow=side, Level=level)

    @classmethod
    def bos_choch(cls, ohlc: "DataFrame", swing_highs_lows: "DataFrame", close_break: bool = True) -> "DataFrame":
        """Breaks of structure and changes of character, from the order of four swings in a row.

        Looks ahead: a break stands on the second last of its four swings, so before the two bars that confirm it, and
        only where the level is broken later; one that a later break overtakes is taken away after the fact.

        BOS, CHOCH: 1 bullish, -1 bearish. Level: the price broken, rounded to single precision before it is compared.
        BrokenIndex: the row that breaks it, by its close or (`close_break=False`) its high or low, which may come
        before the last of the four swings. It stays in rows whose BOS or CHOCH was taken away.
        """
        _, high, low, close = _columns(ohlc)
        side, price = _swings(swing_highs_lows, len(close))
        up, down = (close, close) if close_break else (high, low)
        bos, choch, level, broken = kernel.structure_breaks(up, down, side, price)
        return _frame(BOS=bos, CHOCH=choch, Level=level, BrokenIndex=broken)

    @classmethod
    def ob(cls, ohlc: "DataFrame", swing_highs_lows: "DataFrame", close_mitigation: bool = False) -> "DataFrame":
        """Order blocks: the extreme candle between a swing and the first close beyond it.

        Looks ahead: a block stands on its candle, but is known only at the close beyond the swing (and the swings look
        ahead themselves); MitigatedIndex is the future; a block that price passes the other way afterwards vanishes.

        OB: 1 bullish, -1 bearish. Top, Bottom: of the candle (single precision); where no candle lies between the swing
        and the close, a bullish block has them swapped. OBVolume: volume of the breaking bar and the two before it.
        MitigatedIndex: the row that passes the far edge, by its high or low or (`close_mitigation`) its body; for
        bullish blocks one row earlier; 0 where none does. Percentage: the smaller in the larger of the volume of the
        breaking bar and the one before, and that of the bar before those. A candle that is a block of both directions
        is kept as the bearish one, with the bullish one's mitigation.
        """
        open_, high, low, close, volume = _columns(ohlc, "volume")
        side, _ = _swings(swing_highs_lows, len(close))
        fell_to = np.where(close < open_, close, open_) if close_mitigation else low
        rose_to = np.where(close > open_, close, open_) if close_mitigation else high
        found, *values = kernel.order_blocks(high, low, close, volume, fell_to, rose_to, side)
        none = found == 0
        for column in (found, *values):
            column[none] = np.nan
        top, bottom, total, mitigated, percentage = values
        return _frame(OB=found, Top=top, Bottom=bottom, OBVolume=total, MitigatedIndex=mitigated, Percentage=percentage)

    @classmethod
    def liquidity(cls, ohlc: "DataFrame", swing_highs_lows: "DataFrame", range_percent: float = 0.01) -> "DataFrame":
        """Liquidity: swing highs (or lows) that lie within a small range of the first of them.

        Looks ahead: the range is `range_percent` of the highest high less the lowest low of the whole frame, a group
        stands on its first swing, and End and Swept are the future.

        Liquidity: 1 highs, -1 lows. Level: their mean. End: the row of the last. Swept: the row that reaches the end of
        the range, 0 where none does. All in single precision, so rows from 16,777,216 on are rounded.
        """
        _, high, low, close = _columns(ohlc)
        side, price = _swings(swing_highs_lows, len(close))
        out = [np.full(len(close), np.nan, dtype=np.float32) for _ in range(4)]
        known = (high[~np.isnan(high)], low[~np.isnan(low)])
        reach = (known[0].max() - known[1].min()) * range_percent if len(known[0]) and len(known[1]) else np.nan
        for sign, prices in ((1.0, high), (-1.0, low)):
            at = np.flatnonzero(side == sign)
            firsts, means, ends, swept = kernel.liquidity_highs(sign * prices, sign * price, at, float(reach))
            out[0][firsts], out[1][firsts], out[2][firsts], out[3][firsts] = sign, sign * means, ends, swept
        return _frame(Liquidity=out[0], Level=out[1], End=out[2], Swept=out[3])

    @classmethod
    def previous_high_low(cls, ohlc: "DataFrame", time_frame: str = "1D") -> "DataFrame":
        """The high and low of the period before, and whether price has passed them.

        Does not look ahead; it lags: the first bar of a period, whose time is the period's own, still counts to the
        period before.

        PreviousHigh, PreviousLow: single precision. BrokenHigh, BrokenLow: 1 from the bar on that passes them. The
        periods are those of pandas' `resample(time_frame)`, by the frame's index, taken to begin at their label; that
        of "W" is the Sunday that ends the week, so there the values are mostly those of the week before last.
        """
        _, high, low, _ = columns = _columns(ohlc)
        pandas = _pandas()
        times = pandas.to_datetime(ohlc.index)
        bars = pandas.DataFrame(dict(zip(("open", "high", "low", "close"), columns, strict=True)), index=times)
        how = {"open": "first", "high": "max", "low": "min", "close": "last"}
        periods = bars.resample(time_frame).agg(how).dropna()
        before = np.searchsorted(periods.index.values, times.values, side="left") - 2
        known = before >= 0
        levels = []
        for name in ("high", "low"):
            level = np.full(len(high), np.nan, dtype=np.float32)
            level[known] = periods[name].to_numpy()[before[known]]
            levels.append(level)
        broken_high, broken_low = running.broken_levels(high, low, before.astype(np.int64), *levels)
        return _frame(PreviousHigh=levels[0], PreviousLow=levels[1], BrokenHigh=broken_high, BrokenLow=broken_low)

    @classmethod
    def sessions(
        cls, ohlc: "DataFrame", session: str, start_time: str = "", end_time: str = "", time_zone: str = "UTC"
    ) -> "DataFrame":
        """The bars within a trading session, and the session's high and low so far.

        Does not look ahead.

        Active: 1 within, both ends included. High, Low: so far, single precision, 0 outside. A session goes on over a
        gap in the data where the bars before and after are within one. `session`: Sydney, Tokyo, London, New York,
        Asian kill zone, London open kill zone, New York kill zone, london close kill zone, or Custom with `start_time`
        and `end_time` as "HH:MM", in UTC. `time_zone`: that of the index; "UTC+3" and "GMT+3" are read as "Etc/GMT+3",
        whose sign is the other way round: three hours *behind* UTC.
        """
        if session == "Custom" and (start_time == "" or end_time == ""):
            raise ValueError("Custom session requires a start and end time")
        if session != "Custom" and session not in SESSIONS:
            raise ValueError(f"unknown session {session!r}: one of {', '.join(SESSIONS)}, Custom")
        _, high, low, _ = _columns(ohlc)
        times = _pandas().to_datetime(ohlc.index)
        if time_zone != "UTC":
            zone = time_zone.replace("GMT", "Etc/GMT").replace("UTC", "Etc/GMT")
            times = times.tz_localize(zone).tz_convert("UTC")
        start, end = map(_minute, (start_time, end_time) if session == "Custom" else SESSIONS[session])
        minute = np.asarray(times.hour) * 60 + np.asarray(times.minute)
        since, until = start <= minute, minute <= end
        active = since & until if start < end else since | until
        highest, lowest = running.session_extremes(high, low, active)
        return _frame(Active=active.astype(np.int32), High=highest, Low=lowest)

    @classmethod
    def retracements(cls, ohlc: "DataFrame", swing_highs_lows: "DataFrame") -> "DataFrame":
        """How far price has come back from the last swing, in percent of the leg that led to it.

        Looks ahead by way of the swings, which are known only later than their rows; row 0 may hold the last row's.

        Direction: 1 after a high, -1 after a low. CurrentRetracement%, DeepestRetracement%: one decimal. Each row shows
        the bar before it; the rows up to the third turn are 0.
        """
        _, high, low, close = _columns(ohlc)
        side, price = _swings(swing_highs_lows, len(close))
        direction, current, deepest = running.retraced(high, low, side, price)
        columns = {"Direction": direction, "CurrentRetracement%": current, "DeepestRetracement%": deepest}
        return _pandas().DataFrame(columns)
