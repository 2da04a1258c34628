"""Zero repaints: prefixes, cuts, saves and restores never change an event; nor does the unit of price."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smc_agent.detection import DetectionParams, DetectionStateError, Detector, Event, detect

from .series import columns, cut, generated

SMALL = DetectionParams(swing=9, internal=3, equal=2, atr_period=14)
BARS = generated(3000, 7)
WHOLE = {params: detect(*BARS, params) for params in (DetectionParams(), SMALL)}
SAVED: dict[DetectionParams, bytes] = {}


def rows(start: int, end: int) -> list[tuple[int, float, float, float, float, float]]:
    return list(zip(*(c.tolist() for c in cut(BARS, start, end)), strict=True))


def end_state(params: DetectionParams) -> bytes:
    if params not in SAVED:
        detector = Detector(params)
        detector.extend(*BARS)
        SAVED[params] = detector.save()
    return SAVED[params]


@pytest.mark.parametrize("params", WHOLE, ids=["defaults", "small"])
def test_every_prefix_gives_exactly_the_events_of_the_whole_run_up_to_there(params: DetectionParams) -> None:
    whole = WHOLE[params]
    assert len(whole) > 1000
    for end in range(len(BARS[0]) + 1):
        assert detect(*cut(BARS, 0, end), params) == whole.until(end - 1)


@pytest.mark.parametrize("params", WHOLE, ids=["defaults", "small"])
def test_pushed_one_by_one_the_bars_give_the_same_events_each_at_its_own_bar(params: DetectionParams) -> None:
    detector, got = Detector(params), []
    for i, bar in enumerate(rows(0, len(BARS[0]))):
        events = detector.push(*bar)
        assert all(event.confirmed == i and event.anchor <= i for event in events)
        got += events
    assert got == list(WHOLE[params])
    assert detector.save() == end_state(params)
    assert (detector.bars, detector.last_time) == (len(BARS[0]), BARS[0][-1])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3000), st.booleans(), st.booleans()), max_size=8), st.sampled_from([*WHOLE]))
def test_cut_saved_and_restored_anywhere_the_events_stay_the_same(
    cuts: list[tuple[int, bool, bool]], params: DetectionParams
) -> None:
    detector, got, start = Detector(params), list[Event](), 0
    for end, one_by_one, restore in [*sorted(cuts), (3000, False, True)]:
        if one_by_one:
            for bar in rows(start, end):
                got += detector.push(*bar)
        else:
            got += detector.extend(*cut(BARS, start, end))
        start = end
        if restore:
            state = detector.save()
            detector = Detector.restore(state)
            assert detector.save() == state
            assert (detector.bars, detector.params) == (end, params)
    assert got == list(WHOLE[params])
    assert detector.save() == end_state(params)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(1, 12)] * 4, st.integers(0, 3)), min_size=1, max_size=60),
    st.integers(1, 4), st.integers(1, 4), st.sampled_from(["close", "wick"]), st.sampled_from(["close", "wick"]),
)  # fmt: skip
def test_any_bars_at_all_give_causal_and_consistent_events(
    raw: list[tuple[int, int, int, int, int]], swing: int, internal: int, break_by: str, mitigation: str
) -> None:
    bars = columns([(k, r[0], max(r[:4]), min(r[:4]), r[1], r[4]) for k, r in enumerate(raw)])
    params = DetectionParams.model_validate(
        {"swing": swing, "internal": internal, "equal": 1, "atr_period": 3, "equal_threshold": 1,
         "break_by": break_by, "mitigation": mitigation, "fvg_threshold": "none"}
    )  # fmt: skip
    events = list(detect(*bars, params))
    detector = Detector(params)
    assert [event for bar in zip(*(c.tolist() for c in bars), strict=True) for event in detector.push(*bar)] == events
    ended = set()
    for k, event in enumerate(events):
        assert event.id == k
        assert event.anchor <= event.confirmed < len(raw)
        assert event.top >= event.bottom
        assert event.ref is None or event.ref < event.id
        if event.kind.endswith(("touched", "half_filled", "filled", "mitigated", "invalidated", "ifvg")):
            assert (event.ref, event.kind) not in ended, "once each"
            ended.add((event.ref, event.kind))


def test_prices_in_another_unit_give_the_same_events() -> None:
    t, o, h, lo, c, v = BARS
    whole, scaled = WHOLE[SMALL], detect(t, o * 4, h * 4, lo * 4, c * 4, v, SMALL)
    assert [event._replace(top=event.top * 4, bottom=event.bottom * 4) for event in whole] == list(scaled)
    assert np.array_equal(whole.label, scaled.label)


def test_the_state_does_not_grow_with_the_bars() -> None:
    detector = Detector()
    detector.extend(*generated(20_000, 11))
    empty = len(Detector().save())
    assert len(detector.save()) - empty == detector.live_zones * (6 + 2) * 8


def test_as_of_shows_the_zones_that_are_alive() -> None:
    params = SMALL.model_copy(update={"fvg_threshold": "none"})
    events = detect(*BARS, params)
    zones = events.as_of(1500)
    assert {zone.kind for zone in zones} <= {"order_block", "breaker_block", "fvg", "ifvg"}
    assert zones
    ends = {"order_block_mitigated", "breaker_block_invalidated", "fvg_filled"}
    ended = {event.ref for event in events.until(1500) if event.kind in ends}
    assert not ended & {zone.id for zone in zones}
    assert events.as_of(1500) == detect(*cut(BARS, 0, 1501), params).as_of(99_999)


@pytest.fixture(scope="module")
def state() -> bytes:
    return end_state(SMALL)


def test_a_damaged_state_is_refused_wherever_the_damage_is(state: bytes) -> None:
    for at in range(0, len(state), 37):
        damaged = bytearray(state)
        damaged[at] ^= 1
        with pytest.raises(DetectionStateError):
            Detector.restore(bytes(damaged))


@pytest.mark.parametrize(
    ("foreign", "says"),
    [
        (lambda s: b"", "not the state of a detector"),
        (lambda s: b"PK\x03\x04 something else entirely", "not the state of a detector"),
        (lambda s: s[:-1], "damaged"),
        (lambda s: s[:20], "cut short"),
        (lambda s: s + b"x", "damaged"),
        (lambda s: signed(s[:12] + b"\x09\x00" + s[14:-16]), "version 9, this program reads version 3"),
        (lambda s: signed(s[:-16] + bytes(8)), "another length"),
        (lambda s: signed(s[:-24]), "another length"),
        (lambda s: signed(s[:-16].replace(b'"swing":9', b'"swing":0')), "swing"),
    ],
)
def test_foreign_state_is_refused_with_the_reason(state: bytes, foreign: object, says: str) -> None:
    assert callable(foreign)
    with pytest.raises(DetectionStateError, match=says):
        Detector.restore(foreign(state))


def signed(body: bytes) -> bytes:
    return body + hashlib.blake2b(body, digest_size=16).digest()
