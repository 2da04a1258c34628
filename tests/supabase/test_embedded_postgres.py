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

from smc_agent.local import postgres as postgres_module
from smc_agent.local.database import prepare_database
from smc_agent.local.postgres import SUPERUSER, Postgres, PostgresFailed, open_the_way, prepare_postgres, stop_postgres


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


async def test_a_cluster_left_half_made_is_made_again(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = postgres_module._run

    def killed(program: str, *arguments: str) -> None:
        real(program, *arguments)
        raise KeyboardInterrupt  # after initdb wrote its files, before anybody could say that it is done

    monkeypatch.setattr(postgres_module, "_run", killed)
    with pytest.raises(KeyboardInterrupt):
        prepare_postgres(state)
    monkeypatch.setattr(postgres_module, "_run", real)
    assert not (state / "postgres").exists()
    server = prepare_postgres(state)
    server.start()
    try:
        connection = await asyncpg.connect(server.url(SUPERUSER))
        assert await connection.fetchval("select 1") == 1
        await connection.close()
    finally:
        server.stop()
    assert not [name for name in os.listdir(state) if name.startswith("postgres.new-")]


def test_a_server_that_cannot_start_says_why(state: Path) -> None:
    server = prepare_postgres(state, {"shared_buffers": "much"})
    with pytest.raises(PostgresFailed, match=r'(?s)did not start from .*invalid value for parameter "shared_buffers"'):
        server.start()


def test_folders_above_are_opened_no_wider_than_to_pass_through(tmp_path: Path) -> None:
    modes = {"mine": 0o700, "mine/passable": 0o711, "mine/passable/ours": 0o750, "mine/passable/ours/open": 0o755}
    for name in modes:
        (tmp_path / name).mkdir()
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "state").mkdir(parents=True)
    for name, mode in {**modes, "elsewhere": 0o700, "elsewhere/state": 0o700}.items():
        (tmp_path / name).chmod(mode)
    os.symlink(elsewhere, tmp_path / "mine/passable/ours/open/link")
    before = tmp_path.parent.stat().st_mode
    open_the_way(tmp_path / "mine/passable/ours/open/link/state")
    found = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in [*modes, "elsewhere", "elsewhere/state"]}
    assert found == {
        "mine": 0o701, "mine/passable": 0o711, "mine/passable/ours": 0o751, "mine/passable/ours/open": 0o755,
        "elsewhere": 0o701, "elsewhere/state": 0o700,
    }  # fmt: skip
    assert tmp_path.parent.stat().st_mode == before | 0o001


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_under_root_the_server_works_below_folders_that_nobody_may_list(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("private") / "state"
    folder.parent.chmod(0o700)
    server = prepare_postgres(folder)
    try:
        server.start()
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o701
        assert not stat.S_IMODE(folder.parent.parent.stat().st_mode) & 0o044
    finally:
        stop_postgres(server.data)
