"""The drawdown breaker: trips when equity is too far below its peak, for the session: a person decides to go on."""

from decimal import Decimal

from smc_agent.risk.limits import RiskLimits
from smc_agent.risk.sizing import percent


def drawdown(equity: Decimal, peak: Decimal, limits: RiskLimits) -> str | None:
    """The reason to stop, or None. `equity` and `peak` in the quote asset."""
    if peak <= 0:
        return None
    fallen = (peak - equity) / peak
    if fallen < limits.max_drawdown:
        return None
    return (
        f"Equity is {percent(fallen)} below its peak of {peak:f}; the limit is {percent(limits.max_drawdown)}. "
        "No more entries in this session. To go on, end it and open a new session, "
        "which counts from the equity it begins with."
    )
