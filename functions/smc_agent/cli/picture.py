"""A picture of bars with what detection found in them, as it was known at the last bar of the picture."""

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from smc_agent.detection import ZONE_ENDS, ZONES, DetectionParams, Event, rule_text
from smc_agent.market import Bars
from smc_agent.market.bars import moment

if TYPE_CHECKING:
    from smc_agent.detection import Events

LIGHT = {"page": "#fcfcfb", "ink": "#1c2024", "soft": "#5c636b", "line": "#e4e4e1", "up": "#0b7f5a", "down": "#c0392f"}
DARK = {"page": "#14171a", "ink": "#e6e8ea", "soft": "#9aa2aa", "line": "#2b3036", "up": "#3fc191", "down": "#f0766b"}
NAMES = {
    "bos": "BOS", "choch": "CHoCH", "order_block": "OB", "breaker_block": "BB", "fvg": "FVG", "ifvg": "iFVG",
    "equal_highs": "EQH", "equal_lows": "EQL", "previous_day_high": "PDH", "previous_day_low": "PDL",
    "previous_week_high": "PWH", "previous_week_low": "PWL", "previous_month_high": "PMH", "previous_month_low": "PML",
    "liquidity_sweep": "sweep", "liquidity_taken": "taken",
}  # fmt: skip
BREAKS = ("bos", "choch")
PIVOTS = ("swing_high", "swing_low")


@dataclass
class Picture:
    """`figure` to be saved, and what each part of it with an id says: id -> words."""

    figure: Figure
    words: dict[str, str]


def draw(bars: Bars, events: "Events", params: DetectionParams, first: int, last: int, kinds: frozenset[str],
         palette: dict[str, str]) -> Picture:  # fmt: skip
    """Bars `first` to `last` with the events of these kinds that were known at the close of bar `last`."""
    figure = Figure(figsize=(13, 7), facecolor=palette["page"], layout="constrained")
    axes = figure.add_subplot(facecolor=palette["page"])
    _candles(axes, bars, first, last, palette)
    known = list(events.until(last))
    labels = events.label
    artist = _Artist(axes, bars, params, first, last, palette, {})
    ends = {event.ref: event.confirmed for event in known if event.kind in ZONE_ENDS or event.kind == "liquidity_taken"}
    opened = {event.kind: event.id for event in known}
    closed = {event.ref: event.confirmed for event in known if event.kind.endswith(("_session_close", "_zone_close"))}
    for event in known:
        if event.kind not in kinds:
            continue
        end = ends.get(event.id, last + 1)
        if event.kind in ZONES:
            artist.zone(event, end, event.id not in ends)
        elif event.kind in BREAKS:
            artist.line(event, event.anchor, event.confirmed, "-" if event.kind == "choch" else "--")
        elif event.kind in PIVOTS:
            artist.pivot(event, str(labels[event.id]))
        elif event.kind.startswith("equal_"):
            artist.line(event, event.anchor - 8, event.confirmed, ":")
        elif event.kind.startswith("previous_"):
            newest = opened[event.kind] == event.id  # the next day's takes its place
            if newest or event.id in ends:
                artist.line(event, event.confirmed, end, "-.")
        elif event.kind.endswith(("_session_open", "_zone_open")):
            artist.band(event, closed.get(event.id, last + 1))
        elif not event.kind.endswith(("_session_close", "_zone_close")):
            artist.mark(event)
    begin, end_ = (moment(int(bars.time[i]))[:16].replace("T", " ") for i in (first, last))
    axes.set_title(
        f"{bars.symbol} {bars.timeframe}   {begin} to {end_} UTC   as known at the close of bar {last}",
        loc="left",
        color=palette["ink"],
        fontsize=11,
    )
    return Picture(figure, artist.words)


