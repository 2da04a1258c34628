-- Changes are told, and order events chained, once for all rows of a statement: row by row, each row made a new version of its
-- channel's and its chain's end, and the next one had to walk past all of them. What goes to the channel stays the same.

drop function private.tell, private.take_seq;

-- The first of the next `many` numbers of a user's channel. The lock on it is held until the end of the transaction, which is why all
-- that takes it runs at commit (deferred triggers): numbers have no gaps, are committed in their order, and writers cannot wait for
-- each other in a circle.
create function private.take_seqs(owner uuid, many bigint) returns bigint language sql as $$
  insert into private.user_channel as c (user_id, seq) values (owner, many)
    on conflict (user_id) do update set seq = c.seq + many returning seq - many + 1
$$;

-- One message a row, in the rows' order.
create function private.tell_all(owner uuid, first_seq bigint, table_name text, operation text, rows jsonb[])
returns void language plpgsql as $$
begin
  perform realtime.send(
      jsonb_build_object('seq', first_seq + n - 1, 'table', table_name, 'type', operation, 'row', text_of.value),
      table_name, 'user:' || owner::text, true)
    from unnest(rows) with ordinality as told (value, n),
      lateral (select jsonb_object_agg(key, case when jsonb_typeof(v) = 'number' then to_jsonb(v #>> '{}') else v end) as value
               from jsonb_each(told.value) as e (key, v)) text_of
    order by n;
end $$;

-- What a statement has changed, until the commit; empty between transactions.
create table private.changes (
  id bigint generated always as identity primary key,
  table_name text not null,
  operation text not null,
  portfolio_id uuid not null,
  rows jsonb[] not null
);

create function private.note_changes() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into private.changes (table_name, operation, portfolio_id, rows)
    select tg_table_name, tg_op, (value ->> tg_argv[0])::uuid, array_agg(value order by n)
    from (select to_jsonb(c) as value, row_number() over () as n from changed c) noted
    group by (value ->> tg_argv[0])::uuid;
  return null;
end $$;

create function private.broadcast_changes() returns trigger language plpgsql security definer set search_path = '' as $$
declare
  owner uuid := (select user_id from public.portfolios where id = new.portfolio_id);
begin
  perform private.tell_all(owner, private.take_seqs(owner, cardinality(new.rows)), new.table_name, new.operation, new.rows);
  delete from private.changes where id = new.id;
  return null;
end $$;
create constraint trigger broadcast_changes after insert on private.changes
  deferrable initially deferred for each row execute function private.broadcast_changes();

drop trigger broadcast_executions on public.executions;
drop trigger broadcast_positions on public.positions;
drop trigger broadcast_portfolios on public.portfolios;
drop function private.broadcast_row;
create trigger note_inserts after insert on public.executions
  referencing new table as changed for each statement execute function private.note_changes('portfolio_id');
create trigger note_inserts after insert on public.positions
  referencing new table as changed for each statement execute function private.note_changes('portfolio_id');
create trigger note_updates after update on public.positions
  referencing new table as changed for each statement execute function private.note_changes('portfolio_id');
create trigger note_inserts after insert on public.portfolios
  referencing new table as changed for each statement execute function private.note_changes('id');
create trigger note_updates after update on public.portfolios
  referencing new table as changed for each statement execute function private.note_changes('id');

-- orders may be a hypertable, which has triggers by row only: the rows of a transaction are gathered at its commit. The first of its
-- deferred triggers tells of all, the others find nothing left.
create or replace function private.broadcast_order_change() returns trigger language plpgsql security definer set search_path = '' as $$
declare
  told record;
  owner uuid;
begin
  if not exists (select from private.order_changes where id = new.id) then return null; end if;
  for told in
    with gone as (delete from private.order_changes returning *)
    -- Runs of one kind: what was inserted and then updated is told in this order.
    select portfolio_id, operation, array_agg(value order by id) as rows
    from (select *, row_number() over (order by id) - row_number() over (partition by portfolio_id, operation order by id) as run
          from gone) r
    group by portfolio_id, operation, run order by min(id)
  loop
    owner := (select user_id from public.portfolios where id = told.portfolio_id);
    perform private.tell_all(owner, private.take_seqs(owner, cardinality(told.rows)), 'orders', told.operation, told.rows);
  end loop;
  return null;
end $$;

-- The events of a statement, until the commit links them; empty between transactions.
create table private.unchained_events (
  id bigint generated always as identity primary key,
  portfolio_id uuid not null,
  events bigint[] not null
);

create function private.note_order_events() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into private.unchained_events (portfolio_id, events)
    select portfolio_id, array_agg(id order by id) from changed group by portfolio_id;
  return null;
end $$;

-- Links new rows to the one before them. At commit, because it holds a lock on the user's channel until then: two writers that took it
-- in the middle of their transactions could wait for each other.
drop trigger chain_order_event on public.order_events;
drop function private.chain_order_event;
create function private.chain_order_events() returns trigger language plpgsql security definer set search_path = '' as $$
declare
  owner uuid := (select user_id from public.portfolios where id = new.portfolio_id);
  first_seq bigint := private.take_seqs(owner, cardinality(new.events));
  head private.order_event_heads;
  event public.order_events;
  events public.order_events[];
begin
  select * into head from private.order_event_heads h where h.portfolio_id = new.portfolio_id;
  head.portfolio_id := new.portfolio_id;
  for event in select * from public.order_events where id = any (new.events) order by id loop
    event.position := coalesce(head.position, 0) + 1;
    event.prev_hash := coalesce(head.hash, '');
    event.hash := private.order_event_hash(event);
    head.position := event.position;
    head.hash := event.hash;
    events := events || event;
  end loop;
  update public.order_events e set position = c.position, prev_hash = c.prev_hash, hash = c.hash
    from unnest(events) c where e.id = c.id;
  insert into private.order_event_heads as h values (head.portfolio_id, head.position, head.hash)
    on conflict (portfolio_id) do update set position = excluded.position, hash = excluded.hash;
  perform private.tell_all(owner, first_seq, 'order_events', 'INSERT',
                           (select array_agg(to_jsonb(c) order by c.id) from unnest(events) c));
  delete from private.unchained_events where id = new.id;
  return null;
end $$;
create trigger note_order_events after insert on public.order_events
  referencing new table as changed for each statement execute function private.note_order_events();
create constraint trigger chain_order_events after insert on private.unchained_events
  deferrable initially deferred for each row execute function private.chain_order_events();
