"""Protection in the backtest: what the executor does after an entry fills, at the simulated venue."""

from decimal import Decimal
from typing import Literal
from uuid import UUID, uuid5

from smc_agent.backtest.venue import Fill, Rejected, SimulatedVenue, VenueOrder
from smc_agent.risk import OrderIntent

ExitKind = Literal["stop", "target", "market"]


class Brackets:
    """Keeps what entries have bought covered by a stop and a target: an OCO after every fill of an entry.

    `parents`: the entry of each protective order. What is too little for the venue stays as dust; `unprotected`, by
    entry, is what it would not take in any form.
    """

    def __init__(self, venue: SimulatedVenue) -> None:
        self._venue = venue
        self._entries: dict[str, OrderIntent] = {}
        self._net: dict[str, Decimal] = {}
        self._protected: dict[str, Decimal] = {}
        self._count: dict[str, int] = {}
        self.parents: dict[str, str] = {}
        self.kinds: dict[str, ExitKind] = {}
        self.unprotected: dict[str, Decimal] = {}

    def follow(self, intent: OrderIntent) -> None:
        """Protects what `intent` will buy; it must name stop and target."""
        if intent.stop_loss is None or intent.take_profit is None:
            raise ValueError(f"order {intent.order_id} has no stop or no target to protect it by")
        self._entries[intent.order_id] = intent
        self._net[intent.order_id] = self._protected[intent.order_id] = Decimal(0)
        self._count[intent.order_id] = 0

    def on_fill(self, fill: Fill) -> None:
        """Reacts to a fill while the bar stands still."""
        intent = self._entries.get(fill.order_id)
        if intent is None or intent.stop_loss is None:
            return
        rules = self._venue.rules
        entry_id = fill.order_id
        self._net[entry_id] += fill.quantity - (fill.fee if fill.fee_asset == rules.base else 0)
        quantity = rules.round_quantity(self._net[entry_id] - self._protected[entry_id])
        if quantity < max(rules.min_quantity, rules.step) or quantity * intent.stop_loss < rules.min_notional:
            return
        self._protected[entry_id] += quantity
        self._count[entry_id] += 1
        stop = VenueOrder(self._leg(entry_id, "stop"), "sell", "stop_loss", quantity, stop_price=intent.stop_loss)
        target = VenueOrder(self._leg(entry_id, "target"), "sell", "limit_maker", quantity, price=intent.take_profit)
        try:
            self._venue.place_oco(stop, target)
        except Rejected:
            self._leave_at_market(entry_id, quantity)

    def _leave_at_market(self, entry_id: str, quantity: Decimal) -> None:
        """Price is past the stop already (a gap), or past the target: out at the next open."""
        self._count[entry_id] += 1
        try:
            self._venue.place(VenueOrder(self._leg(entry_id, "market"), "sell", "market", quantity))
        except Rejected:
            # The gap went so deep that the rest is worth less than the venue takes.
            self.unprotected[entry_id] = quantity

    def _leg(self, entry_id: str, kind: ExitKind) -> str:
        # As the executor names them: what leaves at market stands in for the stop.
        name = "target" if kind == "target" else "stop"
        leg_id = str(uuid5(UUID(entry_id), f"{name}:{self._count[entry_id]}"))
        self.parents[leg_id] = entry_id
        self.kinds[leg_id] = kind
        return leg_id
