create table public.trading_sessions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id) on delete cascade,
  session_name varchar(255) not null,
  strategy_config jsonb not null default '{}',   -- {portfolio_id, exchange, symbol, timeframe, strategy, params, risk}
  start_time timestamptz not null default now(),
  end_time timestamptz,                          -- null: active
  total_pnl numeric(20,8) not null default 0,
  max_drawdown numeric(10,4) not null default 0,
  total_trades integer not null default 0,
  winning_trades integer not null default 0
);
create index idx_sessions_user_id on public.trading_sessions (user_id);
create index idx_sessions_start_time on public.trading_sessions (start_time desc);
alter table public.trading_sessions enable row level security;
create policy "trading_sessions: functions" on public.trading_sessions for all to smc_functions using (true) with check (true);
grant select on public.trading_sessions to authenticated;
-- Results are the program's to write; a user opens, renames, configures and ends a session.
grant insert (id, user_id, session_name, strategy_config), update (session_name, strategy_config, end_time) on public.trading_sessions to authenticated;
grant select, insert, update on public.trading_sessions to smc_functions;
grant all on public.trading_sessions to service_role;

-- A portfolio is one exchange account; its id is the `account` of the executor's commands.
create table public.portfolios (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id) on delete cascade,
  name varchar(255) not null,
  exchange varchar(50) not null,                 -- 'paper', 'binance', ...
  trading_mode varchar(10) not null default 'paper' check (trading_mode in ('paper', 'live')),
  quote_asset varchar(20) not null default 'USDT',
  initial_balance numeric(20,8) not null,
  balances jsonb not null default '{}',          -- {"USDT": {"free": "1.0", "locked": "0"}}: the venue's own, written by the executor
  equity numeric(20,8),                          -- marked at the last closed bar
  peak_equity numeric(20,8),
  day_start_equity numeric(20,8),
  killed boolean not null default false,         -- kill switch as the executor has it
  created_at timestamptz not null default now(),
  synced_at timestamptz,                         -- when the executor last agreed with the venue
  marked_at timestamptz
);
create index idx_portfolios_user on public.portfolios (user_id);
alter table public.portfolios enable row level security;
create policy "portfolios: read own" on public.portfolios for select to authenticated using (user_id = auth.uid());
create policy "portfolios: functions" on public.portfolios for all to smc_functions using (true) with check (true);
create policy "portfolios: executor" on public.portfolios for all to smc_executor using (true) with check (true);
grant select on public.portfolios to authenticated;
grant select, insert, update (name, equity, peak_equity, day_start_equity, marked_at) on public.portfolios to smc_functions;
grant select, update (balances, killed, synced_at) on public.portfolios to smc_executor;
grant all on public.portfolios to service_role;

create function private.owns_portfolio(portfolio uuid) returns boolean
language sql stable security definer set search_path = '' as
$$ select exists (select from public.portfolios where id = portfolio and user_id = auth.uid()) $$;
grant execute on function private.owns_portfolio to authenticated;
grant usage on schema private to authenticated;

-- A session trades the portfolio that its configuration names, so that has to be the user's own too.
create policy "trading_sessions: manage own" on public.trading_sessions for all to authenticated
  using (user_id = auth.uid())
  with check (user_id = auth.uid() and (strategy_config ->> 'portfolio_id' is null
                                        or private.owns_portfolio((strategy_config ->> 'portfolio_id')::uuid)));

