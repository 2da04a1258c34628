"""The SMC confluence strategy: after a swing break, enter on the return to a fresh zone in discount or premium."""

import json
from dataclasses import asdict, dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Self

from smc_agent.detection import Event
from smc_agent.market import Bar, SymbolRules, decimal_of, milliseconds
from smc_agent.strategy.params import SmcConfluenceParams
from smc_agent.strategy.signal import Signal, Withdraw
from smc_agent.strategy.structure import Break, Level, Structure, Zone

ENDS_ZONE = frozenset({"order_block_mitigated", "order_block_expired", "fvg_filled", "fvg_expired"})
NAMES = {
    "bos": "break of structure", "choch": "change of character", "order_block": "order block", "fvg": "fair value gap",
    "swing_high": "swing high", "swing_low": "swing low", "equal_highs": "equal highs", "equal_lows": "equal lows",
    "order_block_mitigated": "mitigated", "order_block_expired": "dropped by the detector", "fvg_filled": "filled",
    "fvg_expired": "dropped by the detector",
}  # fmt: skip


@dataclass(slots=True)
class Waiting:
    """A signal given and not yet over. `touched`: price has reached its entry, so the next signal may come."""

    signal_id: str
    zone_id: int
    direction: str
    entry: float
    last_bar: int
    touched: bool = False


