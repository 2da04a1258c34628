"""Why one event is there: the rule, the numbers of the bars that fulfil it, and what happened to it later.

The numbers are worked out from the bars again, not taken from the detector: who doubts it can check them by hand.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from smc_agent.detection.events import LEVELS, ZONES, Event, Events, active_zones, resting_levels
from smc_agent.detection.params import DetectionParams
from smc_agent.detection.rules import rule_text
from smc_agent.detection.windows import WINDOWS, Window
from smc_agent.market.bars import Bars


@dataclass
class Evidence:
    """`facts` are sentences with numbers, `bars` what each bar that counts is (index -> words), `causes` the events
    that it follows from, nearest first, `later` those that followed from it; `active`: whether a zone or a level stands
    after the last event, None of all else."""

    event: Event
    rule: str
    facts: list[str]
    bars: dict[int, str]
    causes: list[Event]
    later: list[Event]
    active: bool | None


def evidence(bars: Bars, events: Events, event_id: int, params: DetectionParams) -> Evidence:
    """Of the event `event_id` among all `events` that these parameters give on `bars`; IndexError where none is."""
    if not 0 <= event_id < len(events):
        raise IndexError(f"there is no event {event_id}: there are events 0 to {len(events) - 1}")
    rows = list(events)
    event = rows[event_id]
    case = _Case(bars, rows, event, params)
    case.note(event.anchor, "where it lies")
    case.note(event.confirmed, "known at its close")
    tell = _TELLERS.get(event.kind)
    if tell is not None:
        tell(case)
    later, family = [], {event_id}
    for other in rows[event_id + 1 :]:
        if other.ref in family:
            family.add(other.id)
            later.append(other)
    active = None
    if event.kind in ZONES or event.kind in LEVELS:
        active = event in active_zones(rows) or event in resting_levels(rows)
    return Evidence(event, rule_text(event.kind, params), case.facts, case.notes, case.causes(), later, active)


@dataclass
class _Case:
    bars: Bars
    events: list[Event]
    event: Event
    params: DetectionParams
    facts: list[str] = field(default_factory=list)
    notes: dict[int, str] = field(default_factory=dict)

    def say(self, fact: str) -> None:
        self.facts.append(fact)

    def note(self, bar: int, words: str) -> None:
        self.notes[bar] = f"{self.notes[bar]}; {words}" if bar in self.notes else words

    def causes(self) -> list[Event]:
        found, ref = [], self.event.ref
        while ref is not None:
            found.append(self.events[ref])
            ref = found[-1].ref
        return found

    def last(self, kinds: tuple[str, ...], scale: str) -> Event | None:
        """The last event of these kinds before this one."""
        before = self.events[: self.event.id]
        return next((e for e in reversed(before) if e.kind in kinds and e.scale == scale), None)

    @property
    def high_side(self) -> bool:
        return self.event.direction == "bearish"

    def atr(self) -> NDArray[np.float64]:
        return _atr(self.bars, self.params.atr_period)


def _pivot(case: _Case) -> None:
    event, high = case.event, case.event.kind == "swing_high"
    prices, word, most = (case.bars.high, "high", "highest") if high else (case.bars.low, "low", "lowest")
    after = prices[event.anchor + 1 : event.confirmed + 1]
    beyond = event.anchor + 1 + int(np.argmax(after) if high else np.argmin(after))
    case.note(beyond, f"{most} {word} of those after it")
    case.say(
        f"The {word} of bar {event.anchor} is {_n(event.top)}; the {most} {word} of the next {len(after)} bars is"
        f" {_n(prices[beyond])}, of bar {beyond}."
    )
    before = case.last((event.kind,), event.scale)
    if before is not None:
        where = "above" if event.top > before.top else "below" if event.top < before.top else "level with"
        case.say(f"It is {where} the {event.scale} {word} before it, {_n(before.top)} of bar {before.anchor}.")


def _equal(case: _Case) -> None:
    event = case.event
    atr, factor = case.atr()[event.confirmed], case.params.equal_threshold
    case.say(
        f"The two levels are {_n(event.top)} and {_n(event.bottom)}, {_n(event.top - event.bottom)} apart;"
        f" {factor:g} x ATR({case.params.atr_period}), {_n(atr)}, is {_n(factor * atr)}."
    )


def _break(case: _Case) -> None:
    event, bars, i = case.event, case.bars, case.event.confirmed
    up = event.direction == "bullish"
    word = "close" if case.params.break_by == "close" else "high" if up else "low"
    prices = {"close": bars.close, "high": bars.high, "low": bars.low}[word]
    case.note(i - 1, "the bar before")
    case.say(
        f"The {word} of bar {i} is {_n(prices[i])}, {'above' if up else 'below'} the pivot's {_n(event.top)};"
        f" the {word} of bar {i - 1} was {_n(prices[i - 1])}."
    )
    before = case.last(("bos", "choch"), event.scale)
    if before is None:
        case.say(f"No {event.scale} pivot was broken before: there was no trend.")
    else:
        how = "with" if before.direction == event.direction else "against"
        case.say(
            f"The trend was {before.direction}, since event {before.id} at bar {before.confirmed}:"
            f" this break goes {how} it."
        )


def _order_block(case: _Case) -> None:
    event, bars = case.event, case.bars
    pivot = case.causes()[1]
    first, end, up = pivot.anchor, event.confirmed, event.direction == "bullish"
    atr = case.atr()[first:end]
    high, low = bars.high[first:end], bars.low[first:end]
    with np.errstate(invalid="ignore"):
        wild = high - low >= case.params.wild_factor * atr
    parsed = np.where(wild, high, low) if up else np.where(wild, low, high)
    case.note(first, "the broken pivot")
    case.say(
        f"Of bars {first} to {end - 1}, from the broken pivot to the bar before the break, bar {event.anchor} has the"
        f" {'lowest low' if up else 'highest high'}, {_n(parsed[event.anchor - first])}."
    )
    if wild.any():
        case.say(
            f"{int(wild.sum())} of them are taller than {case.params.wild_factor:g} x ATR: their high and low changed"
            " places in the search."
        )
    total = bars.volume[first:end].sum()
    if total > 0:
        share = bars.volume[event.anchor] / total
        case.say(f"Its volume is {_n(bars.volume[event.anchor])}, {share:.2%} of that of these bars.")


def _gap(case: _Case) -> None:
    event, bars, i = case.event, case.bars, case.event.confirmed
    up = event.direction == "bullish"
    a, b = ("low", "high") if up else ("high", "low")
    late, early = (bars.low[i], bars.high[i - 2]) if up else (bars.high[i], bars.low[i - 2])
    case.note(i - 2, "the first of the three")
    case.note(i - 1, "the middle bar")
    case.say(
        f"The {a} of bar {i}, {_n(late)}, is {'above' if up else 'below'} the {b} of bar {i - 2}, {_n(early)}, and bar"
        f" {i - 1} closed beyond that at {_n(bars.close[i - 1])}."
    )
    if case.params.fvg_threshold == "auto":
        bodies = (bars.close[:i] - bars.open[:i]) / bars.open[:i]
        mean = float(np.abs(bodies).mean())
        case.say(
            f"The body of bar {i - 1} is {bodies[i - 1]:.4%} of its open; {case.params.fvg_factor:g} x the mean of"
            f" bars 0 to {i - 1}, {mean:.4%}, is {case.params.fvg_factor * mean:.4%}."
        )


def _reaches(edge: str) -> Callable[[_Case], None]:
    """The wick comes to, or passes, the near edge, the middle or the far edge of a zone."""

    def tell(case: _Case) -> None:
        event, i = case.event, case.event.confirmed
        # A bullish zone lies below the price, and so did the block that now is a bearish breaker.
        up = (event.direction == "bullish") != (event.kind == "breaker_block")
        by_close = edge == "close" or (
            edge == "far"
            and case.params.mitigation == "close"
            and event.kind in ("order_block_mitigated", "breaker_block", "breaker_block_invalidated")
        )
        word = "close" if by_close else "low" if up else "high"
        price = {"close": case.bars.close, "low": case.bars.low, "high": case.bars.high}[word][i]
        near, far = (event.top, event.bottom) if up else (event.bottom, event.top)
        level = near if edge == "near" else (near + far) / 2 if edge == "middle" else far
        name = {"near": "near edge", "middle": "middle"}.get(edge, "far edge")
        side = "below" if up else "above"
        case.say(
            f"The {word} of bar {i} is {_n(price)}; the {name} of the zone is {_n(level)}: "
            + (f"{side} it." if edge in ("far", "close") else f"at or {side} it.")
        )

    return tell


def _level(case: _Case) -> None:
    event, bars, i = case.event, case.bars, case.event.confirmed
    high = case.high_side
    wick, word = (bars.high[i], "high") if high else (bars.low[i], "low")
    beyond, back = ("above", "below") if high else ("below", "above")
    if event.kind == "liquidity_sweep":
        case.say(
            f"The {word} of bar {i} is {_n(wick)}, {beyond} the level {_n(event.top)};"
            f" its close, {_n(bars.close[i])}, is not: back at or {back} it."
        )
    else:
        case.say(f"The close of bar {i} is {_n(bars.close[i])}, {beyond} the level {_n(event.top)}.")


def _range(case: _Case) -> None:
    event, close = case.event, case.bars.close[case.event.confirmed]
    if event.top > event.bottom:
        part = (close - event.bottom) / (event.top - event.bottom)
        case.say(
            f"The swing range goes from {_n(event.bottom)} to {_n(event.top)};"
            f" the close, {_n(close)}, lies at {part:.2%} of it."
        )


def _ote(case: _Case) -> None:
    event, close = case.event, case.bars.close[case.event.confirmed]
    up = event.direction == "bullish"
    back = (event.top - close) if up else (close - event.bottom)
    case.say(
        f"The leg goes {'up' if up else 'down'} between {_n(event.bottom)} and {_n(event.top)}; the close, {_n(close)},"
        f" has retraced {back / (event.top - event.bottom):.2%} of it."
    )


def _strength(case: _Case) -> None:
    before = case.last(("bos", "choch"), "swing")
    if before is not None:
        case.say(f"The swing trend is {before.direction}, since event {before.id} at bar {before.confirmed}.")


def _displacement(case: _Case) -> None:
    bars, i = case.bars, case.event.confirmed
    atr = case.atr()[: i + 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.abs(bars.close[: i + 1] - bars.open[: i + 1]) / atr
    before = ratio[:i][np.isfinite(ratio[:i])]
    if len(before):
        mean, factor = float(before.mean()), case.params.displacement_factor
        case.say(
            f"The body of bar {i} is {_n(abs(bars.close[i] - bars.open[i]))}, {ratio[i]:.3f} x ATR;"
            f" {factor:g} x the mean of the {len(before)} bars before, {mean:.3f}, is {factor * mean:.3f}."
        )


def _window(case: _Case) -> None:
    name = case.event.kind.removesuffix("_open").removesuffix("_close")
    window: Window | None = getattr(case.params.windows, name)
    if window is None:
        return
    opens = datetime.fromtimestamp(int(case.bars.time[case.event.confirmed]) / 1000, UTC).astimezone(
        ZoneInfo(window.zone)
    )
    case.say(f"Bar {case.event.confirmed} opens at {opens:%A %H:%M} in {window.zone}; the hours are {window}.")


_TELLERS: dict[str, Callable[[_Case], None]] = {
    "swing_high": _pivot,
    "swing_low": _pivot,
    "equal_highs": _equal,
    "equal_lows": _equal,
    "bos": _break,
    "choch": _break,
    "order_block": _order_block,
    "order_block_touched": _reaches("near"),
    "order_block_mitigated": _reaches("far"),
    "breaker_block": _reaches("far"),
    "breaker_block_invalidated": _reaches("far"),
    "fvg": _gap,
    "fvg_touched": _reaches("near"),
    "fvg_half_filled": _reaches("middle"),
    "fvg_filled": _reaches("far"),
    "ifvg": _reaches("close"),
    "liquidity_sweep": _level,
    "liquidity_taken": _level,
    "premium_entered": _range,
    "equilibrium_entered": _range,
    "discount_entered": _range,
    "range_zone_left": _range,
    "ote_entered": _ote,
    "strong_high": _strength,
    "strong_low": _strength,
    "weak_high": _strength,
    "weak_low": _strength,
    "displacement": _displacement,
    **{f"{name}_{end}": _window for name in WINDOWS for end in ("open", "close")},
}


def _atr(bars: Bars, period: int) -> NDArray[np.float64]:
    """Wilder's, as the rules have it; NaN while unknown."""
    close_before = np.concatenate((bars.close[:1], bars.close[:-1]))
    ranges = np.maximum(bars.high, close_before) - np.minimum(bars.low, close_before)
    if len(ranges):
        ranges[0] = bars.high[0] - bars.low[0]
    atr = np.full(len(ranges), np.nan)
    if len(ranges) < period:
        return atr
    value = float(ranges[:period].sum() / period)
    atr[period - 1] = value
    for i, true_range in enumerate(ranges[period:].tolist(), start=period):
        value += (true_range - value) / period
        atr[i] = value
    return atr


def _n(number: float) -> str:
    return f"{number:.10g}"
