"""What the strategy remembers of the market: swing range, last break, resting liquidity, fresh zones, volatility."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from smc_agent.detection import Event
from smc_agent.market import Bar
from smc_agent.strategy.params import SmcConfluenceParams

# Bounds of what is kept, the newest first to stay; far more than a signal can use.
MAX_ZONES = 64
MAX_LEVELS = 64

ZONE_KINDS = {"order_block": ("order_block",), "fvg": ("fvg",), "both": ("order_block", "fvg")}
ENDS_FRESH = frozenset({
    "order_block_touched", "order_block_mitigated", "order_block_expired",
    "fvg_touched", "fvg_half_filled", "fvg_filled", "fvg_expired",
})  # fmt: skip


@dataclass(slots=True)
class Break:
    """The last swing break: the way it points."""

    event_id: int
    kind: str
    direction: str
    level: float


@dataclass(slots=True)
class Level:
    """Resting liquidity: a swing pivot or equal highs/lows that no wick has passed yet."""

    event_id: int
    kind: str
    price: float


@dataclass(slots=True)
class Zone:
    """An order block or fair value gap to which price has not returned yet."""

    event_id: int
    kind: str
    scale: str
    direction: str
    top: float
    bottom: float


@dataclass(slots=True)
class Structure:
    """The state after the last bar. Lists are in order of confirmation and bounded."""

    bars: int = 0
    atr: float = 0.0
    last_close: float = 0.0
    top: float | None = None
    bottom: float | None = None
    broken: Break | None = None
    highs: list[Level] = field(default_factory=list)
    lows: list[Level] = field(default_factory=list)
    zones: list[Zone] = field(default_factory=list)

    def push(self, bar: Bar, events: list[Event], params: SmcConfluenceParams) -> None:
        """Takes in one closed bar and the events that the detector found at its close."""
        self._volatility(bar, params.atr_period)
        # A wick through a level takes its liquidity: it is no target any more.
        if self.highs:
            self.highs = [level for level in self.highs if level.price > bar.high]
        if self.lows:
            self.lows = [level for level in self.lows if level.price < bar.low]
        for event in events:
            self._take(event, params)
        # After the events: a pivot confirmed now restarts the range at the pivot, and price may be past it already.
        if self.top is not None and bar.high > self.top:
            self.top = bar.high
        if self.bottom is not None and bar.low < self.bottom:
            self.bottom = bar.low

    def _volatility(self, bar: Bar, period: int) -> None:
        """Wilder's average true range; the mean of what there is until `period` bars are in."""
        reach = bar.high - bar.low
        if self.bars:
            reach = max(reach, abs(bar.high - self.last_close), abs(bar.low - self.last_close))
        self.bars += 1
        self.atr += (reach - self.atr) / min(self.bars, period)
        self.last_close = bar.close

    def _take(self, event: Event, params: SmcConfluenceParams) -> None:
        kind = event.kind
        if kind in ENDS_FRESH:
            self.zones = [zone for zone in self.zones if zone.event_id != event.ref]
        elif kind in ZONE_KINDS[params.zones]:
            zone = Zone(event.id, kind, event.scale, event.direction, float(event.top), float(event.bottom))
            self.zones = [*self.zones[1 - MAX_ZONES :], zone]
        elif kind == "swing_high" and event.scale == "swing":
            self.top = float(event.top)
            self.highs = [*self.highs[1 - MAX_LEVELS :], Level(event.id, kind, float(event.top))]
        elif kind == "swing_low" and event.scale == "swing":
            self.bottom = float(event.bottom)
            self.lows = [*self.lows[1 - MAX_LEVELS :], Level(event.id, kind, float(event.bottom))]
        elif kind == "equal_highs":
            self.highs = [*self.highs[1 - MAX_LEVELS :], Level(event.id, kind, float(event.top))]
        elif kind == "equal_lows":
            self.lows = [*self.lows[1 - MAX_LEVELS :], Level(event.id, kind, float(event.bottom))]
        elif kind in ("bos", "choch") and event.scale == "swing":
            self.broken = Break(event.id, kind, event.direction, float(event.top))

    def plain(self) -> dict[str, Any]:
        """The state as JSON values; floats keep all their digits."""
        return asdict(self)

    @classmethod
    def of_plain(cls, state: dict[str, Any]) -> Self:
        """The state that `plain` gave."""
        broken = state["broken"]
        return cls(
            bars=state["bars"],
            atr=state["atr"],
            last_close=state["last_close"],
            top=state["top"],
            bottom=state["bottom"],
            broken=None if broken is None else Break(**broken),
            highs=[Level(**level) for level in state["highs"]],
            lows=[Level(**level) for level in state["lows"]],
            zones=[Zone(**zone) for zone in state["zones"]],
        )
