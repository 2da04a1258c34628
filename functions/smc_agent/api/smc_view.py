"""What detection found, in the shapes of /smc/detect: patterns, active blocks, resting liquidity, structure."""

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from smc_agent.detection import Event
    from smc_agent.market.bars import Bars

PatternType = Literal[
    "swing_high",
    "swing_low",
    "equal_highs",
    "equal_lows",
    "bos",
    "choch",
    "order_block",
    "breaker_block",
    "fvg",
    "ifvg",
    "previous_day_high",
    "previous_day_low",
    "previous_week_high",
    "previous_week_low",
    "previous_month_high",
    "previous_month_low",
    "liquidity_sweep",
    "liquidity_taken",
    "premium_entered",
    "equilibrium_entered",
    "discount_entered",
    "range_zone_left",
    "strong_high",
    "strong_low",
    "weak_high",
    "weak_low",
    "ote_entered",
    "displacement",
    "inducement",
    "asian_session_open",
    "london_session_open",
    "new_york_session_open",
    "asian_kill_zone_open",
    "london_kill_zone_open",
    "new_york_kill_zone_open",
    "london_close_kill_zone_open",
]
PATTERN_TYPES: tuple[str, ...] = get_args(PatternType)
# These are also what becomes of the level that they refer to, and are told with it.
OF_A_LEVEL = ("liquidity_sweep", "liquidity_taken")
# Of each row only the newest stands: where the market is now.
STATES: tuple[tuple[str, ...], ...] = (
    ("previous_day_high",), ("previous_day_low",),
    ("previous_week_high",), ("previous_week_low",),
    ("previous_month_high",), ("previous_month_low",),
    ("premium_entered", "equilibrium_entered", "discount_entered", "range_zone_left"),
    ("strong_high", "weak_high"),
    ("strong_low", "weak_low"),
)  # fmt: skip
_STATE_OF = {kind: row for row in STATES for kind in row}
Direction = Literal["bullish", "bearish"]
Scale = Literal["internal", "swing", ""]


class EventView(BaseModel):
    """One event, known since the close of bar `confirmed` and never changed since."""

    id: int
    kind: str = Field(examples=["order_block_mitigated"])
    scale: Scale
    direction: Direction | Literal[""] = Field(description="empty where there is none, as of a session")
    anchor: int = Field(description="index, among the bars looked at, of the bar where the thing lies")
    confirmed: int = Field(description="index of the bar at whose close it was first known")
    anchor_ms: int = Field(description="open time of the anchor bar, epoch ms")
    confirmed_ms: int = Field(description="open time of the confirming bar; the event was known at that bar's close")
    top: float
    bottom: float
    ref: int | None = Field(description="id of the event it follows from")


class Pattern(BaseModel):
    """A thing on the chart: the event that opened it, and whether it still stands."""

    id: int = Field(description="of its event")
    pattern_type: PatternType
    scale: Scale
    direction: Direction | Literal[""] = Field(description="empty where there is none, as of a session")
    top: float
    bottom: float
    anchor_ms: int
    confirmed_ms: int
    active: bool = Field(
        description="a zone that has not ended, a pivot that is not broken, a session that is open, the newest of what"
        " says where the market is; what happened at one bar, such as a break, always stands"
    )
    confidence: float | None = Field(
        description="share of like patterns that reached their target first, out of sample; null without an estimate"
    )


class LiquidityLevel(BaseModel):
    """A price where orders rest: a pivot, a pool of equal ones, or the end of a day, week or month before this one,
    that no wick has passed since."""

    id: int = Field(description="of its event")
    kind: Literal[
        "swing_high", "swing_low", "equal_highs", "equal_lows", "previous_day_high", "previous_day_low",
        "previous_week_high", "previous_week_low", "previous_month_high", "previous_month_low",
    ]  # fmt: skip
    scale: Scale
    side: Literal["buy_side", "sell_side"] = Field(description="buy_side: stops of shorts, above highs")
    price: float = Field(description="the outer level, the one to be passed")
    anchor_ms: int


class Break(BaseModel):
    """The last break of structure on a scale."""

    id: int
    kind: Literal["bos", "choch"]
    direction: Direction
    level: float
    confirmed_ms: int


class Structure(BaseModel):
    """Trend and last break of one scale; null before the first break."""

    trend: Direction | None
    last_break: Break | None


class SwingRange(BaseModel):
    """The trailing swing range, and where the last close lies in it.

    From the lowest low since the bar of the last swing low to the highest high since the bar of the last swing high."""

    high: float
    low: float
    position: float = Field(description="0 at the low, 1 at the high")
    zone: Literal["premium", "equilibrium", "discount", "between"] = Field(
        description="premium: top 5 %; equilibrium: 47.5-52.5 %; discount: bottom 5 %"
    )


class MarketStructure(BaseModel):
    """Where the market stands at the last closed bar."""

    swing: Structure
    internal: Structure
    range: SwingRange | None
    last_close: float | None


class Detection(BaseModel):
    """What the rules say of these bars. Nothing here can change when more bars come: later events are added to it."""

    exchange: str
    symbol: str
    timeframe: str
    bars: int = Field(description="closed bars looked at; a window of at least 200 is needed for what needs the ATR")
    first_bar_ms: int | None
    last_bar_ms: int | None
    patterns: list[Pattern]
    order_blocks: list[Pattern] = Field(description="active ones")
    liquidity_levels: list[LiquidityLevel]
    market_structure: MarketStructure
    events: list[EventView]
    rules: dict[str, str] = Field(description="of each kind among the events, the rule that fires, in a sentence")


