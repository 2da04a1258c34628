"""The proof finds nothing in our detector, and finds each way in which a detector can repaint."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from smc_agent.detection import DetectionParams, Detector, Event, Events, TimeframeEvents
from smc_agent.detection.proof import Engine, Proof, ends_of_prefixes, engine_of, prove
from smc_agent.market import Bars

from .series import generated

SMALL = DetectionParams(swing=9, internal=3, equal=2, atr_period=14)
_, *PRICES = generated(600, 7)
BARS = Bars(np.arange(600, dtype=np.int64) * 60_000, PRICES[0], PRICES[1], PRICES[2], PRICES[3], PRICES[4])
BARS = BARS.of_market("BTCUSDT", "1m", "")
OURS = engine_of(SMALL, "1m", "1m")


@pytest.mark.parametrize(("timeframe", "every"), [("1m", 1), ("1m", 50), ("5m", 7), ("15m", 1)])
def test_our_detector_is_proven(timeframe: str, every: int) -> None:
    told: list[tuple[str, int, int]] = []
    engine = engine_of(SMALL, "1m", timeframe)
    proof = prove(BARS, engine, every, lambda stage, done, total, _: told.append((stage, done, total)))
    assert proof.repaints == 0
    assert proof.examples == []
    assert proof.streamed == proof.bars == 600
    assert proof.prefixes >= 599 // every
    assert proof.events > 20
    assert {stage for stage, *_ in told} == {"stream", "prefixes"}
    assert all(done <= total for _, done, total in told)


def changed(batch: Callable[[Bars], TimeframeEvents], by: Callable[[Bars, Events], Events]) -> Engine:
    def run(bars: Bars) -> TimeframeEvents:
        found = batch(bars)
        return replace(found, events=by(bars, found.events))

    return replace(OURS, batch=run)


def without(events: Events, kept: NDArray[np.bool_]) -> Events:
    return Events(0, events._ints[kept], events._floats[kept], events._blocks)


def only_unbroken_pivots(bars: Bars, events: Events) -> Events:
    """What charts do that take a swing away once a later bar has gone beyond it."""
    beyond = [
        event.kind == "swing_high" and bool((bars.high[event.confirmed + 1 :] > event.top).any()) for event in events
    ]
    return without(events, ~np.array(beyond, bool))


def from_the_future(bars: Bars, events: Events) -> Events:
    """What looks ahead: an event is said to have been known three bars before it could be."""
    ints = events._ints.copy()
    ints[:, 2] = np.maximum(ints[:, 1], ints[:, 2] - 3)
    order = np.argsort(ints[:, 2], kind="stable")
    return Events(0, ints[order], events._floats[order], events._blocks)


def test_pivots_that_are_taken_back_are_counted() -> None:
    proof = prove(BARS, changed(OURS.batch, only_unbroken_pivots), every=1)
    pivots = [event for event in OURS.batch(BARS).events if event.kind == "swing_high"]
    final = [event for event in only_unbroken_pivots(BARS, OURS.batch(BARS).events) if event.kind == "swing_high"]
    assert proof.vanished == len(pivots) - len(final) > 5
    assert {(example.event.kind, example.how) for example in proof.examples} == {("swing_high", "vanished")}


def test_pivots_that_are_taken_back_are_found_by_the_prefixes_alone() -> None:
    whole = list(only_unbroken_pivots(BARS, OURS.batch(BARS).events))

    class InTheKnow:
        """A stream that has seen the whole run already."""

        def __init__(self, data: bytes) -> None:
            self.bar = int(data)

        def push(self, *_: float) -> list[Event]:
            self.bar += 1
            return [event for event in whole if event.confirmed == self.bar - 1]

        def save(self) -> bytes:
            return str(self.bar).encode()

    engine = changed(OURS.batch, only_unbroken_pivots)
    proof = prove(BARS, replace(engine, start=lambda: InTheKnow(b"0"), restore=InTheKnow), every=20)
    assert proof.vanished > 5
    assert all(example.seen < 599 for example in proof.examples)


def test_a_look_into_the_future_is_counted() -> None:
    proof = prove(BARS, changed(OURS.batch, from_the_future), every=100)
    assert proof.appeared > 100
    assert proof.vanished > 100
    assert len(proof.examples) == 10


def test_state_that_forgets_is_found() -> None:
    proof = prove(BARS, replace(OURS, restore=lambda data: forgetful(data)), every=600)
    assert proof.appeared > 100


def forgetful(data: bytes) -> Detector:
    detector = Detector.restore(data)
    return Detector(SMALL) if detector.bars == 300 else detector


def test_renumbered_events_are_a_repaint_too() -> None:
    proof = Proof(1, 1)
    event = Event(0, "fvg", "", "bullish", 0, 0, 2.0, 1.0, None)
    proof.compare([event], [event._replace(id=1)], 0)
    proof.compare([event], [event._replace(ref=0)], 1)
    assert (proof.vanished, proof.appeared, proof.renumbered, proof.repaints) == (0, 0, 1, 1), "counted once"
    twice: Sequence[Event] = [event, event._replace(id=1, ref=3)]
    proof.compare([event], twice, 2)
    proof.compare([event], twice, 3)
    assert (proof.appeared, proof.repaints) == (1, 1)


@pytest.mark.parametrize(("bars", "every"), [(1, 1), (2, 1), (3, 1), (100, 1), (100, 7), (100, 1000)])
def test_prefixes_are_spread_over_all_lengths(bars: int, every: int) -> None:
    ends = ends_of_prefixes(bars, every).tolist()
    assert ends == sorted(set(ends))
    assert ends[-1] == max(bars - 1, 1)
    assert all(1 <= end <= bars for end in ends)
    if every == 1:
        assert ends == list(range(1, max(bars, 2)))
    for start in range(1, bars - every, every):
        assert any(start <= end < start + every for end in ends)
