"""One-time tokens: the first user's link, invitations, password resets."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import asyncpg

from smc_agent.local.auth.errors import AuthError
from smc_agent.local.auth.tokens import digest, opaque_token
from smc_agent.local.auth.users import Connection, checked_email, create_user

LIFETIME = timedelta(hours=24)


async def issue_token(connection: Connection, user_id: UUID, token_type: str) -> str:
    """A token of `token_type` (invite, recovery, magiclink), valid for a day; an earlier one of that type is void."""
    token = opaque_token()
    await connection.execute(
        "delete from auth.one_time_tokens where user_id = $1 and token_type = $2", user_id, token_type
    )
    await connection.execute(
        "insert into auth.one_time_tokens (user_id, token_type, token_hash, expires_at)"
        " values ($1, $2, $3, now() + $4)",
        user_id, token_type, digest(token), LIFETIME,
    )  # fmt: skip
    return token


async def spend_token(connection: Connection, token: str, token_type: str) -> UUID:
    """The user of a token, which is void from then on; the address counts as confirmed. Raises AuthError."""
    user_id: UUID | None = await connection.fetchval(
        "delete from auth.one_time_tokens where token_hash = $1 and token_type = $2 and expires_at > now()"
        " returning user_id",
        digest(token), token_type,
    )  # fmt: skip
    if user_id is None:
        raise AuthError(403, "otp_expired", "The link is invalid, used or expired; ask for a new one")
    await connection.execute(
        "update auth.users set email_confirmed_at = coalesce(email_confirmed_at, now()) where id = $1", user_id
    )
    return user_id


async def create_invite(pool: asyncpg.Pool, email: str, role: str) -> str:
    """Invite `email` as `role` (trader, analyst, admin); the token goes to `POST /auth/v1/verify` as
    `{type: "invite", token_hash}`.

    Makes the user where there is none; else gives him the role and a new token. Raises AuthError for a bad address,
    ValueError for a bad role. `pool`: as the owner of the database.
    """
    if role not in ("trader", "analyst", "admin"):
        raise ValueError(f"role is {role!r}; it is one of trader, analyst, admin")
    address = checked_email(email)
    async with pool.acquire() as connection, connection.transaction():
        user_id = await connection.fetchval("select id from auth.users where email = $1", address)
        if user_id is None:
            user_id = (await create_user(connection, address, None, confirmed=False, user_data={}))["id"]
            await connection.execute("update auth.users set invited_at = now() where id = $1", user_id)
        await connection.execute("select private.set_user_role($1, $2)", user_id, role)
        return await issue_token(connection, user_id, "invite")
