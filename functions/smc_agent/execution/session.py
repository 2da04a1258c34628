"""What a trading session is: which account, which market, which strategy, which limits."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, field_validator

from smc_agent.market import TIMEFRAMES
from smc_agent.risk import RiskLimits
from smc_agent.strategy import SmcConfluenceParams


class SessionConfig(BaseModel):
    """One trading session; all but `session_id` is what `trading_sessions.strategy_config` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    session_id: UUID
    portfolio_id: UUID
    exchange: str
    symbol: str
    timeframe: str
    strategy: Literal["smc_confluence"] = "smc_confluence"
    params: SmcConfluenceParams = SmcConfluenceParams()
    risk: RiskLimits = RiskLimits()

    @field_validator("timeframe")
    @classmethod
    def _known(cls, timeframe: str) -> str:
        if timeframe not in TIMEFRAMES:
            raise ValueError(f"unknown time frame {timeframe!r}; known are {', '.join(TIMEFRAMES)}")
        return timeframe
