"""Applies supabase/migrations to a database, the embedded one or a hosted project's, each file once.

`DATABASE_URL=postgresql://... python -m smc_agent.local.migrate`
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import asyncpg

MIGRATIONS = Path(__file__).resolve().parents[3] / "supabase" / "migrations"
BOOTSTRAP = Path(__file__).with_name("bootstrap.sql")

_LOCK = 7_302_611  # any number that nobody else locks
# Strings, quoted names, dollar-quoted bodies and comments, in which a semicolon ends nothing.
_SPAN = re.compile(
    r"""--[^\n]*|/\*.*?\*/|[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(?P<tag>\$(?:[A-Za-z_]\w*)?\$).*?(?P=tag)|(?P<end>;)""",
    re.DOTALL,
)


class MigrationFailed(Exception):
    """A statement of a migration failed; the message names file, line, statement and cause."""


def split_statements(sql: str) -> list[tuple[int, str]]:
    """The statements of a script as (line of its first word, text without the semicolon)."""
    statements: list[tuple[int, str]] = []
    start = 0
    for match in _SPAN.finditer(sql):
        if match["end"]:
            statements.append((start, sql[start : match.start()]))
            start = match.end()
    statements.append((start, sql[start:]))
    placed = []
    for offset, text in statements:
        code = re.match(r"(?:\s|--[^\n]*\n?|/\*.*?\*/)*", text, re.DOTALL)
        lead = code.end() if code else 0
        if text[lead:].strip():
            placed.append((sql.count("\n", 0, offset + lead) + 1, text[lead:].strip()))
    return placed


async def bootstrap(connection: asyncpg.Connection) -> None:
    """Give a fresh database what a hosted project has by itself, once. Needs a superuser."""
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        if await connection.fetchval("select to_regclass('auth.users') is null"):
            await _run(connection, BOOTSTRAP.name, split_statements(BOOTSTRAP.read_text()))


async def migrate(connection: asyncpg.Connection, folder: Path = MIGRATIONS) -> list[str]:
    """Apply the migrations of `folder` that are not applied yet, in order, each in its own transaction.

    Returns the names of the applied files. Raises MigrationFailed; the failed file leaves nothing behind.
    """
    await connection.execute(
        "create schema if not exists supabase_migrations;"
        "create table if not exists supabase_migrations.schema_migrations"
        " (version text primary key, statements text[], name text)"
    )
    applied = []
    for path, statements in _read(folder):
        version, _, name = path.stem.partition("_")
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
            known = "select exists (select from supabase_migrations.schema_migrations where version = $1)"
            if await connection.fetchval(known, version):
                continue
            await _run(connection, path.name, statements)
            await connection.execute(
                "insert into supabase_migrations.schema_migrations (version, name, statements) values ($1, $2, $3)",
                version, name, [text for _, text in statements],
            )  # fmt: skip
        applied.append(path.name)
    return applied


async def set_login_password(connection: asyncpg.Connection, role: str, password: str) -> None:
    """Let `role` log in with `password`."""
    statement: str = await connection.fetchval(
        "select format('alter role %I login password %L', $1::text, $2::text)", role, password
    )
    await connection.execute(statement)


def _read(folder: Path) -> list[tuple[Path, list[tuple[int, str]]]]:
    return [(path, split_statements(path.read_text())) for path in sorted(folder.glob("*.sql"))]


async def _run(connection: asyncpg.Connection, file: str, statements: list[tuple[int, str]]) -> None:
    for line, text in statements:
        try:
            await connection.execute(text)
        except asyncpg.PostgresError as error:
            shown = text if len(text) <= 400 else text[:400] + " ..."
            raise MigrationFailed(f"{file}, line {line}: {error}\n{shown}") from error


async def _main() -> int:
    url = os.environ.get("DATABASE_URL")
    if not url:
        print(
            "Set DATABASE_URL to the database to migrate: postgresql://user:password@host:port/database",
            file=sys.stderr,
        )
        return 2
    connection = await asyncpg.connect(url)
    try:
        applied = await migrate(connection)
    except MigrationFailed as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        await connection.close()
    print("\n".join(applied) if applied else "Nothing to apply.")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
