import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { answer, api } from "../api/client";
import { CandleChart, type Level, type Mark } from "../chart/candle-chart";
import { isActive, type Layer, lookOf, type Zone } from "../chart/zones";
import { Empty, Panel, Problem, Skeleton } from "../components/parts";
import { Freshness } from "../components/time";
import { useExecutions, useOpenOrders, usePortfolios, useSessions } from "../live/rows";
import { formatDecimal } from "../money";
import { type Market, type Timeframe, timeframeMs, useChartData } from "../trading/chart-data";
import { Explain } from "../trading/explain";
import { defaultLayers, type LayerChoice, Layers } from "../trading/layers";
import { Standing } from "../trading/standing";
import { OpenOrders, Positions } from "../trading/tables";
import { Ticket } from "../trading/ticket";

const STALE_AFTER_MS = 90_000;
const frames: Timeframe[] = ["1m", "5m", "15m", "1h", "4h", "1d"];

/** Where the bars come from, when it is not a live market. */
const origin: Record<string, string> = {
  synthetic: "SYNTHETIC: a generated series, not a market",
  replay: "REPLAY of recorded bars",
};

// These are never hidden for being over: they say what happened.
const lasting = new Set<Layer>(["structure", "swings", "sweeps", "context", "sessions", "kill_zones"]);

function visible(zones: Zone[], choice: LayerChoice): Zone[] {
  return zones.filter((zone) => {
    const layer = lookOf(zone.kind)?.layer;
    if (!layer || !choice.layers[layer]) return false;
    if (zone.scale === "internal" && !choice.internal) return false;
    return choice.ended || isActive(zone) || lasting.has(layer);
  });
}

