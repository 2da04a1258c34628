"""The rules of detection written a second time: slowly, with lists, looking at whole histories, sharing no code."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as wall_time
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from smc_agent.detection import WINDOWS, DetectionParams, Window

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
class Level:
    id: int
    scale: str
    side: str
    anchor: int
    price: float
    swept: bool = False


@cache
def instant(day: date, clock: str, zone: ZoneInfo) -> float:
    """A time on a wall clock, in epoch ms."""
    return datetime.combine(day, wall_time.fromisoformat(clock), zone).timestamp() * 1000


def periods_at(time: int, params: DetectionParams) -> dict[str, tuple[tuple[int, ...], bool]]:
    """The day, week and month that hold `time`: which they are, and whether they begin just then."""
    zone = ZoneInfo(params.day_zone)
    today = datetime.fromtimestamp(time / 1000, zone).date()
    days = [today + timedelta(days=k) for k in (-2, -1, 0, 1)]
    begun = [day for day in days if instant(day, params.day_start, zone) <= time]
    begins = instant(begun[-1], params.day_start, zone) == time
    named = begun[-1] + timedelta(days=1 if params.day_start >= "12:00" else 0)
    year, week, weekday = named.isocalendar()
    return {
        "day": ((named.toordinal(),), begins),
        "week": ((year, week), begins and weekday == 1),
        "month": ((named.year, named.month), begins and named.day == 1),
    }


def begun_at(time: int, window: Window) -> float | None:
    """When the window that holds `time` began; None when none does."""
    zone = ZoneInfo(window.zone)
    today = datetime.fromtimestamp(time / 1000, zone).date()
    for day in (today + timedelta(days=1), today, today - timedelta(days=1)):
        last = day + timedelta(days=0 if window.end > window.start else 1)
        if instant(day, window.start, zone) <= time < instant(last, window.end, zone):
            return instant(day, window.start, zone)
    return None


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
    levels: list[Level] = []
    last_swing_break: tuple[int, int] | None = None
    period_name: dict[str, tuple[int, ...]] = {}
    period_whole: dict[str, bool] = {}
    period_bars: dict[str, list[int]] = {"day": [], "week": [], "month": []}
    period_levels: dict[tuple[str, str], Level] = {}
    range_zone = ""
    told_strength: dict[str, tuple[str, int]] = {}
    told_leg: tuple[int, int] | None = None
    bodies_total, bodies = 0.0, 0
    induced_after: int | None = None
    windows_in: dict[str, tuple[float, int]] = {}

    def emit(
        kind: str, scale: str, direction: str, anchor: int, top: float, bottom: float, ref: int | None, extra: Extra
    ) -> int:
        events.append((len(events), kind, scale, direction, anchor, i, top, bottom, ref))
        extras.append(extra)
        return len(events) - 1

    def follow(kind: str, zone: Zone) -> int:
        return emit(kind, zone.scale, zone.direction, zone.anchor, zone.top, zone.bottom, zone.id, Extra())

    def make_room() -> None:
        if len(zones) + len(levels) > params.max_zones:
            alive: list[Zone | Level] = sorted([*zones, *levels], key=lambda z: z.id)
            for oldest in alive[: max(1, params.max_zones // 16)]:
                if isinstance(oldest, Zone):
                    follow(oldest.kind + "_expired", oldest)
                    zones.remove(oldest)
                else:
                    of_level("liquidity_expired", oldest)
                    levels.remove(oldest)

    def open_zone(zone: Zone) -> None:
        zones.append(zone)
        make_room()

    def of_level(kind: str, level: Level) -> None:
        way = "bearish" if level.side == "high" else "bullish"
        emit(kind, level.scale, way, level.anchor, level.price, level.price, level.id, Extra())

    def passed(level: Level) -> bool:
        """Tells what this bar does to a level; -> whether it is taken."""
        by_wick = high > level.price if level.side == "high" else low < level.price
        by_close = close > level.price if level.side == "high" else close < level.price
        if by_close:
            of_level("liquidity_taken", level)
        elif by_wick and not level.swept:
            of_level("liquidity_sweep", level)
            level.swept = True
        return by_close

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
        new_internal: tuple[Pivot, str] | None = None
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
                    upper, lower = max(level, last), min(level, last)
                    pool = emit(f"equal_{side}s", "", now, p, upper, lower, None, Extra())
                    levels.append(Level(pool, "", side, p, upper if side == "high" else lower))
                    make_room()
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
                levels.append(Level(event, scale, side, p, level))
                make_room()
                if scale == "internal":
                    new_internal = pivots[scale, side], side

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
                    through = source[i] > pivot.level and source[i - 1] <= before[scale, side]
                else:
                    through = source[i] < pivot.level and source[i - 1] >= before[scale, side]
                if not through:
                    continue
                pivot.broken = True
                direction, opposite = ("bullish", "bearish") if side == "high" else ("bearish", "bullish")
                kind = "choch" if trend.get(scale) == opposite else "bos"
                trend[scale] = direction
                event = emit(kind, scale, direction, pivot.bar, pivot.level, pivot.level, pivot.id, Extra())
                broken.append((scale, direction, pivot.bar, event))
                if scale == "swing":
                    last_swing_break = event, i

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
            through = below < zone.bottom if bullish else above > zone.top
            if zone.kind == "breaker_block" and through:
                follow("breaker_block_invalidated", zone)
                zones.remove(zone)
            elif zone.kind == "order_block":
                if not zone.touched and (low <= zone.top if bullish else high >= zone.bottom):
                    zone.touched = True
                    follow("order_block_touched", zone)
                if through:
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

        # 8
        for period, (name, begins) in periods_at(bars[i][0], params).items():
            if period in period_name and period_name[period] != name:
                if period_whole[period]:
                    past = period_bars[period]
                    top_bar = max(past, key=lambda b: (highs[b], -b))
                    bottom_bar = min(past, key=lambda b: (lows[b], b))
                    for side, anchor, price in (
                        ("high", top_bar, highs[top_bar]),
                        ("low", bottom_bar, lows[bottom_bar]),
                    ):
                        way = "bearish" if side == "high" else "bullish"
                        replaced = period_levels.get((period, side))
                        follows = None if replaced is None else replaced.id
                        event = emit(f"previous_{period}_{side}", "", way, anchor, price, price, follows, Extra())
                        period_levels[period, side] = Level(event, "", side, anchor, price)
                period_whole[period] = True
                period_bars[period] = []
            period_whole.setdefault(period, begins)
            period_name[period] = name
            period_bars[period].append(i)
        for period in ("day", "week", "month"):
            for side in ("high", "low"):
                if (period, side) in period_levels and passed(period_levels[period, side]):
                    del period_levels[period, side]
        for resting in sorted(levels, key=lambda x: x.id):
            if passed(resting):
                levels.remove(resting)

        # 9
        swing_high, swing_low = pivots.get(("swing", "high")), pivots.get(("swing", "low"))
        if swing_high is not None and swing_low is not None:
            top_bar = max(range(swing_high.bar, i + 1), key=lambda b: (highs[b], -b))
            bottom_bar = min(range(swing_low.bar, i + 1), key=lambda b: (lows[b], b))
            top, bottom = highs[top_bar], lows[bottom_bar]
            size_ = top - bottom
            now_zone = ""
            if size_ > 0 and top - close <= params.premium * size_:
                now_zone = "premium_entered"
            elif size_ > 0 and close - bottom <= params.premium * size_:
                now_zone = "discount_entered"
            elif size_ > 0 and abs((close - bottom) - (top - close)) <= params.equilibrium * size_:
                now_zone = "equilibrium_entered"
            if now_zone != range_zone:
                way = {"premium_entered": "bearish", "discount_entered": "bullish"}.get(now_zone, "")
                emit(now_zone or "range_zone_left", "swing", way, i, top, bottom, None, Extra())
            range_zone = now_zone
        if "swing" in trend:
            for side, pivot in (("high", swing_high), ("low", swing_low)):
                if pivot is None:
                    continue
                strong = trend["swing"] == ("bearish" if side == "high" else "bullish")
                strength = "strong" if strong else "weak", pivot.id
                if told_strength.get(side) != strength:
                    told_strength[side] = strength
                    way = "bearish" if side == "high" else "bullish"
                    kind = f"{strength[0]}_{side}"
                    emit(kind, "swing", way, pivot.bar, pivot.level, pivot.level, pivot.id, Extra())
        if swing_high is not None and swing_low is not None and top_bar != bottom_bar and size_ > 0:
            up = top_bar > bottom_bar
            retraced = top - close if up else close - bottom
            in_band = params.ote_from * size_ <= retraced <= params.ote_to * size_
            if in_band and told_leg != (top_bar, bottom_bar):
                told_leg = top_bar, bottom_bar
                way, begin = ("bullish", swing_low) if up else ("bearish", swing_high)
                emit("ote_entered", "swing", way, max(top_bar, bottom_bar), top, bottom, begin.id, Extra())
        if atr is not None and atr > 0:
            in_atr = abs(close - opens[i]) / atr
            if bodies and in_atr > 0 and in_atr * bodies >= params.displacement_factor * bodies_total:
                emit("displacement", "", "bullish" if close > opens[i] else "bearish", i, high, low, None, Extra())
            bodies_total += in_atr
            bodies += 1
        if new_internal is not None and last_swing_break is not None:
            pivot, side = new_internal
            if pivot.bar > last_swing_break[1] and induced_after != last_swing_break[0]:
                induced_after = last_swing_break[0]
                way = "bearish" if side == "high" else "bullish"
                emit("inducement", "internal", way, pivot.bar, pivot.level, pivot.level, induced_after, Extra())
        begun = {
            session: begun_at(bars[i][0], hours)
            for session in WINDOWS
            if (hours := getattr(params.windows, session)) is not None
        }
        for session, begin_ms in begun.items():
            if session in windows_in and windows_in[session][0] != begin_ms:
                emit(f"{session}_close", "", "", i, high, low, windows_in.pop(session)[1], Extra())
        for session, begin_ms in begun.items():
            if begin_ms is not None and session not in windows_in:
                windows_in[session] = begin_ms, emit(f"{session}_open", "", "", i, high, low, None, Extra())
    return events, extras
