"""The parameters of the SMC confluence strategy, each with its unit and range."""

from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class SmcConfluenceParams(BaseModel):
    """What a trader may choose. The defaults are round numbers, not fitted to any market."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    zones: Literal["order_block", "fvg", "both"] = Field(
        default="both", title="Zones", description="Which zones to enter on: order blocks, fair value gaps, or both."
    )
    entry: Literal["edge", "middle"] = Field(
        default="edge",
        title="Entry",
        description="Limit price: the zone's edge that is nearer to price, or its middle.",
    )
    discount: float = Field(
        default=0.5, gt=0, le=1, title="Discount depth",
        description="Fraction of the trailing swing range: longs in its lowest part, shorts in its highest.",
    )  # fmt: skip
    stop_buffer_atr: float = Field(
        default=0.5,
        ge=0,
        le=10,
        title="Stop buffer",
        description="Distance of the stop beyond the zone's far edge, in ATR.",
    )
    atr_period: int = Field(
        default=14,
        ge=2,
        le=500,
        title="ATR period",
        description="Bars of Wilder's average true range behind the stop buffer.",
    )
    min_stop: float = Field(
        default=0.005, ge=0, le=0.5, title="Least stop distance",
        # At 0.1 % a fill both fees cost 0.2 %: with half a percent to the stop, less than a third of what is lost.
        description="Fraction of the entry price; a tighter stop is widened to it, or fees would eat the trade.",
    )  # fmt: skip
    target: Literal["liquidity", "r_multiple"] = Field(
        default="liquidity", title="Target",
        description="Next unbroken swing pivot or equal highs/lows that pays enough, or a fixed multiple of the risk.",
    )  # fmt: skip
    r_multiple: Decimal = Field(
        default=Decimal(2),
        gt=0,
        le=20,
        title="R multiple",
        description="Target over stop distance, for target = r_multiple.",
    )
    min_risk_reward: Decimal = Field(
        default=Decimal("1.5"), gt=0, le=20, title="Least reward to risk",
        description="Liquidity nearer than this many times the stop distance is passed over as a target.",
    )  # fmt: skip
    valid_bars: int = Field(
        default=120,
        ge=1,
        le=10_000,
        title="Valid for",
        description="Bars after which an entry that has not filled is withdrawn.",
    )
