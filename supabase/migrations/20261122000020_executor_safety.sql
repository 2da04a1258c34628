-- Who may trade an account: one executor at a time. The epoch only grows; whoever holds an older one is refused here and stops by
-- himself (docs/decisions/010). Not in `public`: no client has business with it.
create table private.executor_leases (
  portfolio_id uuid primary key,                 -- no foreign key: an account must be fenced before its row is there
  epoch bigint not null,
  holder uuid not null,                          -- of the journal, not of the process: a restart takes up its own at once
  expires_at timestamptz not null
);

-- Takes the lease for `by`: the new epoch, and whether another has held it since `by` last did, or before. No row: another holds it.
create function private.take_lease(account uuid, by uuid, seconds integer)
returns table (new_epoch bigint, taken_over boolean)
language plpgsql security definer set search_path = '' as $$
declare
  lease private.executor_leases;
begin
  insert into private.executor_leases values (account, 0, by, '-infinity') on conflict do nothing;
  -- Waits for writes that the former holder has under way (hold_lease), so that none comes after.
  select * into lease from private.executor_leases l where l.portfolio_id = account for update;
  if lease.holder <> by and lease.expires_at > clock_timestamp() then return; end if;
  update private.executor_leases l
    set epoch = lease.epoch + 1, holder = by, expires_at = clock_timestamp() + make_interval(secs => seconds)
    where l.portfolio_id = account;
  return query select lease.epoch + 1, lease.epoch > 0 and lease.holder <> by;
end $$;

-- False: another has taken it. The update locks no key, so it does not wait for hold_lease.
create function private.renew_lease(account uuid, of_epoch bigint, seconds integer) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  update private.executor_leases set expires_at = clock_timestamp() + make_interval(secs => seconds)
    where portfolio_id = account and epoch = of_epoch;
  return found;
end $$;

-- At a clean stop: another may take it at once.
create function private.release_lease(account uuid, of_epoch bigint) returns void
language sql security definer set search_path = '' as $$
  update private.executor_leases set expires_at = clock_timestamp() where portfolio_id = account and epoch = of_epoch
$$;

-- First in each of the executor's write transactions: refuses a stale epoch, and keeps the lease from being taken until its end.
create function private.hold_lease(account uuid, of_epoch bigint) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform from private.executor_leases where portfolio_id = account and epoch = of_epoch for key share;
  if not found then
    raise exception 'epoch % of account % is stale: another executor has taken the account over', of_epoch, account
      using errcode = 'object_not_in_prerequisite_state';
  end if;
end $$;
grant execute on function private.take_lease, private.renew_lease, private.release_lease, private.hold_lease to smc_executor;

-- The kill switch as a row: while it is set the account is killed, whatever commands say. Its owner sets it, an operator, the functions.
alter table public.portfolios add column kill_switch text check (kill_switch in ('kill', 'flatten'));
create policy "portfolios: kill own" on public.portfolios for update to authenticated
  using (user_id = auth.uid()) with check (user_id = auth.uid());
grant update (kill_switch) on public.portfolios to authenticated, smc_functions;
