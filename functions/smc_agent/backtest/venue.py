"""The simulated venue: a spot exchange whose market is closed bars, with the paper venue's phases (docs/contracts.md).

The path of price within a bar is unknown, so the adverse order of events is assumed: stops before limits, and an order
that answers a fill sees only prices that provably came after it. Both matchers pass tests/cases/bar_matching.json.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Literal, NamedTuple

from smc_agent.market import SymbolRules
from smc_agent.risk import Balance

ZERO = Decimal(0)
SATOSHI = Decimal("1E-8")

OrderKind = Literal["market", "limit", "limit_maker", "stop_loss"]
Status = Literal["open", "filled", "cancelled", "expired", "rejected"]


class Fees(NamedTuple):
    """Fractions of what a fill gives: of the base for a buy, of the quote for a sell."""

    maker: Decimal
    taker: Decimal


class Rejected(Exception):
    """The venue does not take an order; the message says why."""


@dataclass(slots=True, eq=False)
class VenueOrder:
    """An order as the venue has it. `seen`: prices of the running bar that it may meet; None when it rested before."""

    id: str
    side: Literal["buy", "sell"]
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None
    status: Status = "open"
    sibling: "VenueOrder | None" = None
    seen: "Range | None" = None

    @property
    def level(self) -> Decimal:
        """Its stop or limit price."""
        level = self.stop_price if self.kind == "stop_loss" else self.price
        assert level is not None
        return level


class Range(NamedTuple):
    """Prices from low to high, both included."""

    low: Decimal
    high: Decimal

    def cut_to(self, other: "Range") -> "Range":
        return Range(max(self.low, other.low), min(self.high, other.high))


class Fill(NamedTuple):
    """One order, filled whole. `fee` in `fee_asset`."""

    bar: int
    order_id: str
    side: str
    kind: OrderKind
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool


class SimulatedVenue:
    """One account on one symbol. Amounts are Decimal; `balances` are free amounts by asset."""

    def __init__(self, rules: SymbolRules, fees: Fees, balances: Mapping[str, Decimal]) -> None:
        self.rules = rules
        self.fees = fees
        self.orders: dict[str, VenueOrder] = {}  # working, in time order
        self.last: Decimal | None = None
        self.version = 0  # counts changes of orders and balances
        self._free = {rules.base: ZERO, rules.quote: ZERO, **balances}
        self._locked: dict[str, Decimal] = {}  # by order id; of an OCO under its stop's
        self._whole: Range | None = None  # the running bar
        self._answering: Range | None = None  # what an order that comes now may see

    def balances(self) -> dict[str, Balance]:
        """Free and locked amounts by asset."""
        locked = dict.fromkeys(self._free, ZERO)
        for order in self.orders.values():
            locked[self._paid_in(order.side)] += self._locked.get(order.id, ZERO)
        return {asset: Balance(free, locked[asset]) for asset, free in self._free.items()}

    def place(self, order: VenueOrder) -> None:
        """Takes an order; Rejected where a spot exchange would not."""
        self._check(order)
        self._lock(order, self._worth(order))
        self._accept(order)

    def place_oco(self, stop: VenueOrder, target: VenueOrder) -> None:
        """Takes two orders for one quantity: the first to fill ends the other. Rejected when either would be."""
        self._check(stop)
        self._check(target)
        self._lock(stop, max(self._worth(stop), self._worth(target)))
        stop.sibling, target.sibling = target, stop
        self._accept(stop)
        self._accept(target)

    def cancel(self, order_id: str) -> bool:
        """Ends a working order, with its sibling; False when none of that id works."""
        order = self.orders.get(order_id)
        if order is None:
            return False
        self._end(order, "cancelled")
        return True

    def bar(self, index: int, open: Decimal, high: Decimal, low: Decimal, close: Decimal) -> Iterator[Fill]:
        """Works through a bar and stands still at fills, so that the caller can react before price moves on.

        All that fills at the open has filled by the first of it; after that it is one fill at a time.

        The iterator must be used up: the bar is over when it ends.
        """
        self._whole = self._answering = Range(low, high)
        self.last = open
        rested = list(self.orders.values())
        at_open = [
            self._fill(index, order, open, close, at_open=True)
            for order in rested
            if order.kind == "market" or _passed(order, open)
        ]
        yield from (fill for fill in at_open if fill is not None)
        for stops in (True, False):
            yield from self._met(index, rested, stops, close)
        before = -1
        while before != self.version:
            before = self.version
            for stops in (True, False):
                came = [order for order in self.orders.values() if order.seen is not None]
                yield from self._met(index, came, stops, close)
        self.close(close)

    def close(self, price: Decimal) -> None:
        """Ends a bar at `price`. Alone it stands for a bar in which no order worked."""
        self.last = price
        self._whole = self._answering = None
        for order in self.orders.values():
            order.seen = None

    def _met(self, index: int, orders: list[VenueOrder], stops: bool, close: Decimal) -> Iterator[Fill]:
        """Fills those of `orders` that are stops (or are not) and whose price is within what they may see."""
        assert self._whole is not None
        for order in orders:
            seen = order.seen or self._whole
            if order.status != "open" or order.kind == "market" or (order.kind == "stop_loss") is not stops:
                continue
            if seen.low <= order.level <= seen.high:
                fill = self._fill(index, order, order.level, close)
                if fill is not None:
                    yield fill

    def _fill(
        self, index: int, order: VenueOrder, price: Decimal, close: Decimal, at_open: bool = False
    ) -> Fill | None:
        """Fills `order`, or ends it where it cannot be paid; None then, or when it had ended."""
        if order.status != "open":
            return None
        rules = self.rules
        notional = price * order.quantity
        lock_id = self._lock_id(order)
        if order.side == "buy" and self._free[rules.quote] + self._locked[lock_id] < notional:
            self._end(order, "expired")
            return None
        maker = order.kind == "limit_maker" or (order.kind == "limit" and not at_open)
        received = order.quantity if order.side == "buy" else notional
        fee = (received * (self.fees.maker if maker else self.fees.taker)).quantize(SATOSHI, ROUND_DOWN)
        gets, pays = (rules.base, rules.quote) if order.side == "buy" else (rules.quote, rules.base)
        self._end(order, "filled")
        self._free[pays] -= notional if order.side == "buy" else order.quantity
        self._free[gets] += received - fee
        self.last = price
        assert self._whole is not None
        self._answering = self._whole if at_open else _after(order, price, close, self._whole)
        return Fill(index, order.id, order.side, order.kind, price, order.quantity, fee, gets, maker)

    def _check(self, order: VenueOrder) -> None:
        rules = self.rules
        if order.quantity % rules.step != 0 or order.quantity < rules.min_quantity or order.quantity <= 0:
            raise Rejected(f"Filter failure: LOT_SIZE ({order.quantity})")
        levels = [level for level in (order.price, order.stop_price) if level is not None]
        if any(level % rules.tick != 0 or level <= 0 for level in levels):
            raise Rejected(f"Filter failure: PRICE_FILTER ({', '.join(map(str, levels))})")
        if order.kind == "market" and self.last is None:
            raise Rejected("Market is closed.")
        worth_at = self.last if order.kind == "market" else order.level
        assert worth_at is not None
        if order.quantity * worth_at < rules.min_notional:
            raise Rejected(f"Filter failure: NOTIONAL ({order.quantity * worth_at})")
        if self.last is None:
            return
        if order.kind == "stop_loss" and _passed(order, self.last):
            raise Rejected("Stop price would trigger immediately.")
        if order.kind == "limit_maker" and _passed(order, self.last):
            raise Rejected("Order would immediately match and take.")

    def _paid_in(self, side: str) -> str:
        return self.rules.quote if side == "buy" else self.rules.base

    def _worth(self, order: VenueOrder) -> Decimal:
        """What `order` locks, of the asset that it pays in."""
        if order.side == "sell":
            return order.quantity
        price = self.last if order.kind == "market" else order.level
        assert price is not None
        return order.quantity * price

    def _lock(self, order: VenueOrder, amount: Decimal) -> None:
        asset = self._paid_in(order.side)
        if self._free[asset] < amount:
            raise Rejected(
                f"Account has insufficient balance for requested action: {self._free[asset]} {asset} are free."
            )
        self._free[asset] -= amount
        self._locked[order.id] = amount

    def _lock_id(self, order: VenueOrder) -> str:
        return order.id if order.id in self._locked or order.sibling is None else order.sibling.id

    def _accept(self, order: VenueOrder) -> None:
        order.seen = self._answering
        self.orders[order.id] = order
        self.version += 1

    def _end(self, order: VenueOrder, status: Status) -> None:
        """Takes `order` off, gives back what is locked for it, and ends its sibling."""
        self._free[self._paid_in(order.side)] += self._locked.pop(self._lock_id(order))
        order.status = status
        del self.orders[order.id]
        if order.sibling is not None:
            order.sibling.status = "cancelled" if status == "cancelled" else "expired"
            del self.orders[order.sibling.id]
        self.version += 1


def _passed(order: VenueOrder, price: Decimal) -> bool:
    """Whether `price` already is where `order` trades: at or beyond its stop, at or better than its limit."""
    if (order.kind == "stop_loss") == (order.side == "buy"):
        return price >= order.level
    return price <= order.level


def _after(order: VenueOrder, price: Decimal, close: Decimal, whole: Range) -> Range:
    """The prices that provably came after `order` filled at `price` within a bar.

    A buy limit or sell stop is met on the way down: the low came after it, and of what is above only the close is sure.
    """
    falling = (order.kind == "stop_loss") != (order.side == "buy")
    after = Range(whole.low, max(price, close)) if falling else Range(min(price, close), whole.high)
    return after.cut_to(order.seen or whole)
