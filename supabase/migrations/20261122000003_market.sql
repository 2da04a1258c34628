-- Candles and depth. Candles carry no RLS (read-only by grant): TimescaleDB cannot compress or aggregate a table with RLS.
-- Where TimescaleDB is there the time tables are hypertables; else native monthly range partitions with the same names and keys.
create function private.has_timescaledb() returns boolean language sql stable as
$$ select exists (select from pg_extension where extname = 'timescaledb') $$;

-- Runs `ddl` (a CREATE TABLE), then makes the table a hypertable or a partitioned table with a default partition.
create function private.create_time_table(name text, time_column text, ddl text) returns void language plpgsql as $$
begin
  if private.has_timescaledb() then
    execute ddl;
    execute format('select create_hypertable(%L, %L)', 'public.' || name, time_column);
  else
    execute ddl || format(' partition by range (%I)', time_column);
    execute format('create table private.%I partition of public.%I default', name || '_default', name);
  end if;
end $$;

-- Makes the monthly partitions from..to of a time table; a scheduled function calls it ahead of time, the pipeline before it loads history.
-- A month whose rows already lie in the default partition stays there. Hypertables need none of this.
create function private.ensure_partitions(name text, from_time timestamptz, to_time timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
  month timestamptz := date_trunc('month', from_time, 'UTC');
  partition text;
begin
  if private.has_timescaledb() then return; end if;
  if name not in ('market_data', 'order_book_data', 'orders') then raise exception 'not a time table: %', name; end if;
  while month <= to_time loop
    partition := name || '_' || to_char(month at time zone 'UTC', 'YYYYMM');
    if to_regclass('private.' || partition) is null then
      begin
        execute format('create table private.%I partition of public.%I for values from (%L) to (%L)',
                       partition, name, month, month + interval '1 month');
      exception when check_violation then
        raise notice '% stays in the default partition', partition;
      end;
    end if;
    month := month + interval '1 month';
  end loop;
end $$;
grant execute on function private.ensure_partitions to smc_functions, smc_executor;

select private.create_time_table('market_data', 'timestamp', $ddl$
  create table public.market_data (
    symbol varchar(20) not null,
    exchange varchar(50) not null,           -- 'binance', ...; 'replay' and 'synthetic' say where else bars came from
    timestamp timestamptz not null,          -- open time
    timeframe varchar(10) not null,
    open numeric(20,8) not null,
    high numeric(20,8) not null,
    low numeric(20,8) not null,
    close numeric(20,8) not null,
    volume numeric(28,8) not null,           -- wider than architecture.md: venues report volume in quote units too
    trades_count integer,
    primary key (symbol, exchange, timeframe, timestamp)
  )$ddl$);
create index idx_market_data_symbol on public.market_data (symbol, timestamp desc);
create index idx_market_data_exchange on public.market_data (exchange, timestamp desc);
grant select on public.market_data to anon, authenticated;
grant select, insert, update on public.market_data to smc_functions;
grant all on public.market_data to service_role;

select private.create_time_table('order_book_data', 'timestamp', $ddl$
  create table public.order_book_data (
    symbol varchar(20) not null,
    exchange varchar(50) not null,
    timestamp timestamptz not null,
    last_update_id bigint not null,
    bids jsonb not null,                     -- [["price","quantity"], ...] strings, best first
    asks jsonb not null,
    primary key (symbol, exchange, timestamp, last_update_id)
  )$ddl$);
alter table public.order_book_data enable row level security;
create policy "order_book_data: any signed-in user reads" on public.order_book_data for select to authenticated using (true);
create policy "order_book_data: functions" on public.order_book_data for all to smc_functions using (true) with check (true);
grant select on public.order_book_data to authenticated;
grant select, insert on public.order_book_data to smc_functions;
grant all on public.order_book_data to service_role;

-- One row a thing on the chart (a swing, a break, a zone, a pool). What happens to it later is a row of pattern_detections.
create table public.smc_patterns (
  id uuid primary key,                       -- derived from (exchange, symbol, timeframe, event_id): writing twice changes nothing
  exchange varchar(50) not null,
  symbol varchar(20) not null,
  pattern_type varchar(50) not null check (pattern_type in (
    'swing_high', 'swing_low', 'equal_highs', 'equal_lows', 'bos', 'choch', 'order_block', 'breaker_block', 'fvg', 'ifvg', 'liquidity_sweep')),
  timeframe varchar(10) not null,
  scale varchar(10) not null default '' check (scale in ('', 'internal', 'swing')),
  direction varchar(10) not null check (direction in ('bullish', 'bearish')),
  event_id bigint not null,
  confidence_score numeric(5,4) check (confidence_score between 0 and 1),   -- null where there is no estimate; never a constant
  pattern_data jsonb not null,
  price_level_high numeric(20,8),
  price_level_low numeric(20,8),
  anchor_at timestamptz not null,            -- open time of the bar where it lies
  detected_at timestamptz not null,          -- close time of the bar at which it was first known
  expires_at timestamptz,
  is_active boolean not null default true,   -- a view for quick reads; the truth is pattern_detections
  triggered_orders integer not null default 0,
  unique (exchange, symbol, timeframe, event_id)
);
create index idx_patterns_symbol_time on public.smc_patterns (symbol, detected_at desc);
create index idx_patterns_type on public.smc_patterns (pattern_type, is_active);
create index idx_patterns_confidence on public.smc_patterns (confidence_score desc);
create index idx_patterns_active on public.smc_patterns (is_active, expires_at);
alter table public.smc_patterns enable row level security;
create policy "smc_patterns: any signed-in user reads" on public.smc_patterns for select to authenticated using (true);
create policy "smc_patterns: functions" on public.smc_patterns for all to smc_functions using (true) with check (true);
grant select on public.smc_patterns to authenticated;
grant select, insert, update on public.smc_patterns to smc_functions;
grant all on public.smc_patterns to service_role;

-- Every event, append-only: the first one of a pattern and each later one that refers to it.
create table public.pattern_detections (
  id uuid primary key,
  pattern_id uuid not null references public.smc_patterns (id) on delete cascade,
  event_id bigint not null,
  kind varchar(50) not null,
  event_data jsonb not null,
  detected_at timestamptz not null
);
create index idx_pattern_detections_pattern on public.pattern_detections (pattern_id, event_id);
alter table public.pattern_detections enable row level security;
create policy "pattern_detections: any signed-in user reads" on public.pattern_detections for select to authenticated using (true);
create policy "pattern_detections: functions" on public.pattern_detections for all to smc_functions using (true) with check (true);
grant select on public.pattern_detections to authenticated;
grant select, insert on public.pattern_detections to smc_functions;
grant all on public.pattern_detections to service_role;
