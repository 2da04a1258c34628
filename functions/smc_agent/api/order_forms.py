"""What is sent to and answered by the order routes. The documented fields, and some more."""

from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from smc_agent.api.decimal_json import Amount, Given, Number
from smc_agent.api.routes.market import Symbol

Price = Annotated[Given, Field(gt=0, examples=[7195.24])]
OrderType = Literal["market", "limit", "stop_loss", "stop_limit", "take_profit"]
ExecutorStatus = Literal["pending", "open", "partially_filled", "filled", "cancelled", "rejected", "expired", "unknown"]


class OrderBody(BaseModel):
    """The order itself, without its size. Prices are multiples of the symbol's tick, quantities of its step."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    portfolio_id: UUID | None = Field(None, description="may be left out by who has one portfolio")
    symbol: Symbol
    side: Literal["buy", "sell"]
    type: OrderType = Field(
        description="`stop_loss` and `take_profit` sell at market once the price is reached; "
        "`stop_limit` places a limit order then"
    )
    price: Price | None = Field(
        None,
        validate_default=True,
        description="limit price; of a stop_loss or take_profit without stop_price: its trigger",
    )
    stop_price: Price | None = Field(None, validate_default=True, description="trigger of the stop kinds")
    stop_loss: Price | None = Field(None, description="of a buy: a stop rests at the venue for what has been filled")
    take_profit: Price | None = Field(None, description="of a buy: a target likewise; one cancels the other")
    reduce_only: bool = Field(False, description="never opens or enlarges a position; passes while trading is paused")

    @field_validator("price")
    @classmethod
    def _price_fits_type(cls, price: Decimal | None, info: ValidationInfo) -> Decimal | None:
        kind = info.data.get("type")
        if price is None and kind in ("limit", "stop_limit"):
            raise PydanticCustomError("price_required", "a {kind} order needs a price", {"kind": kind})
        if price is not None and kind == "market":
            raise PydanticCustomError(
                "price_not_allowed", "a market order takes no price; leave it out or send a limit"
            )
        return price

    @field_validator("stop_price")
    @classmethod
    def _stop_price_fits_type(cls, stop_price: Decimal | None, info: ValidationInfo) -> Decimal | None:
        kind = info.data.get("type")
        if stop_price is not None and kind in ("market", "limit"):
            raise PydanticCustomError("stop_price_not_allowed", "a {kind} order has no trigger", {"kind": kind})
        if stop_price is None and kind == "stop_limit":
            raise PydanticCustomError("stop_price_required", "a stop_limit order needs a stop_price")
        if stop_price is None and kind in ("stop_loss", "take_profit") and info.data.get("price") is None:
            raise PydanticCustomError("stop_price_required", "a {kind} order needs a stop_price", {"kind": kind})
        return stop_price

    @model_validator(mode="after")
    def _protection_fits_side(self) -> Self:
        if self.side == "sell" and (self.stop_loss is not None or self.take_profit is not None):
            raise PydanticCustomError(
                "protection_of_sell", "stop_loss and take_profit protect what a buy gets; leave them out of a sell"
            )
        return self

    @property
    def limit_price(self) -> Decimal | None:
        return self.price if self.type in ("limit", "stop_limit") else None

    @property
    def trigger(self) -> Decimal | None:
        """stop_price, or where architecture.md's request has no such field, the price."""
        return (self.stop_price or self.price) if self.type in ("stop_loss", "take_profit") else self.stop_price


class OrderForm(OrderBody):
    """An order to be placed."""

    quantity: Annotated[Given, Field(gt=0, description="of the base asset", examples=[0.01])]


class PreviewForm(OrderBody):
    """An order to be judged: its quantity, or the share of equity that its stop_loss may cost."""

    quantity: Annotated[Given, Field(gt=0)] | None = Field(None, description="of the base asset")
    risk_percent: Annotated[Given, Field(gt=0, le=100, examples=[0.5])] | None = Field(
        None, validate_default=True, description="percent of equity; sizes a buy by its stop_loss"
    )

    @field_validator("risk_percent")
    @classmethod
    def _one_size(cls, risk_percent: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if (risk_percent is None) == (info.data.get("quantity") is None):
            raise PydanticCustomError("one_size", "give either quantity or risk_percent")
        if risk_percent is not None and (info.data.get("side") != "buy" or info.data.get("stop_loss") is None):
            raise PydanticCustomError("stop_required", "risk_percent sizes a buy by its stop_loss; give one")
        return risk_percent


class Reason(BaseModel):
    """Why an order would be refused."""

    code: str = Field(examples=["insufficient_balance"])
    reason: str = Field(examples=["12.5 USDT are free; the order needs 72."])


class Preview(BaseModel):
    """What the order would do, in the quote asset; nothing was sent. Empty refusals: it would be let through now."""

    quantity: Amount
    notional: Amount
    fee: Amount = Field(description="taker fee of the entry, at the rate of your risk limits")
    risk: Amount | None = Field(description="loss when the stop fills at its price, fees included; null without a stop")
    reward: Amount | None = Field(description="gain at the target, fees deducted; null without a target")
    risk_reward: Amount | None = Field(description="distance to the target over distance to the stop")
    refusals: list[Reason]


class OrderDetail(BaseModel):
    """The order as the executor has it."""

    order_id: UUID
    client_order_id: str = Field(description="our id at the venue")
    external_order_id: str | None = Field(description="the venue's own id")
    status: ExecutorStatus
    filled_quantity: Amount
    average_price: Amount | None


class OrderAnswer(BaseModel):
    """What became of the request. `pending` covers an order that rests, is partly filled, or whose fate the executor
    is still asking the venue for (HTTP 202); `order.status` tells them apart."""

    order_id: UUID
    status: Literal["pending", "filled", "cancelled"]
    execution_time_ms: Number = Field(description="command in to the venue's acknowledgement", examples=[1.84])
    fill_price: Number | None = Field(description="average; null until something filled", examples=[7195.24])
    code: str = Field(description="of the executor", examples=["accepted"])
    message: str
    order: OrderDetail | None
