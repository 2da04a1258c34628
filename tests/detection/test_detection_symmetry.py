"""Prices upside down or in another unit: the same events, upside down or in the other unit."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from smc_agent.detection import DetectionParams, Event, Events, detect

from .drawn import NO_WINDOWS, mirror
from .series import Columns, columns, generated

SMALL = DetectionParams(swing=9, internal=3, equal=2, atr_period=14)
# No rule that measures a price against a price or against the ATR: those are not symmetric, or remember the beginning.
PLAIN = DetectionParams(
    swing=4, internal=2, equal=3, atr_period=2, wild_factor=1000, equal_threshold=0, fvg_threshold="none",
    displacement_factor=1000, windows=NO_WINDOWS,
)  # fmt: skip
ABOUT = 1000.0
# A low far below and a high far above all that follows. Upside down the first is no change of leg (legs start bearish),
# the second is: after it every leg points the other way.
BEFORE = [500, 100, 500, 510, 520, 530, 540, 900, 540, 530, 520, 510, 500]


def drawn(steps: list[tuple[int, int, int]]) -> Columns:
    """Bars from the steps of their closes and the lengths of their wicks; none holds the two bars after it.

    Such a bar could be a high and a low at once, and then the rules look at the high first, either way up.
    """
    rows = [(float(p), float(p), float(p), float(p)) for p in BEFORE]
    close = 500.0
    for step, up, down in steps:
        open_, close = close, min(max(close + step, 300), 700)
        rows.append((open_, max(open_, close) + up, min(open_, close) - down, close))
    for k in range(len(BEFORE), len(rows) - 1):
        (_, high, low, _), (o, h, lo, c) = rows[k], rows[k + 1]
        if h < high and lo > low:
            rows[k + 1] = (o, high, lo, c)
    return columns([(60_000 * k, *row, 1.0) for k, row in enumerate(rows)])


def beginning(events: Events) -> int:
    """The bar from which on both ways up are alike: a pivot of each scale after the far ones is known."""
    firsts = []
    for scale in ("internal", "swing"):
        pivots = [e for e in events if e.kind.startswith("swing_") and e.scale == scale and 100 < e.top < 900]
        if not pivots:
            return 10_000
        firsts.append(pivots[0].confirmed)
    return max(firsts)


def upside_down(event: Event) -> tuple[object, ...]:
    return plain(mirror(event, ABOUT))


def plain(event: Event) -> tuple[object, ...]:
    return event[1:8]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 6), st.integers(0, 6)), min_size=40, max_size=120))
def test_upside_down_the_events_are_the_same_upside_down(steps: list[tuple[int, int, int]]) -> None:
    t, o, h, lo, c, v = drawn(steps)
    one, other = detect(t, o, h, lo, c, v, PLAIN), detect(t, ABOUT - o, ABOUT - lo, ABOUT - h, ABOUT - c, v, PLAIN)
    start = beginning(one)
    names_one, names_other = {e.id: e for e in one}, {e.id: e for e in other}
    mine = sorted(upside_down(e) for e in one if e.confirmed > start)
    theirs = sorted(plain(e) for e in other if e.confirmed > start)
    assert mine == theirs
    causes = sorted(upside_down(names_one[e.ref]) for e in one if e.confirmed > start and e.ref is not None)
    assert causes == sorted(plain(names_other[e.ref]) for e in other if e.confirmed > start and e.ref is not None)


def test_upside_down_holds_for_every_kind_that_measures_nothing() -> None:
    """What the property above looks at: a long walk has each of these kinds, and is symmetric."""
    rng = np.random.default_rng(4)
    steps = [(int(s), int(u), int(d)) for s, u, d in zip(
        rng.integers(-9, 10, 4000), rng.integers(0, 7, 4000), rng.integers(0, 7, 4000), strict=True)]  # fmt: skip
    t, o, h, lo, c, v = drawn(steps)
    one, other = detect(t, o, h, lo, c, v, PLAIN), detect(t, ABOUT - o, ABOUT - lo, ABOUT - h, ABOUT - c, v, PLAIN)
    start = beginning(one)
    mine = sorted(upside_down(e) for e in one if e.confirmed > start)
    assert mine == sorted(plain(e) for e in other if e.confirmed > start)
    assert {row[0] for row in mine} == {
        "swing_high", "swing_low", "bos", "choch", "order_block", "order_block_touched", "order_block_mitigated",
        "breaker_block", "breaker_block_invalidated", "fvg", "fvg_touched", "fvg_half_filled", "fvg_filled", "ifvg",
        "liquidity_sweep", "liquidity_taken", "premium_entered", "equilibrium_entered", "discount_entered",
        "range_zone_left", "strong_high", "strong_low", "weak_high", "weak_low", "ote_entered", "inducement",
        "previous_day_high", "previous_day_low",
    }  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.integers(-60, 60), st.integers(0, 5))
def test_prices_times_a_power_of_two_give_the_same_events(power: int, seed: int) -> None:
    t, o, h, lo, c, v = generated(500, seed)
    scale = 2.0**power
    one, other = detect(t, o, h, lo, c, v, SMALL), detect(t, o * scale, h * scale, lo * scale, c * scale, v, SMALL)
    assert [e._replace(top=e.top * scale, bottom=e.bottom * scale) for e in one] == list(other)
    assert np.array_equal(one.label, other.label)
    assert np.array_equal(one.share, other.share, equal_nan=True)
