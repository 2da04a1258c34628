-- The program's own database roles. They do not log in until an operator (or the embedded default) gives them a password:
--   alter role smc_functions login password '...';
-- smc_functions: the API, the agent and the Lambda handlers. smc_executor: the Rust executor. Neither bypasses row-level security: each
-- table names in a policy what they may do, so stolen function credentials cannot write fills, and the executor cannot read profiles.
do $$
begin
  if not exists (select from pg_roles where rolname = 'smc_functions') then
    create role smc_functions nologin noinherit;
  end if;
  if not exists (select from pg_roles where rolname = 'smc_executor') then
    create role smc_executor nologin noinherit;
  end if;
end $$;

-- The API answers a user's reads as that user (set local role authenticated + claims), so RLS decides there too.
grant authenticated to smc_functions;

-- Functions that clients must not call live here; the REST API exposes `public` only.
create schema if not exists private;
grant usage on schema private to smc_functions, smc_executor;

-- Hosted Supabase grants everything in public to anon and authenticated by default. Deny first; each table grants what it means to.
alter default privileges in schema public revoke all on tables from anon, authenticated;
alter default privileges in schema public revoke all on sequences from anon, authenticated;
alter default privileges in schema public revoke execute on functions from anon, authenticated;
-- For all schemas: a default that PUBLIC has by itself cannot be taken away for one schema alone.
alter default privileges revoke execute on functions from public;
grant usage on schema public to anon, authenticated, service_role, smc_functions, smc_executor;
