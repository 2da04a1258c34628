"""Circuit breakers: each says why there are to be no entries, or nothing."""

from smc_agent.risk.breakers.daily_loss import daily_loss
from smc_agent.risk.breakers.drawdown import drawdown
from smc_agent.risk.breakers.exposure import exposure

__all__ = ["daily_loss", "drawdown", "exposure"]
