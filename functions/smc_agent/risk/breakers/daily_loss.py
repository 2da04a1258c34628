"""The daily loss breaker: trips when the UTC day has lost too much, resets with the next UTC day."""

from decimal import Decimal

from smc_agent.risk.limits import RiskLimits
from smc_agent.risk.sizing import percent


def daily_loss(equity: Decimal, day_start: Decimal, limits: RiskLimits) -> str | None:
    """The reason to stop for the UTC day, or None. `equity` and `day_start` in the quote asset."""
    if day_start <= 0:
        return None
    lost = (day_start - equity) / day_start
    if lost < limits.max_daily_loss:
        return None
    return (
        f"The UTC day has lost {percent(lost)} of its starting equity {day_start:f}; "
        f"the limit is {percent(limits.max_daily_loss)}. No entries until the next UTC day."
    )
