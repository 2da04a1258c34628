"""`smc paper` at the live prices of an exchange, which here is another paper venue with a recorded market."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from tests.paper_venue.recorded_market import SPOT, batches, feed, is_told, messages, needs_recordings
from tests.paper_venue.running_venue import PaperVenue, request

SMC = Path(sys.executable).with_name("smc")
WAIT_S = 30
ROOT = Path(__file__).parents[2]


def depth(url: str, limit: int = 500) -> tuple[Any, Any]:
    book = request(f"{url}/api/v3/depth?symbol=BTCUSDT&limit={limit}", "GET", {})[1]
    return book["bids"], book["asks"]


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], WAIT_S)[0], "smc paper said nothing"
    return process.stdout.readline()


def environment() -> dict[str, str]:
    """This checkout's program and package, and no settings of the machine's."""
    keep = {name: value for name, value in os.environ.items() if not name.startswith("SMC_")}
    return keep | {"SMC_HOME": str(ROOT), "PYTHONPATH": str(ROOT / "functions")}


def start(folder: Path, url: str) -> tuple[subprocess.Popen[str], str]:
    arguments = [str(SMC), "paper", "--port", "0", "--exchange-url", url, "--state", str(folder / "paper")]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment(), cwd=folder)
    said = line(process)
    found = re.match(r"(http://\S+) serves BTCUSDT", said)
    assert found, said
    return process, found[1]


@needs_recordings
def test_the_venue_follows_a_live_book_and_trades_on_it(start_venue: Callable[..., PaperVenue], tmp_path: Path) -> None:
    exchange = start_venue()
    events = [message for message in islice(messages(SPOT), 4_000) if is_told(message)]
    begun = next(index for index, message in enumerate(events) if "lastUpdateId" in message) + 1
    feed(exchange, events[:begun])
    process, url = start(tmp_path, exchange.url)
    try:
        for batch in batches(events[begun:], 200):
            feed(exchange, batch)
            time.sleep(0.05)
        deadline = time.monotonic() + WAIT_S
        while depth(url, 100) != depth(exchange.url, 100):
            assert time.monotonic() < deadline, "the book does not follow"
            feed(exchange, [])
            time.sleep(0.1)
        trades = request(f"{url}/api/v3/trades?symbol=BTCUSDT", "GET", {})[1]
        assert trades
        config = json.loads((tmp_path / "paper" / "paper_venue.json").read_text())
        assert [account["market"] for account in config["accounts"]] == ["spot", "swap"]
        assert (tmp_path / "paper" / "paper_venue.json").stat().st_mode & 0o777 == 0o600
        ask = depth(url, 1)[1][0]
        venue = PaperVenue.__new__(PaperVenue)  # its signing client, without a program of its own
        venue.url = url
        spot, swap = ({"key": one["api_key"], "secret": one["api_secret"]} for one in config["accounts"])
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}
        bought = venue.signed("POST", "/api/v3/order", **spot, **order)
        assert (bought["status"], bought["fills"][0]["price"]) == ("FILLED", ask[0])
        assert venue.signed("POST", "/fapi/v1/order", **swap, **order)["status"] == "FILLED"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0

    process, url = start(tmp_path, exchange.url)
    try:
        held = venue_account(url, config["control_token"], "swap")
        assert held["positions"][0]["quantity"] == "0.001"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0


def venue_account(url: str, token: str, name: str) -> Any:
    return request(f"{url}/paper/v1/accounts/{name}", "GET", {"Authorization": f"Bearer {token}"})[1]


def test_what_cannot_be_is_refused_in_one_line(tmp_path: Path) -> None:
    for arguments, said in (
        (["--exchange", "nowhere"], "unknown exchange 'nowhere'"),
        (["--balance", "USDT"], "--balance 'USDT' is no amount"),
    ):
        done = subprocess.run(
            [SMC, "paper", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment()
        )
        assert (done.returncode, done.stderr.count("\n"), said in done.stderr) == (2, 1, True), done.stderr
        assert not (tmp_path / ".smc-paper").exists()
