"""The choices that the rules leave open, each with its default."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class DetectionParams(BaseModel):
    """Parameters of one detector; frozen, since a change half way would be a different detector.

    Sizes and periods are bars; factors are multiples of what their description names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    swing: int = Field(default=50, ge=1, le=5000, description="bars on the right that confirm a swing pivot")
    internal: int = Field(default=5, ge=1, le=5000, description="bars on the right that confirm an internal pivot")
    equal: int = Field(
        default=3, ge=1, le=5000, description="bars on the right that confirm a pivot for equal highs and lows"
    )
    equal_threshold: float = Field(default=0.1, ge=0, le=100, description="equal: closer than this many ATR")
    atr_period: int = Field(default=200, ge=1, le=100_000, description="bars of Wilder's ATR")
    wild_factor: float = Field(default=2.0, gt=0, le=1000, description="a bar this many ATR tall is wild")
    break_by: Literal["close", "wick"] = Field(default="close", description="what must pass a pivot to break it")
    mitigation: Literal["wick", "close"] = Field(
        default="wick", description="what must pass a block's far edge to end it"
    )
    fvg_threshold: Literal["auto", "none"] = Field(default="auto", description="whether small middle bars make no gap")
    fvg_factor: float = Field(
        default=2.0, ge=0, le=1000, description="auto: middle body against the mean absolute body"
    )
    max_zones: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="zones alive at once; past it the oldest sixteenth expire, with events",
    )
