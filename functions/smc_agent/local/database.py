"""The embedded database made ready: bootstrap, migrations, passwords of the roles that log in."""

from __future__ import annotations

import asyncpg

from smc_agent.local.migrate import bootstrap, migrate, set_login_password
from smc_agent.local.postgres import LOGIN_ROLES, SUPERUSER, Postgres


async def prepare_database(server: Postgres, database: str = "postgres") -> list[str]:
    """Bring `database` to the newest migration; safe to repeat at each start. Returns the migrations applied now."""
    superuser = await asyncpg.connect(server.url(SUPERUSER, database))
    try:
        await bootstrap(superuser)
        await superuser.execute(f'alter database "{database}" owner to postgres')
        await set_login_password(superuser, "postgres", server.passwords["postgres"])
        owner = await asyncpg.connect(server.url("postgres", database))
        try:
            applied = await migrate(owner)
        finally:
            await owner.close()
        for role in LOGIN_ROLES:
            await set_login_password(superuser, role, server.passwords[role])
    finally:
        await superuser.close()
    return applied