select private.create_time_table('orders', 'created_at', $ddl$
  create table public.orders (
    id uuid not null default gen_random_uuid(),  -- of a placed order: the id of the command that asked for it
    portfolio_id uuid not null references public.portfolios (id),
    session_id uuid references public.trading_sessions (id),  -- null: placed by hand, adopted from the venue
    parent_id uuid,                              -- of a protective leg: the entry it protects
    symbol varchar(20) not null,
    side varchar(10) not null check (side in ('buy', 'sell')),
    order_type varchar(20) not null check (order_type in ('market', 'limit', 'stop_loss', 'stop_limit', 'take_profit')),
    quantity numeric(20,8) not null check (quantity > 0),
    price numeric(20,8),
    stop_price numeric(20,8),
    stop_loss numeric(20,8),                     -- of an entry: the protection asked for
    take_profit numeric(20,8),
    filled_quantity numeric(20,8) not null default 0,
    filled_price numeric(20,8),                  -- average
    status varchar(20) not null default 'pending' check (status in (
      'pending', 'open', 'partially_filled', 'filled', 'cancelled', 'rejected', 'expired', 'unknown')),
    reason text,                                 -- why it was placed, or why it was refused
    created_at timestamptz not null default now(),
    market_time timestamptz,                     -- close time of the bar that led to it; differs from created_at in a replay
    filled_at timestamptz,                       -- market time of the last fill
    updated_at timestamptz not null default now(),
    execution_latency_ms numeric(12,3),          -- command in to the venue's acknowledgement; integer milliseconds would say 0
    exchange varchar(50) not null,
    client_order_id varchar(64) not null,
    external_order_id varchar(255),
    fees numeric(20,8) not null default 0,       -- in the quote asset
    primary key (id, created_at)
  )$ddl$);
create index idx_orders_session_id on public.orders (session_id, created_at desc);
create index idx_orders_portfolio on public.orders (portfolio_id, created_at desc);
create index idx_orders_symbol on public.orders (symbol, created_at desc);
create index idx_orders_status on public.orders (status, created_at desc);
alter table public.orders enable row level security;
-- Read only, where architecture.md lets users write: an order row that no executor sent would be a lie. Orders enter by the API.
create policy "orders: read own" on public.orders for select to authenticated using (private.owns_portfolio(portfolio_id));
create policy "orders: functions read" on public.orders for select to smc_functions using (true);
create policy "orders: executor" on public.orders for all to smc_executor using (true) with check (true);
grant select on public.orders to authenticated, smc_functions;
grant select, insert, update on public.orders to smc_executor;
grant all on public.orders to service_role;

create table public.executions (
  id uuid primary key,                           -- derived from (portfolio, symbol, venue trade id): booked once
  order_id uuid not null,                        -- no foreign key: orders is a time table, its key includes created_at
  portfolio_id uuid not null references public.portfolios (id),
  symbol varchar(20) not null,
  side varchar(10) not null check (side in ('buy', 'sell')),
  trade_id varchar(64) not null,
  quantity numeric(20,8) not null,
  price numeric(20,8) not null,
  fee numeric(20,8) not null,
  fee_asset varchar(20) not null,
  is_maker boolean not null,
  realized_pnl numeric(20,8),                    -- of a closing fill, quote asset, fees included
  executed_at timestamptz not null,              -- the venue's time: market time in a replay
  recorded_at timestamptz not null default now(),
  unique (portfolio_id, symbol, trade_id)
);
create index idx_executions_order on public.executions (order_id);
create index idx_executions_portfolio on public.executions (portfolio_id, executed_at desc);
alter table public.executions enable row level security;
create policy "executions: read own" on public.executions for select to authenticated using (private.owns_portfolio(portfolio_id));
create policy "executions: functions read" on public.executions for select to smc_functions using (true);
create policy "executions: executor" on public.executions for all to smc_executor using (true) with check (true);
grant select on public.executions to authenticated, smc_functions;
grant select, insert on public.executions to smc_executor;
grant all on public.executions to service_role;

