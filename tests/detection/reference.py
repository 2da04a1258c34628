"""The rules of detection written a second time: slowly, with lists, looking at whole histories, sharing no code."""

from dataclasses import dataclass
from typing import NamedTuple

from smc_agent.detection import DetectionParams

Bar = tuple[int, float, float, float, float, float]
Row = tuple[int, str, str, str, int, int, float, float, int | None]


class Extra(NamedTuple):
    label: str = ""
    volume: float | None = None
    share: float | None = None


@dataclass
class Pivot:
    id: int
    bar: int
    level: float
    broken: bool = False


@dataclass
class Zone:
    kind: str
    id: int
    scale: str
    direction: str
    anchor: int
    top: float
    bottom: float
    touched: bool = False
    half: bool = False
    filled: bool = False


def reference(bars: list[Bar], params: DetectionParams) -> tuple[list[Row], list[Extra]]:
    opens, highs, lows, closes, volumes = ([bar[column] for bar in bars] for column in range(1, 6))
    events: list[Row] = []
    extras: list[Extra] = []
    ranges: list[float] = []
    parsed_high: list[float] = []
    parsed_low: list[float] = []
    body_total = 0.0  # added from left to right, as the engine does: `sum` of Python 3.12 compensates
    atr: float | None = None
    leg = {"swing": "bearish", "internal": "bearish", "equal": "bearish"}
    size = {"swing": params.swing, "internal": params.internal, "equal": params.equal}
    pivots: dict[tuple[str, str], Pivot] = {}
    equals: dict[str, float] = {}
    trend: dict[str, str] = {}
    zones: list[Zone] = []

    def emit(
        kind: str, scale: str, direction: str, anchor: int, top: float, bottom: float, ref: int | None, extra: Extra
    ) -> int:
        events.append((len(events), kind, scale, direction, anchor, i, top, bottom, ref))
        extras.append(extra)
        return len(events) - 1

    def follow(kind: str, zone: Zone) -> int:
        return emit(kind, zone.scale, zone.direction, zone.anchor, zone.top, zone.bottom, zone.id, Extra())

    def open_zone(zone: Zone) -> None:
        zones.append(zone)
        if len(zones) > params.max_zones:
            for oldest in sorted(zones, key=lambda z: z.id)[: max(1, params.max_zones // 16)]:
                follow(oldest.kind + "_expired", oldest)
                zones.remove(oldest)

    for i in range(len(bars)):
        high, low, close = highs[i], lows[i], closes[i]
        # 1
        ranges.append(high - low if i == 0 else max(high - low, abs(high - closes[i - 1]), abs(low - closes[i - 1])))
        if i == params.atr_period - 1:
            total = 0.0
            for true_range in ranges:
                total += true_range
            atr = total / params.atr_period
        elif atr is not None:
            atr += (ranges[i] - atr) / params.atr_period
        wild = atr is not None and high - low >= params.wild_factor * atr
        parsed_high.append(low if wild else high)
        parsed_low.append(high if wild else low)

        # 2
        for zone in sorted(zones, key=lambda z: z.id):
            if zone.kind != "fvg" or zone.filled:
                continue
            bullish, middle = zone.direction == "bullish", (zone.top + zone.bottom) / 2
            if not zone.touched and (low <= zone.top if bullish else high >= zone.bottom):
                zone.touched = True
                follow("fvg_touched", zone)
            if not zone.half and (low <= middle if bullish else high >= middle):
                zone.half = True
                follow("fvg_half_filled", zone)
            if low < zone.bottom if bullish else high > zone.top:
                zone.filled = True
                follow("fvg_filled", zone)

        # 3
        before = {key: pivot.level for key, pivot in pivots.items()}
        for scale in ("swing", "internal", "equal"):
            p = i - size[scale]
            if p < 0:
                continue
            if highs[p] > max(highs[p + 1 : i + 1]):
                now = "bearish"
            elif lows[p] < min(lows[p + 1 : i + 1]):
                now = "bullish"
            else:
                continue
            if leg[scale] == now:
                continue
            leg[scale] = now
            side = "high" if now == "bearish" else "low"
            level = highs[p] if side == "high" else lows[p]
            if scale == "equal":
                last = equals.get(side)
                if last is not None and atr is not None and abs(level - last) < params.equal_threshold * atr:
                    emit(f"equal_{side}s", "", now, p, max(level, last), min(level, last), None, Extra())
                equals[side] = level
            else:
                previous = pivots.get((scale, side))
                label = ""
                if previous is not None and side == "high":
                    label = "HH" if level > previous.level else "LH"
                elif previous is not None:
                    label = "LL" if level < previous.level else "HL"
                event = emit(f"swing_{side}", scale, now, p, level, level, None, Extra(label))
                pivots[scale, side] = Pivot(event, p, level)

        # 4
        broken: list[tuple[str, str, int, int]] = []
        for scale in ("internal", "swing"):
            for side in ("high", "low"):
                pivot = pivots.get((scale, side))
                if pivot is None or pivot.broken or i == 0 or (scale, side) not in before:
                    continue
                other = pivots.get(("swing", side))
                if scale == "internal" and other is not None and other.level == pivot.level:
                    continue
                source = closes if params.break_by == "close" else highs if side == "high" else lows
                if side == "high":
                    passed = source[i] > pivot.level and source[i - 1] <= before[scale, side]
                else:
                    passed = source[i] < pivot.level and source[i - 1] >= before[scale, side]
                if not passed:
                    continue
                pivot.broken = True
                direction, opposite = ("bullish", "bearish") if side == "high" else ("bearish", "bullish")
                kind = "choch" if trend.get(scale) == opposite else "bos"
                trend[scale] = direction
                event = emit(kind, scale, direction, pivot.bar, pivot.level, pivot.level, pivot.id, Extra())
                broken.append((scale, direction, pivot.bar, event))

        # 5
        for scale, direction, start, event in broken:
            window = range(start, i)
            if direction == "bullish":
                block = min(window, key=lambda b: (parsed_low[b], b))
            else:
                block = min(window, key=lambda b: (-parsed_high[b], b))
            total = 0.0
            for b in window:
                total += volumes[b]
            share = volumes[block] / total if total > 0 else None
            top, bottom = highs[block], lows[block]
            block_id = emit(
                "order_block", scale, direction, block, top, bottom, event, Extra("", volumes[block], share)
            )
            open_zone(Zone("order_block", block_id, scale, direction, block, top, bottom))

        # 6
        below, above = (low, high) if params.mitigation == "wick" else (close, close)
        for zone in sorted(zones, key=lambda z: z.id):
            bullish = zone.direction == "bullish"
            passed = below < zone.bottom if bullish else above > zone.top
            if zone.kind == "breaker_block" and passed:
                follow("breaker_block_invalidated", zone)
                zones.remove(zone)
            elif zone.kind == "order_block":
                if not zone.touched and (low <= zone.top if bullish else high >= zone.bottom):
                    zone.touched = True
                    follow("order_block_touched", zone)
                if passed:
                    follow("order_block_mitigated", zone)
                    zones.remove(zone)
                    other_way = "bearish" if bullish else "bullish"
                    breaker = emit(
                        "breaker_block", zone.scale, other_way, zone.anchor, zone.top, zone.bottom, zone.id, Extra()
                    )
                    zones.append(
                        Zone("breaker_block", breaker, zone.scale, other_way, zone.anchor, zone.top, zone.bottom)
                    )

        # 7
        if i >= 2:
            mean = body_total / i
            body = (closes[i - 1] - opens[i - 1]) / opens[i - 1]
            limit = params.fvg_factor * mean if params.fvg_threshold == "auto" else float("-inf")
            gap: tuple[str, float, float] | None = None
            if low > highs[i - 2] and closes[i - 1] > highs[i - 2] and body > limit:
                gap = ("bullish", low, highs[i - 2])
            if high < lows[i - 2] and closes[i - 1] < lows[i - 2] and -body > limit:
                gap = ("bearish", lows[i - 2], high)
            if gap is not None:
                direction, top, bottom = gap
                fvg = emit("fvg", "", direction, i - 1, top, bottom, None, Extra())
                open_zone(Zone("fvg", fvg, "", direction, i - 1, top, bottom))
        for zone in sorted(zones, key=lambda z: z.id):
            if zone.kind == "fvg" and zone.filled:
                through = close < zone.bottom if zone.direction == "bullish" else close > zone.top
                if through:
                    follow("ifvg", zone)
                    zones.remove(zone)
        body_total += abs((close - opens[i]) / opens[i])
    return events, extras
