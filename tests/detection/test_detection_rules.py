"""Each rule on bars drawn by hand, small enough to check with a pencil."""

import pytest

from smc_agent.detection import KINDS, DetectionParams, Event, detect, rule_text

from .drawn import GAPS_ONLY, NEVER, NO_WINDOWS, ONE_SCALE, Candle, mirror, mirrored, path, run

# bar    0   1  2  3   4   5   6   7   8  9  10  11  12  13  14  15  16 17 18 19  20
STORY = [10, 9, 8, 9, 10, 11, 12, 11, 10, 9, 10, 11, 12, 13, 12, 11, 10, 9, 8, 9, 10]
TOLD = [
    Event(0, "swing_low", "internal", "bullish", 2, 4, 7.5, 7.5, None),
    Event(1, "swing_high", "internal", "bearish", 6, 8, 12.5, 12.5, None),
    Event(2, "swing_low", "internal", "bullish", 9, 11, 8.5, 8.5, None),
    Event(3, "bos", "internal", "bullish", 6, 13, 12.5, 12.5, 1),
    Event(4, "order_block", "internal", "bullish", 9, 13, 9.5, 8.5, 3),
    Event(5, "liquidity_taken", "internal", "bearish", 6, 13, 12.5, 12.5, 1),
    Event(6, "swing_high", "internal", "bearish", 13, 15, 13.5, 13.5, None),
    Event(7, "order_block_touched", "internal", "bullish", 9, 16, 9.5, 8.5, 4),
    Event(8, "choch", "internal", "bearish", 9, 18, 8.5, 8.5, 2),
    Event(9, "order_block", "internal", "bearish", 13, 18, 13.5, 12.5, 8),
    Event(10, "order_block_mitigated", "internal", "bullish", 9, 18, 9.5, 8.5, 4),
    Event(11, "breaker_block", "internal", "bearish", 9, 18, 9.5, 8.5, 4),
    Event(12, "liquidity_taken", "internal", "bullish", 9, 18, 8.5, 8.5, 2),
    Event(13, "swing_low", "internal", "bullish", 18, 20, 7.5, 7.5, None),
    Event(14, "breaker_block_invalidated", "internal", "bearish", 9, 20, 9.5, 8.5, 11),
]


def test_a_story_of_pivots_breaks_and_a_block_that_becomes_a_breaker() -> None:
    assert run(path(*STORY), ONE_SCALE) == TOLD


def test_the_same_story_upside_down() -> None:
    # The leg starts bearish, so a deep low comes first: else the first high would not be a change of leg.
    bars = path(9, 1, 10) + mirrored(path(*STORY), 20)
    assert run(bars, ONE_SCALE)[1:] == [mirror(event, 20, ids=1, bars=3) for event in TOLD]


def test_labels_say_how_a_pivot_stands_to_the_last_of_its_kind() -> None:
    levels = [10, 9, 8, 9, 10, 11, 12, 11, 10, 9, 10, 11, 12, 13, 12, 11, 10, 9, 8, 9, 10, 11, 13, 12, 11, 8, 11, 12]
    o = [float(x) for x in levels]
    events = detect(list(range(len(o))), o, o, o, o, o, ONE_SCALE)
    labels = [(e.kind, e.top, label) for e, label in zip(events, events.label, strict=True) if "swing" in e.kind]
    assert labels == [
        ("swing_low", 8, ""), ("swing_high", 12, ""), ("swing_low", 9, "HL"), ("swing_high", 13, "HH"),
        ("swing_low", 8, "LL"), ("swing_high", 13, "LH"), ("swing_low", 8, "HL"),
    ]  # fmt: skip


def test_order_block_keeps_its_volume_and_its_share_of_the_window() -> None:
    volume = [float(k) for k in range(len(STORY))]
    candles = path(*STORY)
    o, h, lo, c = ([candle[k] for candle in candles] for k in range(4))
    events = detect(list(range(len(o))), o, h, lo, c, volume, ONE_SCALE)
    assert (events.volume[4], events.share[4]) == (9.0, 9.0 / sum(range(6, 13)))
    assert events.volume[3] != events.volume[3]


