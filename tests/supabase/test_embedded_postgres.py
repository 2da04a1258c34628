"""The embedded server's life: crashes, left-over servers, passwords."""

from __future__ import annotations

import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from smc_agent.local.database import prepare_database
from smc_agent.local.postgres import Postgres, PostgresFailed, prepare_postgres, stop_postgres


@pytest.fixture
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("state")
    yield folder
    stop_postgres(folder / "postgres")


def _pid(server: Postgres) -> int:
    return int((server.data / "postmaster.pid").read_text().split("\n", 1)[0])


def _gone(pid: int) -> bool:
    for _ in range(500):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


async def test_what_was_committed_survives_a_kill_and_a_recycled_pid(state: Path) -> None:
    server = prepare_postgres(state)
    server.start()
    applied = await prepare_database(server)
    assert applied
    connection = await asyncpg.connect(server.url("postgres"))
    await connection.execute("create table public.kept as select 42 as answer")
    pid = _pid(server)
    os.kill(pid, signal.SIGKILL)
    assert _gone(pid)
    # After a reboot the number in the file may be another program's: this one's.
    lines = (server.data / "postmaster.pid").read_text().splitlines()
    (server.data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:], ""]))
    again = prepare_postgres(state)
    again.start()
    assert await prepare_database(again) == []
    connection = await asyncpg.connect(again.url("postgres"))
    assert await connection.fetchval("select answer from public.kept") == 42
    await connection.close()


async def test_a_server_that_was_left_running_is_stopped_and_taken_over(state: Path) -> None:
    first = prepare_postgres(state)
    first.start()
    pid = _pid(first)
    second = prepare_postgres(state)
    assert _gone(pid)
    second.start()
    assert second.passwords == first.passwords
    connection = await asyncpg.connect(second.url("supabase_admin"))
    await connection.close()


async def test_every_role_needs_its_password_and_the_passwords_are_the_owners_alone(postgres: Postgres) -> None:
    secrets = postgres.data.parent / "secrets.json"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    assert len(set(postgres.passwords.values())) == 5
    for password in postgres.passwords.values():
        assert password not in repr(postgres)
        assert password not in (postgres.data / "server.log").read_text()
    for role in postgres.passwords:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(
                host="127.0.0.1", port=postgres.port, user=role, password="guess", database="postgres"
            )


def test_a_server_that_cannot_start_says_why(state: Path) -> None:
    server = prepare_postgres(state, {"shared_buffers": "much"})
    with pytest.raises(PostgresFailed, match=r'(?s)did not start from .*invalid value for parameter "shared_buffers"'):
        server.start()
