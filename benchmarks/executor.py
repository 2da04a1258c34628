"""The order path by stages, and place to acknowledgement beside ccxt and ccxt.pro: one paper venue, one run.

    python benchmarks/executor.py [--json] [--orders 300] [--ticks 100] [--journal FOLDER]

Each turn places one resting limit order through the executor's HTTP interface (a signed envelope on a kept-alive
connection), one with ccxt's async client (REST) and one with ccxt.pro (WebSocket API), then cancels all three (not
measured). Stages, as the executor measures them from the moment a command has been read: journaled (verified, judged,
written, synced), written (the order's last byte is with the venue's socket), acknowledged (the venue's answer is read).
`place` compares with ccxt's `create_order`: the client's call to its answer, in the process that has the socket.
`echo` is the floor: two processes that only pass an order's bytes to each other. Where cores are short, the venue runs
on the core that has just written to it, before the writer notes the time: then p10 tells the writer's own share. Where
waking another core is slow, that is most of a round: `taskset -c 0 python benchmarks/executor.py` takes it out for all.
`executor/crates/venues/examples/echo.rs` is the same echo over a WebSocket, in Rust.

Then, by itself, what the executor holds on its own: brackets on Bybit's spot dialect, whose targets it watches. The
price goes through each target; from the moment that the tick has been read, before it is parsed: journaled (the cancel
of the stop that holds the balance is decided, written, synced), written (its last byte is with the venue's socket).
Both journals are in --journal, by default a temporary folder; `--journal /dev/shm` shows it without the disk's part.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import multiprocessing
import os
import re
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ccxt.pro as ccxt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.executor.running_executor import Desk, Executor
from tests.paper_venue.running_venue import KEY, SECRET, PaperVenue

WARM_UP = 30
REQUEST_SIZE, ANSWER_SIZE = 390, 740
ECHO = "echo of the same sizes"
CCXT, CCXT_PRO = "ccxt async, create_order", "ccxt.pro, create_order_ws"
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


class Settled:
    """Asks both programs something, so that what an order left to do (events, rows) is not charged to the next.

    A pause would let the cores fall asleep instead, and to wake them takes longer than all that is measured.
    """

    def __init__(self, venue: PaperVenue, executor: Executor) -> None:
        self.asked = [
            (http.client.HTTPConnection(program.url.removeprefix("http://")), path)
            for program, path in ((venue, "/api/v3/ping"), (executor, "/healthz"))
        ]

    def __call__(self) -> None:
        for connection, path in self.asked:
            connection.request("GET", path)
            connection.getresponse().read()


def elapsed_ms(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000


async def measure(orders: int, venue: PaperVenue, executor: Executor) -> dict[str, list[float]]:
    """Milliseconds of each way to place an order."""
    caller, settle = Caller(executor), Settled(venue, executor)
    client = ccxt_client(venue, "key-of-carol", "secret-of-carol")
    times: dict[str, list[float]] = {"executor, Python caller": [], CCXT: [], CCXT_PRO: []}
    resting = ("BTC/USDT", "limit", "buy", 0.001, 45000)
    try:
        await client.load_markets()
        for turn in range(orders + WARM_UP):
            settle()
            begun = time.perf_counter()
            answer = caller.command("place", ORDER)
            seen = elapsed_ms(begun)
            settle()
            begun = time.perf_counter()
            placed = await client.create_order(*resting)
            direct = elapsed_ms(begun)
            settle()
            begun = time.perf_counter()
            pushed = await client.create_order_ws(*resting)
            over_socket = elapsed_ms(begun)
            if turn >= WARM_UP:
                for name, value in zip(times, (seen, direct, over_socket), strict=True):
                    times[name].append(value)
            caller.command("cancel", {"order_id": answer["command_id"]})
            for order in (placed, pushed):
                await client.cancel_order(order["id"], "BTC/USDT")
    finally:
        await client.close()
    return times


def echo(listener: socket.socket) -> None:
    """Answers each request of an order's size with an answer of an order's size."""
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while connection.recv(4096):
        connection.sendall(bytes(ANSWER_SIZE))


def echoes(count: int) -> list[float]:
    """What two processes need at least, milliseconds: bytes there and back, and nothing done with them."""
    listener = socket.create_server(("127.0.0.1", 0))
    other = multiprocessing.get_context("fork").Process(target=echo, args=(listener,), daemon=True)
    other.start()
    times = []
    with socket.create_connection(listener.getsockname()) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            begun = time.perf_counter()
            connection.sendall(bytes(REQUEST_SIZE))
            connection.recv(4096)
            times.append(elapsed_ms(begun))
            time.sleep(0.001)
    other.join(5)
    return times


def stages(log: str, orders: int) -> dict[str, list[float]]:
    """What the executor measured, milliseconds."""
    pattern = r"placed .*?journaled_us=(\d+) written_us=(\d+) acknowledged_us=(\d+)"
    rows = [[int(us) / 1000 for us in row] for row in re.findall(pattern, log)[-orders:]]
    if len(rows) < orders:
        raise SystemExit("orders did not go over the WebSocket API: see the executor's log")
    return {
        "command in -> journaled": [journaled for journaled, _, _ in rows],
        "command in -> written": [written for _, written, _ in rows],
        "command in -> acknowledged": [acknowledged for _, _, acknowledged in rows],
        "place -> written": [written - journaled for journaled, written, _ in rows],
        "place -> acknowledged": [acknowledged - journaled for journaled, _, acknowledged in rows],
    }


def measure_ticks(count: int, folder: Path) -> dict[str, list[float]]:
    """Milliseconds from a tick through a watched target to the cancel of its stop."""
    folder.mkdir()
    account = {"name": "alice", "api_key": KEY, "api_secret": SECRET, "balances": {"USDT": "100000"}}
    venue = PaperVenue(folder, accounts=[account])
    executor = Executor(folder, venue.url)
    ws = f"ws://{venue.address}/v5"
    executor.config["accounts"][0] |= {
        "exchange": "bybit",
        "market": "spot",
        "ws_api_url": ws,
        "market_ws_url": f"{ws}/public/spot",
    }
    try:
        desk = Desk(venue, executor.start())
        for _ in range(count):
            executor.place(price="50000", stop_loss="49000", take_profit="52000")
            desk.bar("50100", "50200", "49900", "50100")
            # Through the target; the stop gives way to a sale, which the next bar fills.
            for _ in range(2):
                snapshot = desk.bar("52100", "52200", "52050", "52100")
            if snapshot["open_orders"]:
                raise SystemExit(f"a bracket did not end at its target: {snapshot['open_orders']}")
        log = executor.text()
    finally:
        if executor.process is not None and executor.process.poll() is None:
            executor.stop()
        venue.stop()
    rows = re.findall(r"taken back after a tick.*?journaled_us=(\d+) written_us=(\d+)", log)
    if len(rows) < count:
        raise SystemExit(f"{len(rows)} of {count} cancels went over the WebSocket: see the executor's log")
    return {
        "tick -> journaled": [int(journaled) / 1000 for journaled, _ in rows],
        "tick -> written": [int(written) / 1000 for _, written in rows],
    }


def spread(values: list[float]) -> dict[str, float]:
    return {
        "p10_ms": round(statistics.quantiles(values, n=10)[0], 3),
        "p50_ms": round(statistics.median(values), 3),
        "p99_ms": round(statistics.quantiles(values, n=100)[98], 3),
    }


def figures(times: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    def row(values: list[float]) -> dict[str, float]:
        p50 = statistics.median(values)
        return spread(values) | {
            "times_faster_than_ccxt": round(statistics.median(times[CCXT]) / p50, 1),
            "times_faster_than_ccxt_pro": round(statistics.median(times[CCXT_PRO]) / p50, 1),
        }

    return {name: row(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--ticks", type=int, default=100)
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
            result = figures(stages(executor.text(), options.orders) | times | {ECHO: echoes(options.orders)})
        finally:
            if executor.process is not None and executor.process.poll() is None:
                executor.stop()
            venue.stop()
        ticks = {what: spread(values) for what, values in measure_ticks(options.ticks, folder / "ticks").items()}
    if options.json:
        print(json.dumps({"orders": options.orders, "place_to_ack": result, "tick_to_cancel": ticks}))
        return
    print(f"{'milliseconds':30} {'p10':>8} {'p50':>8} {'p99':>8} {'x ccxt':>8} {'x ccxt.pro':>10}")
    for name, row in result.items():
        shares = " ".join(f"{row[share]:8.3f}" for share in ("p10_ms", "p50_ms", "p99_ms"))
        print(f"{name:30} {shares} {row['times_faster_than_ccxt']:8.1f} {row['times_faster_than_ccxt_pro']:10.1f}")
    for name, row in ticks.items():
        print(f"{name:30} " + " ".join(f"{value:8.3f}" for value in row.values()))


if __name__ == "__main__":
    main()
