"""Where the market stands at a bar: read from the detector after it, or from the events up to it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smc_agent.detection.kernel import layout as k
from smc_agent.detection.windows import WINDOWS

_ZONES = ("premium", "equilibrium", "discount", "")
_STRENGTHS = ("strong", "weak")


class Context(NamedTuple):
    """Structure, place in the range and time of day at the close of a bar; empty or None where nothing is known yet.

    Trends are `bullish` or `bearish`; `zone` is `premium`, `equilibrium` or `discount`; `high` and `low` are the levels
    of the last swing pivots, `strong` or `weak`; `windows` names the sessions and kill zones that the bar opened in.
    `position` of the close in the trailing swing range, 0 at its low, and `retracement` of the swing leg, 0 at its end:
    only `Detector.context` has them, since events carry no closes.
    """

    trend: str
    internal_trend: str
    zone: str
    high: float | None
    high_strength: str
    low: float | None
    low_strength: str
    windows: tuple[str, ...]
    position: float | None = None
    retracement: float | None = None


def context_of_state(state: k.State) -> Context:
    """The context at the last bar that was pushed."""
    ints, floats = state.ints, state.floats
    levels = [float(level) if event_id >= 0 else None for level, event_id in zip(
        state.pivots_f[2:, k.P_LEVEL], state.pivots_i[2:, k.P_ID], strict=True)]  # fmt: skip
    strengths = [_STRENGTHS[told & 1] if told >= 0 else "" for told in ints[k.TOLD : k.TOLD + 2].tolist()]
    windows = ints[k.WINDOW : k.WINDOW + k.WINDOWS].tolist()
    position = retracement = None
    top, bottom = float(floats[k.TOP]), float(floats[k.BOTTOM])
    if top > bottom:
        close = float(state.tape[k.CLOSE, ints[k.BARS] - 1 + ints[k.ORIGIN]])
        position = (close - bottom) / (top - bottom)
        if ints[k.TOP_BAR] != ints[k.BOTTOM_BAR]:
            up = ints[k.TOP_BAR] > ints[k.BOTTOM_BAR]
            retracement = (top - close if up else close - bottom) / (top - bottom)
    return Context(
        _trend(int(ints[k.TREND + 1])),
        _trend(int(ints[k.TREND])),
        _ZONES[ints[k.ZONE]],
        levels[0],
        strengths[0],
        levels[1],
        strengths[1],
        tuple(name for name, began in zip(WINDOWS, windows, strict=True) if began != k.OUTSIDE),
        position,
        retracement,
    )


def context_of_events(codes: NDArray[np.int32], tops: NDArray[np.float64]) -> Context:
    """The context after events, all from the first on, of which these are the codes and the upper prices."""
    kinds, scales, directions = codes & 0xFF, codes >> 8 & 0xF, codes >> 12 & 0xF

    def last(*wanted: str, scale: int | None = None) -> int:
        found = np.isin(kinds, [k.KINDS.index(kind) for kind in wanted])
        if scale is not None:
            found &= scales == scale
        at = np.flatnonzero(found)
        return int(at[-1]) if len(at) else -1

    def trend(scale: int) -> str:
        at = last("bos", "choch", scale=scale)
        return k.DIRECTIONS[directions[at]] if at >= 0 else ""

    def kind_of(at: int) -> str:
        return k.KINDS[kinds[at]] if at >= 0 else ""

    zone = kind_of(last("premium_entered", "equilibrium_entered", "discount_entered", "range_zone_left"))
    high, low = last("swing_high", scale=int(k.SWING)), last("swing_low", scale=int(k.SWING))
    return Context(
        trend(int(k.SWING)),
        trend(int(k.INTERNAL)),
        zone.removesuffix("_entered") if zone != "range_zone_left" else "",
        float(tops[high]) if high >= 0 else None,
        kind_of(last("strong_high", "weak_high")).removesuffix("_high"),
        float(tops[low]) if low >= 0 else None,
        kind_of(last("strong_low", "weak_low")).removesuffix("_low"),
        tuple(name for name in WINDOWS if last(f"{name}_open") > last(f"{name}_close")),
    )


def _trend(direction: int) -> str:
    return k.DIRECTIONS[direction + 1] if direction else ""
