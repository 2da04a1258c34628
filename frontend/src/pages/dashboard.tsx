import { useQuery } from "@tanstack/react-query";
import Big from "big.js";
import { type ReactNode, useEffect, useMemo } from "react";
import { Link } from "react-router";
import { answer, api } from "../api/client";
import { Curve } from "../components/curve";
import { Empty, Panel, Problem, Signed, Skeleton } from "../components/parts";
import { Freshness, formatTime } from "../components/time";
import {
  type OrderEvent,
  type Portfolio,
  useDecisions,
  useOpenOrders,
  usePortfolios,
  useRiskMetrics,
  useSessions,
} from "../live/rows";
import { formatDecimal, formatPercent } from "../money";
import { Positions } from "../trading/tables";

function Figure({ label, children, note }: { label: string; children: ReactNode; note?: ReactNode }) {
  return (
    <div className="min-w-0 last:col-span-2 lg:last:col-span-1 rounded-lg border border-line bg-panel p-4">
      <p className="text-soft text-xs">{label}</p>
      <p className="mt-1 truncate font-semibold text-xl">{children}</p>
      <div className="mt-1 min-h-4 text-soft text-xs">{note}</div>
    </div>
  );
}

function Figures({ portfolio }: { portfolio: Portfolio }) {
  const orders = useOpenOrders(portfolio.id);
  const risk = useQuery({
    queryKey: ["portfolios", "risk", portfolio.id],
    queryFn: () => answer(api().GET("/api/v1/risk/portfolio", { params: { query: { portfolio_id: portfolio.id } } })),
    refetchInterval: 10_000,
  });
  const { equity, day_start_equity: dayStart, initial_balance: initial, peak_equity: peak } = portfolio;
  const profit = equity && new Big(equity).minus(initial).toFixed();
  const today = equity && dayStart ? new Big(equity).minus(dayStart).toFixed() : null;
  const drawdown = equity && peak && Number(peak) > 0 ? new Big(peak).minus(equity).div(peak).toFixed() : null;
  const tripped = Object.entries(risk.data?.breakers ?? {}).filter(([, state]) => state !== "ok");
  return (
    <div className="grid grid-cols-2 gap-3 lg:grid-cols-5" data-testid="figures">
      <Figure
        label={`Equity (${portfolio.quote_asset})`}
        note={
          <Freshness
            at={portfolio.synced_at ? Date.parse(portfolio.synced_at) : null}
            staleAfterMs={120_000}
            label="Agreed with venue"
          />
        }
      >
        <span data-testid="equity">{formatDecimal(equity ?? initial, 2)}</span>
      </Figure>
      <Figure label="Profit since start" note={profit && formatPercent(new Big(profit).div(initial).toFixed())}>
        <Signed value={profit} />
      </Figure>
      <Figure
        label="Today"
        note={
          risk.data?.risk_limits.daily_loss
            ? `breaker at −${formatPercent(risk.data.risk_limits.daily_loss.limit)}`
            : null
        }
      >
        <Signed value={today} />
      </Figure>
      <Figure
        label="Drawdown from peak"
        note={
          risk.data?.risk_limits.drawdown ? `breaker at ${formatPercent(risk.data.risk_limits.drawdown.limit)}` : null
        }
      >
        {formatPercent(drawdown)}
      </Figure>
      <Figure
        label="Breakers"
        note={
          tripped.length > 0
            ? tripped.map(([, state]) => state).join(" ")
            : `${orders.data?.length ?? "–"} orders working`
        }
      >
        {risk.error ? (
          "unknown"
        ) : risk.data ? (
          tripped.length === 0 ? (
            <span className="text-up">✓ none tripped</span>
          ) : (
            <span className="text-down">✕ {tripped.length} tripped</span>
          )
        ) : (
          "…"
        )}
      </Figure>
    </div>
  );
}

