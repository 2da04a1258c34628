"""What a strategy says: a trade to wait for (`Signal`), and that it no longer stands (`Withdraw`)."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Direction = Literal["bullish", "bearish"]


class Signal(BaseModel):
    """A trade proposed at the close of a bar: in at `entry` within `valid_bars`, out at `stop` or `target`.

    Prices are multiples of the symbol's tick, in the quote asset. `event_ids`: the events that `reasons` name.
    `confidence`: an estimate in 0..1, None where nobody has counted. ValueError when the prices are out of order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    symbol: str
    time_ms: int  # close of the bar that led to it
    direction: Direction
    entry: Decimal = Field(gt=0)
    stop: Decimal = Field(gt=0)
    target: Decimal = Field(gt=0)
    reasons: tuple[str, ...] = Field(min_length=1)
    valid_bars: int = Field(ge=1)
    event_ids: tuple[int, ...] = ()
    confidence: Decimal | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        low, high = (self.stop, self.target) if self.direction == "bullish" else (self.target, self.stop)
        if not low < self.entry < high:
            raise ValueError(
                f"a {self.direction} signal needs its entry between stop and target, "
                f"but stop is {self.stop}, entry {self.entry}, target {self.target}"
            )
        return self

    @property
    def risk_reward(self) -> Decimal:
        """Distance to the target over distance to the stop."""
        return abs(self.target - self.entry) / abs(self.entry - self.stop)


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The signal `signal_id` no longer stands; an entry that has not filled is to be cancelled."""

    signal_id: str
    reason: str
