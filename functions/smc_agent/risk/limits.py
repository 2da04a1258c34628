"""The limits a trader sets for one session, each with its unit and range."""

from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field


class RiskLimits(BaseModel):
    """How much may be lost, held and tried. Fractions are of equity: 0.005 is half a percent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    risk_per_trade: Decimal = Field(
        default=Decimal("0.005"), gt=0, le=Decimal("0.1"), title="Risk per trade",
        description="Fraction of equity lost when the stop fills at its price, fees included.",
    )  # fmt: skip
    max_daily_loss: Decimal = Field(
        default=Decimal("0.03"), gt=0, le=1, title="Daily loss limit",
        description="Fraction of the equity at the UTC day's start; past it, no entries until the next UTC day.",
    )  # fmt: skip
    max_drawdown: Decimal = Field(
        default=Decimal("0.15"), gt=0, le=1, title="Drawdown limit",
        description="Fraction of the peak equity; past it, no more entries in this session.",
    )  # fmt: skip
    max_exposure: Decimal = Field(
        default=Decimal("1"), gt=0, le=1, title="Exposure limit",
        description="Value held of the base asset, as a fraction of equity; spot cannot exceed 1.",
    )  # fmt: skip
    max_positions: int = Field(
        default=1,
        ge=1,
        le=20,
        title="Positions at a time",
        description="Positions and working entries of this session together.",
    )
    max_open_orders: int = Field(
        default=5,
        ge=1,
        le=200,
        title="Open orders",
        description="Orders of the account working at once, protective legs not counted.",
    )
    min_risk_reward: Decimal = Field(
        default=Decimal("1.5"),
        ge=0,
        le=20,
        title="Least reward to risk",
        description="Distance to the target over distance to the stop.",
    )
    cooldown_bars: int = Field(
        default=5,
        ge=0,
        le=10_000,
        title="Cooldown",
        description="Bars without entries after a position closed at a loss.",
    )
    fee_rate: Decimal = Field(
        default=Decimal("0.001"), ge=0, le=Decimal("0.05"), title="Fee rate",
        description="Fraction of the notional the venue takes for a fill; counted into the risk of a trade.",
    )  # fmt: skip
