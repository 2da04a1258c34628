"""The embedded Supabase as its users meet it: Postgres, PostgREST and the gateway as processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from smc_agent.local.auth.tokens import make_keys
from smc_agent.local.installation import NotBuilt
from smc_agent.local.postgres import Postgres
from smc_agent.local.postgrest import postgrest_binary, postgrest_environment

JWT_SECRET = "a secret for tests, at least thirty-two characters"
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Supabase:
    """A running embedded Supabase."""

    url: str
    anon_key: str
    service_key: str
    database: Any = field(repr=False)  # tests.conftest.Database
    log: Path


@dataclass(frozen=True)
class User:
    """A signed-in user."""

    id: UUID
    email: str
    session: dict[str, Any] = field(repr=False)

    @property
    def token(self) -> str:
        return str(self.session["access_token"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def api_url() -> str:
    """Where the API would be; nothing listens there."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="session")
def supabase(
    postgres: Postgres, new_database: Callable[[], Any], api_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Supabase]:
    """One embedded Supabase for the tests of this folder; they keep apart by their users."""
    try:
        binary = postgrest_binary()
    except NotBuilt as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("supabase")
    database = new_database()
    rest, admin, gateway = free_port(), free_port(), free_port()
    anon, service = make_keys(JWT_SECRET)
    url = f"http://127.0.0.1:{gateway}"
    web = folder / "dist"
    (web / "assets").mkdir(parents=True)
    (web / "index.html").write_text("<!doctype html><title>SMC</title>")
    (web / "assets" / "main-1a2b3c.js").write_text("export {}")
    environment = {
        "PATH": os.environ["PATH"], "SMC_GATEWAY_PORT": str(gateway), "SMC_POSTGREST_URL": f"http://127.0.0.1:{rest}",
        "SMC_API_URL": api_url, "SUPABASE_JWT_SECRET": JWT_SECRET, "SMC_ADMIN_DATABASE_URL": database.owner,
        "SMC_WEB_DIST": str(web), "SUPABASE_ANON_KEY": anon, "SUPABASE_SERVICE_ROLE_KEY": service,
    }  # fmt: skip
    log = folder / "gateway.log"
    rest_environment = postgrest_environment(postgres, JWT_SECRET, rest, admin, database.name)
    with (folder / "postgrest.log").open("w") as rest_log, log.open("w") as gateway_log:
        processes = [
            subprocess.Popen([str(binary)], env=rest_environment, stdout=rest_log, stderr=rest_log),
            subprocess.Popen(
                [sys.executable, "-m", "smc_agent.local.gateway"],
                env=environment,
                stdout=gateway_log,
                stderr=gateway_log,
            ),
        ]
        try:
            for ready in (f"http://127.0.0.1:{admin}/ready", f"{url}/auth/v1/health"):
                wait_until_ok(ready, folder)
            yield Supabase(url, anon, service, database, log)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(timeout=15)


def wait_until_ok(url: str, folder: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=2, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    logs = "\n".join(f"{path.name}:\n{path.read_text()}" for path in folder.glob("*.log"))
    raise AssertionError(f"{url} did not become ready\n{logs}")


@pytest.fixture(scope="session")
def sign_up(supabase: Supabase) -> Callable[[], User]:
    """A function that makes a new user and signs him in."""

    def make() -> User:
        email = f"{uuid4().hex}@example.com"
        answer = httpx.post(
            f"{supabase.url}/auth/v1/signup", json={"email": email, "password": PASSWORD},
            headers={"apikey": supabase.anon_key}, trust_env=False,
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        session = answer.json()
        return User(UUID(session["user"]["id"]), email, session)

    return make
