"""A real executor and a real paper venue for the two users of a world."""

import base64
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr
from tests.api.world import MINUTE, SYMBOL, World

from smc_agent.local.installation import NotBuilt, program
from smc_agent.market.bars import Bar

LIMIT = {"tick": "0.01", "step": "0.00001", "min_quantity": "0.00001", "min_notional": "5"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Desk:
    """The two programs and how to reach them; `settings` are what the API is told."""

    folder: Path
    world: World
    executor_database: str
    seed: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.paper_url, self.executor_url = (f"http://127.0.0.1:{free_port()}" for _ in range(2))

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "executor_url": self.executor_url,
            "executor_token": SecretStr(self.token),
            "command_key": SecretStr(base64.b64encode(self.seed).decode()),
            "command_key_id": "test",
            "paper_url": self.paper_url,
        }

    def start_venue(self) -> None:
        users = (self.world.alice, self.world.bob)
        symbols = [
            {"symbol": SYMBOL, "base": "BTC", "quote": "USDT", **LIMIT},
            {"symbol": "ETHUSDT", "base": "ETH", "quote": "USDT", **LIMIT},
        ]
        config = {
            "listen": self.paper_url.removeprefix("http://"),
            "state": str(self.folder / "paper.journal"),
            "control_token": self.token,
            "fees": {"maker": "0.001", "taker": "0.001"},
            "symbols": symbols,
            "accounts": [
                {
                    "name": str(user.portfolio_id),
                    "api_key": f"key-{user.portfolio_id}",
                    "api_secret": f"secret-{user.portfolio_id}",
                    "balances": {"USDT": "100000"},
                }
                for user in users
            ],
        }
        self._start("paper_venue", config, f"{self.paper_url}/api/v3/ping")
        self.play(self.world.last)

    def start_executor(self) -> None:
        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        config = {
            "listen": self.executor_url.removeprefix("http://"),
            "database_url": self.executor_database,
            "journal": str(self.folder / "executor.journal"),
            "token": self.token,
            "command_keys": [{"key_id": "test", "public_key": base64.b64encode(public).decode()}],
            "accounts": [
                {
                    "id": str(user.portfolio_id),
                    "user_id": str(user.id),
                    "exchange": "paper",
                    "rest_url": self.paper_url,
                    "ws_api_url": f"{self.paper_url.replace('http', 'ws')}/ws-api/v3",
                    "api_key": f"key-{user.portfolio_id}",
                    "api_secret": f"secret-{user.portfolio_id}",
                    "quote_asset": "USDT",
                }
                for user in (self.world.alice, self.world.bob)
            ],
        }
        self._start("executor", config, f"{self.executor_url}/readyz")

    def stop(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def play(self, bar: Bar) -> None:
        """One bar at the venue, to its end."""
        names = ("open", "high", "low", "close", "volume")
        body: dict[str, Any] = {name: repr(getattr(bar, name)) for name in names}
        body |= {"symbol": SYMBOL, "interval": "1m", "open_time_ms": bar.time, "close_time_ms": bar.time + MINUTE - 1}
        headers = {"Authorization": f"Bearer {self.token}"}
        with httpx.Client(base_url=self.paper_url, headers=headers, trust_env=False) as venue:
            answer = venue.post("/paper/v1/bar", json=body).raise_for_status().json()
            while not answer["done"]:
                answer = venue.post("/paper/v1/continue", json={"symbol": SYMBOL}).raise_for_status().json()

    def at_venue(self, account: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.get(f"{self.paper_url}/paper/v1/accounts/{account}", headers=headers, trust_env=False)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def _start(self, name: str, config: dict[str, Any], ready_url: str) -> None:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(config))
        path.chmod(0o600)
        command = [str(program(name)), *(["run"] if name == "executor" else []), "--config", str(path)]
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, "RUST_LOG": "info"})
        self.processes[name] = process
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise AssertionError(f"{name} ended with {process.returncode}:\n{log.read_text()[-3000:]}")
            try:
                if httpx.get(ready_url, trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"{name} did not get ready:\n{log.read_text()[-3000:]}")


@contextmanager
def open_desk(world: World, executor_database: str, folder: Path) -> Iterator[Desk]:
    """Venue and executor, ready; skips where they are not built."""
    try:
        program("executor"), program("paper_venue")
    except NotBuilt as error:
        pytest.skip(str(error))
    desk = Desk(folder, world, executor_database)
    try:
        desk.start_venue()
        desk.start_executor()
        yield desk
    finally:
        for name in list(desk.processes):
            desk.stop(name)
