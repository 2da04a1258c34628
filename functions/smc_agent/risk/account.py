"""What risk knows of an account: balances, working orders, switches."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Balance:
    """An asset's amount: free, and locked in working orders."""

    free: Decimal
    locked: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return self.free + self.locked


NOTHING = Balance(ZERO)


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order that works at the venue; `parent_id` is the entry that it protects."""

    order_id: str
    symbol: str
    side: str
    type: str
    quantity: Decimal
    filled_quantity: Decimal = ZERO
    price: Decimal | None = None
    stop_price: Decimal | None = None
    parent_id: str | None = None
    status: str = "open"


@dataclass(frozen=True, slots=True)
class AccountView:
    """An exchange account at one moment, as the executor knows it from the venue.

    `unprotected`: quantity bought by an entry (by order id) that no protective order covers yet.
    """

    balances: Mapping[str, Balance]
    open_orders: tuple[OpenOrder, ...] = ()
    killed: bool = False
    paused: bool = False
    unprotected: Mapping[str, Decimal] = field(default_factory=dict)

    def balance(self, asset: str) -> Balance:
        """The balance of `asset`; nothing where the account has none."""
        return self.balances.get(asset, NOTHING)


@dataclass(frozen=True, slots=True)
class Book:
    """The book-keeping of one session that risk decides by. Money in the quote asset.

    `tripped`: reasons by breaker name. `positions`: positions and working entries. `cooldown_left`: bars.
    """

    equity: Decimal
    exposure: Decimal = ZERO
    tripped: Mapping[str, str] = field(default_factory=dict)
    positions: int = 0
    cooldown_left: int = 0
    session_id: str | None = None
