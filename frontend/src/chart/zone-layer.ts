import type {
  IChartApi,
  IPrimitivePaneRenderer,
  IPrimitivePaneView,
  ISeriesApi,
  ISeriesPrimitive,
  Logical,
  SeriesAttachedParameter,
  Time,
} from "lightweight-charts";
import { looks, type Shape, type Zone } from "./zones";

type Target = Parameters<IPrimitivePaneRenderer["draw"]>[0];

/** Where a time lies on the chart, as an index of its bars; past the last bar too, where times have no coordinate. */
export type IndexOf = (ms: number) => number;

interface Place {
  x0: number;
  x1: number;
  y0: number;
  y1: number;
}
type Box = Place & { zone: Zone };

// Bands overlap, and off the left edge all names begin at it: each kind has a row of its own.
const bands = (Object.keys(looks) as Zone["kind"][]).filter((kind) => looks[kind].shape === "band");
const font = "10px system-ui, sans-serif";

/** One primitive draws every zone: the cost of a frame follows what is in view, not what exists. */
export class ZoneLayer implements ISeriesPrimitive<Time> {
  private chart: IChartApi | undefined;
  private series: ISeriesApi<"Candlestick"> | undefined;
  private requestUpdate: () => void = () => {};
  private zones: Zone[] = [];
  private indexOf: IndexOf = () => 0;
  private drawn: Box[] = [];
  private readonly view: IPrimitivePaneView = {
    zOrder: () => "bottom",
    renderer: () => ({ draw: (target: Target) => this.draw(target) }),
  };

  attached({ chart, series, requestUpdate }: SeriesAttachedParameter<Time>): void {
    this.chart = chart as IChartApi;
    this.series = series as ISeriesApi<"Candlestick">;
    this.requestUpdate = requestUpdate;
  }

  detached(): void {
    this.chart = undefined;
    this.series = undefined;
  }

  paneViews(): readonly IPrimitivePaneView[] {
    return [this.view];
  }

  show(zones: Zone[], indexOf: IndexOf): void {
    // Bands lie below all else.
    const isBand = ({ kind }: Zone) => Number(looks[kind].shape === "band");
    this.zones = [...zones].sort((a, b) => isBand(b) - isBand(a));
    this.indexOf = indexOf;
    this.requestUpdate();
  }

  /** The smallest zone under a point, in the chart's own coordinates. */
  at(x: number, y: number): Zone | null {
    let best: Box | null = null;
    const reach = 4;
    for (const box of this.drawn) {
      if (x < box.x0 - reach || x > box.x1 + reach || y < box.y0 - reach || y > box.y1 + reach) continue;
      const size = (box.x1 - box.x0) * (box.y1 - box.y0 + 1);
      if (!best || size < (best.x1 - best.x0) * (best.y1 - best.y0 + 1)) best = box;
    }
    return best?.zone ?? null;
  }

