"""Bars drawn by hand, and the same upside down."""

from smc_agent.detection import WINDOWS, DetectionParams, Event, Windows, detect

Candle = tuple[float, float, float, float]
NEVER = 5000
NO_WINDOWS = Windows(**dict.fromkeys(WINDOWS))
ONE_SCALE = DetectionParams(swing=NEVER, internal=2, equal=NEVER, windows=NO_WINDOWS)
GAPS_ONLY = DetectionParams(swing=NEVER, internal=NEVER, equal=NEVER, windows=NO_WINDOWS)

OTHER_WAY = {"bullish": "bearish", "bearish": "bullish", "": ""}


def run(candles: list[Candle], params: DetectionParams, times: list[int] | None = None) -> list[Event]:
    o, h, lo, c = ([candle[k] for candle in candles] for k in range(4))
    return list(detect(times or list(range(len(o))), o, h, lo, c, [1.0] * len(o), params))


def path(*middles: float) -> list[Candle]:
    """Bars without a body, one unit tall: no gap is ever made by them under `fvg_threshold=auto`."""
    return [(m, m + 0.5, m - 0.5, m) for m in middles]


def mirrored(candles: list[Candle], about: float) -> list[Candle]:
    return [(about - o, about - lo, about - h, about - c) for o, h, lo, c in candles]


def mirror(event: Event, about: float, ids: int = 0, bars: int = 0) -> Event:
    kind = event.kind
    for one, other in (("high", "low"), ("premium", "discount")):
        kind = kind.replace(one, "*").replace(other, one).replace("*", other)
    return Event(
        event.id + ids, kind, event.scale, OTHER_WAY[event.direction],
        event.anchor + bars, event.confirmed + bars, about - event.bottom, about - event.top,
        None if event.ref is None else event.ref + ids,
    )  # fmt: skip
