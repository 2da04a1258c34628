"""Strategy: bars and the detector's events in, signals out. Pure: it knows no account, no order and no clock."""

from smc_agent.strategy.confluence import SmcConfluence
from smc_agent.strategy.params import SmcConfluenceParams
from smc_agent.strategy.signal import Direction, Signal, Withdraw

__all__ = ["Direction", "Signal", "SmcConfluence", "SmcConfluenceParams", "Withdraw"]
