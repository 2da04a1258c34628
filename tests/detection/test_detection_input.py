"""Bars that cannot be true are refused with row, column and rule, and leave the detector as it was."""

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from smc_agent.detection import WINDOWS, DetectionInputError, DetectionParams, Detector, Events, detect
from smc_agent.detection.kernel import layout as k

from .series import Columns, cut, generated

GOOD: tuple[int, float, float, float, float, float] = (1000, 10.0, 11.0, 9.0, 10.5, 3.0)
BAD = [
    ((1000, math.nan, 11.0, 9.0, 10.5, 3.0), "open", "must be a finite number"),
    ((1000, 10.0, math.inf, 9.0, 10.5, 3.0), "high", "must be a finite number"),
    ((1000, 10.0, 11.0, 9.0, 10.5, math.nan), "volume", "must be a finite number"),
    ((1000, 10.0, 11.0, 0.0, 10.5, 3.0), "low", "must be greater than 0"),
    ((1000, 10.0, 11.0, -1.0, 10.5, 3.0), "low", "must be greater than 0"),
    ((1000, 10.0, 10.4, 9.0, 10.5, 3.0), "high", "must be at least open and close"),
    ((1000, 11.1, 11.0, 9.0, 10.5, 3.0), "high", "must be at least open and close"),
    ((1000, 10.0, 11.0, 10.1, 10.5, 3.0), "low", "must be at most open and close"),
    ((1000, 10.0, 11.0, 9.0, 10.5, -0.1), "volume", "must not be negative"),
    ((999, 10.0, 11.0, 9.0, 10.5, 3.0), "time", "must be greater than the time of the bar before"),
    ((900, 10.0, 11.0, 9.0, 10.5, 3.0), "time", "must be greater than the time of the bar before"),
    (("1000", 10.0, 11.0, 9.0, 10.5, 3.0), "time", "must be an integer"),
    ((1000.0, 10.0, 11.0, 9.0, 10.5, 3.0), "time", "must be an integer"),
    ((2**70, 10.0, 11.0, 9.0, 10.5, 3.0), "time", "must fit 64 bits"),
    ((1000, "10", 11.0, 9.0, 10.5, 3.0), "open", "must be a float64 or an integer, not str"),
    ((1000, np.float32(10), 11.0, 9.0, 10.5, 3.0), "open", "not float32"),
    ((1000, None, 11.0, 9.0, 10.5, 3.0), "open", "not NoneType"),
]


@pytest.mark.parametrize(("bar", "column", "rule"), BAD)
def test_push_refuses_and_goes_on_as_if_nothing_had_been(bar: tuple[Any, ...], column: str, rule: str) -> None:
    detector = Detector()
    detector.push(999, *GOOD[1:])
    before = detector.save()
    with pytest.raises(DetectionInputError) as refused:
        detector.push(*bar)
    assert refused.value.column == column
    assert rule in refused.value.rule
    assert f"row 0, column {column}: " in str(refused.value)
    assert detector.save() == before
    detector.push(*GOOD)
    assert detector.bars == 2


@pytest.mark.parametrize(("bar", "column", "rule"), [bad for bad in BAD if isinstance(bad[0][0], int)][:11])
def test_a_batch_with_one_bad_row_is_refused_as_a_whole(bar: tuple[Any, ...], column: str, rule: str) -> None:
    bars = [part.copy() for part in generated(300, 5)]
    for part, value in zip(bars[1:], bar[1:], strict=True):
        part[200] = value
    if column == "time":
        bars[0][200] = bars[0][199]
    detector = Detector()
    detector.extend(*cut(_columns(bars), 0, 100))
    before = detector.save()
    with pytest.raises(DetectionInputError) as refused:
        detector.extend(*cut(_columns(bars), 100, 300))
    assert (refused.value.row, refused.value.column) == (100, column)
    assert rule in refused.value.rule
    assert detector.save() == before


def _columns(parts: list[Any]) -> Columns:
    t, o, h, lo, c, v = parts
    return t, o, h, lo, c, v


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"close": np.ones(3, np.float32)}, "float64 or integers, not float32"),
        ({"close": np.ones(2)}, "as long as time"),
        ({"close": np.ones((3, 1))}, "as long as time"),
        ({"close": ["1", "1", "1"]}, "float64 or integers"),
        ({"time": np.array([1.0, 2.0, 3.0])}, "integers"),
        ({"time": np.array(["2024-01-01", "2024-01-02", "2024-01-03"], "datetime64[ms]")}, "integers"),
    ],
)
def test_columns_of_the_wrong_kind_are_refused(change: dict[str, Any], says: str) -> None:
    ones = {name: np.ones(3) for name in ("open", "high", "low", "close", "volume")}
    with pytest.raises(DetectionInputError, match=says):
        detect(**{"time": np.arange(3), **ones, **change})


