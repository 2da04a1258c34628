-- Changes of a user's money rows go to the private channel user:{id}, numbers as strings, numbered without gaps for each user.
create table private.user_channel (
  user_id uuid primary key references public.users (id) on delete cascade,
  seq bigint not null
);

-- A row as JSON with every number as a string: JavaScript would lose digits.
create function private.row_as_text(value jsonb) returns jsonb language sql immutable as $$
  select jsonb_object_agg(key, case when jsonb_typeof(v) = 'number' then to_jsonb(v #>> '{}') else v end) from jsonb_each(value) as e (key, v)
$$;

-- The argument is the table's name: in a partitioned table's trigger, tg_table_name is the partition's.
create function private.broadcast_row() returns trigger language plpgsql security definer set search_path = '' as $$
declare
  changed jsonb := to_jsonb(new);
  table_name text := tg_argv[0];
  owner uuid;
  next_seq bigint;
begin
  if table_name = 'portfolios' then owner := new.user_id;
  else select user_id into owner from public.portfolios where id = new.portfolio_id;
  end if;
  insert into private.user_channel as c (user_id, seq) values (owner, 1)
    on conflict (user_id) do update set seq = c.seq + 1 returning seq into next_seq;
  perform realtime.send(jsonb_build_object('seq', next_seq, 'table', table_name, 'type', tg_op, 'row', private.row_as_text(changed)),
                        table_name, 'user:' || owner::text, true);
  return null;
end $$;

create trigger broadcast_orders after insert or update on public.orders for each row execute function private.broadcast_row('orders');
create trigger broadcast_executions after insert on public.executions for each row execute function private.broadcast_row('executions');
create trigger broadcast_positions after insert or update on public.positions for each row execute function private.broadcast_row('positions');
create trigger broadcast_portfolios after insert or update on public.portfolios for each row execute function private.broadcast_row('portfolios');
create trigger broadcast_order_events after insert on public.order_events for each row execute function private.broadcast_row('order_events');

-- Who may join and read user:{id}: that user. Nobody may send there but the database.
alter table realtime.messages enable row level security;
create policy "messages: own channel" on realtime.messages for select to authenticated
  using (realtime.topic() = 'user:' || auth.uid()::text);
