-- Changes of a user's money rows go to the private channel user:{id}, numbers as strings, numbered without gaps for each user.
create table private.user_channel (
  user_id uuid primary key references public.users (id) on delete cascade,
  seq bigint not null
);

-- A row as JSON with every number as a string: JavaScript would lose digits.
create function private.row_as_text(value jsonb) returns jsonb language sql immutable as $$
  select jsonb_object_agg(key, case when jsonb_typeof(v) = 'number' then to_jsonb(v #>> '{}') else v end) from jsonb_each(value) as e (key, v)
$$;

-- The next number of a user's channel. The lock on it is held until the end of the transaction, which is why all that takes it runs at
-- commit (deferred triggers): numbers have no gaps, are committed in their order, and writers cannot wait for each other in a circle.
create function private.take_seq(owner uuid) returns bigint language sql as $$
  insert into private.user_channel as c (user_id, seq) values (owner, 1)
    on conflict (user_id) do update set seq = c.seq + 1 returning seq
$$;

create function private.tell(owner uuid, seq bigint, table_name text, operation text, value jsonb) returns void language sql as $$
  select realtime.send(jsonb_build_object('seq', seq, 'table', table_name, 'type', operation, 'row', private.row_as_text(value)),
                       table_name, 'user:' || owner::text, true)
$$;

create function private.broadcast_row() returns trigger language plpgsql security definer set search_path = '' as $$
declare
  owner uuid;
begin
  if tg_table_name = 'portfolios' then owner := new.user_id;
  else select user_id into owner from public.portfolios where id = new.portfolio_id;
  end if;
  perform private.tell(owner, private.take_seq(owner), tg_table_name, tg_op, to_jsonb(new));
  return null;
end $$;

create constraint trigger broadcast_executions after insert on public.executions
  deferrable initially deferred for each row execute function private.broadcast_row();
create constraint trigger broadcast_positions after insert or update on public.positions
  deferrable initially deferred for each row execute function private.broadcast_row();
create constraint trigger broadcast_portfolios after insert or update on public.portfolios
  deferrable initially deferred for each row execute function private.broadcast_row();

-- orders may be a hypertable, and TimescaleDB cannot make new chunks of one with a deferred trigger (its issue 3235): its changes wait in
-- an ordinary table that has one, and is empty between transactions.
create table private.order_changes (
  id bigint generated always as identity primary key,
  operation text not null,
  portfolio_id uuid not null,
  value jsonb not null
);

create function private.note_order_change() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into private.order_changes (operation, portfolio_id, value) values (tg_op, new.portfolio_id, to_jsonb(new));
  return null;
end $$;
create trigger note_order_change after insert or update on public.orders
  for each row execute function private.note_order_change();

create function private.broadcast_order_change() returns trigger language plpgsql security definer set search_path = '' as $$
declare
  owner uuid := (select user_id from public.portfolios where id = new.portfolio_id);
begin
  perform private.tell(owner, private.take_seq(owner), 'orders', new.operation, new.value);
  delete from private.order_changes where id = new.id;
  return null;
end $$;
create constraint trigger broadcast_order_change after insert on private.order_changes
  deferrable initially deferred for each row execute function private.broadcast_order_change();
-- order_events: by private.chain_order_event, for the row is not complete before.

-- Who may join and read user:{id}: that user. Nobody may send there but the database.
-- Row-level security is on there already; on a hosted project that table is not ours to alter.
create policy "messages: own channel" on realtime.messages for select to authenticated
  using (realtime.topic() = 'user:' || auth.uid()::text);
