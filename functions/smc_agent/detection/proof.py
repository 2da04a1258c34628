"""The proof, on given bars, that nothing repaints: what was said of the past never changes when bars come.

The whole run is compared with a stream at every bar, and with batch runs over prefixes. The stream decides each bar
before it has seen the next, so equality with it at every bar means that no event of the whole run depends on a later
bar than the one at which it says it was known. A batch run over a prefix checks the same without trusting the stream.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from smc_agent.detection.detector import Detector
from smc_agent.detection.events import Event
from smc_agent.detection.params import DetectionParams
from smc_agent.detection.timeframes import TimeframeDetector, TimeframeEvent, TimeframeEvents, detect_timeframes
from smc_agent.market.bars import Bars

EXAMPLES = 10


class Stream(Protocol):
    """A detector that is fed bar by bar."""

    def push(
        self, time: int, open: float, high: float, low: float, close: float, volume: float
    ) -> Sequence[Event | TimeframeEvent]: ...
    def save(self) -> bytes: ...


@dataclass(frozen=True)
class Engine:
    """What is to be proven: a detector in one go, bar by bar, and from saved state."""

    batch: Callable[[Bars], TimeframeEvents]
    start: Callable[[], Stream]
    restore: Callable[[bytes], Stream]


def engine_of(params: DetectionParams, lower: str, timeframe: str) -> Engine:
    """The detector of this project on `timeframe`, fed bars of `lower`."""

    def batch(bars: Bars) -> TimeframeEvents:
        return detect_timeframes(bars, [timeframe], params)[0]

    if timeframe == lower:
        return Engine(batch, lambda: Detector(params), Detector.restore)
    return Engine(batch, lambda: TimeframeDetector(lower, timeframe, params), TimeframeDetector.restore)


class Repaint(NamedTuple):
    """An event over which two views of the past differ: it was shown at the close of bar `seen` and is not in the
    whole run (`vanished`), the whole run says it was known by then and it was not shown (`appeared`), or it is there in
    both with another id or ref (`renumbered`)."""

    event: Event
    how: str
    seen: int


@dataclass
class Proof:
    """How far the comparison went, and the different events that it found to repaint, each counted once."""

    bars: int
    events: int
    streamed: int = 0
    prefixes: int = 0
    vanished: int = 0
    appeared: int = 0
    renumbered: int = 0
    examples: list[Repaint] = field(default_factory=list)
    _counted: Counter[tuple[object, ...]] = field(default_factory=Counter, repr=False)

    @property
    def repaints(self) -> int:
        """Events that vanished or appeared; where none did, those that are numbered differently."""
        return self.vanished + self.appeared or self.renumbered

    def compare(self, shown: Sequence[Event], whole: Sequence[Event], bar: int) -> None:
        """Counts the differences between what was shown by the close of `bar` and what the whole run says of it."""
        before, after = Counter(map(_content, shown)), Counter(map(_content, whole))
        found = {_content(event): event for event in (*shown, *whole)}
        differences = [("vanished", before - after), ("appeared", after - before)]
        if before == after:  # also when all that differs is a label or a volume
            changed = [event for event, other in zip(shown, whole, strict=True) if event != other] or shown[:1]
            differences = [("renumbered", Counter(map(_content, changed)))]
        for how, contents in differences:
            for content, times in contents.items():
                new = times - self._counted[how, *content]
                if new <= 0:
                    continue
                self._counted[how, *content] = times
                setattr(self, how, getattr(self, how) + new)
                if len(self.examples) < EXAMPLES and (how != "renumbered" or not self.vanished + self.appeared):
                    self.examples.append(Repaint(found[content], how, bar))


def _content(event: Event) -> tuple[object, ...]:
    """All of an event but its id and ref, which shift when an event before it comes or goes."""
    return event[1:-1]


def ends_of_prefixes(bars: int, every: int) -> NDArray[np.int64]:
    """Lengths of prefixes, the same each time: one at random out of each `every` bars, and all bars but the last."""
    starts = np.arange(1, bars, every)
    picked = starts + np.random.default_rng(0).integers(0, every, len(starts))
    return np.unique(np.append(picked[picked < bars], max(bars - 1, 1)))


def prove(
    bars: Bars, engine: Engine, every: int, progress: Callable[[str, int, int, Proof], None] = lambda *_: None
) -> Proof:
    """Compares the whole run with a stream, whose state is saved and restored before every bar, and with batch runs.

    every: one prefix out of so many gets a batch run of its own; 1 is every prefix. progress: is told the stage, how
    much of it is done and of how much (bars; of prefixes, those of all runs together), and the proof so far.
    """
    whole = engine.batch(bars)
    rows = list(whole.events)
    proof = Proof(len(bars), len(rows))
    upto = np.searchsorted(whole.known, np.arange(len(bars)), side="right").tolist()  # bar -> events known by then
    stream, first = engine.start(), 0
    for i, bar in enumerate(bars):
        stream = engine.restore(stream.save())
        shown = [event.event if isinstance(event, TimeframeEvent) else event for event in stream.push(*bar)]
        if shown != rows[first : upto[i]]:
            proof.compare(shown, rows[first : upto[i]], i)
        first = upto[i]
        proof.streamed += 1
        if i % 64 == 0:
            progress("stream", i, len(bars), proof)
    ends = ends_of_prefixes(len(bars), every)
    work = np.cumsum(ends).tolist()
    for end, done in zip(ends.tolist(), work, strict=True):
        prefix = engine.batch(bars[:end]).events
        if prefix != whole.until(end - 1):
            proof.compare(list(prefix), rows[: upto[end - 1]], end - 1)
        proof.prefixes += 1
        progress("prefixes", done, work[-1], proof)
    return proof
