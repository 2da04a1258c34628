"""The exposure breaker: holds back entries while what is held is worth more than allowed."""

from decimal import Decimal

from smc_agent.risk.limits import RiskLimits
from smc_agent.risk.sizing import percent


def exposure(held: Decimal, equity: Decimal, limits: RiskLimits) -> str | None:
    """The reason to hold back, or None. `held`: value of the base asset held; with `equity` in the quote asset."""
    if held <= 0 or held <= limits.max_exposure * equity:
        return None
    share = percent(held / equity) if equity > 0 else "all"
    return (
        f"What is held is worth {held:f}, {share} of equity; the limit is {percent(limits.max_exposure)}. "
        "No entries until it is less."
    )
