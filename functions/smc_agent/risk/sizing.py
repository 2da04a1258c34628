"""How much to buy."""

from decimal import ROUND_DOWN, Decimal

from smc_agent.market import SymbolRules
from smc_agent.risk.account import AccountView, Book
from smc_agent.risk.limits import RiskLimits


def loss_per_unit(entry: Decimal, stop: Decimal, fee_rate: Decimal) -> Decimal:
    """What one unit of the base asset loses between `entry` and `stop`, the fees of both fills included."""
    return abs(entry - stop) + (entry + stop) * fee_rate


def room_to_buy(price: Decimal, account: AccountView, book: Book, limits: RiskLimits, rules: SymbolRules) -> Decimal:
    """The most that can be bought at `price` within exposure limit and free balance, with the fee; not rounded."""
    by_exposure = max(Decimal(0), limits.max_exposure * book.equity - book.exposure)
    by_balance = max(Decimal(0), account.balance(rules.quote).free)
    return min(by_exposure, by_balance) / (price * (1 + limits.fee_rate))


def size_of(
    entry: Decimal,
    stop: Decimal,
    fraction: Decimal,
    account: AccountView,
    book: Book,
    limits: RiskLimits,
    rules: SymbolRules,
) -> Decimal:
    """The quantity that loses at most `fraction` of the equity from `entry` to `stop`, fees included.

    Within exposure limit and free balance; rounded down to the step.
    """
    risked = max(Decimal(0), book.equity) * fraction / loss_per_unit(entry, stop, limits.fee_rate)
    return rules.round_quantity(min(risked, room_to_buy(entry, account, book, limits, rules)))


def percent(fraction: Decimal) -> str:
    """`fraction` as a percentage for a sentence: 0.0312 -> 3.12 %."""
    return f"{(fraction * 100).quantize(Decimal('0.01'), ROUND_DOWN).normalize():f} %"