def detect_view(bars: "Bars", events: "list[Event]", limit: int, wanted: frozenset[str]) -> Detection:
    """What a client sees of `events`, all that the detector found in `bars`.

    Of `wanted` types only, and of those what became known in the newest `limit` bars, with what still stands from
    before and all that belongs to it."""
    from smc_agent.detection import ZONES, DetectionParams, active_zones, rule_text

    params = DetectionParams()
    active = {event.id for event in active_zones(events)}
    broken = {event.ref for event in events if event.kind in ("bos", "choch")}
    over = {event.ref for event in events if event.kind.endswith(("_session_close", "_zone_close", "_taken"))}
    newest = {_STATE_OF[event.kind]: event.id for event in events if event.kind in _STATE_OF}
    levels = _liquidity(bars, events, newest)
    begins = len(bars) - limit
    standing = active | {level.id for level in levels} | set(newest.values())
    shown: set[int] = set()
    origin: dict[int, str] = {}  # event -> kind of the pattern it belongs to
    for event in events:
        opens = event.kind in PATTERN_TYPES and event.kind not in OF_A_LEVEL
        origin[event.id] = event.kind if opens else origin.get(-1 if event.ref is None else event.ref, "")
        later = not opens and event.ref in shown
        if event.confirmed >= begins or event.id in standing or later:
            shown.add(event.id)
    told = [event for event in events if event.id in shown]
    asked = [event for event in told if origin[event.id] in wanted or event.kind in wanted]
    time = bars.time.tolist()

    def pattern(event: "Event") -> Pattern:
        if event.kind in ZONES:
            stands = event.id in active
        elif event.kind in _STATE_OF:
            stands = newest[_STATE_OF[event.kind]] == event.id and event.id not in over
        elif event.kind.startswith(("swing_", "equal_")):
            stands = event.id not in broken
        else:
            stands = event.id not in over
        return Pattern.model_construct(
            id=event.id,
            pattern_type=event.kind,
            scale=event.scale,
            direction=event.direction,
            top=event.top,
            bottom=event.bottom,
            anchor_ms=time[event.anchor],
            confirmed_ms=time[event.confirmed],
            active=stands,
            confidence=None,
        )

    patterns = [pattern(event) for event in told if event.kind in PATTERN_TYPES]
    return Detection(
        exchange=bars.exchange,
        symbol=bars.symbol,
        timeframe=bars.timeframe,
        bars=len(bars),
        first_bar_ms=time[0] if time else None,
        last_bar_ms=time[-1] if time else None,
        patterns=[p for p in patterns if p.pattern_type in wanted],
        order_blocks=[p for p in patterns if p.pattern_type == "order_block" and p.active],
        liquidity_levels=levels,
        market_structure=_structure(bars, events),
        events=[
            EventView.model_construct(
                **event._asdict(),
                anchor_ms=time[event.anchor],
                confirmed_ms=time[event.confirmed],
            )
            for event in asked
        ],
        rules={kind: rule_text(kind, params) for kind in dict.fromkeys(event.kind for event in asked)},
    )


def _liquidity(bars: "Bars", events: "list[Event]", newest: dict[tuple[str, ...], int]) -> list[LiquidityLevel]:
    if not len(bars):
        return []
    # Highest high and lowest low after each bar: a level that lies beyond them was never passed.
    after_high = np.append(np.maximum.accumulate(bars.high[::-1])[::-1][1:], -np.inf)
    after_low = np.append(np.minimum.accumulate(bars.low[::-1])[::-1][1:], np.inf)
    levels = []
    for event in events:
        if event.kind.startswith("previous_"):
            if newest[_STATE_OF[event.kind]] != event.id:
                continue
        elif event.kind not in ("swing_high", "swing_low", "equal_highs", "equal_lows"):
            continue
        if event.direction == "bearish" and after_high[event.anchor] <= event.top:
            side, price = "buy_side", event.top
        elif event.direction == "bullish" and after_low[event.anchor] >= event.bottom:
            side, price = "sell_side", event.bottom
        else:
            continue
        anchor_ms = int(bars.time[event.anchor])
        levels.append(
            LiquidityLevel.model_construct(
                id=event.id, kind=event.kind, scale=event.scale, side=side, price=price, anchor_ms=anchor_ms
            )
        )
    return levels


def _structure(bars: "Bars", events: "list[Event]") -> MarketStructure:
    def of_scale(scale: str) -> Structure:
        breaks = [event for event in events if event.kind in ("bos", "choch") and event.scale == scale]
        if not breaks:
            return Structure(trend=None, last_break=None)
        last = breaks[-1]
        confirmed_ms = int(bars.time[last.confirmed])
        return Structure.model_validate(
            {
                "trend": last.direction,
                "last_break": {
                    "id": last.id,
                    "kind": last.kind,
                    "direction": last.direction,
                    "level": last.top,
                    "confirmed_ms": confirmed_ms,
                },
            }
        )

    return MarketStructure(
        swing=of_scale("swing"),
        internal=of_scale("internal"),
        range=_range(bars, events),
        last_close=float(bars.close[-1]) if len(bars) else None,
    )


def _range(bars: "Bars", events: "list[Event]") -> SwingRange | None:
    pivots = {event.kind: event for event in events if event.scale == "swing" and event.kind.startswith("swing_")}
    if "swing_high" not in pivots or "swing_low" not in pivots:
        return None
    high = float(bars.high[pivots["swing_high"].anchor :].max())
    low = float(bars.low[pivots["swing_low"].anchor :].min())
    if high <= low:
        return None
    position = (float(bars.close[-1]) - low) / (high - low)
    zone: Literal["premium", "equilibrium", "discount", "between"] = "between"
    if position >= 0.95:
        zone = "premium"
    elif position <= 0.05:
        zone = "discount"
    elif 0.475 <= position <= 0.525:
        zone = "equilibrium"
    return SwingRange(high=high, low=low, position=position, zone=zone)