def _candles(axes: Axes, bars: Bars, first: int, last: int, palette: dict[str, str]) -> None:
    x = np.arange(first, last + 1)
    cut = bars[first : last + 1]
    up = cut.close >= cut.open
    for chosen, tone in ((up, palette["up"]), (~up, palette["down"])):
        wicks = [((i, lo), (i, hi)) for i, lo, hi in zip(x[chosen], cut.low[chosen], cut.high[chosen], strict=True)]
        axes.add_collection(LineCollection(wicks, colors=tone, linewidths=0.8, zorder=3))
        body = np.abs(cut.close - cut.open)[chosen]
        axes.bar(x[chosen], body, 0.66, np.minimum(cut.open, cut.close)[chosen], color=tone, edgecolor=tone,
                 linewidth=0.6, zorder=3)  # fmt: skip
    low, high = float(cut.low.min()), float(cut.high.max())
    room = (high - low) * 0.06 or high * 0.001
    axes.set_xlim(first - 1, last + max(4, (last - first) * 0.04))
    axes.set_ylim(low - room, high + room)
    step = max(1, (last - first) // 9)
    ticks = list(range(first, last + 1, step))
    day = ""
    texts = []
    for i in ticks:
        at = moment(int(bars.time[i]))
        texts.append(at[11:16] if at[:10] == day else f"{at[11:16]}\n{at[:10]}")
        day = at[:10]
    axes.set_xticks(ticks, texts)
    axes.yaxis.tick_right()
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    axes.tick_params(colors=palette["soft"], labelsize=8, length=0)
    axes.grid(color=palette["line"], linewidth=0.6)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_color(palette["line"])


@dataclass
class _Artist:
    axes: Axes
    bars: Bars
    params: DetectionParams
    first: int
    last: int
    palette: dict[str, str]
    words: dict[str, str]

    def tone(self, event: Event) -> str:
        return self.palette[{"bullish": "up", "bearish": "down"}.get(event.direction, "soft")]

    def tell(self, artist: Any, event: Event) -> None:
        name = " ".join(word for word in (event.kind, event.scale, event.direction) if word)
        prices = f"{event.bottom:.10g}" if event.top == event.bottom else f"{event.bottom:.10g} to {event.top:.10g}"
        known = moment(int(self.bars.time[event.confirmed]))
        gid = f"event-{event.id}"
        artist.set_gid(gid)
        self.words[gid] = (
            f"{name}, {prices}\n{rule_text(event.kind, self.params)}\n"
            f"Event {event.id}: lies at bar {event.anchor}, known at the close of bar {event.confirmed} ({known})"
        )

    def name(self, x: float, y: float, text: str, tone: str, **how: Any) -> None:
        if x >= self.first - 1:
            self.axes.text(x, y, text, color=tone, fontsize=7, clip_on=True, zorder=5, **how)

    def zone(self, event: Event, end: int, active: bool) -> None:
        low, high = self.axes.get_ylim()
        if end < self.first or event.anchor > self.last or event.bottom > high or event.top < low:
            return
        if active:
            end = int(self.axes.get_xlim()[1]) + 1
        tone, height = self.tone(event), event.top - event.bottom
        style = ":" if event.kind in ("fvg", "ifvg") else "-"
        # Not known before its bar had closed: until then only the outline.
        known = max(event.anchor, min(event.confirmed, end))
        box = Rectangle((event.anchor, event.bottom), end - event.anchor, height, linestyle=style, linewidth=0.8,
                        fill=False, edgecolor=tone, alpha=0.75 if active else 0.3, zorder=2)  # fmt: skip
        fill = Rectangle((known, event.bottom), end - known, height, linewidth=0, facecolor=tone,
                         alpha=0.2 if active else 0.06, zorder=1)  # fmt: skip
        self.axes.add_patch(box)
        self.axes.add_patch(fill)
        self.tell(fill, event)
        if active:
            # In the margin behind the last bar, where no candle hides it.
            middle = (max(event.bottom, low) + min(event.top, high)) / 2
            self.name(self.axes.get_xlim()[1], middle, NAMES.get(event.kind, event.kind), tone, va="center", ha="right")

    def line(self, event: Event, start: int, end: int, style: str) -> None:
        if end < self.first or start > self.last:
            return
        tone, minor = self.tone(event), event.scale == "internal"
        level = event.top if event.direction == "bearish" or event.kind in BREAKS else event.bottom
        (line,) = self.axes.plot([start, end], [level, level], style, color=tone, linewidth=0.8 if minor else 1.5,
                                 alpha=0.7 if minor else 1, zorder=4)  # fmt: skip
        self.tell(line, event)
        if not minor:
            middle = max(start, self.first) + (min(end, self.last) - max(start, self.first)) / 2
            self.name(middle, level, NAMES.get(event.kind, event.kind), tone, va="bottom", ha="center")

    def pivot(self, event: Event, label: str) -> None:
        if not self.first <= event.anchor <= self.last:
            return
        high, minor, tone = event.kind == "swing_high", event.scale == "internal", self.tone(event)
        low, top = self.axes.get_ylim()
        y = event.top + (top - low) * (0.012 if high else -0.012)
        (dot,) = self.axes.plot([event.anchor], [y], "v" if high else "^", color=tone, markersize=3 if minor else 6,
                                alpha=0.6 if minor else 1, zorder=4)  # fmt: skip
        self.tell(dot, event)
        if not minor and label:
            away = (top - low) * (0.012 if high else -0.012)
            self.name(event.anchor, y + away, label, tone, va="bottom" if high else "top", ha="center")

    def mark(self, event: Event) -> None:
        """Something that happens at one bar: beyond it, on the side that it is about."""
        i = event.confirmed
        if not self.first <= i <= self.last:
            return
        above = event.direction == "bearish"
        low, top = self.axes.get_ylim()
        y = self.bars.high[i] + (top - low) * 0.025 if above else self.bars.low[i] - (top - low) * 0.025
        shape = {"liquidity_sweep": "x", "liquidity_taken": "o"}.get(event.kind, "d")
        (dot,) = self.axes.plot([i], [y], shape, color=self.tone(event), markersize=4, zorder=4)
        self.tell(dot, event)

    def band(self, event: Event, end: int) -> None:
        if end < self.first or event.confirmed > self.last:
            return
        span = self.axes.axvspan(event.confirmed - 0.5, end - 0.5, color=self.palette["soft"], alpha=0.08, zorder=0)
        self.tell(span, event)
        name = event.kind.removesuffix("_open").replace("_", " ")
        x = max(event.confirmed, self.first)
        self.name(x, self.axes.get_ylim()[1], name, self.palette["soft"], va="top", rotation=90)


def with_titles(svg: str, words: dict[str, str]) -> str:
    """The picture with its words where a browser shows them: on pointing at a part of it."""
    for gid, text in words.items():
        svg = svg.replace(f'<g id="{gid}">', f'<g id="{gid}"><title>{escape(text)}</title>', 1)
    return svg


def page(svg: str, heading: str) -> str:
    """One page of HTML that needs nothing else; light or dark as its reader has it. `svg` is drawn in LIGHT."""
    start = svg.index("<svg")
    drawn = svg[start:]
    for name, colour in LIGHT.items():
        drawn = drawn.replace(colour, f"var(--{name})")

    def colours(palette: dict[str, str]) -> str:
        return "".join(f"--{name}:{colour};" for name, colour in palette.items())

    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(heading)}</title><style>
:root{{{colours(LIGHT)}color-scheme:light dark}}
@media (prefers-color-scheme:dark){{:root{{{colours(DARK)}}}}}
body{{margin:0;background:var(--page);color:var(--ink);font:14px/1.5 system-ui,sans-serif}}
main{{overflow-x:auto}} svg{{width:100%;min-width:48rem;height:auto;display:block}}
g[id^=event-]:hover{{filter:brightness(1.3) saturate(2)}} g[id^=event-] path{{pointer-events:all}}
</style></head><body><main>{drawn}</main></body></html>
"""
