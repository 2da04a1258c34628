"""Detection on higher time frames: on bars that have closed, known when the lower bar that completes them closes."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from operator import index
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from smc_agent.detection.detector import Detector, detect
from smc_agent.detection.errors import DetectionStateError
from smc_agent.detection.events import Event, Events
from smc_agent.detection.params import DetectionParams
from smc_agent.market.bars import Bar, Bars, check_bar, check_bars
from smc_agent.market.resample import Progress, Resampler, completed

MAGIC = b"smc-timeframe-1\n"
_DIGEST = 16


class TimeframeEvent(NamedTuple):
    """An event on bars of `timeframe`, which its `anchor` and `confirmed` count, made of bars of `lower`.

    `known` is the index of the lower bar at whose close it is first known.
    """

    timeframe: str
    lower: str
    known: int
    event: Event


@dataclass(frozen=True, eq=False)
class TimeframeEvents:
    """The events of one time frame, and the `bars` that they count: `closing` int64[len(bars)] is, for each of those,
    the index of the lower bar at whose close it is known to have closed."""

    timeframe: str
    lower: str
    bars: Bars
    closing: NDArray[np.int64]
    events: Events

    @property
    def known(self) -> NDArray[np.int64]:
        """For each event the index of the lower bar at whose close it is first known, int64[len(events)]."""
        return self.closing[self.events.confirmed]

    def closed(self, lower_bar: int) -> int:
        """How many of `bars` are known to have closed at the close of `lower_bar`."""
        return int(np.searchsorted(self.closing, lower_bar, side="right"))

    def until(self, lower_bar: int) -> Events:
        """The events that are known at the close of `lower_bar`."""
        return self.events.until(self.closed(lower_bar) - 1)


def detect_timeframes(
    bars: Bars, timeframes: Iterable[str], params: DetectionParams | None = None
) -> list[TimeframeEvents]:
    """Events on each of `timeframes`, which `bars` are made into; the bars' own time frame is one as any other.

    ValueError when a time frame cannot be made of these bars, BarError for bars that break a rule of the input.
    """
    check_bars(bars)
    found = []
    for timeframe in timeframes:
        made, closing = completed(bars, timeframe)
        events = detect(made.time, made.open, made.high, made.low, made.close, made.volume, params)
        found.append(TimeframeEvents(timeframe, bars.timeframe, made, closing, events))
    return found


class TimeframeDetector:
    """`Detector` on bars of `timeframe`, fed closed bars of `lower`: what `detect_timeframes` finds, bar by bar."""

    def __init__(self, lower: str, timeframe: str, params: DetectionParams | None = None) -> None:
        self._resampler = Resampler(lower, timeframe)
        self._detector = Detector(params)
        self._bars = 0
        self._last: int | None = None

    @property
    def bars(self) -> int:
        """How many lower bars were pushed: the next one's index."""
        return self._bars

    def push(
        self, time: int, open: float, high: float, low: float, close: float, volume: float
    ) -> list[TimeframeEvent]:
        """Takes the next closed lower bar (open time in epoch milliseconds) and returns what it made known."""
        bar = Bar(index(time), open, high, low, close, volume)
        check_bar(bar, self._last, self._bars + 1)
        made = self._resampler.push(bar)
        events = [event for closed in made for event in self._detector.push(*closed)]
        known, self._bars, self._last = self._bars, self._bars + 1, time
        return [TimeframeEvent(self._resampler.timeframe, self._resampler.lower, known, event) for event in events]

    def save(self) -> bytes:
        """The state, to continue from elsewhere; equal bytes for equal histories."""
        resampler = self._resampler
        head = [resampler.lower, resampler.timeframe, self._bars, self._last, resampler.progress]
        body = MAGIC + json.dumps(head).encode() + b"\n" + self._detector.save()
        return body + hashlib.blake2b(body, digest_size=_DIGEST).digest()

    @classmethod
    def restore(cls, data: bytes) -> Self:
        """A detector that continues where `save` was called; DetectionStateError for foreign or damaged bytes."""
        body, digest = data[:-_DIGEST], data[-_DIGEST:]
        if not body.startswith(MAGIC):
            raise DetectionStateError("not the state of a detector on a higher time frame")
        if hashlib.blake2b(body, digest_size=_DIGEST).digest() != digest:
            raise DetectionStateError("state is damaged: restore an older checkpoint or replay the bars")
        head, _, rest = body[len(MAGIC) :].partition(b"\n")
        lower, timeframe, bars, last, progress = json.loads(head)
        detector = cls(lower, timeframe)
        detector._detector = Detector.restore(rest)
        detector._bars, detector._last = bars, last
        if progress is not None:
            bar, whole, closed = progress
            detector._resampler.progress = Progress(Bar(*bar), whole, closed)
        return detector
