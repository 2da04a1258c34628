"""A strategy's signal in, an order or a refusal out."""

from decimal import Decimal
from uuid import UUID, uuid5

from smc_agent.market import SymbolRules
from smc_agent.risk.account import AccountView, Book
from smc_agent.risk.intent import _APPROVAL, OrderIntent, Refusal
from smc_agent.risk.limits import RiskLimits
from smc_agent.risk.sizing import loss_per_unit, room_to_buy, size_of
from smc_agent.strategy.signal import Signal


def assess(
    signal: Signal, account: AccountView, book: Book, limits: RiskLimits, rules: SymbolRules, price: Decimal
) -> OrderIntent | Refusal:
    """The bracket order for `signal`, sized, or why not. `price`: the last close, quote asset.

    The order's id is uuid5(session id, signal id): the same signal gives the same order, however often it is asked.
    """
    if book.session_id is None:
        raise ValueError("a signal belongs to a trading session; the book names none")
    if signal.direction == "bearish":
        return Refusal(
            "short_not_supported",
            f"A spot account cannot sell {rules.base} that it does not hold; the bearish signal is noted, not traded.",
        )
    refusal = entry_refusal(account, book, limits)
    if refusal is not None:
        return refusal
    if book.positions >= limits.max_positions:
        return Refusal(
            "max_positions",
            f"{book.positions} position or working entry is open; this session holds {limits.max_positions} at a time.",
        )
    if signal.stop >= price:
        return Refusal("stop_passed", f"The price {price:f} is already at or below the stop {signal.stop:f}.")
    if signal.risk_reward < limits.min_risk_reward:
        return Refusal(
            "min_risk_reward",
            f"The target pays {signal.risk_reward:.2f} times the risk; at least {limits.min_risk_reward:f} is asked.",
        )
    quantity = size_of(signal.entry, signal.stop, limits.risk_per_trade, account, book, limits, rules)
    refusal = size_refusal(quantity, signal.entry, signal.stop, account, book, limits, rules)
    if refusal is not None:
        return refusal
    return OrderIntent(
        order_id=str(uuid5(UUID(book.session_id), signal.id)),
        symbol=signal.symbol,
        side="buy",
        type="limit",
        quantity=quantity,
        price=signal.entry,
        stop_loss=signal.stop,
        take_profit=signal.target,
        time_in_force="GTC",
        session_id=book.session_id,
        reason=" ".join(signal.reasons),
        market_time_ms=signal.time_ms,
        risk=quantity * loss_per_unit(signal.entry, signal.stop, limits.fee_rate),
        approval=_APPROVAL,
    )


def entry_refusal(account: AccountView, book: Book, limits: RiskLimits) -> Refusal | None:
    """Why no entry at all is allowed now, or None."""
    if account.killed:
        return Refusal("killed", "The kill switch is on: no entries until it is lifted.")
    if account.paused:
        return Refusal("paused", "Trading is paused: no entries until it resumes.")
    for name, reason in book.tripped.items():
        return Refusal(name, reason)
    if book.cooldown_left > 0:
        return Refusal("cooldown", f"The last position closed at a loss; entries resume in {book.cooldown_left} bars.")
    working = sum(1 for order in account.open_orders if order.parent_id is None)
    if working >= limits.max_open_orders:
        return Refusal("max_open_orders", f"{working} orders are working; the limit is {limits.max_open_orders}.")
    return None


def size_refusal(
    quantity: Decimal,
    entry: Decimal,
    stop: Decimal | None,
    account: AccountView,
    book: Book,
    limits: RiskLimits,
    rules: SymbolRules,
) -> Refusal | None:
    """Why `quantity` is too small to send, or None.

    What is left after the fee must itself satisfy the venue at the stop, or the position could not be protected.
    """
    protected = rules.round_quantity(quantity * (1 - limits.fee_rate))
    least_price = entry if stop is None else min(entry, stop)
    if protected >= rules.min_quantity and protected > 0 and protected * least_price >= rules.min_notional:
        return None
    if room_to_buy(entry, account, book, limits, rules) * least_price < rules.min_notional:
        return Refusal(
            "insufficient_balance",
            f"Free balance {account.balance(rules.quote).free:f} {rules.quote} and the exposure limit leave no room "
            f"for an order; the venue takes none below {rules.min_notional:f} {rules.quote}.",
        )
    return Refusal(
        "too_small",
        f"The risk allowed buys {quantity:f} {rules.base}, which the venue would not take or not protect: "
        f"at least {rules.min_quantity:f} {rules.base} and {rules.min_notional:f} {rules.quote}.",
    )
