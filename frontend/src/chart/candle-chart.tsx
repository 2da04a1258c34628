import {
  CandlestickSeries,
  ColorType,
  createChart,
  createSeriesMarkers,
  HistogramSeries,
  type IChartApi,
  type IPriceLine,
  type ISeriesApi,
  type ISeriesMarkersPluginApi,
  LineStyle,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";
import { useEffect, useRef } from "react";
import { formatTime } from "../components/time";
import { ZoneLayer } from "./zone-layer";
import type { Zone } from "./zones";

/** time_ms, open, high, low, close, volume */
export type BarRow = [number, number, number, number, number, number];

export interface Mark {
  timeMs: number;
  side: "buy" | "sell";
  text: string;
}

export interface Level {
  price: number;
  title: string;
  tone: "up" | "down" | "accent";
}

interface Props {
  bars: BarRow[];
  timeframeMs: number;
  zones: Zone[];
  marks: Mark[];
  levels: Level[];
  onZone: (zone: Zone | null) => void;
  onOlder: () => void;
}

const seconds = (ms: number) => (ms / 1000) as UTCTimestamp;

interface Live {
  chart: IChartApi;
  candles: ISeriesApi<"Candlestick">;
  volume: ISeriesApi<"Histogram">;
  zones: ZoneLayer;
  marks: ISeriesMarkersPluginApi<Time>;
  lines: IPriceLine[];
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string) => style.getPropertyValue(name).trim();
  return {
    up: of("--up"),
    down: of("--down"),
    accent: of("--accent"),
    ink: of("--soft"),
    panel: of("--panel"),
    line: of("--line"),
  };
}

function paint({ chart, candles, volume }: Live) {
  const { up, down, ink, panel, line } = colours();
  chart.applyOptions({
    layout: { background: { type: ColorType.Solid, color: panel }, textColor: ink, attributionLogo: true },
    grid: { vertLines: { color: line }, horzLines: { color: line } },
    timeScale: { borderColor: line },
    rightPriceScale: { borderColor: line },
  });
  candles.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false });
  volume.applyOptions({ color: `${ink}55` });
}

/** The index of a time among bars with sorted times; between and past them by the time frame. */
function indexIn(bars: BarRow[], timeframeMs: number) {
  return (ms: number): number => {
    const first = bars[0]?.[0];
    const last = bars[bars.length - 1]?.[0];
    if (first === undefined || last === undefined) return 0;
    if (ms <= first) return (ms - first) / timeframeMs;
    if (ms >= last) return bars.length - 1 + (ms - last) / timeframeMs;
    let low = 0;
    let high = bars.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((bars[middle]?.[0] ?? 0) <= ms) low = middle;
      else high = middle - 1;
    }
    return low;
  };
}

export function CandleChart({ bars, timeframeMs, zones, marks, levels, onZone, onOlder }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const live = useRef<Live | null>(null);
  const shown = useRef<BarRow[]>([]);
  const callbacks = useRef({ onZone, onOlder });
  callbacks.current = { onZone, onOlder };

  useEffect(() => {
    if (!holder.current) return;
    const chart = createChart(holder.current, {
      autoSize: true,
      timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 8 },
      crosshair: { mode: 0 },
    });
    const candles = chart.addSeries(CandlestickSeries, {});
    const volume = chart.addSeries(HistogramSeries, {
      priceScaleId: "volume",
      priceFormat: { type: "volume" },
      lastValueVisible: false,
      priceLineVisible: false,
    });
    chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.85, bottom: 0 } });
    const layer = new ZoneLayer();
    candles.attachPrimitive(layer);
    const created: Live = { chart, candles, volume, zones: layer, marks: createSeriesMarkers(candles), lines: [] };
    live.current = created;
    paint(created);
    const repaint = () => paint(created);
    window.addEventListener("themechange", repaint);
    // A tap reports a click only; a mouse reports both.
    const explain = (point: { x: number; y: number } | undefined) =>
      callbacks.current.onZone(point ? layer.at(point.x, point.y) : null);
    chart.subscribeCrosshairMove(({ point }) => point && explain(point));
    chart.subscribeClick(({ point }) => explain(point));
    chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (range && range.from < 20 && shown.current.length > 0) callbacks.current.onOlder();
    });
    return () => {
      window.removeEventListener("themechange", repaint);
      chart.remove();
      live.current = null;
      shown.current = [];
    };
  }, []);

  useEffect(() => {
    const { current } = live;
    if (!current) return;
    const before = shown.current;
    shown.current = bars;
    const last = before[before.length - 1];
    const tail =
      bars.length >= before.length &&
      bars.length - before.length <= 5 &&
      before[0]?.[0] === bars[0]?.[0] &&
      last &&
      bars[before.length - 1]?.[0] === last[0];
    // New bars at the end are updates: setting all the data again costs a frame for every tick.
    const rows = tail ? bars.slice(before.length - 1) : bars;
    const candle = ([ms, open, high, low, close]: BarRow) => ({ time: seconds(ms), open, high, low, close });
    const column = ([ms, , , , , value]: BarRow) => ({ time: seconds(ms), value });
    if (tail) {
      for (const row of rows) {
        current.candles.update(candle(row));
        current.volume.update(column(row));
      }
      return;
    }
    const range = current.chart.timeScale().getVisibleLogicalRange();
    const firstBefore = before[0]?.[0];
    const prepended = firstBefore === undefined ? -1 : bars.findIndex(([ms]) => ms === firstBefore);
    current.candles.setData(bars.map(candle));
    current.volume.setData(bars.map(column));
    if (prepended > 0 && range)
      current.chart.timeScale().setVisibleLogicalRange({ from: range.from + prepended, to: range.to + prepended });
    else if (prepended !== 0)
      current.chart.timeScale().setVisibleLogicalRange({ from: bars.length - 160, to: bars.length + 8 });
  }, [bars]);

  useEffect(() => {
    live.current?.zones.show(zones, indexIn(bars, timeframeMs));
  }, [zones, bars, timeframeMs]);

  useEffect(() => {
    const tones = colours();
    const sorted = [...marks].sort((a, b) => a.timeMs - b.timeMs);
    live.current?.marks.setMarkers(
      sorted.map(({ timeMs, side, text }) => ({
        time: seconds(timeMs),
        position: side === "buy" ? "belowBar" : "aboveBar",
        shape: side === "buy" ? "arrowUp" : "arrowDown",
        color: side === "buy" ? tones.up : tones.down,
        text,
      })),
    );
  }, [marks]);

  useEffect(() => {
    const { current } = live;
    if (!current) return;
    const tones = colours();
    for (const line of current.lines) current.candles.removePriceLine(line);
    current.lines = levels.map(({ price, title, tone }) =>
      current.candles.createPriceLine({
        price,
        title,
        color: tones[tone],
        lineStyle: LineStyle.Dashed,
        lineWidth: 1,
        axisLabelVisible: true,
      }),
    );
  }, [levels]);

  const last = bars[bars.length - 1];
  // A canvas says nothing to a screen reader or to a test: what it shows is written beside it.
  return (
    <figure>
      <figcaption className="sr-only">
        {last ? `Candles up to ${formatTime(last[0])} UTC, last close ${last[4]}, ${zones.length} zones` : "Candles"}
      </figcaption>
      <div
        ref={holder}
        className="h-[52vh] min-h-80 w-full lg:h-[62vh]"
        data-testid="chart"
        data-bars={bars.length}
        data-last-bar={last?.[0]}
        data-last-close={last?.[4]}
        data-zones={zones.length}
      />
    </figure>
  );
}
