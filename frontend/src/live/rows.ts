import { useQuery } from "@tanstack/react-query";
import { accessToken, supabase } from "../session";

/** Rows of the user's own, read under row-level security; every amount is cast to text, for JavaScript numbers lose digits. */
export interface Portfolio {
  id: string;
  name: string;
  exchange: string;
  trading_mode: "paper" | "live";
  quote_asset: string;
  initial_balance: string;
  balances: Record<string, { free: string; locked: string }>;
  equity: string | null;
  peak_equity: string | null;
  day_start_equity: string | null;
  killed: boolean;
  synced_at: string | null;
  marked_at: string | null;
}

export interface Position {
  id: string;
  symbol: string;
  quantity: string;
  entry_price: string | null;
  current_price: string | null;
  unrealized_pnl: string | null;
  realized_pnl: string;
  opened_at: string | null;
}

export interface Order {
  id: string;
  parent_id: string | null;
  session_id: string | null;
  symbol: string;
  side: "buy" | "sell";
  order_type: string;
  quantity: string;
  price: string | null;
  stop_price: string | null;
  stop_loss: string | null;
  take_profit: string | null;
  filled_quantity: string;
  filled_price: string | null;
  status: string;
  reason: string | null;
  created_at: string;
  market_time: string | null;
  fees: string;
}

export interface Execution {
  id: string;
  order_id: string;
  symbol: string;
  side: "buy" | "sell";
  quantity: string;
  price: string;
  realized_pnl: string | null;
  executed_at: string;
}

export interface OrderEvent {
  id: number;
  order_id: string | null;
  event_type: string;
  actor: string;
  reason: string;
  details: Record<string, unknown>;
  market_time: string | null;
  created_at: string;
}

export interface TradingSession {
  id: string;
  session_name: string;
  strategy_config: { portfolio_id?: string; symbol?: string; timeframe?: string; exchange?: string; strategy?: string };
  total_trades: number;
  winning_trades: number;
  total_pnl: string;
}

export interface RiskMetric {
  measured_at: string;
  equity: string;
  exposure: string;
  daily_pnl: string;
  drawdown: string;
}

const columns = {
  portfolios:
    "id,name,exchange,trading_mode,quote_asset,initial_balance::text,balances,equity::text,peak_equity::text,day_start_equity::text,killed,synced_at,marked_at",
  positions:
    "id,symbol,quantity::text,entry_price::text,current_price::text,unrealized_pnl::text,realized_pnl::text,opened_at",
  orders:
    "id,parent_id,session_id,symbol,side,order_type,quantity::text,price::text,stop_price::text,stop_loss::text,take_profit::text,filled_quantity::text,filled_price::text,status,reason,created_at,market_time,fees::text",
  executions: "id,order_id,symbol,side,quantity::text,price::text,realized_pnl::text,executed_at",
  order_events: "id,order_id,event_type,actor,reason,details,market_time,created_at",
  trading_sessions: "id,session_name,strategy_config,total_trades,winning_trades,total_pnl::text",
  risk_metrics: "measured_at,equity::text,exposure::text,daily_pnl::text,drawdown::text",
};

type Table = keyof typeof columns;

interface Selection {
  equal?: Record<string, string>;
  within?: Record<string, string[]>;
  isNull?: string;
  order?: string;
  limit?: number;
}

async function select<T>(table: Table, selection: Selection): Promise<T[]> {
  // Without a session the client would ask as anon, and be refused.
  if (!(await accessToken())) throw new Error("you are signed out");
  let query = (await supabase()).from(table).select(columns[table]);
  for (const [column, value] of Object.entries(selection.equal ?? {})) query = query.eq(column, value);
  for (const [column, values] of Object.entries(selection.within ?? {})) query = query.in(column, values);
  if (selection.isNull) query = query.is(selection.isNull, null);
  if (selection.order) query = query.order(selection.order, { ascending: false });
  const { data, error } = await query.limit(selection.limit ?? 200);
  if (error) throw new Error(error.message);
  return data as T[];
}

function useRows<T>(table: Table, selection: Selection, enabled = true) {
  return useQuery({ queryKey: [table, selection], queryFn: () => select<T>(table, selection), enabled });
}

export const openStatuses = ["pending", "open", "partially_filled", "unknown"];

export const usePortfolios = () => useRows<Portfolio>("portfolios", { order: "created_at" });
export const useSessions = () =>
  useRows<TradingSession>("trading_sessions", { isNull: "end_time", order: "start_time" });

function usePortfolioRows<T>(table: Table, portfolio: string | undefined, selection: Selection = {}) {
  const equal = { ...selection.equal, portfolio_id: portfolio ?? "" };
  return useRows<T>(table, { ...selection, equal }, portfolio !== undefined);
}

export const usePositions = (portfolio: string | undefined) =>
  usePortfolioRows<Position>("positions", portfolio, { order: "updated_at" });
export const useOpenOrders = (portfolio: string | undefined) =>
  usePortfolioRows<Order>("orders", portfolio, { within: { status: openStatuses }, order: "created_at" });
export const useRecentOrders = (portfolio: string | undefined, limit = 50) =>
  usePortfolioRows<Order>("orders", portfolio, { order: "created_at", limit });
export const useExecutions = (portfolio: string | undefined, limit = 500) =>
  usePortfolioRows<Execution>("executions", portfolio, { order: "executed_at", limit });
export const useDecisions = (portfolio: string | undefined, limit = 12) =>
  usePortfolioRows<OrderEvent>("order_events", portfolio, {
    within: { event_type: ["signal", "refusal"] },
    order: "id",
    limit,
  });
export const useRiskMetrics = (portfolio: string | undefined, limit = 1000) =>
  usePortfolioRows<RiskMetric>("risk_metrics", portfolio, { order: "measured_at", limit });
