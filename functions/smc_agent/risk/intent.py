"""An order that risk has approved (`OrderIntent`), or its refusal."""

from dataclasses import InitVar, dataclass
from decimal import Decimal
from typing import Literal

Side = Literal["buy", "sell"]
OrderType = Literal["market", "limit", "stop_loss", "stop_limit", "take_profit"]

# Known to this package only: whoever builds an intent must hold it, so an order that risk has not seen cannot be sent.
_APPROVAL = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """An order that risk let pass. Only `assess` and `assess_order` make one; TypeError for anybody else.

    Prices and quantity are multiples of tick and step. `risk`: loss in the quote asset when the stop fills at its
    price, after fees; None without a stop. `order_id` is the command id too, so that sending it twice places it once.
    """

    order_id: str
    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    reason: str
    price: Decimal | None = None
    stop_price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    time_in_force: str | None = None
    reduce_only: bool = False
    post_only: bool = False
    session_id: str | None = None
    market_time_ms: int | None = None
    risk: Decimal | None = None
    approval: InitVar[object] = None

    def __post_init__(self, approval: object) -> None:
        if approval is not _APPROVAL:
            raise TypeError(
                "an OrderIntent comes from smc_agent.risk.assess or assess_order only: no order passes risk by"
            )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why risk did not let an order pass: a stable `code`, and a sentence for the trader."""

    code: str
    reason: str
