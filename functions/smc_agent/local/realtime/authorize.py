"""Who may use a private topic: the policies on realtime.messages decide."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import asyncpg

EXTENSIONS = ("broadcast", "presence")


@dataclass(frozen=True)
class Permissions:
    """What one user may do on one topic, by extension ('broadcast', 'presence')."""

    read: frozenset[str]
    write: frozenset[str]


EVERYTHING = Permissions(frozenset(EXTENSIONS), frozenset(EXTENSIONS))


async def permissions(pool: asyncpg.Pool, claims: dict[str, Any], topic: str) -> Permissions:
    """What the policies let the bearer of `claims` do on `topic`.

    As hosted: rows are written for the topic, read and written again as the user, and rolled back.
    """
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            rows = await connection.fetch(
                "insert into realtime.messages (topic, extension, private)"
                " select $1, unnest($2::text[]), true returning id",
                topic, list(EXTENSIONS),
            )  # fmt: skip
            await connection.execute(
                "select set_config('realtime.topic', $1, true), set_config('request.jwt.claims', $2, true),"
                " set_config('request.jwt.claim.sub', $3, true), set_config('request.jwt.claim.role', $4, true),"
                " set_config('role', $4, true)",
                topic, json.dumps(claims), str(claims.get("sub", "")), claims["role"],
            )  # fmt: skip
            read = await _readable(connection, [row["id"] for row in rows])
            write = {name for name in EXTENSIONS if await _writable(connection, name)}
        finally:
            await transaction.rollback()
    return Permissions(frozenset(read), frozenset(write))


async def _readable(connection: asyncpg.pool.PoolConnectionProxy, ids: list[Any]) -> set[str]:
    try:
        async with connection.transaction():
            rows = await connection.fetch("select extension from realtime.messages where id = any($1)", ids)
    except asyncpg.InsufficientPrivilegeError:
        return set()
    return {row["extension"] for row in rows}


async def _writable(connection: asyncpg.pool.PoolConnectionProxy, extension: str) -> bool:
    # Inside a block that catches: a refusal that came up to here would be an error in the server's log at every join.
    await connection.execute(_TRY_TO_WRITE.replace("EXTENSION", extension))
    return bool(await connection.fetchval("select current_setting($1, true) = 'yes'", f"realtime.may_{extension}"))


_TRY_TO_WRITE = """
do $$ begin
  insert into realtime.messages (topic, extension, private) values (realtime.topic(), 'EXTENSION', true);
  perform set_config('realtime.may_EXTENSION', 'yes', true);
exception when insufficient_privilege then null;
end $$"""
