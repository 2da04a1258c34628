"""Days and windows of wall-clock time on the line of epoch milliseconds: what the kernel reads a bar's open time in."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from smc_agent.detection.params import DetectionParams
from smc_agent.detection.windows import WINDOWS, minutes_of

Int = NDArray[np.int64]
MINUTE = 60_000
DAY = 1440 * MINUTE
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS = range(2, 9999)  # what datetime can tell in any zone; before and after, the clocks stay as they are then
_FAR = 1 << 62
ROWS_AHEAD = 32 * DAY
LONGEST = 1024 * DAY
OUTSIDE, FOREVER = -(1 << 63), (1 << 63) - 1  # no beginning of a window; no end of a table


def calendar(params: DetectionParams, first: int, last: int, bars: int) -> Int:
    """The calendar from `first` on, in epoch milliseconds, up to `last` where `bars` bars are dense enough for that.

    -> rows of: when it begins to hold, when the day, the week and the month began that hold then, and when each window
    of `WINDOWS` did (OUTSIDE: not in it). The first row holds at `first`; the last one only says where the table ends.
    """
    if not -_FAR < first < _FAR:  # more years than the world has: one day without end
        begin_at, ends_at = (_FAR, FOREVER) if first > 0 else (OUTSIDE, 1 - _FAR)
        return np.array([[begin_at] * 4 + [OUTSIDE] * len(WINDOWS), [ends_at] * (4 + len(WINDOWS))])
    span = last - first
    end = first + (min(span, LONGEST) if span <= bars * ROWS_AHEAD else 0) + ROWS_AHEAD
    dates: Int = np.arange(first // DAY - 35, end // DAY + 3)  # from before the month that holds
    shift = minutes_of(params.day_start) * MINUTE
    if shift >= DAY // 2:  # such a day begins on the evening before
        shift -= DAY
    days = instants(params.day_zone, dates * DAY + shift)
    named = dates.astype("datetime64[D]")
    monday, one = (dates + 3) % 7 == 0, named == named.astype("datetime64[M]")
    weeks, months = days[monday], days[one]
    midnights = dates[32:] * DAY
    begins: list[Int] = []
    ends: list[Int] = []
    for name in WINDOWS:
        window = getattr(params.windows, name)
        if window is None:
            begins.append(days[:0])
            ends.append(days[:0])
            continue
        start, stop = minutes_of(window.start), minutes_of(window.end)
        begin = instants(window.zone, midnights + start * MINUTE)
        until = instants(window.zone, midnights + (stop if stop > start else stop + 1440) * MINUTE)
        opens = begin < until
        begins.append(begin[opens])
        ends.append(until[opens])
    moments = np.concatenate([days, *begins, *ends])
    moments.sort()
    moments = moments[moments.searchsorted(first, "right") - 1 : moments.searchsorted(end)]
    moments = moments[np.append(True, moments[1:] > moments[:-1])]  # np.unique imports masked arrays: 40 ms
    table = np.full((len(moments) + 1, 4 + len(WINDOWS)), OUTSIDE)
    table[:-1, 0], table[-1, 0] = moments, end
    for column, starts in enumerate((days, weeks, months), 1):
        table[:-1, column] = starts[starts.searchsorted(moments, "right") - 1]
    for column, (begin, until) in enumerate(zip(begins, ends, strict=True), 4):
        if len(begin):
            held = begin.searchsorted(moments, "right") - 1
            table[:-1, column] = np.where((held >= 0) & (moments < until[held]), begin[held], OUTSIDE)
    return table


def instants(zone: str, wall: Int) -> Int:
    """Epoch milliseconds of times on the zone's clocks, given as if it were UTC.

    A time that the clocks jump over counts as if they had not; of two alike the first is meant (PEP 495, fold = 0).
    """
    if zone == "UTC" or not len(wall):
        return wall
    changed, offsets = _clocks(zone, _year(int(wall[0]) - 2 * DAY), _year(int(wall[-1]) + 2 * DAY))
    return np.asarray(wall - offsets[changed.searchsorted(wall, "right")])


@lru_cache(256)
def _clocks(zone: str, first: int, last: int) -> tuple[Int, Int]:
    """Of the zone's clocks in these years: what they showed at latest when they were changed, and their offsets to UTC.

    In milliseconds; there is one offset more, which holds before the first change.
    """
    found = [change for year in range(first, last + 1) for change in _changes_of_year(zone, year)]
    kept = [found[0]] + [b for a, b in pairwise(found) if a[1] != b[1]]
    at, offsets = np.array(kept, np.int64).T.copy()
    return at[1:] + np.maximum(offsets[1:], offsets[:-1]), offsets


def _year(time: int) -> int:
    return min(max(1970 + time // (365 * DAY + DAY // 4), _YEARS[0]), _YEARS[-1])


@lru_cache(1024)
def _changes_of_year(zone: str, year: int) -> tuple[tuple[int, int], ...]:
    return tuple(_find_changes(ZoneInfo(zone), year))


def _find_changes(zone: ZoneInfo, year: int) -> Iterator[tuple[int, int]]:
    """Looks at the clocks once a day and then closer at the days on which they were changed."""

    def offset(second: int) -> int:
        there = (_EPOCH + timedelta(seconds=second)).astimezone(zone).utcoffset()
        assert there is not None
        return there // timedelta(milliseconds=1)

    def second_of(year: int) -> int:
        return (datetime(year, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)

    before, last = second_of(year) - 86_400, second_of(year + 1)
    was = offset(before)
    yield before * 1000, was
    while before < last:
        after = before + 86_400
        now = offset(after)
        if now != was:
            low, high = before, after
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == was else (low, middle)
            yield high * 1000, now
        before, was = after, now
