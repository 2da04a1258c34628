"""The gateway while Postgres is away: clients are told, the log says it once, and everything comes back by itself."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import httpx
import pytest
import websockets
from tests.supabase.conftest import JWT_SECRET, PASSWORD, Supabase, free_port, wait_until_ok
from tests.supabase.test_realtime import connected, join

from smc_agent.local.auth.tokens import make_keys
from smc_agent.local.database import prepare_database
from smc_agent.local.postgres import Postgres, prepare_postgres, stop_postgres
from smc_agent.platform.database import Database
from smc_agent.platform.problems import Problem


@pytest.fixture
async def alone(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Supabase, Postgres]]:
    """A gateway with a server of its own, which may be stopped."""
    folder = tmp_path_factory.mktemp("alone")
    server = prepare_postgres(folder)
    server.start()
    await prepare_database(server)
    (folder / "dist").mkdir()
    (folder / "dist" / "index.html").write_text("x")
    port, (anon, service) = free_port(), make_keys(JWT_SECRET)
    environment = {
        "PATH": os.environ["PATH"], "SMC_GATEWAY_PORT": str(port), "SMC_POSTGREST_URL": "http://127.0.0.1:1",
        "SMC_API_URL": "http://127.0.0.1:1", "SUPABASE_JWT_SECRET": JWT_SECRET, "SMC_WEB_DIST": str(folder / "dist"),
        "SMC_ADMIN_DATABASE_URL": server.url("postgres"), "SUPABASE_ANON_KEY": anon,
    }  # fmt: skip
    log = folder / "gateway.log"
    with log.open("w") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "smc_agent.local.gateway", env=environment, stdout=out, stderr=out
        )
        try:
            wait_until_ok(f"http://127.0.0.1:{port}/auth/v1/health", folder)
            yield Supabase(f"http://127.0.0.1:{port}", anon, service, None, log), server
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), 15)
            stop_postgres(server.data)


async def lines(supabase: Supabase, end: str, count: int) -> None:
    """Waits until the log has `count` lines that end with `end`."""
    for _ in range(200):
        if sum(line.endswith(end) for line in supabase.log.read_text().splitlines()) == count:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(supabase.log.read_text())


async def test_an_absent_database_is_one_line_until_it_is_back(alone: tuple[Supabase, Postgres]) -> None:
    supabase, server = alone
    async with httpx.AsyncClient(base_url=supabase.url, trust_env=False, timeout=20) as http:
        keys, login = {"apikey": supabase.anon_key}, {"email": "a@example.com", "password": PASSWORD}
        session = (await http.post("/auth/v1/signup", json=login, headers=keys)).json()
        bearer = {**keys, "Authorization": f"Bearer {session['access_token']}"}
        name = f"user:{session['user']['id']}"
        for times in (1, 2):
            async with connected(supabase) as socket:
                assert (await join(socket, name, session["access_token"], private=True))["status"] == "ok"
                server.stop()
                with pytest.raises(websockets.ConnectionClosedError):
                    await asyncio.wait_for(socket.recv(), 10)
            async with connected(supabase) as socket:
                refused = await join(socket, name, session["access_token"], private=True)
                assert refused == {"status": "error", "response": {"reason": "the database is away; try again"}}
            message = {"topic": name, "event": "x", "payload": {}, "private": True}
            answers = [
                await http.post("/realtime/v1/api/broadcast", json={"messages": [message]}, headers=bearer),
                await http.post("/auth/v1/token?grant_type=password", json=login, headers=keys),
                await http.get("/auth/v1/user", headers=bearer),
            ]
            assert [answer.status_code for answer in answers] == [503, 503, 503]
            assert all("The database does not answer" in answer.json()["msg"] for answer in answers)
            await asyncio.sleep(3)
            server.start()
            await lines(supabase, "realtime has the database again", times)
            assert (await http.get("/auth/v1/user", headers=bearer)).status_code == 200
    said = [line for line in supabase.log.read_text().splitlines() if not line.startswith("INFO ")]
    lost, again = said[0], "WARNING realtime has the database again"
    assert lost.startswith("WARNING realtime lost the database (")
    assert [line.partition(" (")[0] for line in said] == [lost.partition(" (")[0], again] * 2


async def test_the_pool_of_the_api_is_as_quiet(
    caplog: pytest.LogCaptureFixture, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = prepare_postgres(tmp_path_factory.mktemp("quiet"))
    server.start()
    await prepare_database(server)
    database = Database(server.url("smc_functions"))
    try:
        async with database.as_functions() as connection:
            await connection.fetchval("select 1")
        server.stop()
        with pytest.raises(Problem, match="database cannot be reached"):
            async with database.as_functions() as connection:
                await connection.fetchval("select 1")
        await asyncio.sleep(1.5)
        assert not [record for record in caplog.records if record.exc_info]
    finally:
        stop_postgres(server.data)
        await database.close()
