"""Levels where liquidity rests, swept and taken: hand-drawn, each with its picture in words."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from smc_agent.detection import DetectionParams, Detector, Event, detect, resting_levels

from .drawn import NEVER, NO_WINDOWS, ONE_SCALE, Candle, mirror, mirrored, path, run
from .series import generated

# A low at bar 2, then a high of 12.5 at bar 6, known at bar 8.
HILL = [10.0, 9, 8, 9, 10, 11, 12, 11, 10]
LIQUIDITY = ("liquidity_sweep", "liquidity_taken")


def told(candles: list[Candle], params: DetectionParams = ONE_SCALE) -> list[tuple[str, int, float, int | None]]:
    return [(e.kind, e.confirmed, e.top, e.ref) for e in run(candles, params) if e.kind in LIQUIDITY]


def test_a_wick_over_the_high_sweeps_it_once_and_a_close_over_it_takes_it() -> None:
    candles = [
        *path(*HILL, 11, 12),  # bar 10 reaches exactly the high: not past it
        (12, 13, 11.5, 12),  # bar 11: over it and back
        (12, 14, 11.5, 12.5),  # bar 12: over it again and back onto it, the second time
        (12.5, 13, 12, 12.6),  # bar 13: closes over it
        (12.6, 14, 12.6, 13.5),  # bar 14: it is gone
    ]
    assert told(candles) == [("liquidity_sweep", 11, 12.5, 1), ("liquidity_taken", 13, 12.5, 1)]
    event = next(e for e in run(candles, ONE_SCALE) if e.kind == "liquidity_sweep")
    assert event == Event(event.id, "liquidity_sweep", "internal", "bearish", 6, 11, 12.5, 12.5, 1)


def test_the_same_below_a_low() -> None:
    candles = [*path(*HILL, 11, 12), (12, 13, 11.5, 12), (12, 12.6, 12, 12.6)]
    upside_down = run([*path(9, 1, 10), *mirrored(candles, 20)], ONE_SCALE)
    one_way = [mirror(e, 20, ids=1, bars=3) for e in run(candles, ONE_SCALE) if e.kind in LIQUIDITY]
    assert [e for e in upside_down if e.kind in LIQUIDITY] == one_way
    assert len(one_way) == 2


def test_a_close_over_it_at_once_takes_it_without_a_sweep_and_a_gap_over_it_does_too() -> None:
    assert told(path(*HILL, 11, 13)) == [("liquidity_taken", 10, 12.5, 1)]
    assert told(path(*HILL, 20)) == [("liquidity_taken", 9, 12.5, 1)]


def test_older_highs_stay_levels_though_only_the_last_can_be_broken() -> None:
    # A high of 12.5 at bar 6 and a lower one of 11.5 at bar 11; then up through both.
    candles = path(*HILL, 9, 10, 11, 10, 9, 10, 12, 13)
    breaks = [(e.kind, e.confirmed, e.top) for e in run(candles, ONE_SCALE) if e.kind in ("bos", "choch")]
    assert breaks == [("bos", 15, 11.5)]
    assert told(candles) == [("liquidity_taken", 15, 11.5, 3), ("liquidity_taken", 16, 12.5, 1)]


def test_one_bar_through_many_levels_tells_the_oldest_first() -> None:
    candles = path(*HILL, 9, 10, 11, 10, 9)
    assert told([*candles, (9, 13, 9, 12)]) == [("liquidity_sweep", 14, 12.5, 1), ("liquidity_taken", 14, 11.5, 3)]


def test_a_break_by_a_wick_does_not_end_the_level() -> None:
    by_wick = ONE_SCALE.model_copy(update={"break_by": "wick"})
    candles = [*path(*HILL, 11), (11, 13, 11, 12), (12, 13.5, 12, 13)]
    kinds = [(e.kind, e.confirmed) for e in run(candles, by_wick) if e.kind in ("bos", *LIQUIDITY)]
    assert kinds == [("bos", 10), ("liquidity_sweep", 10), ("liquidity_taken", 11)]


def test_equal_highs_are_a_level_at_their_outer_edge() -> None:
    pools = DetectionParams(swing=NEVER, internal=NEVER, equal=1, atr_period=4, windows=NO_WINDOWS)
    candles = path(10, 8, 10, 8.1, 9.95, 9)  # highs of 10.5 and 10.45: the pool is known at bar 5
    assert told([*candles, (9, 10.48, 9, 9)], pools) == []
    assert told([*candles, (9, 10.6, 9, 9)], pools) == [("liquidity_sweep", 6, 10.5, 1)]


def test_a_pivot_of_both_scales_is_two_levels() -> None:
    both = DetectionParams(swing=3, internal=2, equal=NEVER, windows=NO_WINDOWS)
    events = run(path(*HILL, 9, 10, 13), both)
    assert [(e.scale, e.top) for e in events if e.kind == "liquidity_taken"] == [("internal", 12.5), ("swing", 12.5)]


def test_resting_levels_are_those_that_no_close_has_passed() -> None:
    events = run(path(*HILL, 9, 10, 11, 10, 9, 10, 12), ONE_SCALE)
    assert [(e.kind, e.top) for e in resting_levels(events)] == [
        ("swing_low", 7.5), ("swing_high", 12.5), ("swing_low", 8.5), ("swing_low", 8.5),
    ]  # fmt: skip


QUIET = DetectionParams(swing=NEVER, internal=NEVER, equal=NEVER, windows=NO_WINDOWS)


def at(*moments: str, zone: str = "UTC") -> list[int]:
    return [int(datetime.fromisoformat(m).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000) for m in moments]


def days(candles: list[Candle], times: list[int], params: DetectionParams = QUIET) -> list[tuple[str, int, int, float]]:
    return [(e.kind, e.anchor, e.confirmed, e.top) for e in run(candles, params, times)]


def test_the_high_and_low_of_yesterday_are_known_with_the_first_bar_of_today() -> None:
    times = at("2024-01-03T00:00", "2024-01-03T12:00", "2024-01-03T23:59", "2024-01-04T00:00", "2024-01-04T01:00")
    # The second bar has the high, the first the low; bar 3 wicks over the high, bar 4 closes over it.
    candles: list[Candle] = [
        (10, 11, 9, 10),
        (10, 12, 9, 10),
        (10, 11, 9.5, 10),
        (10, 12.5, 10, 10),
        (10, 13, 10, 12.1),
    ]
    assert days(candles, times) == [
        ("previous_day_high", 1, 3, 12), ("previous_day_low", 0, 3, 9),
        ("liquidity_sweep", 1, 3, 12), ("liquidity_taken", 1, 4, 12),
    ]  # fmt: skip


def test_yesterdays_levels_give_way_to_todays() -> None:
    times = at("2024-01-03T00:00", "2024-01-04T00:00", "2024-01-05T00:00", "2024-01-05T01:00")
    candles: list[Candle] = [(10, 12, 9, 10), (10, 11, 9.5, 10), (10, 10.5, 10, 10), (10, 13, 10, 12.5)]
    events = run(candles, QUIET, times)
    assert [(e.kind, e.top, e.ref) for e in events] == [
        ("previous_day_high", 12, None), ("previous_day_low", 9, None),
        ("previous_day_high", 11, 0), ("previous_day_low", 9.5, 1),
        ("liquidity_taken", 11, 2),
    ]  # fmt: skip
    assert [e.id for e in resting_levels(events)] == [3]


def test_a_day_whose_beginning_is_not_there_makes_no_level() -> None:
    times = at("2024-01-03T00:01", "2024-01-04T00:00", "2024-01-05T00:00")
    assert [e[1:] for e in days(path(10, 10, 10), times)] == [(1, 2, 10.5), (1, 2, 9.5)]


def test_over_a_weekend_the_last_day_that_had_bars_is_the_previous_one_and_weeks_and_months_end() -> None:
    # From Monday the 1st of January to Thursday the 1st of February, without weekends; each day a unit higher.
    dates = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=k) for k in range(32)]
    dates = [date for date in dates if date.weekday() < 5]
    events = run(path(*range(10, 10 + len(dates))), QUIET, [int(date.timestamp() * 1000) for date in dates])
    told = {(e.kind, e.anchor, e.confirmed) for e in events if e.kind.startswith("previous_")}
    assert ("previous_day_high", 4, 5) in told  # Friday's, on Monday
    weeks = {(0, 4, 5), (5, 9, 10), (10, 14, 15), (15, 19, 20)}  # its Monday has the low, its Friday the high
    assert {e for e in told if "week" in e[0]} == {("previous_week_low", low, bar) for low, _, bar in weeks} | {
        ("previous_week_high", high, bar) for _, high, bar in weeks
    }
    assert {e for e in told if "month" in e[0]} == {("previous_month_high", 22, 23), ("previous_month_low", 0, 23)}


@pytest.mark.parametrize(("change", "hours"), [("2024-03-10", 23), ("2024-11-03", 25), ("2024-07-07", 24)])
def test_a_day_of_foreign_exchange_ends_at_17_in_new_york_on_the_days_of_clock_changes_too(
    change: str, hours: int
) -> None:
    """From Saturday 17:00, hourly; Sunday 17:00 begins the week. In spring that is 23 hours later, in autumn 25."""
    fx = QUIET.model_copy(update={"day_zone": "America/New_York", "day_start": "17:00"})
    sunday = datetime.fromisoformat(change)
    first = at((sunday - timedelta(hours=7)).isoformat(), zone="America/New_York")[0]
    events = run(path(*[10] * 60), fx, [first + 3_600_000 * k for k in range(60)])
    assert [(e.kind, e.confirmed) for e in events if e.kind.endswith("high")] == [
        ("previous_day_high", hours), ("previous_day_high", hours + 24),
    ]  # fmt: skip
    weeks = run(path(*[10] * 400), fx, [first + 3_600_000 * k for k in range(400)])
    assert [e.confirmed for e in weeks if e.kind == "previous_week_high"] == [hours + 24 * 7, hours + 24 * 14]


def test_levels_count_as_zones_and_the_oldest_are_given_up_aloud() -> None:
    params = ONE_SCALE.model_copy(update={"max_zones": 2})
    events = run(path(*HILL, 9, 10, 11, 10), params)
    assert [(e.kind, e.confirmed, e.ref) for e in events if "expired" in e.kind] == [("liquidity_expired", 11, 0)]
    down = path(*HILL, 9, 10, 11, 10, 9, 8, 7)
    assert told(down, ONE_SCALE)[1] == ("liquidity_taken", 15, 7.5, 0)
    assert told(down, params.model_copy(update={"max_zones": 3})) == [("liquidity_taken", 14, 8.5, 2)]


def test_every_level_is_swept_at_most_once_and_taken_at_most_once() -> None:
    events = detect(*generated(3000, 5), DetectionParams(swing=9, internal=3, equal=2, atr_period=14))
    for kind in LIQUIDITY:
        refs = events.ref[events.kind == kind].tolist()
        assert len(refs) == len(set(refs)) > 100


def test_the_bar_that_makes_a_pivot_known_never_passes_it() -> None:
    for event in detect(*generated(3000, 5)):
        if event.kind in LIQUIDITY and event.scale:
            assert event.confirmed > event.anchor + 5


def test_restored_in_the_middle_of_a_day_the_day_goes_on() -> None:
    bars = list(zip(*(c.tolist() for c in generated(600, 4)), strict=True))
    whole, cut = Detector(QUIET), Detector(QUIET)
    for bar in bars:
        cut = Detector.restore(cut.save())
        assert cut.push(*bar) == whole.push(*bar)
    assert cut.save() == whole.save()
