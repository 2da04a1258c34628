"""An order made by hand: it passes the same gate as a strategy's, and is shown what it would cost first."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from smc_agent.market import SymbolRules
from smc_agent.risk.account import AccountView, Book
from smc_agent.risk.assess import entry_refusal
from smc_agent.risk.intent import _APPROVAL, OrderIntent, OrderType, Refusal, Side
from smc_agent.risk.limits import RiskLimits
from smc_agent.risk.sizing import loss_per_unit, room_to_buy, size_of


class OrderRequest(BaseModel):
    """What a trader asks for. Give `quantity`, or for a buy `risk_percent` of equity with a `stop_loss`.

    ValueError names what is missing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal | None = Field(default=None, gt=0)
    risk_percent: Decimal | None = Field(default=None, gt=0, le=100)
    price: Decimal | None = Field(default=None, gt=0)
    stop_price: Decimal | None = Field(default=None, gt=0)
    stop_loss: Decimal | None = Field(default=None, gt=0)
    take_profit: Decimal | None = Field(default=None, gt=0)
    time_in_force: str | None = None
    reduce_only: bool = False
    post_only: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.quantity is None) == (self.risk_percent is None):
            raise ValueError("give either quantity or risk_percent")
        if self.risk_percent is not None and (self.stop_loss is None or self.side != "buy"):
            raise ValueError("risk_percent sizes a buy by its stop_loss: give one, or give quantity")
        if self.type in ("limit", "stop_limit") and self.price is None:
            raise ValueError(f"a {self.type} order needs a price")
        if self.type in ("stop_loss", "stop_limit", "take_profit") and self.stop_price is None:
            raise ValueError(f"a {self.type} order needs a stop_price")
        if self.side == "sell" and (self.stop_loss is not None or self.take_profit is not None):
            raise ValueError("stop_loss and take_profit protect what a buy gets; a spot sell closes, leave them out")
        return self


@dataclass(frozen=True, slots=True)
class OrderPreview:
    """What an order would do, in the quote asset. Risk, reward and their ratio: None without their levels."""

    quantity: Decimal
    notional: Decimal
    fee: Decimal
    risk: Decimal | None
    reward: Decimal | None
    risk_reward: Decimal | None
    refusals: tuple[Refusal, ...]


def preview_order(
    request: OrderRequest, account: AccountView, book: Book, limits: RiskLimits, rules: SymbolRules, price: Decimal
) -> OrderPreview:
    """The figures of `request` at the last `price`, and every reason for which it would be refused."""
    entry = request.price or request.stop_price or price
    if request.quantity is not None:
        quantity = request.quantity
    else:
        assert request.stop_loss is not None
        assert request.risk_percent is not None
        quantity = size_of(entry, request.stop_loss, request.risk_percent / 100, account, book, limits, rules)
    risk = reward = ratio = None
    if request.stop_loss is not None:
        risk = quantity * loss_per_unit(entry, request.stop_loss, limits.fee_rate)
    if request.take_profit is not None:
        reward = quantity * (request.take_profit - entry - (request.take_profit + entry) * limits.fee_rate)
    if request.stop_loss is not None and request.take_profit is not None and request.stop_loss < entry:
        ratio = (request.take_profit - entry) / (entry - request.stop_loss)
    refusals = [*_filters(request, quantity, entry, rules)]
    if request.side == "buy":
        refusals += _buy_refusals(request, quantity, entry, risk, ratio, account, book, limits, rules)
    elif quantity > account.balance(rules.base).free:
        refusals.append(
            Refusal(
                "insufficient_balance",
                f"{account.balance(rules.base).free:f} {rules.base} are free to sell; a spot account cannot sell more.",
            )
        )
    return OrderPreview(
        quantity=quantity, notional=quantity * entry, fee=quantity * entry * limits.fee_rate, risk=risk, reward=reward,
        risk_reward=ratio, refusals=tuple(refusals),
    )  # fmt: skip


