-- What a hosted Supabase project provides by itself, and nothing else: everything of ours is in supabase/migrations and runs
-- unchanged on both. Run once by the superuser supabase_admin in a fresh database; roles belong to the server and may exist already.

do $$
declare
  attributes constant jsonb := '{
    "anon": "nologin noinherit", "authenticated": "nologin noinherit", "service_role": "nologin noinherit bypassrls",
    "authenticator": "login noinherit", "supabase_realtime_admin": "nologin noinherit",
    "postgres": "login createdb createrole replication bypassrls"}';
  role_name text;
begin
  for role_name in select jsonb_object_keys(attributes) loop
    if not exists (select from pg_roles where rolname = role_name) then
      execute format('create role %I %s', role_name, attributes ->> role_name);
    end if;
  end loop;
end $$;
grant anon, authenticated, service_role to authenticator;
-- The REST API applies these to the role that it takes on.
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
-- As hosted, migrations run as postgres, which is no superuser.
grant anon, authenticated, service_role to postgres with admin option;
grant supabase_realtime_admin to postgres;

alter schema public owner to postgres;
grant usage on schema public to anon, authenticated, service_role;
alter default privileges for role postgres in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges for role postgres in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges for role postgres in schema public grant all on sequences to anon, authenticated, service_role;

create schema extensions;
grant usage on schema extensions to postgres, anon, authenticated, service_role;
grant create on schema extensions to postgres;

-- Auth ---------------------------------------------------------------------------------------------------------------------------
create schema auth;
grant usage on schema auth to postgres, anon, authenticated, service_role;

create table auth.users (
  id uuid primary key default gen_random_uuid(),
  aud varchar(255) not null default 'authenticated',
  role varchar(255) not null default 'authenticated',
  email varchar(255) unique,
  encrypted_password varchar(255),
  email_confirmed_at timestamptz,
  invited_at timestamptz,
  last_sign_in_at timestamptz,
  raw_app_meta_data jsonb not null default '{}',
  raw_user_meta_data jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  phone text,
  banned_until timestamptz,
  is_anonymous boolean not null default false
);

create table auth.sessions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users (id) on delete cascade,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  refreshed_at timestamptz,
  not_after timestamptz,
  aal text not null default 'aal1' check (aal in ('aal1', 'aal2', 'aal3')),
  amr jsonb not null default '[]',               -- [{"method", "timestamp"}]; hosted keeps these in mfa_amr_claims
  user_agent text,
  ip inet
);
create index on auth.sessions (user_id);

create table auth.refresh_tokens (
  id bigint generated always as identity primary key,
  token varchar(255) not null unique,            -- SHA-256, hex; hosted keeps the token itself
  session_id uuid not null references auth.sessions (id) on delete cascade,
  user_id uuid not null references auth.users (id) on delete cascade,
  parent varchar(255),
  revoked boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index on auth.refresh_tokens (session_id);

create table auth.one_time_tokens (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users (id) on delete cascade,
  token_type text not null check (token_type in ('invite', 'recovery', 'magiclink')),
  token_hash text not null unique,               -- SHA-256 of the token, hex
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index on auth.one_time_tokens (user_id);
grant all on all tables in schema auth to postgres;
grant all on all sequences in schema auth to postgres;

create function auth.uid() returns uuid language sql stable as $$
  select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
                  nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid
$$;
create function auth.role() returns text language sql stable as $$
  select coalesce(nullif(current_setting('request.jwt.claim.role', true), ''),
                  nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role')
$$;
create function auth.jwt() returns jsonb language sql stable as $$
  select coalesce(nullif(current_setting('request.jwt.claim', true), ''), nullif(current_setting('request.jwt.claims', true), ''))::jsonb
$$;

-- Realtime -----------------------------------------------------------------------------------------------------------------------
create schema realtime authorization supabase_realtime_admin;
grant usage on schema realtime to postgres, anon, authenticated, service_role;

create table realtime.messages (
  id uuid not null default gen_random_uuid(),
  topic text not null,
  extension text not null,                       -- 'broadcast' or 'presence'
  event text,
  payload jsonb,
  private boolean default false,
  inserted_at timestamp not null default (now() at time zone 'UTC'),
  updated_at timestamp not null default (now() at time zone 'UTC'),
  primary key (id, inserted_at)
);
create index on realtime.messages (inserted_at);
alter table realtime.messages owner to supabase_realtime_admin;
alter table realtime.messages enable row level security;
grant select, insert, update on realtime.messages to anon, authenticated, service_role;
grant all on realtime.messages to postgres;

create function realtime.topic() returns text language sql stable as $$
  select nullif(current_setting('realtime.topic', true), '')
$$;

create function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void language plpgsql as $$
begin
  insert into realtime.messages (payload, event, topic, private, extension) values (payload, event, topic, private, 'broadcast');
end $$;

-- Hosted Realtime reads new rows from the write-ahead log; here they are announced by their id, for a notification holds 8,000 bytes.
create function realtime.announce_message() returns trigger language plpgsql as $$
begin
  perform pg_notify('realtime_messages', new.id::text);
  return null;
end $$;
create trigger announce_message after insert on realtime.messages for each row execute function realtime.announce_message();

create publication supabase_realtime;
alter publication supabase_realtime owner to postgres;
