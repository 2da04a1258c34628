"""The paper venue's release binary on a free port, and a client of it that signs like Binance's."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

BINARY = Path(__file__).parents[2] / "executor" / "target" / "release" / "paper_venue"
TOKEN = "control-token-of-the-test"
KEY, SECRET = "key-of-alice", "secret-of-alice"
MINUTE = 60_000
START = 1_700_000_000_000 // MINUTE * MINUTE


class PaperVenue:
    """The running program, and a client of it that signs like Binance's."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.config_path = folder / "paper_venue.json"
        self.state_path = folder / "paper_venue.journal"
        self.config: dict[str, Any] = {
            "listen": "127.0.0.1:0",
            "state": str(self.state_path),
            "control_token": TOKEN,
            "fees": {"maker": "0.001", "taker": "0.002"},
            "symbols": [
                {
                    "symbol": "BTCUSDT",
                    "base": "BTC",
                    "quote": "USDT",
                    "tick": "0.01",
                    "step": "0.00001",
                    "min_quantity": "0.00001",
                    "min_notional": "5",
                }
            ],
            "accounts": [
                {"name": "alice", "api_key": KEY, "api_secret": SECRET, "balances": {"USDT": "100000"}},
                {"name": "bob", "api_key": "key-of-bob", "api_secret": "secret-of-bob", "balances": {"USDT": "50"}},
            ],
        } | config
        self.log = folder / "paper_venue.log"
        self.bars = 0
        self.start()

    def start(self) -> None:
        self.config_path.write_text(json.dumps(self.config))
        self.config_path.chmod(0o600)
        with self.log.open("w") as log:
            self.process = subprocess.Popen([BINARY, "--config", str(self.config_path)], stderr=log)
        deadline = time.monotonic() + 10
        while not (found := re.search(r"listening on (\S+)", self.log.read_text())):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, "the paper venue did not start within 10 s"
            time.sleep(0.01)
        self.address = found[1]
        self.url = f"http://{self.address}"

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ends the program and returns its exit status."""
        self.process.send_signal(how)
        return self.process.wait(timeout=10)

    def control(self, method: str, path: str, body: dict[str, Any] | None = None, token: str = TOKEN) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        return request(f"{self.url}{path}", method, headers, None if body is None else json.dumps(body))[1]

    def bar(self, *prices: str, volume: str = "10", done: bool = True) -> dict[str, Any]:
        """Posts the next minute's bar (open, high, low, close); with `done`, to its end."""
        opened = START + self.bars * MINUTE
        self.bars += 1
        body = dict(zip(("open", "high", "low", "close"), prices, strict=True)) | {
            "symbol": "BTCUSDT",
            "interval": "1m",
            "open_time_ms": opened,
            "close_time_ms": opened + MINUTE - 1,
            "volume": volume,
        }
        answer: dict[str, Any] = self.control("POST", "/paper/v1/bar", body)
        while done and not answer["done"]:
            answer = self.go_on()
        return answer

    def go_on(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.control("POST", "/paper/v1/continue", {"symbol": "BTCUSDT"})
        return answer

    def account(self, name: str = "alice") -> dict[str, Any]:
        answer: dict[str, Any] = self.control("GET", f"/paper/v1/accounts/{name}")
        return answer

    def signed(self, method: str, path: str, key: str = KEY, secret: str = SECRET, **params: Any) -> Any:
        """A signed REST request; on refusal the error's code and msg."""
        return self.signed_with_headers(method, path, key, secret, **params)[1]

    def signed_with_headers(
        self, method: str, path: str, key: str = KEY, secret: str = SECRET, **params: Any
    ) -> tuple[dict[str, str], Any]:
        query = urllib.parse.urlencode({"timestamp": int(time.time() * 1000)} | params)
        signature = hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        return request(f"{self.url}{path}?{query}&signature={signature}", method, {"X-MBX-APIKEY": key})

    def public(self, path: str) -> Any:
        return request(f"{self.url}{path}", "GET", {})[1]


def request(url: str, method: str, headers: dict[str, str], body: str | None = None) -> tuple[dict[str, str], Any]:
    """The answer's headers (lower case) and JSON, whatever its status."""
    sent = urllib.request.Request(url, None if body is None else body.encode(), headers, method=method)
    try:
        with urllib.request.urlopen(sent, timeout=10) as answer:
            return {name.lower(): value for name, value in answer.headers.items()}, json.load(answer)
    except urllib.error.HTTPError as error:
        return {name.lower(): value for name, value in error.headers.items()}, json.load(error)
