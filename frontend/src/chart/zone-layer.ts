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
import type { Zone } from "./zones";

type Target = Parameters<IPrimitivePaneRenderer["draw"]>[0];

/** Where a time lies on the chart, as an index of its bars; past the last bar too, where times have no coordinate. */
export type IndexOf = (ms: number) => number;

interface Box {
  zone: Zone;
  x0: number;
  x1: number;
  y0: number;
  y1: number;
}

const shortName: Record<string, string> = {
  bos: "BOS",
  choch: "CHoCH",
  order_block: "OB",
  breaker_block: "BB",
  fvg: "FVG",
  ifvg: "iFVG",
  equal_highs: "EQH",
  equal_lows: "EQL",
};
const boxKinds = new Set(["order_block", "breaker_block", "fvg", "ifvg"]);

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
    this.zones = zones;
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
    const tones = { bullish: style.getPropertyValue("--up"), bearish: style.getPropertyValue("--down") };
    const scale = chart.timeScale();
    this.drawn = [];
    // biome-ignore lint/correctness/useHookAtTopLevel: a method of the canvas target, not a React hook
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      const range = scale.getVisibleLogicalRange();
      if (!range) return;
      const detailed = range.to - range.from < 400;
      context.font = "10px system-ui, sans-serif";
      for (const zone of this.zones) {
        const from = this.indexOf(zone.fromMs);
        const until = zone.untilMs === null ? Number.POSITIVE_INFINITY : this.indexOf(zone.untilMs);
        if (until < range.from || from > range.to) continue;
        const x0 = scale.logicalToCoordinate(from as Logical);
        const x1 = until === Number.POSITIVE_INFINITY ? mediaSize.width : scale.logicalToCoordinate(until as Logical);
        const top = series.priceToCoordinate(zone.top);
        const bottom = series.priceToCoordinate(zone.bottom);
        if (x0 === null || x1 === null || top === null || bottom === null) continue;
        if (bottom < 0 || top > mediaSize.height) continue;
        // A pivot is a dot and a pool a short line, however long they stand: only what is drawn can be pointed at.
        const isDot = zone.kind === "swing_high" || zone.kind === "swing_low";
        const end = boxKinds.has(zone.kind) || zone.untilMs !== null ? x1 : isDot ? x0 : x0 + 60;
        const dotY = zone.kind === "swing_high" ? top - 6 : bottom + 6;
        this.drawn.push({ zone, x0, x1: end, y0: isDot ? dotY : top, y1: isDot ? dotY : bottom });
        this.drawZone(context, zone, x0, end, top, bottom, tones[zone.direction], detailed);
      }
    });
  }

  private drawZone(
    context: CanvasRenderingContext2D,
    zone: Zone,
    x0: number,
    x1: number,
    top: number,
    bottom: number,
    tone: string,
    detailed: boolean,
  ): void {
    const active = zone.untilMs === null;
    context.fillStyle = tone;
    context.strokeStyle = tone;
    if (boxKinds.has(zone.kind)) {
      context.globalAlpha = active ? 0.13 : 0.05;
      context.fillRect(x0, top, Math.max(1, x1 - x0), Math.max(1, bottom - top));
      context.globalAlpha = active ? 0.55 : 0.2;
      context.setLineDash(zone.kind === "fvg" || zone.kind === "ifvg" ? [2, 3] : []);
      context.strokeRect(x0, top, Math.max(1, x1 - x0), Math.max(1, bottom - top));
    } else if (zone.kind === "swing_high" || zone.kind === "swing_low") {
      context.globalAlpha = 0.9;
      const y = zone.kind === "swing_high" ? top - 6 : bottom + 6;
      const size = zone.scale === "swing" ? 4 : 2;
      context.beginPath();
      context.arc(x0, y, size, 0, 2 * Math.PI);
      context.fill();
    } else {
      context.globalAlpha = zone.scale === "swing" ? 0.95 : 0.55;
      context.lineWidth = zone.scale === "swing" ? 1.5 : 1;
      context.setLineDash(zone.kind === "choch" ? [] : [4, 3]);
      context.beginPath();
      context.moveTo(x0, top);
      context.lineTo(x1, top);
      context.stroke();
      context.lineWidth = 1;
    }
    context.setLineDash([]);
    // A zone that began off the left edge has no room for its name: all of them would lie on one another.
    const name = x0 >= 0 ? shortName[zone.kind] : undefined;
    if (name && detailed && (zone.scale !== "internal" || x1 - x0 > 40) && x1 - x0 > 24) {
      context.globalAlpha = active ? 0.95 : 0.55;
      const inBox = boxKinds.has(zone.kind);
      context.fillText(name, Math.max(2, inBox ? x0 + 3 : (x0 + x1) / 2 - 10), inBox ? bottom - 3 : top - 3);
    }
    context.globalAlpha = 1;
  }
}
