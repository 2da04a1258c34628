"""Where the market stands: swing range, strength, displacement, inducement, sessions; told when it changes."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from smc_agent.detection import WINDOWS, Context, DetectionParams, Detector, Event, Window, Windows, detect

from .drawn import NEVER, NO_WINDOWS, Candle, path, run
from .series import generated, recorded

SWINGS = DetectionParams(swing=3, internal=1, equal=NEVER, premium=0.1, equilibrium=0.1, windows=NO_WINDOWS)
RANGE = ("premium_entered", "equilibrium_entered", "discount_entered", "range_zone_left")
STRENGTH = ("strong_high", "strong_low", "weak_high", "weak_low")


def flat(*closes: float) -> list[Candle]:
    """Bars of one price each."""
    return [(c, c, c, c) for c in closes]


def told(candles: list[Candle], params: DetectionParams, *kinds: str) -> list[tuple[str, int, float, float]]:
    return [(e.kind, e.confirmed, e.top, e.bottom) for e in run(candles, params) if e.kind in kinds]


# A swing low of 100 at bar 1, known at bar 4; a swing high of 200 at bar 5, known at bar 8.
UP = [150.0, 100, 120, 140, 170, 200, 180, 160, 158]


def test_zones_of_the_range_are_told_when_the_close_comes_in_and_when_it_leaves_them() -> None:
    closes = [155, 154, 149, 145, 144, 111, 110, 105, 111, 190, 189]
    assert told(flat(*UP, *closes), SWINGS, *RANGE) == [
        ("equilibrium_entered", 9, 200, 100),  # 155: 55 %, on the edge; bars 10 to 12 stay inside
        ("range_zone_left", 13, 200, 100),
        ("discount_entered", 15, 200, 100),  # 110: 10 %, on the edge
        ("range_zone_left", 17, 200, 100),
        ("premium_entered", 18, 200, 100),
        ("range_zone_left", 19, 200, 105),  # 105 at bar 16 is a new swing low: the range is smaller
    ]


def test_the_range_trails_the_price() -> None:
    # 250 is past the swing high: the top of the range goes along, before any pivot.
    assert told(flat(*UP, 250, 175), SWINGS, *RANGE) == [
        ("premium_entered", 9, 250, 100), ("equilibrium_entered", 10, 250, 100),
    ]  # fmt: skip


def test_there_is_no_range_before_both_pivots_and_none_without_height() -> None:
    assert told(flat(*UP[:8]), SWINGS, *RANGE) == []
    assert told(flat(*[100] * 30), SWINGS, *RANGE) == []


def test_highs_are_weak_and_lows_strong_while_the_swing_trend_is_bullish_and_the_other_way_round() -> None:
    events = run(flat(*UP, 220, 215, 212, 205, 150), SWINGS)
    assert [(e.kind, e.anchor, e.confirmed, e.top) for e in events if e.kind in STRENGTH] == [
        ("weak_high", 5, 9, 200), ("strong_low", 1, 9, 100),  # since the first break
        ("strong_low", 8, 11, 158), ("weak_high", 9, 12, 220),  # each new pivot
        ("strong_high", 9, 13, 220), ("weak_low", 8, 13, 158),  # the trend turns
    ]  # fmt: skip
    pivots = {e.id: (e.kind, e.scale, e.anchor) for e in events}
    for event in events:
        if event.kind in STRENGTH:
            assert event.ref is not None
            assert pivots[event.ref] == ("swing_" + event.kind.split("_")[1], "swing", event.anchor)


def test_optimal_trade_entry_once_a_leg() -> None:
    # The leg goes up from 100 to 200: 138 is 62 % back, 121 is 79 %.
    closes = [139, 138, 160, 130, 120]
    assert told(flat(*UP, *closes), SWINGS, "ote_entered") == [("ote_entered", 10, 200, 100)]
    events = run(flat(*UP, *closes), SWINGS)
    entered = next(e for e in events if e.kind == "ote_entered")
    begin = next(e for e in events if e.id == entered.ref)
    assert (entered.direction, entered.anchor) == ("bullish", 5)
    assert (begin.kind, begin.scale, begin.anchor) == ("swing_low", "swing", 1)
    # A new high of 300 is a new leg; a close that leaps over the band is none.
    assert told(flat(*UP, 130, 300, 170), SWINGS, "ote_entered") == [
        ("ote_entered", 9, 200, 100), ("ote_entered", 11, 300, 100),
    ]  # fmt: skip
    assert told(flat(*UP, 150, 120), SWINGS, "ote_entered") == []


def test_a_leg_down_is_retraced_upwards() -> None:
    # Down from 200 to a new low of 50, then up: 62 % of 150 is 93.
    events = run(flat(*UP, 50, 100, 143), SWINGS)
    assert [(e.direction, e.anchor, e.confirmed) for e in events if e.kind == "ote_entered"] == [("bearish", 9, 11)]


def test_displacement_is_a_body_of_twice_the_mean_in_atr() -> None:
    # Every true range is 10, so is the ATR(1); bodies of 2: 4 is twice their mean, 3.9 is not. The first has no mean.
    params = DetectionParams(swing=NEVER, internal=NEVER, equal=NEVER, atr_period=1, windows=NO_WINDOWS)
    candles = [(100.0, 106.0, 96.0, 102.0), *[(100.0, 106.0, 96.0, 98.0)] * 3]
    assert told([*candles, (100, 106, 96, 103.9)], params, "displacement") == []
    assert told([*candles, (100, 106, 96, 104)], params, "displacement") == [("displacement", 4, 106, 96)]
    down = run([*candles, (104, 106, 96, 100)], params)
    assert [(e.direction, e.anchor) for e in down if e.kind == "displacement"] == [("bearish", 4)]
    more = params.model_copy(update={"displacement_factor": 2.1})
    assert told([*candles, (100, 106, 96, 104)], more, "displacement") == []
    unknown = params.model_copy(update={"atr_period": 5})
    assert told([*candles, (100, 106, 96, 104)], unknown, "displacement") == []


def test_inducement_is_the_first_internal_pivot_after_a_swing_break() -> None:
    # Bar 9 breaks the swing high of 200; bar 10 is the next high.
    events = run(flat(*UP, 220, 230, 210), SWINGS)
    swing_break = next(e for e in events if e.kind == "bos" and e.scale == "swing")
    found = [e for e in events if e.kind == "inducement"]
    assert found == [Event(found[0].id, "inducement", "internal", "bearish", 10, 11, 230, 230, swing_break.id)]
    # The bar of the break is not after it: when it is the high, the low that follows is the first, and the only one.
    events = run(flat(*UP, 220, 210, 230, 235, 225), SWINGS)
    assert [(e.direction, e.anchor) for e in events if e.kind == "inducement"] == [("bullish", 10)]


def window_events(times: list[int], windows: Windows) -> list[tuple[str, int]]:
    params = DetectionParams(swing=NEVER, internal=NEVER, equal=NEVER, windows=windows)
    events = run(path(*[10] * len(times)), params, times)
    return [(e.kind, e.confirmed) for e in events if e.kind.startswith(WINDOWS)]


def hourly(first: str, count: int, minutes: int = 60) -> list[int]:
    at = datetime.fromisoformat(first).replace(tzinfo=ZoneInfo("UTC"))
    return [int((at + timedelta(minutes=minutes * k)).timestamp() * 1000) for k in range(count)]


def only(name: str, window: Window | None = None) -> Windows:
    default = getattr(Windows(), name)
    return NO_WINDOWS.model_copy(update={name: window or default})


@pytest.mark.parametrize(
    ("name", "date", "opens", "closes"),
    [
        ("asian_session", "2024-01-10", 0, 9),
        ("london_session", "2024-01-10", 8, 17),
        ("london_session", "2024-07-10", 7, 16),
        ("new_york_session", "2024-01-10", 13, 22),
        ("new_york_session", "2024-07-10", 12, 21),
        ("london_kill_zone", "2024-01-10", 7, 10),
        ("london_kill_zone", "2024-07-10", 6, 9),
        ("new_york_kill_zone", "2024-01-10", 12, 15),
        ("london_close_kill_zone", "2024-07-10", 14, 16),
        # Between the two changes New York is an hour nearer to London.
        ("new_york_session", "2024-03-20", 12, 21),
        ("london_session", "2024-03-20", 8, 17),
        ("london_session", "2024-10-28", 8, 17),
        ("new_york_session", "2024-10-28", 12, 21),
    ],
)
def test_sessions_follow_the_clocks_of_their_zone(name: str, date: str, opens: int, closes: int) -> None:
    assert window_events(hourly(date, 24), only(name)) == [(f"{name}_open", opens), (f"{name}_close", closes)]


def test_a_window_over_midnight_is_one() -> None:
    # 20:00 to 24:00 in New York, in winter 01:00 to 05:00 UTC; and one from 22:00 to 02:00.
    name = "asian_kill_zone"
    assert window_events(hourly("2024-01-10", 8), only(name)) == [(f"{name}_open", 1), (f"{name}_close", 5)]
    late = only(name, Window(zone="UTC", start="22:00", end="02:00"))
    assert window_events(hourly("2024-01-10T20:00", 8), late) == [(f"{name}_open", 2), (f"{name}_close", 6)]


@pytest.mark.parametrize(
    ("start", "end", "bars"),
    [
        # 2024-03-10 in New York: 01:59 is followed by 03:00. Half-hours from 05:00 UTC, midnight there.
        ("01:00", "04:00", (2, 6)),  # two hours long
        ("02:30", "03:30", None),  # 02:30 is not there and counts as 03:30: nothing is left of it
        ("02:00", "03:30", (4, 5)),
    ],
)
def test_a_window_on_the_night_that_loses_an_hour(start: str, end: str, bars: tuple[int, int] | None) -> None:
    window = only("london_kill_zone", Window(zone="America/New_York", start=start, end=end))
    told = [] if bars is None else [("london_kill_zone_open", bars[0]), ("london_kill_zone_close", bars[1])]
    assert window_events(hourly("2024-03-10T05:00", 12, 30), window) == told


@pytest.mark.parametrize(
    ("start", "end", "bars"),
    [
        # 2024-11-03 in New York: 01:00 to 01:59 come twice. Half-hours from 04:00 UTC, midnight there.
        ("00:00", "03:00", (0, 8)),  # four hours long
        ("01:30", "02:00", (3, 6)),  # from the first 01:30
        ("00:30", "01:30", (1, 3)),  # to the first 01:30
    ],
)
def test_a_window_on_the_night_that_has_an_hour_twice(start: str, end: str, bars: tuple[int, int]) -> None:
    window = only("london_kill_zone", Window(zone="America/New_York", start=start, end=end))
    told = [("london_kill_zone_open", bars[0]), ("london_kill_zone_close", bars[1])]
    assert window_events(hourly("2024-11-03T04:00", 12, 30), window) == told


def test_over_a_gap_the_session_ends_with_the_next_bar_and_the_next_days_is_another_one() -> None:
    london = only("london_session")
    friday, sunday = hourly("2024-01-12T15:00", 2), hourly("2024-01-14T22:00", 2)
    assert window_events([*friday, *sunday], london) == [("london_session_open", 0), ("london_session_close", 2)]
    noons = hourly("2024-01-10T12:00", 3, 1440)  # a bar a day
    assert window_events(noons, london) == [
        ("london_session_open", 0), ("london_session_close", 1), ("london_session_open", 1),
        ("london_session_close", 2), ("london_session_open", 2),
    ]  # fmt: skip


def test_a_close_refers_to_its_open_and_has_no_direction() -> None:
    params = DetectionParams(swing=NEVER, internal=NEVER, equal=NEVER)
    events = run(path(*[10] * 30), params, hourly("2024-01-10", 30))
    opened = {e.id: e for e in events if e.kind.endswith("_open")}
    closes = [e for e in events if e.kind.endswith("_close")]
    assert len(closes) == 8
    for event in closes:
        assert event.ref is not None
        assert opened[event.ref].kind == event.kind.replace("_close", "_open").replace("london_open_", "london_close_")
        assert (event.direction, event.scale, event.top, event.bottom) == ("", "", 10.5, 9.5)
    # Closes come before opens: at 17:00 London ends; at 15:00 one kill zone ends and another begins.
    assert [e.kind for e in events if e.confirmed == 15] == ["new_york_kill_zone_close", "london_close_kill_zone_open"]


@pytest.mark.parametrize("params", [DetectionParams(), DetectionParams(swing=9, internal=3, equal=2, atr_period=14)])
def test_the_context_read_from_the_detector_is_that_of_the_events(params: DetectionParams) -> None:
    bars = generated(1200, 6)
    detector, events, seen = Detector(params), detect(*bars, params), set()
    assert detector.context == Context("", "", "", None, "", None, "", ())
    for i, bar in enumerate(zip(*(c.tolist() for c in bars), strict=True)):
        detector.push(*bar)
        now = detector.context
        assert now._replace(position=None, retracement=None) == events.context(i)
        if now.position is not None:
            assert 0 <= now.position <= 1
            assert (now.zone == "premium") == (now.position >= 0.95 or np.isclose(now.position, 0.95, rtol=1e-12))
        seen.add((now.trend, now.zone, now.high_strength))
        if i % 100 == 0:
            assert Detector.restore(detector.save()).context == now
    assert len(seen) > 8


def test_a_month_of_minutes_has_its_sessions() -> None:
    """3,000 real bars from midnight on: two days and two hours."""
    kinds = detect(*recorded("crypto/BTC-PERP_1m.csv", 3000)).kind
    for name in ("asian_session", "london_session", "new_york_session"):
        assert 2 <= np.count_nonzero(kinds == f"{name}_open") <= 3