def test_an_equal_high_is_no_pivot_and_a_lone_one_waits_for_exactly_size_bars() -> None:
    ups = path(10, 8, 9, 10, 12, 12, 11, 10)
    assert [(e.kind, e.anchor, e.confirmed) for e in run(ups, ONE_SCALE)] == [("swing_low", 1, 3), ("swing_high", 5, 7)]


def test_internal_break_of_a_level_that_is_the_swing_level_too_is_left_out() -> None:
    both = DetectionParams(swing=2, internal=1, equal=NEVER, windows=NO_WINDOWS)
    breaks = [event.scale for event in run(path(*STORY), both) if event.kind in ("bos", "choch")]
    assert breaks == ["swing", "swing"]
    apart = [10, 9, 8, 9, 10, 11, 12, 11, 10, 9, 10, 9.5, 10.2, 10.8]  # an internal high at bar 10 that is no swing
    events = run(path(*apart), both)
    assert [(e.kind, e.scale, e.anchor, e.confirmed) for e in events if e.kind in ("bos", "choch")] == [
        ("bos", "internal", 10, 13)
    ]


def test_a_wild_bar_is_not_taken_for_the_origin_and_of_equals_the_first_is() -> None:
    candles = path(*STORY[:14])
    calm = run(candles, DetectionParams(swing=NEVER, internal=2, equal=NEVER, atr_period=3, windows=NO_WINDOWS))
    assert [event.anchor for event in calm if event.kind == "order_block"] == [9]
    candles[9] = (9, 9.5, 1, 9)  # a spike: 8.5 units tall, its parsed low is 9.5, as are the lows of bars 8 and 10
    spiked = run(candles, DetectionParams(swing=NEVER, internal=2, equal=NEVER, atr_period=3, windows=NO_WINDOWS))
    assert [(e.anchor, e.top, e.bottom) for e in spiked if e.kind == "order_block"] == [(8, 10.5, 9.5)]


def test_break_by_wick_compares_the_highs() -> None:
    candles = path(*STORY[:13])
    assert "bos" not in [event.kind for event in run(candles, ONE_SCALE)]
    candles[12] = (12, 12.6, 11.5, 12)  # the wick passes 12.5, the close does not
    assert "bos" not in [event.kind for event in run(candles, ONE_SCALE)]
    wick = ONE_SCALE.model_copy(update={"break_by": "wick"})
    assert [(e.kind, e.confirmed) for e in run(candles, wick)][-3:] == [
        ("bos", 12), ("order_block", 12), ("liquidity_sweep", 12),
    ]  # fmt: skip


def test_mitigation_by_close_waits_for_the_close() -> None:
    candles = path(*STORY[:18])
    candles[17] = (9, 9.5, 8, 9)  # the wick passes 8.5, the close does not
    touched_and_ended = {"order_block_touched", "order_block_mitigated", "breaker_block"}
    kinds = [e.kind for e in run(candles, ONE_SCALE) if e.confirmed == 17]
    assert kinds == ["order_block_mitigated", "breaker_block", "liquidity_sweep"]
    by_close = ONE_SCALE.model_copy(update={"mitigation": "close"})
    assert not touched_and_ended & {e.kind for e in run(candles, by_close) if e.confirmed == 17}
    candles[17] = (9, 9.5, 8, 8.4)
    assert touched_and_ended & {e.kind for e in run(candles, by_close) if e.confirmed == 17} == {
        "order_block_mitigated",
        "breaker_block",
    }


QUIET: list[Candle] = [(10, 11, 9, 10)] * 4
GAP: list[Candle] = [*QUIET, (10.5, 14, 10.5, 13.8), (14, 15, 12, 14)]
FILLING: list[Candle] = [
    (14, 15, 12, 14),  # 6: reaches the upper edge
    (14, 15, 11.5, 13),  # 7: reaches the middle
    (12, 13, 10.9, 11.2),  # 8: passes the lower edge with its wick
    (11.2, 12, 11.1, 11.5),  # 9
    (11.5, 11.6, 10.5, 10.9),  # 10: closes through
    (10.9, 12, 9, 9.5),  # 11: nothing more to say
]
GAP_TOLD = [
    Event(0, "fvg", "", "bullish", 4, 5, 12, 11, None),
    Event(1, "fvg_touched", "", "bullish", 4, 6, 12, 11, 0),
    Event(2, "fvg_half_filled", "", "bullish", 4, 7, 12, 11, 0),
    Event(3, "fvg_filled", "", "bullish", 4, 8, 12, 11, 0),
    Event(4, "ifvg", "", "bullish", 4, 10, 12, 11, 0),
]


