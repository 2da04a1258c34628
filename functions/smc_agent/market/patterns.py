"""What detection said, as rows: a pattern for each thing on the chart, a detection for all that happens to it."""

import json
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from smc_agent.market.symbols import Market
from smc_agent.market.timeframes import milliseconds

PATTERN_TYPES = frozenset(
    {
        "swing_high", "swing_low", "equal_highs", "equal_lows", "bos", "choch",
        "order_block", "breaker_block", "fvg", "ifvg", "liquidity_sweep", "previous_day_high", "previous_day_low",
        "previous_week_high", "previous_week_low", "previous_month_high", "previous_month_low",
    }
)  # fmt: skip
# What happens to a pattern later. Context (where the price is in its range, sessions, ...) is not kept: it says nothing
# of a pattern, there is much of it, and any run over the bars tells it again.
_LATER = ("order_block_", "breaker_block_", "fvg_", "liquidity_")
# A break or a sweep happens and is over; a break also ends the level that it breaks, and the level of a
# day, week or month the one that it replaces.
_BREAKS = frozenset({"bos", "choch"})
_MOMENTS = _BREAKS | {"liquidity_sweep"}
_ENDINGS = ("_filled", "_mitigated", "_invalidated", "_expired", "_taken")
_NAMESPACE = uuid.UUID("6f0c1d1e-5b0a-5d5e-9b8f-1f6f3c0a7a11")


class DetectedEvent(Protocol):
    """An event of detection; `anchor` and `confirmed` are bar indices since the detector began."""

    @property
    def id(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def scale(self) -> str: ...
    @property
    def direction(self) -> str: ...
    @property
    def anchor(self) -> int: ...
    @property
    def confirmed(self) -> int: ...
    @property
    def top(self) -> float: ...
    @property
    def bottom(self) -> float: ...
    @property
    def ref(self) -> int | None: ...


class PatternRow(NamedTuple):
    """A row of `smc_patterns`; prices as text, times in epoch milliseconds."""

    id: uuid.UUID
    kind: str
    scale: str
    direction: str
    event_id: int
    data: str
    high: str
    low: str
    anchor_ms: int
    detected_ms: int
    active: bool


class DetectionRow(NamedTuple):
    """A row of `pattern_detections`."""

    id: uuid.UUID
    pattern_id: uuid.UUID
    event_id: int
    kind: str
    data: str
    detected_ms: int


def pattern_id(market: Market, event_id: int) -> uuid.UUID:
    """The id of the pattern that began with `event_id`: the same however often it is derived."""
    return uuid.uuid5(_NAMESPACE, f"{market}:{event_id}")


@dataclass
class PatternRows:
    """The rows of some bars' events, and the patterns that they ended."""

    market: Market
    patterns: list[PatternRow] = field(default_factory=list)
    detections: list[DetectionRow] = field(default_factory=list)
    ended: list[uuid.UUID] = field(default_factory=list)

    def add(self, events: Iterable[DetectedEvent], time_of: Callable[[int], int]) -> None:
        """Appends the rows of `events`; `time_of(i)` is when bar i of the detector opened (epoch ms)."""
        for event in events:
            if event.kind not in PATTERN_TYPES and not event.kind.startswith(_LATER):
                continue
            data = event_data(event, self.market, time_of)
            text = json.dumps(data, separators=(",", ":"))
            if event.kind in PATTERN_TYPES:
                root = pattern_id(self.market, event.id)
                self.patterns.append(
                    PatternRow(
                        root, event.kind, event.scale, event.direction, event.id, text, repr(event.top),
                        repr(event.bottom), data["anchor_ms"], data["confirmed_ms"], event.kind not in _MOMENTS,
                    )
                )  # fmt: skip
                if event.ref is not None and (event.kind in _BREAKS or event.kind.startswith("previous_")):
                    self.ended.append(pattern_id(self.market, event.ref))
            else:
                assert event.ref is not None
                root = pattern_id(self.market, event.ref)
                if event.kind.endswith(_ENDINGS):
                    self.ended.append(root)
            detection = uuid.uuid5(_NAMESPACE, f"{self.market}:{event.id}:detection")
            self.detections.append(DetectionRow(detection, root, event.id, event.kind, text, data["confirmed_ms"]))


def event_data(event: DetectedEvent, market: Market, time_of: Callable[[int], int]) -> dict[str, Any]:
    """`event` as JSON: its fields, and when its bars opened (`anchor_ms`) and closed (`confirmed_ms`)."""
    return {
        "id": event.id,
        "kind": event.kind,
        "scale": event.scale,
        "direction": event.direction,
        "anchor": event.anchor,
        "confirmed": event.confirmed,
        "anchor_ms": time_of(event.anchor),
        "confirmed_ms": time_of(event.confirmed) + milliseconds(market.timeframe),
        "top": event.top,
        "bottom": event.bottom,
        "ref": event.ref,
    }
