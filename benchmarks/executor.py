"""Place to acknowledgement: through the executor, beside ccxt's async client at the same paper venue in the same run.

    python benchmarks/executor.py [--json] [--orders 300] [--journal FOLDER]

Each turn places one resting limit order through the executor's HTTP interface (a signed envelope on a kept-alive
connection; signing is measured as well) and one directly with ccxt, and cancels both (not measured). The executor
journals and syncs each command before it sends; `--journal /dev/shm` shows it without the disk's part.
The first row is from the command's first byte read to the order handed to the venue's connection: verified, judged,
journaled and synced.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ccxt.pro as ccxt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.executor.running_executor import Executor
from tests.paper_venue.running_venue import PaperVenue

WARM_UP = 30
ORDER = {"symbol": "BTCUSDT", "side": "buy", "type": "limit", "quantity": "0.001", "price": "45000"}


class Caller:
    """A caller of the executor with one connection that it keeps."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.connection = http.client.HTTPConnection(executor.url.removeprefix("http://"))

    def command(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps(self.executor.envelope(action, payload))
        self.connection.request("POST", "/v1/commands", body)
        answer: dict[str, Any] = json.load(self.connection.getresponse())
        if answer["status"] != "accepted":
            raise SystemExit(f"{action} was not accepted: {answer['message']}")
        return answer


def ccxt_client(venue: PaperVenue, key: str, secret: str) -> Any:
    client = ccxt.binance({"apiKey": key, "secret": secret, "enableRateLimit": False})
    client.options["fetchMarkets"] = {"types": ["spot"]}
    client.options["fetchCurrencies"] = False
    client.urls["api"] = {
        name: url.replace("https://api.binance.com", venue.url) if isinstance(url, str) else url
        for name, url in client.urls["api"].items()
    }
    client.urls["api"]["ws"] = {"ws-api": {"spot": venue.url.replace("http", "ws", 1) + "/ws-api/v3"}}
    return client


def elapsed_ms(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000


async def measure(orders: int, venue: PaperVenue, executor: Executor) -> dict[str, list[float]]:
    caller = Caller(executor)
    client = ccxt_client(venue, "key-of-carol", "secret-of-carol")
    names = ("executor, until acknowledged", "executor, seen by a Python caller", "ccxt async", "ccxt.pro WebSocket")
    times: dict[str, list[float]] = {name: [] for name in names}
    try:
        await client.load_markets()
        for turn in range(orders + WARM_UP):
            begun = time.perf_counter()
            answer = caller.command("place", ORDER)
            seen = elapsed_ms(begun)
            begun = time.perf_counter()
            placed = await client.create_order("BTC/USDT", "limit", "buy", 0.001, 45000)
            direct = elapsed_ms(begun)
            begun = time.perf_counter()
            placed_ws = await client.create_order_ws("BTC/USDT", "limit", "buy", 0.001, 45000)
            ws = elapsed_ms(begun)
            if turn >= WARM_UP:
                times["executor, until acknowledged"].append(answer["latency_ms"])
                times["executor, seen by a Python caller"].append(seen)
                times["ccxt async"].append(direct)
                times["ccxt.pro WebSocket"].append(ws)
            caller.command("cancel", {"order_id": answer["command_id"]})
            await client.cancel_order(placed["id"], "BTC/USDT")
            await client.cancel_order(placed_ws["id"], "BTC/USDT")
    finally:
        await client.close()
    return times


def figures(times: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    ccxt_p50 = statistics.median(times["ccxt async"])
    return {
        name: {
            "p50_ms": round(statistics.median(values), 3),
            "p99_ms": round(statistics.quantiles(values, n=100)[98], 3),
            "times_faster_than_ccxt": round(ccxt_p50 / statistics.median(values), 1),
        }
        for name, values in times.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--journal", type=Path, help="folder of both journals; default: a temporary one on disk")
    options = parser.parse_args()
    os.environ["RUST_LOG"] = "info,executor=debug"
    with tempfile.TemporaryDirectory(prefix="smc-bench-", dir=options.journal, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        accounts = [
            {"name": who, "api_key": f"key-of-{who}", "api_secret": f"secret-of-{who}", "balances": {"USDT": "100000"}}
            for who in ("alice", "carol")
        ]
        venue = PaperVenue(folder, accounts=accounts)
        executor = Executor(folder, venue.url)
        try:
            venue.bar("50000", "50000", "50000", "50000")
            executor.start()
            times = asyncio.run(measure(options.orders, venue, executor))
            stages = re.findall(r"placed .*?journaled_us=(\d+) written_us=(\d+) acknowledged_us=(\d+)", executor.text())[-options.orders :]
            cols = [[int(us) / 1000 for us in col] for col in zip(*stages, strict=True)]
            result = figures(dict(zip(("journaled", "written", "acked"), cols, strict=True)) | {"written-journaled": [b-a for a,b in zip(cols[0],cols[1])], "acked-written": [b-a for a,b in zip(cols[1],cols[2])]} | times)
        finally:
            if executor.process is not None and executor.process.poll() is None:
                executor.stop()
            venue.stop()
    if options.json:
        print(json.dumps({"orders": options.orders, "place_to_ack": result}))
        return
    print(f"{'place to acknowledgement':36} {'p50 ms':>9} {'p99 ms':>9} {'x ccxt':>8}")
    for name, row in result.items():
        print(f"{name:36} {row['p50_ms']:9.3f} {row['p99_ms']:9.3f} {row['times_faster_than_ccxt']:8.1f}")


if __name__ == "__main__":
    main()