interface DecisionRow {
  id: number;
  at: string;
  taken: boolean;
  signal: string;
  refusal: string | null;
}

/** A refusal is stored right after the signal that it refuses: together they are one decision. Newest first, as the rows are. */
export function decisionsOf(events: OrderEvent[]): DecisionRow[] {
  const rows: DecisionRow[] = [];
  let refusal: OrderEvent | null = null;
  for (const event of events) {
    if (event.event_type === "refusal") {
      refusal = event;
      continue;
    }
    const refused = refusal?.market_time === event.market_time ? refusal.reason : null;
    rows.push({
      id: event.id,
      at: formatTime(event.market_time ?? event.created_at),
      taken: refused === null,
      signal: event.reason,
      refusal: refused,
    });
    refusal = null;
  }
  return rows;
}

function Decision({ decision }: { decision: DecisionRow }) {
  return (
    <li className="border-line border-t py-2 first:border-t-0">
      <p className="flex flex-wrap items-baseline justify-between gap-2">
        <span className={decision.taken ? "text-up" : "text-warn"}>{decision.taken ? "✓ Taken" : "✕ Refused"}</span>
        <span className="text-soft text-xs">{decision.at}</span>
      </p>
      {decision.refusal && <p className="text-xs">{decision.refusal}</p>}
      <p className={`text-xs ${decision.refusal ? "text-soft" : ""}`}>{decision.signal}</p>
    </li>
  );
}

export default function Dashboard() {
  const portfolios = usePortfolios();
  const portfolio = portfolios.data?.[0];
  const session = useSessions().data?.[0];
  const decisions = useDecisions(portfolio?.id, 16);
  const metrics = useRiskMetrics(portfolio?.id);

  useEffect(() => {
    document.title = "Overview · SMC Trading Agent";
  }, []);

  const curve = useMemo(() => {
    const rows = [...(metrics.data ?? [])].reverse();
    return {
      times: rows.map(({ measured_at }) => Date.parse(measured_at)),
      values: rows.map(({ equity }) => Number(equity)),
    };
  }, [metrics.data]);

  if (portfolios.data && !portfolio)
    return <Empty>You have no portfolio yet. An administrator can make one: smc admin create EMAIL</Empty>;

  return (
    <div className="space-y-3">
      <h1 className="sr-only">Overview</h1>
      {portfolio ? <Figures portfolio={portfolio} /> : <Skeleton className="h-28" />}
      <div className="grid grid-cols-1 gap-3 lg:grid-cols-[minmax(0,2fr)_minmax(0,1fr)]">
        <div className="min-w-0 space-y-3">
          <Panel title="Equity" aside={<span className="text-soft text-xs">market time, UTC</span>}>
            {metrics.data === undefined ? (
              <Skeleton className="h-[220px]" />
            ) : curve.times.length < 2 ? (
              <Empty>The curve begins once the account has been marked twice.</Empty>
            ) : (
              <Curve times={curve.times} values={curve.values} label="Equity" />
            )}
          </Panel>
          <Panel
            title="Positions"
            aside={
              <Link to="/trading" className="text-accent text-xs underline">
                Open the chart
              </Link>
            }
          >
            <Positions portfolio={portfolio?.id} />
          </Panel>
        </div>
        <Panel
          title="Last decisions"
          aside={
            session && (
              <span className="text-soft text-xs">
                {session.session_name} · {session.total_trades} trades
              </span>
            )
          }
        >
          {decisions.error && <Problem>{decisions.error.message}</Problem>}
          {decisions.data === undefined ? (
            <Skeleton className="h-60" />
          ) : decisions.data.length === 0 ? (
            <Empty>No signal yet. Every signal and every refusal appears here with its reason.</Empty>
          ) : (
            <ul>
              {decisionsOf(decisions.data).map((decision) => (
                <Decision key={decision.id} decision={decision} />
              ))}
            </ul>
          )}
        </Panel>
      </div>
    </div>
  );
}