def test_a_gap_is_touched_half_filled_filled_and_closed_through() -> None:
    assert run(GAP + FILLING, GAPS_ONLY) == GAP_TOLD


def test_a_gap_upside_down() -> None:
    events = run(mirrored(GAP + FILLING, 32), GAPS_ONLY)
    assert events == [mirror(event, 32) for event in GAP_TOLD]


def test_one_bar_through_the_whole_gap_says_everything_at_once() -> None:
    events = run([*GAP, (14, 15, 10, 10.5)], GAPS_ONLY)
    assert [(e.kind, e.confirmed) for e in events[1:]] == [
        ("fvg_touched", 6), ("fvg_half_filled", 6), ("fvg_filled", 6), ("ifvg", 6),
    ]  # fmt: skip


def test_a_gap_to_its_far_edge_is_not_filled() -> None:
    assert [e.kind for e in run([*GAP, (14, 15, 11, 14)], GAPS_ONLY)] == ["fvg", "fvg_touched", "fvg_half_filled"]


def test_a_gap_needs_a_middle_bar_that_stands_out_unless_told_otherwise() -> None:
    # Four bodies of 4 % and one of b: b > 2 * (4 * 4 % + b) / 5 from 10.7 % on. The middle bar counts, the third not.
    lazy: list[Candle] = [*[(10.0, 11.0, 9.0, 10.4)] * 4, (10, 14, 10, 11.06), (14, 15, 12, 14)]
    assert run(lazy, GAPS_ONLY) == []
    lazy[4] = (10, 14, 10, 11.07)
    assert [e.kind for e in run(lazy, GAPS_ONLY)] == ["fvg"]
    lazy[4] = (10, 14, 10, 11.06)
    every = GAPS_ONLY.model_copy(update={"fvg_threshold": "none"})
    assert [e.kind for e in run(lazy, every)] == ["fvg"]
    lazy[4] = (10, 14, 10, 11)  # its close is not past the first bar's high
    assert run(lazy, every) == []


def test_equal_highs_and_lows_are_pools_of_two_pivots_close_together() -> None:
    pools = DetectionParams(swing=NEVER, internal=NEVER, equal=1, atr_period=4, equal_threshold=0.1, windows=NO_WINDOWS)
    events = run(path(10, 8, 10, 8.1, 10.05, 9), pools)
    # ATR(4) at bar 3: true ranges 1, 2.5, 2.5, 2.4; at bar 5 the lows' and the highs' distances are within a tenth.
    assert events == [
        Event(0, "equal_lows", "", "bullish", 3, 4, 7.6, 7.5, None),
        Event(1, "equal_highs", "", "bearish", 4, 5, 10.55, 10.5, None),
    ]
    far = pools.model_copy(update={"equal_threshold": 0.02})
    assert run(path(10, 8, 10, 8.1, 10.05, 9), far) == []
    unknown = pools.model_copy(update={"atr_period": 7})
    assert run(path(10, 8, 10, 8.1, 10.05, 9), unknown) == []


def test_levels_exactly_the_threshold_apart_are_not_equal() -> None:
    # The true range of the last bar, 2, is the ATR(1); the lows are half a unit apart.
    pools = DetectionParams(
        swing=NEVER, internal=NEVER, equal=1, atr_period=1, equal_threshold=0.25, windows=NO_WINDOWS
    )
    assert run(path(10, 8, 10, 8.5, 10), pools) == []
    more = pools.model_copy(update={"equal_threshold": 0.2501})
    assert [event.kind for event in run(path(10, 8, 10, 8.5, 10), more)] == ["equal_lows"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_rule_in_words(kind: str) -> None:
    text = rule_text(kind, DetectionParams(swing=33))
    assert text.endswith(".")
    assert ("33" in text) == (kind in ("swing_high", "swing_low"))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind of event 'trendline'"):
        rule_text("trendline", DetectionParams())