def test_integer_ticks_give_what_the_same_floats_give() -> None:
    t, o, h, lo, c, v = generated(800, 6, tick=1.0)
    ti, oi, hi, loi, ci = (part.astype(np.int64) for part in (t, o, h, lo, c))
    assert detect(ti, oi, hi, loi, ci, v) == detect(t, o, h, lo, c, v)
    detector = Detector()
    detector.push(1, 10, 11, 9, 10, 0)
    assert detector.bars == 1


def test_gaps_in_time_are_legal_and_nothing_gives_nothing() -> None:
    t, o, h, lo, c, v = generated(800, 6)
    for times in (t * 1000, t + np.where(np.arange(800) < 400, 0, 9 * 86_400_000), t - 2**61, t * 5_000_000):
        assert blind(detect(times, o, h, lo, c, v)) == blind(detect(t, o, h, lo, c, v))
    assert len(detect([], [], [], [], [], [])) == 0


def blind(events: Events) -> list[tuple[object, ...]]:
    """The events that do not depend on the time of day."""
    of_time = ("previous_day", "previous_week", "previous_month", *WINDOWS)
    kinds = {event.id: event.kind for event in events}
    return [
        event[1:8]
        for event in events
        if not event.kind.startswith(of_time)
        and not kinds.get(-1 if event.ref is None else event.ref, "").startswith(of_time)
    ]


def test_times_that_no_calendar_knows_are_one_long_day() -> None:
    times, ones = [-(2**63), 1 - 2**63, 0, 2**63 - 2, 2**63 - 1], [1.0] * 5
    events = detect(times, ones, ones, ones, ones, ones)
    assert [event.confirmed for event in events if event.kind == "previous_day_high"] == [2, 3]


@pytest.mark.parametrize(
    "wrong",
    [{"swing": 0}, {"internal": -1}, {"swing": 5001}, {"equal_threshold": -0.1}, {"atr_period": 0}, {"wild_factor": 0},
     {"day_zone": "Mars/Phobos"}, {"day_zone": "../UTC"}, {"day_start": "24:00"}, {"day_start": 17}, {"premium": 0.5},
     {"ote_from": 0.8}, {"windows": {"lunch": None}}, {"windows": {"asian_session": {"zone": "UTC", "start": "01:00"}}},
     {"windows": {"asian_session": {"zone": "UTC", "start": "01:00", "end": "01:00"}}}, {"break_by": "body"},
     {"fvg_threshold": 2}, {"max_zones": 0}, {"swings": 5}, {"fvg_factor": math.nan}],
)  # fmt: skip
def test_parameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DetectionParams(**wrong)
    with pytest.raises(ValidationError):
        DetectionParams().swing = 3


@pytest.mark.parametrize("many", [True, False])
def test_more_bars_or_events_than_32_bits_count_are_refused_as_a_whole_not_wrapped(many: bool) -> None:
    bars, begun = generated(400, 5), Detector()
    begun.extend(*cut(bars, 0, 300))

    def with_count(place: int, count: int) -> Detector:
        detector = Detector.restore(begun.save())
        state = detector._state
        if place == k.BARS:  # what the state says of bars moves with them
            state.ints[k.ORIGIN] -= count - state.ints[place]
            state.pivots_i[:, [k.P_ANCHOR, k.P_BLOCK, k.P_SEEN]] += count - state.ints[place]
        state.ints[place] = count
        return detector

    def take(detector: Detector) -> list[int]:
        if many:
            events = detector.extend(*cut(bars, 300, 400))
            return [*events.id.tolist(), *events.confirmed.tolist()]
        rows = zip(*(column.tolist() for column in cut(bars, 300, 400)), strict=True)
        return [number for bar in rows for event in detector.push(*bar) for number in (event.id, event.confirmed)]

    count = begun.bars
    told = len(Detector.restore(begun.save()).extend(*cut(bars, 300, 400)))
    assert told > 10
    assert max(take(with_count(k.NEXT_ID, k.MOST - told))) == k.MOST - 1
    for place, last, what in ((k.NEXT_ID, k.MOST - told + 1, "events"), (k.BARS, k.MOST - 99, "bars")):
        detector = with_count(place, last)
        before = detector.save()
        with pytest.raises(
            DetectionInputError, match=f"one detector (takes|tells) 2,147,483,647 {what}: begin another"
        ):
            take(detector)
        if many:
            assert detector.save() == before
        else:
            assert detector._state.ints[place] <= k.MOST
    assert begun.bars == count