create table public.positions (
  id uuid primary key default gen_random_uuid(),
  portfolio_id uuid not null references public.portfolios (id) on delete cascade,
  symbol varchar(20) not null,
  quantity numeric(20,8) not null,               -- signed; on spot: the base asset held, free and locked
  entry_price numeric(20,8),                     -- average cost; null when flat
  realized_pnl numeric(20,8) not null default 0,
  current_price numeric(20,8),                   -- the functions mark it at each closed bar
  unrealized_pnl numeric(20,8),
  opened_at timestamptz,
  updated_at timestamptz not null default now(),
  unique (portfolio_id, symbol)
);
alter table public.positions enable row level security;
create policy "positions: read own" on public.positions for select to authenticated using (private.owns_portfolio(portfolio_id));
create policy "positions: functions" on public.positions for all to smc_functions using (true) with check (true);
create policy "positions: executor" on public.positions for all to smc_executor using (true) with check (true);
grant select on public.positions to authenticated;
grant select, update (current_price, unrealized_pnl) on public.positions to smc_functions;
grant select, insert, update (quantity, entry_price, realized_pnl, opened_at, updated_at) on public.positions to smc_executor;
grant all on public.positions to service_role;

create table public.risk_metrics (
  portfolio_id uuid not null references public.portfolios (id) on delete cascade,
  measured_at timestamptz not null,              -- market time
  equity numeric(20,8) not null,
  exposure numeric(20,8) not null,
  daily_pnl numeric(20,8) not null,
  drawdown numeric(10,6) not null,               -- fraction of the peak
  var_95 numeric(20,8),                          -- null with fewer than two days
  breakers jsonb not null default '{}',          -- {"daily_loss": "ok" | "tripped: reason"}
  primary key (portfolio_id, measured_at)
);
alter table public.risk_metrics enable row level security;
create policy "risk_metrics: read own" on public.risk_metrics for select to authenticated using (private.owns_portfolio(portfolio_id));
create policy "risk_metrics: functions" on public.risk_metrics for all to smc_functions using (true) with check (true);
grant select on public.risk_metrics to authenticated;
grant select, insert, update on public.risk_metrics to smc_functions;
grant all on public.risk_metrics to service_role;

-- The durable way in to the executor: the same signed envelope as over HTTPS; the executor drains it and writes its answer.
create table public.executor_commands (
  command_id uuid primary key,
  portfolio_id uuid not null references public.portfolios (id),
  envelope jsonb not null,
  created_at timestamptz not null default now(),
  answered_at timestamptz,
  answer jsonb
);
create index idx_executor_commands_open on public.executor_commands (created_at) where answered_at is null;
alter table public.executor_commands enable row level security;
create policy "executor_commands: read own" on public.executor_commands for select to authenticated using (private.owns_portfolio(portfolio_id));
create policy "executor_commands: functions" on public.executor_commands for all to smc_functions using (true) with check (true);
create policy "executor_commands: executor" on public.executor_commands for all to smc_executor using (true) with check (true);
-- Not the envelope: a signed command is for the executor's eyes.
grant select (command_id, portfolio_id, created_at, answered_at, answer) on public.executor_commands to authenticated;
grant select, insert on public.executor_commands to smc_functions;
grant select, update (answered_at, answer) on public.executor_commands to smc_executor;
grant all on public.executor_commands to service_role;
create function private.notify_executor() returns trigger language plpgsql as $$
begin
  perform pg_notify('executor_commands', new.command_id::text);
  return null;
end $$;
create trigger notify_executor after insert on public.executor_commands for each row execute function private.notify_executor();

-- What a stateless function needs to continue where the last one stopped: the detector's state (portfolio-free) and each session's.
create table public.agent_checkpoints (
  name text primary key,                         -- 'detector:<exchange>:<symbol>:<timeframe>' or 'session:<id>'
  bar_time timestamptz not null,                 -- open time of the last bar that is in the state
  state bytea not null
);
alter table public.agent_checkpoints enable row level security;
create policy "agent_checkpoints: functions" on public.agent_checkpoints for all to smc_functions using (true) with check (true);
grant select, insert, update, delete on public.agent_checkpoints to smc_functions;
grant all on public.agent_checkpoints to service_role;