class SmcConfluence:
    """One strategy on one symbol. It signals at most one entry that price has not reached yet; each zone is used once.

    A signal ends by `Withdraw` when its zone is mitigated or filled, the swing structure breaks the other way, or its
    bars are over. Whether the entry filled is not known here: a `Withdraw` of a filled entry is for the receiver to
    ignore.
    """

    def __init__(self, params: SmcConfluenceParams, rules: SymbolRules, timeframe: str) -> None:
        self.params = params
        self.rules = rules
        self._bar_ms = milliseconds(timeframe)
        self._structure = Structure()
        self._waiting: list[Waiting] = []

    def on_bar(self, bar: Bar, index: int, events: list[Event]) -> list[Signal | Withdraw]:
        """What the close of `bar` says. `index` counts bars as the detector does; `events`: those confirmed at it."""
        self._structure.push(bar, events, self.params)
        said: list[Signal | Withdraw] = []
        if self._waiting:
            said += self._withdrawals(bar, index, events)
        if all(waiting.touched for waiting in self._waiting):
            signal = self._signal(bar, index)
            if signal is not None:
                said.append(signal)
        return said

    def save(self) -> bytes:
        """The state, as JSON."""
        state = {"structure": self._structure.plain(), "waiting": [asdict(waiting) for waiting in self._waiting]}
        return json.dumps(state, separators=(",", ":")).encode()

    @classmethod
    def restore(cls, params: SmcConfluenceParams, rules: SymbolRules, timeframe: str, data: bytes) -> Self:
        """The strategy that gave `data` by `save`."""
        state = json.loads(data)
        strategy = cls(params, rules, timeframe)
        strategy._structure = Structure.of_plain(state["structure"])
        strategy._waiting = [Waiting(**waiting) for waiting in state["waiting"]]
        return strategy

    def _withdrawals(self, bar: Bar, index: int, events: list[Event]) -> list[Withdraw]:
        over: list[Withdraw] = []
        still: list[Waiting] = []
        for waiting in self._waiting:
            reason = _ended(waiting, index, events)
            if reason is not None:
                over.append(Withdraw(waiting.signal_id, reason))
                continue
            reached = bar.low <= waiting.entry if waiting.direction == "bullish" else bar.high >= waiting.entry
            waiting.touched = waiting.touched or reached
            still.append(waiting)
        self._waiting = still
        return over

    def _signal(self, bar: Bar, index: int) -> Signal | None:
        broken, top, bottom = self._structure.broken, self._structure.top, self._structure.bottom
        if broken is None or top is None or bottom is None or top <= bottom:
            return None
        bullish = broken.direction == "bullish"
        best: tuple[float, float, Zone] | None = None
        for zone in self._structure.zones:
            if zone.direction != broken.direction:
                continue
            entry = (zone.top + zone.bottom) / 2
            if self.params.entry == "edge":
                entry = zone.top if bullish else zone.bottom
            distance = bar.close - entry if bullish else entry - bar.close
            depth = (entry - bottom) / (top - bottom) if bullish else (top - entry) / (top - bottom)
            # Nearest to price first; among equals the newest zone.
            if distance > 0 and 0 <= depth <= self.params.discount and (best is None or distance <= best[0]):
                best = (distance, entry, zone)
        if best is None:
            return None
        _, entry, zone = best
        signal = self._trade(bar, index, broken, zone, entry, top, bottom)
        if signal is not None:
            self._structure.zones.remove(zone)
            self._waiting.append(
                Waiting(signal.id, zone.event_id, zone.direction, float(signal.entry), index + self.params.valid_bars)
            )
        return signal

    def _trade(
        self, bar: Bar, index: int, broken: Break, zone: Zone, entry_at: float, top: float, bottom: float
    ) -> Signal | None:
        """The levels of a trade from `zone`; None when no target pays enough, or the levels are below a tick apart."""
        bullish = zone.direction == "bullish"
        buffer = self.params.stop_buffer_atr * self._structure.atr
        least = self.params.min_stop * entry_at
        stop_at = min(zone.bottom - buffer, entry_at - least) if bullish else max(zone.top + buffer, entry_at + least)
        entry = self.rules.round_price(decimal_of(entry_at))
        if stop_at <= 0:
            return None
        # The stop is rounded away from the entry, so that the sized risk is never less than the real one.
        stop = _to_tick(decimal_of(stop_at), self.rules.tick, ROUND_FLOOR if bullish else ROUND_CEILING)
        risk = abs(entry - stop)
        if risk == 0 or stop <= 0:
            return None
        aim = self._aim(entry, risk, bullish)
        if aim is None:
            return None
        target, level = aim
        if target <= 0 or target == entry:
            return None
        depth = (entry_at - bottom) / (top - bottom)
        side = "discount" if bullish else "premium"
        reasons = (
            f"{zone.direction.capitalize()} swing {NAMES[broken.kind]} at {broken.level:g} (event {broken.event_id}).",
            f"Fresh {(zone.scale + ' ' + NAMES[zone.kind]).strip()} {zone.bottom:g} to {zone.top:g} "
            f"(event {zone.event_id}): "
            f"enter at {entry:f}, in {side}, at {depth:.0%} of the swing range {bottom:g} to {top:g}.",
            f"Stop at {stop:f}, beyond the zone.",
            f"Target {target:f}, {abs(target - entry) / risk:.2f} times the risk"
            + (f": {NAMES[level.kind]} (event {level.event_id})." if level is not None else "."),
        )
        event_ids = (broken.event_id, zone.event_id, *(() if level is None else (level.event_id,)))
        return Signal(
            id=f"smc_confluence:{self.rules.symbol}:{bar.time}:{zone.event_id}",
            symbol=self.rules.symbol,
            time_ms=bar.time + self._bar_ms,
            direction="bullish" if bullish else "bearish",
            entry=entry,
            stop=stop,
            target=target,
            reasons=reasons,
            valid_bars=self.params.valid_bars,
            event_ids=event_ids,
        )

    def _aim(self, entry: Decimal, risk: Decimal, bullish: bool) -> tuple[Decimal, Level | None] | None:
        """The target, with the liquidity it stands for; None when nothing pays enough."""
        way = 1 if bullish else -1
        if self.params.target == "r_multiple":
            return self.rules.round_price(entry + way * self.params.r_multiple * risk), None
        least = self.params.min_risk_reward * risk
        best: tuple[Decimal, Level] | None = None
        for level in self._structure.highs if bullish else self._structure.lows:
            target = self.rules.round_price(decimal_of(level.price))
            reward = way * (target - entry)
            if reward >= least and (best is None or reward < way * (best[0] - entry)):
                best = (target, level)
        return best


def _ended(waiting: Waiting, index: int, events: list[Event]) -> str | None:
    """Why a signal is over at this bar, or None."""
    for event in events:
        if event.kind in ENDS_ZONE and event.ref == waiting.zone_id:
            return f"The zone (event {waiting.zone_id}) is {NAMES[event.kind]} (event {event.id})."
        if event.kind in ("bos", "choch") and event.scale == "swing" and event.direction != waiting.direction:
            return f"Structure turned: {event.direction} swing {NAMES[event.kind]} at {event.top:g} (event {event.id})."
    if index >= waiting.last_bar:
        return "The entry did not come in the bars it was given."
    return None


def _to_tick(price: Decimal, tick: Decimal, rounding: str) -> Decimal:
    return (price / tick).to_integral_value(rounding) * tick