  private draw(target: Target): void {
    const { chart, series } = this;
    if (!chart || !series) return;
    const style = getComputedStyle(document.documentElement);
    const of = (name: string) => style.getPropertyValue(name).trim();
    const tones = { bullish: of("--up"), bearish: of("--down"), "": of("--soft") };
    const scale = chart.timeScale();
    this.drawn = [];
    // biome-ignore lint/correctness/useHookAtTopLevel: a method of the canvas target, not a React hook
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      const range = scale.getVisibleLogicalRange();
      if (!range) return;
      const detailed = range.to - range.from < 400;
      context.font = font;
      for (const zone of this.zones) {
        const from = this.indexOf(zone.fromMs);
        const until = zone.untilMs === null ? Number.POSITIVE_INFINITY : this.indexOf(zone.untilMs);
        if (until < range.from || from > range.to) continue;
        const x0 = scale.logicalToCoordinate(from as Logical);
        const x1 = until === Number.POSITIVE_INFINITY ? mediaSize.width : scale.logicalToCoordinate(until as Logical);
        const top = series.priceToCoordinate(zone.top);
        const bottom = series.priceToCoordinate(zone.bottom);
        if (x0 === null || x1 === null || top === null || bottom === null) continue;
        if (looks[zone.kind].shape !== "band" && (bottom < 0 || top > mediaSize.height)) continue;
        const place = placeOf(zone, looks[zone.kind].shape, { x0, x1, top, bottom, height: mediaSize.height });
        this.drawn.push({ zone, ...place });
        this.drawZone(context, zone, place, tones[zone.direction], detailed);
      }
    });
  }

  private drawZone(
    context: CanvasRenderingContext2D,
    zone: Zone,
    { x0, x1, y0, y1 }: Place,
    tone: string,
    detailed: boolean,
  ): void {
    const active = zone.untilMs === null;
    const { shape, layer, short } = looks[zone.kind];
    const wide = zone.scale !== "internal";
    context.fillStyle = tone;
    context.strokeStyle = tone;
    if (shape === "box") {
      context.globalAlpha = active ? 0.13 : 0.05;
      context.fillRect(x0, y0, Math.max(1, x1 - x0), Math.max(1, y1 - y0));
      context.globalAlpha = active ? 0.55 : 0.2;
      context.setLineDash(layer === "gaps" ? [2, 3] : []);
      context.strokeRect(x0, y0, Math.max(1, x1 - x0), Math.max(1, y1 - y0));
    } else if (shape === "dot") {
      context.globalAlpha = 0.9;
      context.beginPath();
      context.arc(x0, y0, wide ? 4 : 2, 0, 2 * Math.PI);
      context.fill();
    } else if (shape === "band") {
      context.globalAlpha = layer === "kill_zones" ? 0.1 : 0.06;
      context.fillRect(x0, y0, Math.max(1, x1 - x0), y1 - y0);
    } else if (shape === "line") {
      context.globalAlpha = zone.scale === "swing" ? 0.95 : 0.55;
      context.lineWidth = zone.scale === "swing" ? 1.5 : 1;
      context.setLineDash(zone.kind === "choch" ? [] : zone.kind.startsWith("previous_") ? [8, 3, 2, 3] : [4, 3]);
      context.beginPath();
      context.moveTo(x0, y0);
      context.lineTo(x1, y0);
      context.stroke();
      context.lineWidth = 1;
    }
    context.setLineDash([]);
    if (!short || !detailed) {
      context.globalAlpha = 1;
      return;
    }
    context.globalAlpha = active || shape === "sign" ? 0.95 : 0.55;
    if (shape === "sign") {
      context.font = "bold 11px system-ui, sans-serif";
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillText(short, (x0 + x1) / 2, (y0 + y1) / 2);
      context.textAlign = "start";
      context.textBaseline = "alphabetic";
      context.font = font;
    } else if (shape === "band") {
      if (x1 - x0 > 30) context.fillText(short, Math.max(2, x0 + 3), 11 + 12 * bands.indexOf(zone.kind));
    } else if (x0 >= 0 && x1 - x0 > (wide ? 24 : 40)) {
      // A zone that began off the left edge has no room for its name: all of them would lie on one another.
      const inBox = shape === "box";
      context.fillText(short, Math.max(2, inBox ? x0 + 3 : (x0 + x1) / 2 - 10), inBox ? y1 - 3 : y0 - 3);
    }
    context.globalAlpha = 1;
  }
}

/** Where a zone is drawn, which is also where it can be pointed at: only what is drawn can be. */
function placeOf(
  zone: Zone,
  shape: Shape,
  at: { x0: number; x1: number; top: number; bottom: number; height: number },
): Place {
  const { x0, x1, top, bottom, height } = at;
  const above = zone.direction === "bearish";
  if (shape === "band") return { x0, x1, y0: 0, y1: height };
  if (shape === "dot") {
    const y = above ? top - 6 : bottom + 6;
    return { x0, x1: x0, y0: y, y1: y };
  }
  if (shape === "sign") {
    // Beyond its price, on the side that it is about, where the candle does not hide it; of no side: in the middle.
    const away = /^(strong|weak)/.test(zone.kind) ? 20 : 12; // past the pivot's dot
    const y = zone.direction === "" ? (top + bottom) / 2 : above ? top - away : bottom + away;
    return { x0: x0 - 6, x1: x0 + 6, y0: y - 5, y1: y + 5 };
  }
  // A pool that still rests is a short line at its outer edge, however long it stands.
  const short = zone.untilMs === null && zone.kind.startsWith("equal_");
  const y = above ? top : bottom;
  return shape === "line" ? { x0, x1: short ? x0 + 60 : x1, y0: y, y1: y } : { x0, x1, y0: top, y1: bottom };
}
