"""What detection says: one `Event`, or many as columns."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from smc_agent.detection.context import Context, context_of_events
from smc_agent.detection.kernel.layout import DIRECTIONS, KINDS, LABELS, ORDER_BLOCK, SCALES

ZONES = frozenset({"order_block", "breaker_block", "fvg", "ifvg"})
"""Kinds that open a zone: `top` to `bottom`, alive until an event of `ZONE_ENDS` refers to it."""
ZONE_ENDS = frozenset(
    {
        "fvg_filled",
        "fvg_expired",
        "order_block_mitigated",
        "order_block_expired",
        "breaker_block_invalidated",
        "breaker_block_expired",
    }
)

LEVELS = frozenset(
    {
        "swing_high",
        "swing_low",
        "equal_highs",
        "equal_lows",
        "previous_day_high",
        "previous_day_low",
        "previous_week_high",
        "previous_week_low",
        "previous_month_high",
        "previous_month_low",
    }
)
"""Kinds that make a level where liquidity rests, until an event of `LEVEL_ENDS` refers to it, or of a day, week or
month the next of its kind."""
LEVEL_ENDS = frozenset({"liquidity_taken", "liquidity_expired"})


class Event(NamedTuple):
    """One thing that became known at the close of bar `confirmed`; never changed afterwards.

    `anchor` and `confirmed` are bar indices since the detector began, `top >= bottom` are plain prices of the input,
    `ref` is the id of the event it follows from, `scale` is `internal`, `swing` or empty, `direction` is `bullish`,
    `bearish` or, of what has no side such as a session, empty.
    """

    id: int
    kind: str
    scale: str
    direction: str
    anchor: int
    confirmed: int
    top: float
    bottom: float
    ref: int | None


class Events:
    """Events as columns, all of one length, in order of `id`; iterates as `Event`.

    `id`, `anchor`, `confirmed`, `ref` (-1: none) are int64; `top`, `bottom` float64; `kind`, `scale`, `direction` str.
    Besides, where they exist: `label` (HH, LH, HL, LL of a pivot; else empty), and of an order block `volume` (of its
    bar) and `share` (of the volume from the pivot to the bar before the break); NaN elsewhere.
    """

    __hash__ = None  # type: ignore[assignment]  # as for any container that compares by content

    def __init__(
        self, first_id: int, ints: NDArray[np.int32], floats: NDArray[np.float64], blocks: NDArray[np.float64]
    ) -> None:
        """Rows as the kernel writes them; `blocks` has at least as many as there are order blocks among the events."""
        self._first_id = first_id
        self._ints = ints
        self._floats = floats
        self._blocks = blocks

    def __len__(self) -> int:
        return len(self._ints)

    def __iter__(self) -> Iterator[Event]:
        return iter(rows(self._first_id, self._ints, self._floats))

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        picked = range(len(self))[index]
        if isinstance(picked, int):
            return rows(self._first_id + picked, self._ints[picked : picked + 1], self._floats[picked : picked + 1])[0]
        return [self[i] for i in picked]

    def __repr__(self) -> str:
        return f"<Events: {len(self)}>"

    @property
    def id(self) -> NDArray[np.int64]:
        return np.arange(self._first_id, self._first_id + len(self), dtype=np.int64)

    @property
    def kind(self) -> NDArray[np.str_]:
        return _words(KINDS, self._ints[:, 0] & 0xFF)

    @property
    def scale(self) -> NDArray[np.str_]:
        return _words(SCALES, self._ints[:, 0] >> 8 & 0xF)

    @property
    def direction(self) -> NDArray[np.str_]:
        return _words(DIRECTIONS, self._ints[:, 0] >> 12 & 0xF)

    @property
    def label(self) -> NDArray[np.str_]:
        return _words(LABELS, self._ints[:, 0] >> 16 & 0xF)

    @property
    def anchor(self) -> NDArray[np.int64]:
        return self._ints[:, 1].astype(np.int64)

    @property
    def confirmed(self) -> NDArray[np.int64]:
        return self._ints[:, 2].astype(np.int64)

    @property
    def ref(self) -> NDArray[np.int64]:
        return self._ints[:, 3].astype(np.int64)

    @property
    def top(self) -> NDArray[np.float64]:
        return self._floats[:, 0]

    @property
    def bottom(self) -> NDArray[np.float64]:
        return self._floats[:, 1]

    @property
    def volume(self) -> NDArray[np.float64]:
        return self._of_blocks(0)

    @property
    def share(self) -> NDArray[np.float64]:
        return self._of_blocks(1)

    def _of_blocks(self, column: int) -> NDArray[np.float64]:
        values = np.full(len(self), np.nan)
        places = np.flatnonzero(self._ints[:, 0] & 0xFF == ORDER_BLOCK)
        values[places] = self._blocks[: len(places), column]
        return values

    def __eq__(self, other: object) -> bool:
        """Equal in every column, bit for bit; NaN equals NaN."""
        if not isinstance(other, Events):
            return NotImplemented
        return (
            len(self) == len(other)
            and self._first_id == other._first_id
            and np.array_equal(self._ints, other._ints)
            and np.array_equal(self._floats, other._floats)
            and np.array_equal(self.volume, other.volume, equal_nan=True)
            and np.array_equal(self.share, other.share, equal_nan=True)
        )

    def columns(self) -> "dict[str, NDArray[Any]]":
        """Every column by its name, of one length: what `pandas.DataFrame` and `polars.DataFrame` take."""
        names = (
            "id",
            "kind",
            "scale",
            "direction",
            "label",
            "anchor",
            "confirmed",
            "ref",
            "top",
            "bottom",
            "volume",
            "share",
        )
        return {name: getattr(self, name) for name in names}

    def until(self, bar: int) -> "Events":
        """The events that are known at the close of `bar`."""
        count = int(np.searchsorted(self._ints[:, 2], bar, side="right"))
        return Events(self._first_id, self._ints[:count], self._floats[:count], self._blocks)

    def as_of(self, bar: int) -> list[Event]:
        """The zones that are active at the close of `bar`, oldest first: opened by then and not ended by then."""
        return active_zones(self.until(bar))

    def context(self, bar: int) -> Context:
        """Where the market stands at the close of `bar`, as far as events tell it: no position, no retracement."""
        known = self.until(bar)
        return context_of_events(known._ints[:, 0], known.top)


def active_zones(events: Iterable[Event]) -> list[Event]:
    """The zones that `events`, in order and from the first on, open and do not end; oldest first."""
    active: dict[int, Event] = {}
    for event in events:
        if event.kind in ZONES:
            active[event.id] = event
        elif event.kind in ZONE_ENDS and event.ref is not None:
            active.pop(event.ref, None)
    return list(active.values())


def resting_levels(events: Iterable[Event]) -> list[Event]:
    """The levels that `events`, in order and from the first on, make and do not end; oldest first.

    Liquidity rests at the outer edge: `top` of highs, `bottom` of lows.
    """
    resting: dict[int, Event] = {}
    for event in events:
        if event.ref is not None and (event.kind in LEVELS or event.kind in LEVEL_ENDS):
            resting.pop(event.ref, None)  # taken, expired, or replaced by the next of its kind
        if event.kind in LEVELS:
            resting[event.id] = event
    return list(resting.values())


def _words(words: tuple[str, ...], codes: NDArray[np.int32]) -> NDArray[np.str_]:
    picked: NDArray[np.str_] = np.array(words)[codes]
    return picked


def rows(first_id: int, ints: NDArray[np.int32], floats: NDArray[np.float64]) -> list[Event]:
    """The kernel's rows as events; ids count on from `first_id`."""
    return [
        Event(
            event_id,
            KINDS[code & 0xFF],
            SCALES[code >> 8 & 0xF],
            DIRECTIONS[code >> 12 & 0xF],
            anchor,
            confirmed,
            top,
            bottom,
            ref if ref >= 0 else None,
        )
        for event_id, ((code, anchor, confirmed, ref), (top, bottom)) in enumerate(
            zip(ints.tolist(), floats.tolist(), strict=True), first_id
        )
    ]
