"""Sessions and kill zones: daily windows of wall-clock time, and the time zones they are told in."""

from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator


def _known(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError: below
        raise ValueError(f"{zone!r} is no name of a time zone") from None
    except KeyError:
        raise ValueError(f"no time zone {zone!r} here: IANA names, such as Europe/London") from None
    return zone


Zone = Annotated[str, AfterValidator(_known)]
WallTime = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


def minutes_of(wall: WallTime) -> int:
    """Minutes since midnight."""
    return int(wall[:2]) * 60 + int(wall[3:])


class Window(BaseModel):
    """From `start` up to, not including, `end`, every day of the week; an end that is not later is on the next day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    zone: Zone = Field(description="IANA time zone of both times, with its daylight saving time")
    start: WallTime = Field(description="HH:MM")
    end: WallTime = Field(description="HH:MM")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.start == self.end:
            raise ValueError("a window that ends when it starts is empty")
        return self

    def __str__(self) -> str:
        return f"{self.start}-{self.end} {self.zone}"


class Windows(BaseModel):
    """The windows that detection tells of, each None to leave it out.

    Sessions are the business hours of the three centres of foreign exchange in their own time; kill zones are those of
    the Inner Circle Trader, who tells them in the time of New York.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    asian_session: Window | None = Window(zone="Asia/Tokyo", start="09:00", end="18:00")
    london_session: Window | None = Window(zone="Europe/London", start="08:00", end="17:00")
    new_york_session: Window | None = Window(zone="America/New_York", start="08:00", end="17:00")
    asian_kill_zone: Window | None = Window(zone="America/New_York", start="20:00", end="00:00")
    london_kill_zone: Window | None = Window(zone="America/New_York", start="02:00", end="05:00")
    new_york_kill_zone: Window | None = Window(zone="America/New_York", start="07:00", end="10:00")
    london_close_kill_zone: Window | None = Window(zone="America/New_York", start="10:00", end="12:00")


WINDOWS = tuple(Windows.model_fields)
"""Names of the windows; the kinds of event are these with `_open` and `_close`."""