def assess_order(
    request: OrderRequest,
    account: AccountView,
    book: Book,
    limits: RiskLimits,
    rules: SymbolRules,
    price: Decimal,
    order_id: str,
    market_time_ms: int | None = None,
) -> OrderIntent | Refusal:
    """The approved order for `request`, or the first refusal. The caller gives the id: a repeat is the same order."""
    preview = preview_order(request, account, book, limits, rules, price)
    if preview.refusals:
        return preview.refusals[0]
    return OrderIntent(
        order_id=order_id,
        symbol=request.symbol,
        side=request.side,
        type=request.type,
        quantity=preview.quantity,
        price=request.price,
        stop_price=request.stop_price,
        stop_loss=request.stop_loss,
        take_profit=request.take_profit,
        time_in_force=request.time_in_force,
        reduce_only=request.reduce_only,
        post_only=request.post_only,
        session_id=book.session_id,
        reason="Placed by hand.",
        market_time_ms=market_time_ms,
        risk=preview.risk,
        approval=_APPROVAL,
    )


def _filters(request: OrderRequest, quantity: Decimal, entry: Decimal, rules: SymbolRules) -> list[Refusal]:
    refusals = []
    if request.symbol != rules.symbol:
        refusals.append(Refusal("unknown_symbol", f"{request.symbol} is not {rules.symbol}."))
    for name in ("price", "stop_price", "stop_loss", "take_profit"):
        level = getattr(request, name)
        if level is not None and level % rules.tick != 0:
            nearest = rules.round_price(level)
            refusals.append(
                Refusal(
                    "filter_price",
                    f"{name} {level:f} is no multiple of the tick {rules.tick:f}; {nearest:f} is the nearest.",
                )
            )
    if quantity % rules.step != 0:
        nearest = rules.round_quantity(quantity)
        refusals.append(
            Refusal(
                "filter_lot",
                f"Quantity {quantity:f} is no multiple of the step {rules.step:f}; {nearest:f} is the next below.",
            )
        )
    if quantity < rules.min_quantity or quantity <= 0:
        refusals.append(
            Refusal(
                "filter_lot", f"Quantity {quantity:f} is below the venue's least, {rules.min_quantity:f} {rules.base}."
            )
        )
    elif quantity * entry < rules.min_notional:
        refusals.append(
            Refusal(
                "filter_notional",
                f"Worth {quantity * entry:f} {rules.quote}; the venue's least is {rules.min_notional:f}.",
            )
        )
    return refusals


def _buy_refusals(
    request: OrderRequest, quantity: Decimal, entry: Decimal, risk: Decimal | None, ratio: Decimal | None,
    account: AccountView, book: Book, limits: RiskLimits, rules: SymbolRules,
) -> list[Refusal]:  # fmt: skip
    refusals = []
    if request.reduce_only:
        refusals.append(Refusal("reduce_only", "A buy adds to a spot position; it cannot be reduce-only."))
    stopped = entry_refusal(account, book, limits)
    if stopped is not None:
        refusals.append(stopped)
    if request.stop_loss is not None and request.stop_loss >= entry:
        refusals.append(Refusal("stop_passed", f"The stop {request.stop_loss:f} must be below the entry {entry:f}."))
    if request.take_profit is not None and request.take_profit <= entry:
        refusals.append(
            Refusal("target_passed", f"The target {request.take_profit:f} must be above the entry {entry:f}.")
        )
    if ratio is not None and ratio < limits.min_risk_reward:
        refusals.append(
            Refusal(
                "min_risk_reward",
                f"The target pays {ratio:.2f} times the risk; at least {limits.min_risk_reward:f} is asked.",
            )
        )
    allowed = limits.risk_per_trade * book.equity
    if risk is not None and risk > allowed:
        refusals.append(
            Refusal(
                "risk_per_trade",
                f"The stop would lose {risk:.2f} {rules.quote}; the limit is {allowed:.2f}. Buy less.",
            )
        )
    room = room_to_buy(entry, account, book, limits, rules)
    if quantity > room:
        refusals.append(
            Refusal(
                "insufficient_balance",
                f"At most {rules.round_quantity(room):f} {rules.base} fit the free balance "
                f"({account.balance(rules.quote).free:f} {rules.quote}) and the exposure limit.",
            )
        )
    return refusals
