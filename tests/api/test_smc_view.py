"""What a client is told of each kind of event: nothing is lost, and what stands is what is newest or has not ended."""

import re

import numpy as np

from smc_agent.api.smc_view import OF_A_LEVEL, PATTERN_TYPES, detect_view
from smc_agent.detection import KINDS, Event
from smc_agent.market import Bars

FLAT = np.full(100, 10.0)
BARS = Bars(60_000 * np.arange(100), FLAT, FLAT + 1, FLAT - 1, FLAT, FLAT, "BTCUSDT", "1m", "replay")
EVERYTHING = frozenset(PATTERN_TYPES)


def event(
    event_id: int, kind: str, bar: int, ref: int | None = None, direction: str = "bearish", price: float = 11.0
) -> Event:
    return Event(event_id, kind, "", direction, bar, bar, price, price, ref)


def test_every_kind_opens_something_or_says_what_became_of_it() -> None:
    later = re.compile(r"_(touched|half_filled|filled|mitigated|invalidated|expired|close)$")
    assert [kind for kind in KINDS if kind not in PATTERN_TYPES and not later.search(kind)] == []
    assert [kind for kind in PATTERN_TYPES if kind not in KINDS] == []


def test_of_what_says_where_the_market_is_only_the_newest_stands_and_is_always_told() -> None:
    events = [
        event(0, "premium_entered", 1),
        event(1, "strong_high", 2),
        event(2, "weak_high", 3),
        event(3, "strong_low", 3),
        event(4, "range_zone_left", 4),
        event(5, "displacement", 50),
    ]
    view = detect_view(BARS, events, limit=100, wanted=EVERYTHING)
    assert {p.id for p in view.patterns if p.active} == {2, 3, 4, 5}
    newest = detect_view(BARS, events, limit=60, wanted=EVERYTHING)
    assert [e.id for e in newest.events] == [2, 3, 4, 5], "told, though older than the bars that were asked for"


def test_a_session_is_active_until_it_closes() -> None:
    events = [
        event(0, "london_session_open", 1, direction=""),
        event(1, "london_session_close", 9, 0, ""),
        event(2, "asian_kill_zone_open", 20, direction=""),
    ]
    view = detect_view(BARS, events, limit=100, wanted=EVERYTHING)
    assert [(p.pattern_type, p.active) for p in view.patterns] == [
        ("london_session_open", False),
        ("asian_kill_zone_open", True),
    ]
    only = detect_view(BARS, events, limit=100, wanted=frozenset({"london_session_open"}))
    assert [e.kind for e in only.events] == ["london_session_open", "london_session_close"]


def test_sweeps_are_told_with_their_level_and_by_themselves() -> None:
    events = [
        event(0, "equal_highs", 5, price=11.5),
        event(1, "fvg", 6),
        event(2, "liquidity_sweep", 9, 0, price=11.5),
        event(3, "liquidity_taken", 12, 0, price=11.5),
    ]
    for wanted, told in (({"equal_highs"}, [0, 2, 3]), ({"liquidity_sweep"}, [2]), ({"fvg"}, [1])):
        view = detect_view(BARS, events, limit=100, wanted=frozenset(wanted))
        assert [e.id for e in view.events] == told
        assert all(p.pattern_type in wanted for p in view.patterns)
    assert set(OF_A_LEVEL) < set(PATTERN_TYPES)


def test_of_a_day_only_the_newest_level_rests() -> None:
    events = [
        event(0, "previous_day_high", 5, price=12.0),
        event(1, "previous_day_low", 5, direction="bullish", price=8.0),
        event(2, "previous_day_high", 30, price=11.5),
        event(3, "previous_week_high", 30, price=10.5),
    ]
    view = detect_view(BARS, events, limit=100, wanted=EVERYTHING)
    assert [(level.id, level.side, level.price) for level in view.liquidity_levels] == [
        (1, "sell_side", 8.0),
        (2, "buy_side", 11.5),
    ], "the week's high was passed by a wick"
    taken = [*events, event(4, "liquidity_taken", 40, 2, price=11.5)]
    assert [p.id for p in detect_view(BARS, taken, 100, EVERYTHING).patterns if p.active] == [1, 3, 4]


def test_the_range_trails_the_highest_high_and_lowest_low_since_the_pivots() -> None:
    high, low = FLAT + 1, FLAT - 1
    high[60], low[70] = 14.0, 6.0
    bars = Bars(BARS.time, FLAT, high, low, FLAT, FLAT, "BTCUSDT", "1m", "replay")
    events = [
        event(0, "swing_high", 20)._replace(scale="swing"),
        event(1, "swing_low", 40, direction="bullish", price=9.0)._replace(scale="swing"),
    ]
    found = detect_view(bars, events, 100, EVERYTHING).market_structure.range
    assert found is not None
    assert (found.low, found.high, found.position, found.zone) == (6.0, 14.0, 0.5, "equilibrium")
