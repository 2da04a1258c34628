"""The executor's release binary against the paper venue's, and a trader that signs commands like the agent does."""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.paper_venue.running_venue import KEY, SECRET, PaperVenue

BINARY = Path(__file__).parents[2] / "executor" / "target" / "release" / "executor"
TOKEN = "executor-token-of-the-test"
NOWHERE = "postgres://nobody:nothing@127.0.0.1:1/nowhere"
STEP = 0.01


class Executor:
    """The running program with one account, alice's at the paper venue."""

    def __init__(self, folder: Path, venue_url: str, database_url: str = NOWHERE, **config: Any) -> None:
        self.account = str(config.pop("account", uuid.uuid4()))
        self.key = Ed25519PrivateKey.generate()
        address = venue_url.removeprefix("http://")
        self.config: dict[str, Any] = {
            "listen": "127.0.0.1:0",
            "database_url": database_url,
            "journal": str(folder / "executor.journal"),
            "token": TOKEN,
            # Without a database nobody gives a lease.
            "lease_s": 0 if database_url == NOWHERE else 30,
            "command_keys": [
                {"key_id": "test", "public_key": base64.b64encode(self.key.public_key().public_bytes_raw()).decode()}
            ],
            "accounts": [
                {
                    "id": self.account,
                    "user_id": str(config.pop("user_id", uuid.uuid4())),
                    "exchange": "paper",
                    "rest_url": f"http://{address}",
                    "ws_api_url": f"ws://{address}/ws-api/v3",
                    "api_key": KEY,
                    "api_secret": SECRET,
                    "quote_asset": "USDT",
                }
            ],
        } | config
        self.config_path = folder / "executor.json"
        self.log = folder / "executor.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, ready: bool = True) -> Executor:
        self.config_path.write_text(json.dumps(self.config))
        self.config_path.chmod(0o600)
        begun = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([BINARY, "run", "--config", str(self.config_path)], stderr=log)
        process = self.process
        address = self.until(lambda: re.search(r"listening.*address=(\S+)", self.text()[begun:]), alive=process)[1]
        self.url = f"http://{address}"
        if ready:
            self.until(lambda: self.get("/readyz")[0] == 200, alive=process)
        return self

    def text(self) -> str:
        return self.log.read_text()

    def until(self, look: Any, seconds: float = 15, alive: subprocess.Popen[bytes] | None = None) -> Any:
        """What `look` gives once it is true."""
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < deadline, self.text()
            assert alive is None or alive.poll() is None, self.text()
            time.sleep(STEP)
        return found

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ends the program and returns its exit status."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(timeout=20)

    # --- commands

    def envelope(
        self, action: str, payload: dict[str, Any], command_id: str | None = None, ttl: float = 30, age: float = 0
    ) -> dict[str, Any]:
        issued = datetime.now(UTC) - timedelta(seconds=age)
        envelope = {
            "command_id": command_id or str(uuid.uuid4()),
            "account": self.account,
            "action": action,
            "payload": payload,
            "issued_at": iso(issued),
            "expires_at": iso(issued + timedelta(seconds=ttl)),
            "key_id": "test",
        }
        return self.signed(envelope)

    def signed(self, envelope: dict[str, Any], key: Ed25519PrivateKey | None = None) -> dict[str, Any]:
        signature = (key or self.key).sign(rfc8785.dumps(envelope))
        return envelope | {"signature": base64.b64encode(signature).decode()}

    def send(self, envelope: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self.post("/v1/commands", json.dumps(envelope))[1]
        return answer

    def command(self, action: str, payload: dict[str, Any] | None = None, **envelope: Any) -> dict[str, Any]:
        return self.send(self.envelope(action, payload or {}, **envelope))

    def place(self, side: str = "buy", type: str = "limit", quantity: str = "0.01", **payload: Any) -> dict[str, Any]:
        return self.command("place", {"symbol": "BTCUSDT", "side": side, "type": type, "quantity": quantity} | payload)

    # --- looking

    def drain(self) -> dict[str, Any]:
        return self.seen(self.post(f"/v1/accounts/{self.account}/drain", "", authorized=True))

    def snapshot(self) -> dict[str, Any]:
        return self.seen(self.get(f"/v1/accounts/{self.account}", authorized=True))

    def seen(self, answer: tuple[int, Any]) -> dict[str, Any]:
        snapshot: dict[str, Any] = answer[1]
        assert answer[0] == 200, snapshot
        return snapshot

    def get(self, path: str, authorized: bool = False) -> tuple[int, Any]:
        return self.request("GET", path, None, authorized)

    def post(self, path: str, body: str, authorized: bool = False) -> tuple[int, Any]:
        return self.request("POST", path, body.encode(), authorized)

    def request(self, method: str, path: str, body: bytes | None, authorized: bool) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {TOKEN}"} if authorized else {}
        sent = urllib.request.Request(f"{self.url}{path}", body, headers, method=method)
        try:
            with urllib.request.urlopen(sent, timeout=40) as answer:
                return answer.status, parsed(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, parsed(error.read())


class Desk:
    """Venue and executor together, and the market's bars as the agent sends them."""

    def __init__(self, venue: PaperVenue, executor: Executor) -> None:
        self.venue, self.executor = venue, executor

    def bar(self, *prices: str) -> dict[str, Any]:
        """One bar, phase by phase, the executor reacting in between; the snapshot behind it."""
        answer = self.venue.bar(*prices, done=False)
        while not answer["done"]:
            self.executor.drain()
            answer = self.venue.go_on()
        return self.executor.drain()


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()
