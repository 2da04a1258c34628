"""Users in auth.users, and their shape in answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from smc_agent.local.auth.errors import AuthError, bad_request

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*")
MIN_PASSWORD, MAX_PASSWORD = 8, 1024

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy  # one taken from a pool is as good


def checked_email(value: object) -> str:
    """An address, trimmed and in lower case. Raises AuthError."""
    email = value.strip().lower() if isinstance(value, str) else ""
    if len(email) > 255 or not _EMAIL.fullmatch(email):
        raise bad_request("Unable to validate email address: invalid format")
    return email


def checked_password(value: object) -> str:
    """A new password. Raises AuthError."""
    if not isinstance(value, str) or len(value) < MIN_PASSWORD:
        raise AuthError(422, "weak_password", f"Password should be at least {MIN_PASSWORD} characters")
    if len(value) > MAX_PASSWORD:
        raise bad_request(f"Password should be at most {MAX_PASSWORD} characters")
    return value


async def create_user(
    connection: Connection, email: str, encoded_password: str | None, confirmed: bool, user_data: Mapping[str, Any],
    app_data: Mapping[str, Any] | None = None,
) -> asyncpg.Record:  # fmt: skip
    """A new row of auth.users. Raises AuthError when the address is taken."""
    app = {"provider": "email", "providers": ["email"], **(app_data or {})}
    try:
        row = await connection.fetchrow(
            """insert into auth.users
                 (email, encrypted_password, email_confirmed_at, raw_user_meta_data, raw_app_meta_data)
               values ($1, $2, case when $3 then now() end, $4, $5) returning *""",
            email, encoded_password, confirmed, json.dumps(dict(user_data)), json.dumps(app),
        )  # fmt: skip
    except asyncpg.UniqueViolationError:
        raise AuthError(422, "user_already_exists", "User already registered") from None
    assert row is not None
    return row


async def find_user(connection: Connection, user_id: UUID) -> asyncpg.Record | None:
    """The row of a user."""
    return await connection.fetchrow("select * from auth.users where id = $1", user_id)


async def update_user(
    connection: Connection, user_id: UUID, *, encoded_password: str | None = None, email: str | None = None,
    confirm: bool = False, user_data: Mapping[str, Any] | None = None, app_data: Mapping[str, Any] | None = None,
) -> asyncpg.Record:  # fmt: skip
    """Change what is given; user and app data are merged key by key. Raises AuthError: no such user, address taken."""
    try:
        row = await connection.fetchrow(
            """update auth.users set
                 encrypted_password = coalesce($2, encrypted_password), email = coalesce($3, email),
                 email_confirmed_at = case when $4 then coalesce(email_confirmed_at, now()) else email_confirmed_at end,
                 raw_user_meta_data = raw_user_meta_data || $5, raw_app_meta_data = raw_app_meta_data || $6,
                 updated_at = now()
               where id = $1 returning *""",
            user_id, encoded_password, email, confirm,
            json.dumps(dict(user_data or {})), json.dumps(dict(app_data or {})),
        )  # fmt: skip
    except asyncpg.UniqueViolationError:
        raise AuthError(422, "email_exists", "A user with this email address has already been registered") from None
    if row is None:
        raise AuthError(404, "user_not_found", "User not found")
    return row


async def ban_user(connection: Connection, user_id: UUID, duration: timedelta | None) -> asyncpg.Record:
    """Keep a user from signing in for `duration`, and end his sessions; None lifts it. Raises AuthError."""
    row = await connection.fetchrow(
        "update auth.users set banned_until = now() + $2, updated_at = now() where id = $1 returning *",
        user_id,
        duration,
    )
    if row is None:
        raise AuthError(404, "user_not_found", "User not found")
    if duration is not None:
        await connection.execute("delete from auth.sessions where user_id = $1", user_id)
    return row


def as_json(row: asyncpg.Record) -> dict[str, Any]:
    """A user as the clients read it."""
    created, updated, seen = (_time(row[name]) for name in ("created_at", "updated_at", "last_sign_in_at"))
    user_id = str(row["id"])
    confirmed = _time(row["email_confirmed_at"])
    identity = {
        "id": user_id, "identity_id": user_id, "user_id": user_id, "provider": "email", "email": row["email"],
        "identity_data": {"email": row["email"], "email_verified": confirmed is not None, "sub": user_id},
        "last_sign_in_at": seen, "created_at": created, "updated_at": updated,
    }  # fmt: skip
    return {
        "id": user_id, "aud": row["aud"], "role": row["role"], "email": row["email"],
        "email_confirmed_at": confirmed, "confirmed_at": confirmed,
        "phone": row["phone"] or "", "last_sign_in_at": seen,
        "app_metadata": json.loads(row["raw_app_meta_data"]), "user_metadata": json.loads(row["raw_user_meta_data"]),
        "identities": [identity], "created_at": created, "updated_at": updated, "is_anonymous": row["is_anonymous"],
        **({"banned_until": _time(row["banned_until"])} if row["banned_until"] else {}),
    }  # fmt: skip


def _time(value: datetime | None) -> str | None:
    return value.isoformat().replace("+00:00", "Z") if value else None
