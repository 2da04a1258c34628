import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo, useRef, useState } from "react";
import { answer, api, type Schemas } from "../api/client";
import type { BarRow } from "../chart/candle-chart";
import { zonesOf } from "../chart/zones";
import { type Kline, type StreamMessage, useMarketStream } from "../live/stream";

/** Cost follows the bars loaded: more are paged in as the user scrolls back, up to this many. */
const MAX_BARS = 10_000;
const FIRST_BARS = 1500;

export type Timeframe = Schemas["DetectBody"]["timeframe"];

export interface Market {
  exchange: string;
  symbol: string;
  timeframe: Timeframe;
  /** The time frame in which bars arrive; higher ones are made of these. */
  baseTimeframe: Timeframe;
}

export function timeframeMs(timeframe: string): number {
  const units: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
  return Number.parseInt(timeframe, 10) * (units[timeframe.slice(-1)] ?? 60_000);
}

async function fetchBars(market: Market, limit: number, beforeMs?: number): Promise<BarRow[]> {
  const { exchange, symbol, timeframe } = market;
  const query = { exchange, symbol, timeframe, limit, ...(beforeMs === undefined ? {} : { before_ms: beforeMs }) };
  const data = await answer(api().GET("/api/v1/market/bars", { params: { query } }));
  return data.bars as BarRow[];
}

/** Appends a closed bar; null when bars are missing in between and must be read again. */
export function appended(bars: BarRow[], kline: Kline, stepMs: number): BarRow[] | null {
  const last = bars[bars.length - 1];
  const row: BarRow = [kline.time_ms, kline.open, kline.high, kline.low, kline.close, kline.volume];
  if (!last || kline.time_ms > last[0] + stepMs) return null;
  if (kline.time_ms < last[0]) return bars;
  if (kline.time_ms === last[0]) return [...bars.slice(0, -1), row];
  const next = [...bars, row];
  return next.length > MAX_BARS ? next.slice(next.length - MAX_BARS) : next;
}

/** At most one call per interval, the last one always made. */
function useThrottled(call: () => void, everyMs: number): () => void {
  const timer = useRef<ReturnType<typeof setTimeout>>();
  const latest = useRef(call);
  latest.current = call;
  return useCallback(() => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      latest.current();
    }, everyMs);
  }, [everyMs]);
}

export function useChartData(market: Market | undefined) {
  const queries = useQueryClient();
  const key = useMemo(() => ["bars", market?.exchange, market?.symbol, market?.timeframe], [market]);
  const [loadingOlder, setLoadingOlder] = useState(false);
  const bars = useQuery({
    queryKey: key,
    queryFn: () => fetchBars(market as Market, FIRST_BARS),
    enabled: market !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
  // Of as many bars as are on the chart, in whole pages; what still stands from before comes with every answer.
  const limit = Math.min(MAX_BARS, Math.ceil(Math.max(1, bars.data?.length ?? 1) / FIRST_BARS) * FIRST_BARS);
  const detection = useQuery({
    queryKey: ["detection", ...key, limit],
    queryFn: () => {
      const { exchange, symbol, timeframe } = market as Market;
      return answer(api().POST("/api/v1/smc/detect", { body: { exchange, symbol, timeframe, limit } }));
    },
    enabled: market !== undefined,
    placeholderData: keepPreviousData,
  });

  const refetchBars = useThrottled(() => queries.invalidateQueries({ queryKey: key }), 700);
  const refetchEvents = useThrottled(() => queries.invalidateQueries({ queryKey: ["detection"] }), 1500);

  const stream = useMarketStream(market?.symbol, (message: StreamMessage) => {
    if (!market) return;
    if (message.type === "smc_pattern" || message.type === "gap") refetchEvents();
    if (message.type === "gap") refetchBars();
    if (message.type !== "market_data") return;
    const kline = message.data as Kline;
    if (!kline.closed) return;
    if (market.timeframe !== market.baseTimeframe) return refetchBars();
    const known = queries.getQueryData<BarRow[]>(key);
    const next = known && appended(known, kline, timeframeMs(market.timeframe));
    if (next) queries.setQueryData(key, next);
    else refetchBars();
  });

  const loadOlder = useCallback(async () => {
    const known = queries.getQueryData<BarRow[]>(key);
    const first = known?.[0];
    if (!market || !first || loadingOlder || known.length >= MAX_BARS) return;
    setLoadingOlder(true);
    try {
      const older = await fetchBars(market, FIRST_BARS, first[0]);
      if (older.length > 0)
        queries.setQueryData<BarRow[]>(key, (now = []) => [...older.filter(([ms]) => ms < first[0]), ...now]);
    } finally {
      setLoadingOlder(false);
    }
  }, [key, loadingOlder, market, queries]);

  const zones = useMemo(() => (detection.data ? [...zonesOf(detection.data).values()] : []), [detection.data]);
  return { bars, zones, detection, stream, loadOlder };
}