export default function Trading() {
  const portfolio = usePortfolios().data?.[0];
  const session = useSessions().data?.[0];
  const symbols = useQuery({
    queryKey: ["symbols"],
    queryFn: () => answer(api().GET("/api/v1/market/symbols")),
    refetchInterval: 15_000,
  });
  const [timeframe, setTimeframe] = useState<Timeframe | null>(null);
  const [choice, setChoice] = useState<LayerChoice>(defaultLayers);
  const [zone, setZone] = useState<Zone | null>(null);
  const wanted = session?.strategy_config;
  const rules =
    symbols.data?.find(({ symbol, exchange }) => symbol === wanted?.symbol && exchange === wanted?.exchange) ??
    symbols.data?.[0];
  const base = rules?.timeframes[0] ?? "1m";
  const shownFrame = timeframe ?? base;

  const exchange = rules?.exchange;
  const symbol = rules?.symbol;
  const market = useMemo<Market | undefined>(
    () => (exchange && symbol ? { exchange, symbol, timeframe: shownFrame, baseTimeframe: base } : undefined),
    [exchange, symbol, shownFrame, base],
  );
  const { bars, zones, detection, stream, loadOlder } = useChartData(market);
  const executions = useExecutions(portfolio?.id);
  const orders = useOpenOrders(portfolio?.id);

  useEffect(() => {
    document.title = `${symbol ?? "Trading"} · SMC Trading Agent`;
  }, [symbol]);

  const shown = useMemo(() => visible(zones, choice), [zones, choice]);
  const marks = useMemo<Mark[]>(() => {
    const step = timeframeMs(shownFrame);
    const first = bars.data?.[0]?.[0] ?? 0;
    return (executions.data ?? [])
      .filter((fill) => fill.symbol === symbol)
      .map((fill) => ({
        // A fill is known at its bar's end at the latest: it belongs to the bar that holds its time.
        timeMs: Math.floor((Date.parse(fill.executed_at) - 1) / step) * step,
        side: fill.side,
        text: `${fill.side === "buy" ? "B" : "S"} ${formatDecimal(fill.quantity)}`,
      }))
      .filter(({ timeMs }) => timeMs >= first);
  }, [executions.data, bars.data, shownFrame, symbol]);
  const levels = useMemo<Level[]>(
    () =>
      (orders.data ?? []).flatMap((order): Level[] => {
        const price = order.stop_price ?? order.price;
        if (!price || order.symbol !== symbol) return [];
        if (!order.parent_id)
          return [{ price: Number(price), title: `${order.side} ${order.order_type}`, tone: "accent" }];
        return order.stop_price
          ? [{ price: Number(price), title: "stop", tone: "down" }]
          : [{ price: Number(price), title: "target", tone: "up" }];
      }),
    [orders.data, symbol],
  );
  const lastBar = bars.data?.[bars.data.length - 1];

  if (symbols.error) return <Problem>{symbols.error.message}</Problem>;
  if (symbols.data && !rules) return <Empty>No bars yet. The chart appears with the first closed bar.</Empty>;

  return (
    <div className="grid grid-cols-1 gap-3 lg:grid-cols-[minmax(0,1fr)_20rem]">
      <div className="flex min-w-0 flex-col gap-3">
        <Panel
          title={symbol ? `${symbol} · ${shownFrame}` : "Chart"}
          aside={
            <div className="flex flex-wrap items-center gap-3">
              {exchange && origin[exchange] && (
                <span className="rounded bg-warn/15 px-2 py-0.5 text-warn text-xs">{origin[exchange]}</span>
              )}
              <Freshness
                at={stream.lastMessageAt}
                staleAfterMs={STALE_AFTER_MS}
                label={stream.connected ? "Feed" : "Feed offline"}
              />
              <span className="text-soft text-xs">UTC</span>
            </div>
          }
        >
          <div className="mb-3 flex flex-wrap items-center justify-between gap-2">
            <fieldset className="flex gap-1">
              <legend className="sr-only">Time frame</legend>
              {frames
                .filter((frame) => timeframeMs(frame) >= timeframeMs(base))
                .map((frame) => (
                  <button
                    key={frame}
                    type="button"
                    aria-pressed={frame === shownFrame}
                    onClick={() => {
                      setZone(null);
                      setTimeframe(frame);
                    }}
                    className={`min-h-8 min-w-9 cursor-pointer rounded px-2 text-xs ${frame === shownFrame ? "bg-raised font-medium" : "text-soft"}`}
                  >
                    {frame}
                  </button>
                ))}
            </fieldset>
            <Layers choice={choice} change={setChoice} />
          </div>
          <Standing structure={detection.data?.market_structure} zones={zones} explain={setZone} />
          {bars.data ? (
            <CandleChart
              key={shownFrame}
              bars={bars.data}
              timeframeMs={timeframeMs(shownFrame)}
              zones={shown}
              marks={marks}
              levels={levels}
              onZone={(next) => next && setZone(next)}
              onOlder={loadOlder}
            />
          ) : (
            <Skeleton className="h-[52vh] min-h-80 lg:h-[62vh]" />
          )}
          <div className="mt-3 border-line border-t pt-3">
            <Explain zone={zone} />
            {detection.error && <Problem>{detection.error.message}</Problem>}
            {stream.problem && <Problem>{stream.problem}</Problem>}
            {bars.error && <Problem>{bars.error.message}</Problem>}
          </div>
        </Panel>

        <Panel title="Working orders">
          <OpenOrders portfolio={portfolio?.id} />
        </Panel>
        <Panel title="Positions">
          <Positions portfolio={portfolio?.id} />
        </Panel>
      </div>
      <aside className="min-w-0 lg:sticky lg:top-[4.5rem] lg:self-start" aria-label="Order entry">
        <Panel title="Order ticket">
          {rules && portfolio ? (
            <Ticket
              rules={{ ...rules, base: rules.symbol.replace(portfolio.quote_asset, ""), quote: portfolio.quote_asset }}
              portfolio={portfolio.id}
              lastPrice={lastBar?.[4] ?? null}
              live={portfolio.trading_mode === "live"}
            />
          ) : (
            <Skeleton className="h-80" />
          )}
        </Panel>
      </aside>
    </div>
  );
}
