"""Sessions and their rotating refresh tokens."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from smc_agent.local.auth.errors import AuthError
from smc_agent.local.auth.tokens import ACCESS_SECONDS, digest, opaque_token, sign
from smc_agent.local.auth.users import Connection, as_json


@dataclass(frozen=True)
class Issuer:
    """Who signs: the address that tokens name, and the project's secret."""

    url: str
    secret: str

    def session(self, user: asyncpg.Record, session: asyncpg.Record, refresh_token: str) -> dict[str, Any]:
        """A session as the clients read it, with a fresh access token."""
        now = int(time.time())
        shown = as_json(user)
        claims = {
            "iss": self.url, "sub": shown["id"], "aud": "authenticated", "exp": now + ACCESS_SECONDS, "iat": now,
            "email": shown["email"], "phone": shown["phone"], "app_metadata": shown["app_metadata"],
            "user_metadata": shown["user_metadata"], "role": shown["role"], "aal": session["aal"],
            "amr": json.loads(session["amr"]), "session_id": str(session["id"]), "is_anonymous": shown["is_anonymous"],
        }  # fmt: skip
        return {
            "access_token": sign(claims, self.secret), "token_type": "bearer", "expires_in": ACCESS_SECONDS,
            "expires_at": now + ACCESS_SECONDS, "refresh_token": refresh_token, "user": shown,
        }  # fmt: skip


async def open_session(
    connection: Connection, issuer: Issuer, user_id: UUID, method: str, user_agent: str | None
) -> dict[str, Any]:
    """Sign a user in by `method` ('password', 'otp'). Run it in a transaction."""
    user = await connection.fetchrow("update auth.users set last_sign_in_at = now() where id = $1 returning *", user_id)
    assert user is not None
    await _refuse_banned(connection, user)
    amr = json.dumps([{"method": method, "timestamp": int(time.time())}])
    session = await connection.fetchrow(
        "insert into auth.sessions (user_id, amr, user_agent) values ($1, $2, $3) returning *", user_id, amr, user_agent
    )
    assert session is not None
    return issuer.session(user, session, await _new_refresh_token(connection, session, None))


async def refresh(connection: Connection, issuer: Issuer, token: str) -> dict[str, Any] | None:
    """A session for a refresh token, which is spent by it. None: it was spent before; the session is gone now.

    Whoever shows a spent token, thief or owner, ends the session for both, and the owner signs in again. Run it in a
    transaction, and commit that on None. Raises AuthError for a token nobody knows.
    """
    found = await connection.fetchrow("select * from auth.refresh_tokens where token = $1 for update", digest(token))
    if found is None:
        raise AuthError(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
    if found["revoked"]:
        await connection.execute("delete from auth.sessions where id = $1", found["session_id"])
        return None
    await connection.execute(
        "update auth.refresh_tokens set revoked = true, updated_at = now() where id = $1", found["id"]
    )
    session = await connection.fetchrow(
        "update auth.sessions set refreshed_at = now(), updated_at = now() where id = $1 returning *",
        found["session_id"],
    )
    user = await connection.fetchrow("select * from auth.users where id = $1", found["user_id"])
    assert user is not None
    assert session is not None
    await _refuse_banned(connection, user)
    return issuer.session(user, session, await _new_refresh_token(connection, session, found["token"]))


async def close_sessions(connection: Connection, user_id: UUID, session_id: UUID, scope: str) -> None:
    """Sign out: 'global' every session of the user, 'local' this one, 'others' all but this one."""
    condition = {"global": "true", "local": "id = $2", "others": "id <> $2"}[scope]
    await connection.execute(
        f"delete from auth.sessions where user_id = $1 and ($2::uuid is not null) and {condition}",  # noqa: S608 - one of three constants
        user_id, session_id,
    )  # fmt: skip


async def _refuse_banned(connection: Connection, user: asyncpg.Record) -> None:
    if user["banned_until"] is not None and await connection.fetchval("select $1 > now()", user["banned_until"]):
        raise AuthError(400, "user_banned", "User is banned")


async def _new_refresh_token(connection: Connection, session: asyncpg.Record, parent: str | None) -> str:
    token = opaque_token()
    await connection.execute(
        "insert into auth.refresh_tokens (token, session_id, user_id, parent) values ($1, $2, $3, $4)",
        digest(token), session["id"], session["user_id"], parent,
    )  # fmt: skip
    return token
