-- The audit trail: who or what decided, with which version and parameters, and why. Append-only; each row carries the hash of the
-- one before it in the same portfolio, so that a row changed or taken out shows.
create table public.order_events (
  id bigint generated always as identity primary key,
  portfolio_id uuid not null references public.portfolios (id),
  session_id uuid,
  order_id uuid,
  event_key text not null,                       -- names the fact; writing it twice changes nothing
  event_type varchar(30) not null,               -- signal, refusal, intent, cancel; accepted, open, partially_filled, filled, ...
  actor varchar(50) not null,                    -- 'strategy:smc_confluence', 'risk', 'user', 'executor', 'venue'
  version varchar(20) not null,                  -- of the program
  reason text not null,
  details jsonb not null default '{}',
  market_time timestamptz,
  created_at timestamptz not null default now(),
  prev_hash text not null default '',
  hash text not null default '',
  unique (portfolio_id, event_key)
);
create index idx_order_events_portfolio on public.order_events (portfolio_id, id desc);
create index idx_order_events_order on public.order_events (order_id);

create function private.chain_order_event() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  -- One writer at a time for each portfolio, or two rows could follow the same one.
  perform pg_advisory_xact_lock(hashtextextended('order_events:' || new.portfolio_id::text, 0));
  select e.hash into new.prev_hash from public.order_events e where e.portfolio_id = new.portfolio_id order by e.id desc limit 1;
  new.prev_hash := coalesce(new.prev_hash, '');
  new.hash := encode(sha256(convert_to(concat_ws('|', new.prev_hash, new.portfolio_id, new.session_id, new.order_id, new.event_key,
    new.event_type, new.actor, new.version, new.reason, new.details::text, extract(epoch from new.market_time)), 'UTF8')), 'hex');
  return new;
end $$;
create trigger chain_order_event before insert on public.order_events for each row execute function private.chain_order_event();

create function private.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger order_events_append_only before update or delete on public.order_events
  for each row execute function private.refuse_change();

alter table public.order_events enable row level security;
create policy "order_events: read own" on public.order_events for select to authenticated using (private.owns_portfolio(portfolio_id));
create policy "order_events: functions" on public.order_events for all to smc_functions using (true) with check (true);
create policy "order_events: executor" on public.order_events for all to smc_executor using (true) with check (true);
grant select on public.order_events to authenticated;
grant select, insert on public.order_events to smc_functions, smc_executor;
grant all on public.order_events to service_role;
