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
  position bigint not null default 0,            -- in the portfolio's chain, from 1; like the hashes, set at commit
  prev_hash text not null default '',
  hash text not null default '',
  unique (portfolio_id, event_key)
);
create index idx_order_events_portfolio on public.order_events (portfolio_id, position desc);
create index idx_order_events_order on public.order_events (order_id);

-- Where each chain ends; without it the last rows could be taken away unseen.
create table private.order_event_heads (
  portfolio_id uuid primary key references public.portfolios (id),
  position bigint not null,
  hash text not null
);

-- Everything but the hash itself. As a JSON array, so that no value can slip from one column into the next; times as
-- numbers, for their text depends on the session.
create function private.order_event_hash(e public.order_events) returns text language sql immutable as $$
  select encode(sha256(convert_to(jsonb_build_array(
    e.prev_hash, e.position, e.id, e.portfolio_id, e.session_id, e.order_id, e.event_key, e.event_type, e.actor, e.version, e.reason,
    e.details, extract(epoch from e.market_time), extract(epoch from e.created_at))::text, 'UTF8')), 'hex')
$$;

create function private.unchain_order_event() returns trigger language plpgsql as $$
begin
  new.position := 0;
  new.prev_hash := '';
  new.hash := '';
  return new;
end $$;
create trigger unchain_order_event before insert on public.order_events
  for each row execute function private.unchain_order_event();

-- Links a new row to the one before it. At commit (a deferred trigger), because it holds a lock on the user's channel until then: two
-- writers that took it in the middle of their transactions could wait for each other.
create function private.chain_order_event() returns trigger language plpgsql security definer set search_path = '' as $$
declare
  event public.order_events := new;
  owner uuid := (select user_id from public.portfolios where id = new.portfolio_id);
  seq bigint := private.take_seq(owner);
begin
  select h.position, h.hash into event.position, event.prev_hash from private.order_event_heads h where h.portfolio_id = new.portfolio_id;
  event.position := coalesce(event.position, 0) + 1;
  event.prev_hash := coalesce(event.prev_hash, '');
  event.hash := private.order_event_hash(event);
  update public.order_events set position = event.position, prev_hash = event.prev_hash, hash = event.hash where id = new.id;
  insert into private.order_event_heads as h values (new.portfolio_id, event.position, event.hash)
    on conflict (portfolio_id) do update set position = excluded.position, hash = excluded.hash;
  perform private.tell(owner, seq, 'order_events', 'INSERT', to_jsonb(event));
  return null;
end $$;
create constraint trigger chain_order_event after insert on public.order_events
  deferrable initially deferred for each row execute function private.chain_order_event();

create function private.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger order_events_no_update before update on public.order_events
  for each row when (old.hash <> '') execute function private.refuse_change();
create trigger order_events_no_delete before delete on public.order_events
  for each row execute function private.refuse_change();
create trigger order_events_no_truncate before truncate on public.order_events
  for each statement execute function private.refuse_change();

-- The first place where a portfolio's chain does not hold, in words; null: it holds.
create function private.broken_order_event(portfolio uuid) returns text language plpgsql stable security definer set search_path = '' as $$
declare
  event public.order_events;
  at_position bigint := 0;
  at_hash text := '';
  head private.order_event_heads;
begin
  for event in select * from public.order_events where portfolio_id = portfolio order by position, id loop
    if event.position <> at_position + 1 then return format('event %s is missing', at_position + 1); end if;
    if event.prev_hash <> at_hash or event.hash <> private.order_event_hash(event) then
      return format('event %s was changed', event.position);
    end if;
    at_position := event.position;
    at_hash := event.hash;
  end loop;
  select * into head from private.order_event_heads where portfolio_id = portfolio;
  if coalesce(head.position, 0) > at_position then return format('event %s is missing', at_position + 1); end if;
  if coalesce(head.hash, '') <> at_hash then return format('event %s was changed', at_position); end if;
  return null;
end $$;
grant execute on function private.broken_order_event to smc_functions;

alter table public.order_events enable row level security;
create policy "order_events: read own" on public.order_events for select to authenticated using (private.owns_portfolio(portfolio_id));
create policy "order_events: functions" on public.order_events for all to smc_functions using (true) with check (true);
create policy "order_events: executor" on public.order_events for all to smc_executor using (true) with check (true);
grant select on public.order_events to authenticated;
grant select, insert on public.order_events to smc_functions, smc_executor;
grant all on public.order_events to service_role;
