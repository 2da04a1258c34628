"""The executor under load: a steady stream of commands, many open orders, and the start with all of them.

    python benchmarks/executor_load.py [--json] [--rate 2000] [--seconds 60] [--open 10000]

The stream is of placed and cancelled limit orders in turn, over kept-alive connections, signed beforehand and sent by
the clock: a slow answer does not slow the next command. Latency counts from the moment a command was due. Then resting
orders are placed, the executor is killed, and the time from its start to /readyz is the reconciliation of all of them.
Executor, paper venue, Postgres and this program share the machine. `rows_pending`: what Postgres had not yet taken when
the stream ended; the order path does not wait for it, but the rows wait in the executor's memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.chaos.books import Books, start_server
from tests.executor.running_executor import Executor
from tests.paper_venue.running_venue import PaperVenue

CONNECTIONS = 32
ORDER = {"symbol": "BTCUSDT", "side": "buy", "type": "limit", "quantity": "0.0002", "price": "45000"}
BTCUSDT = {
    "symbol": "BTCUSDT", "base": "BTC", "quote": "USDT", "tick": "0.01", "step": "0.00001", "min_quantity": "0.00001",
    "min_notional": "5", "max_open_orders": 20_000,
}  # fmt: skip


class Connection:
    """One kept-alive connection; its commands are answered in order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.free = asyncio.Lock()

    async def send(self, body: bytes) -> dict[str, Any]:
        async with self.free:
            self.writer.write(b"POST /v1/commands HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            answer: dict[str, Any] = json.loads(await self.reader.readexactly(length))
            return answer


async def connections(executor: Executor) -> list[Connection]:
    host, port = executor.url.removeprefix("http://").split(":")
    return [Connection(*await asyncio.open_connection(host, int(port))) for _ in range(CONNECTIONS)]


def place(executor: Executor) -> tuple[str, bytes]:
    envelope = executor.envelope("place", ORDER, ttl=3600)
    return envelope["command_id"], json.dumps(envelope).encode()


def signed_in_turn(executor: Executor, count: int) -> list[bytes]:
    """Places and cancels in turn; what is cancelled was placed some turns before."""
    lag = 200
    placed: list[str] = []
    bodies: list[bytes] = []
    for number in range(count):
        if number % 2 and len(placed) > lag:
            envelope = executor.envelope("cancel", {"order_id": placed[-lag]}, ttl=3600)
            bodies.append(json.dumps(envelope).encode())
        else:
            command_id, body = place(executor)
            placed.append(command_id)
            bodies.append(body)
    return bodies


async def stream(executor: Executor, bodies: list[bytes], rate: float) -> dict[str, Any]:
    lines = await connections(executor)
    latencies: list[float] = []
    wrong: list[dict[str, Any]] = []

    async def send(number: int, due: float) -> None:
        answer = await lines[number % CONNECTIONS].send(bodies[number])
        latencies.append(time.perf_counter() - due)
        if answer["status"] != "accepted":
            wrong.append(answer)

    begun = time.perf_counter()
    tasks = []
    for number in range(len(bodies)):
        due = begun + number / rate
        if (early := due - time.perf_counter()) > 0.001:
            await asyncio.sleep(early)
        tasks.append(asyncio.create_task(send(number, due)))
    await asyncio.gather(*tasks)
    seconds = time.perf_counter() - begun
    for line in lines:
        line.writer.close()
    cut = statistics.quantiles(latencies, n=100)
    return {
        "commands": len(bodies),
        "per_second": round(len(bodies) / seconds),
        "not_accepted": len(wrong),
        "first_not_accepted": wrong[:1],
        "p50_ms": round(statistics.median(latencies) * 1000, 2),
        "p99_ms": round(cut[98] * 1000, 2),
    }


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(round(int(line.split()[1]) / 1024, 1) for line in lines if line.startswith("VmRSS"))


async def fill_up(executor: Executor, count: int) -> None:
    lines = await connections(executor)

    async def some(line: Connection, many: int) -> None:
        for _ in range(many):
            answer = await line.send(place(executor)[1])
            if answer["status"] != "accepted":
                raise SystemExit(f"not accepted: {answer}")

    await asyncio.gather(*(some(line, count // CONNECTIONS + 1) for line in lines))


def measure(rate: int, seconds: int, resting: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="smc-load-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        account = {"name": "alice", "api_key": "key-of-alice", "api_secret": "secret-of-alice"}
        venue = PaperVenue(Path(name), symbols=[BTCUSDT], accounts=[account | {"balances": {"USDT": "10000000"}}])
        server = start_server(Path(name) / "state")
        books = Books(server, "load", stops=False)
        executor = Executor(Path(name), venue.url, books.url, account=books.account, user_id=books.user)
        try:
            venue.bar("50000", "50000", "50000", "50000")
            executor.start()
            assert executor.process is not None
            asyncio.run(fill_up(executor, 500))
            bodies = signed_in_turn(executor, rate * seconds)
            before = resident_mb(executor.process.pid)
            result = asyncio.run(stream(executor, bodies, rate))
            result |= {"rss_before_mb": before, "rss_after_mb": resident_mb(executor.process.pid)}
            result["rows_pending"] = executor.drain()["sink_pending"]
            executor.command("cancel_all")
            executor.until(lambda: not executor.drain()["open_orders"], seconds=120)
            asyncio.run(fill_up(executor, resting))
            result["open_orders"] = len(executor.drain()["open_orders"])
            executor.stop(signal.SIGKILL)
            begun = time.perf_counter()
            executor.start(ready=False)
            result["start_to_listening_s"] = round(time.perf_counter() - begun, 2)
            executor.until(lambda: executor.get("/readyz")[0] == 200, seconds=120)
            result["start_to_ready_s"] = round(time.perf_counter() - begun, 2)
            found = len(executor.drain()["open_orders"])
            if found != result["open_orders"]:
                raise SystemExit(f"{found} open orders after the restart, {result['open_orders']} before")
            result["journal_mb"] = round((Path(name) / "executor.journal").stat().st_size / 1e6, 1)
        finally:
            if executor.process is not None and executor.process.poll() is None:
                executor.stop(signal.SIGKILL)
            venue.stop(signal.SIGKILL)
            books.close()
            server.stop()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--open", type=int, default=10_000)
    options = parser.parse_args()
    result = measure(options.rate, options.seconds, options.open)
    if options.json:
        print(json.dumps(result))
        return
    for what, figure in result.items():
        print(f"{what:24} {figure}")


if __name__ == "__main__":
    main()
