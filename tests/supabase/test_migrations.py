"""The schema: applied once, in order, and a failure that says where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncpg
import pytest

from smc_agent.local.migrate import MIGRATIONS, MigrationFailed, migrate, split_statements


async def test_every_migration_is_recorded_and_a_second_run_applies_nothing(database: Any) -> None:
    connection = await asyncpg.connect(database.owner)
    rows = await connection.fetch("select version from supabase_migrations.schema_migrations order by 1")
    versions = [row["version"] for row in rows]
    assert versions == [path.name.split("_")[0] for path in sorted(MIGRATIONS.glob("*.sql"))]
    assert versions
    assert await migrate(connection) == []
    await connection.close()


async def test_a_failing_statement_is_named_and_its_file_leaves_nothing_behind(database: Any, tmp_path: Path) -> None:
    connection = await asyncpg.connect(database.owner)
    script = "create table public.half (a int);\n\n-- why\nselect nothing_like_it();\n"
    (tmp_path / "20990101000000_broken.sql").write_text(script)
    with pytest.raises(MigrationFailed, match=r"20990101000000_broken\.sql, line 4: .*nothing_like_it"):
        await migrate(connection, tmp_path)
    assert await connection.fetchval("select to_regclass('public.half')") is None
    await connection.close()


async def test_the_owner_is_no_superuser_as_on_a_hosted_project(database: Any) -> None:
    connection = await asyncpg.connect(database.owner)
    assert await connection.fetchval("select rolsuper from pg_roles where rolname = current_user") is False
    await connection.close()


def test_semicolons_in_bodies_strings_and_comments_split_nothing() -> None:
    sql = "select 'a;b', E'\\';'; -- c;d\ndo $x$ begin; end $x$;\n/* e;\nf */ select \"g;h\""
    assert split_statements(sql) == [(1, "select 'a;b', E'\\';'"), (2, "do $x$ begin; end $x$"), (4, 'select "g;h"')]
