"""The choices that the rules leave open, each with its default."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from smc_agent.detection.windows import WallTime, Windows, Zone


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
    day_zone: Zone = Field(default="UTC", description="IANA time zone of days, weeks and months")
    day_start: WallTime = Field(
        default="00:00",
        description="HH:MM when a day begins; from 12:00 on it counts as the next date (foreign exchange: 17:00 in"
        " America/New_York, so that the week begins on Sunday at 17:00)",
    )
    windows: Windows = Field(default=Windows(), description="sessions and kill zones")
    premium: float = Field(default=0.05, ge=0, lt=0.5, description="premium and discount: this part of the swing range")
    equilibrium: float = Field(
        default=0.05, ge=0, le=1, description="equilibrium: this part of the range, about its middle"
    )
    ote_from: float = Field(default=0.62, gt=0, lt=1, description="optimal trade entry: least retracement of the leg")
    ote_to: float = Field(default=0.79, gt=0, lt=1, description="optimal trade entry: greatest retracement of the leg")
    displacement_factor: float = Field(
        default=2.0, ge=0, le=1000, description="displacement: body in ATR against the mean of the bars before"
    )
    max_zones: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="zones and levels alive at once; past it the oldest sixteenth expire, with events",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.ote_from > self.ote_to:
            raise ValueError("ote_from must not be greater than ote_to")
        return self
