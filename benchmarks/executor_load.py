"""The executor under load: a steady stream of commands, many open orders, and the start with all of them.

    python benchmarks/executor_load.py [--json] [--rate 2000] [--seconds 60] [--open 10000] [--profile FILE]

The stream is of placed and cancelled limit orders in turn, signed beforehand and sent by the clock over kept-alive
connections, without waiting for answers: a slow answer does not slow the next command. Latency counts from the moment
a command was due. Then resting orders are placed, the executor is killed, and the time from its start to /readyz is
the reconciliation of all of them. Executor, paper venue, Postgres and this program share the machine: `cpu_us` is
what a command cost each of them while the stream ran; `resident_mb`, the executor's memory in the course of it.
`rows_pending`: what Postgres had not yet taken when the stream ended; the order path does not wait for it.
`--profile`: `perf record` of the executor during the stream.
"""

from __future__ import annotations

import argparse
import base64
import gc
import json
import os
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.chaos.books import Books, start_server
from tests.executor.running_executor import Executor, iso
from tests.paper_venue.running_venue import PaperVenue

from smc_agent.local.postgres import Postgres

CONNECTIONS = 64
CANCELLED_AFTER = 200  # places
PATIENCE_S = 60.0
# What is finished is forgotten after two audits, answers when their commands have expired: soon enough to be seen here.
AUDIT_S = 10
VALID = timedelta(seconds=15)
SIGNING_S = 0.0003  # at most, of a command
ORDER = {"symbol": "BTCUSDT", "side": "buy", "type": "limit", "quantity": "0.0002", "price": "45000"}
BTCUSDT = {
    "symbol": "BTCUSDT", "base": "BTC", "quote": "USDT", "tick": "0.01", "step": "0.00001", "min_quantity": "0.00001",
    "min_notional": "5", "max_open_orders": 20_000,
}  # fmt: skip
ANSWER = b"HTTP/1.1 "
TICKS = os.sysconf("SC_CLK_TCK")


class Caller:
    """Signs commands, and sends them over connections that stay open."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        host, port = executor.url.removeprefix("http://").split(":")
        self.lines = [socket.create_connection((host, int(port))) for _ in range(CONNECTIONS)]
        for line in self.lines:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def signed(self, action: str, payload: dict[str, Any], due: datetime) -> tuple[str, bytes]:
        """A command's id, and the request with it."""
        command_id = str(uuid.uuid4())
        envelope = {
            "command_id": command_id,
            "account": self.executor.account,
            "action": action,
            "payload": payload,
            "issued_at": iso(due),
            "expires_at": iso(due + VALID),
            "key_id": "test",
        }
        # Of strings in ASCII this is RFC 8785's form.
        canonical = json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode()
        signature = base64.b64encode(self.executor.key.sign(canonical))
        body = canonical[:-1] + b',"signature":"' + signature + b'"}'
        return command_id, b"POST /v1/commands HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    def place(self, count: int, rate: float) -> dict[str, Any]:
        """Orders that rest."""
        begin = self.later(count)
        dues = [begin + timedelta(seconds=number / rate) for number in range(count)]
        return self.send([self.signed("place", ORDER, due)[1] for due in dues], rate, begin)

    def later(self, count: int) -> datetime:
        """When so many commands will have been signed."""
        return datetime.now(UTC) + timedelta(seconds=count * SIGNING_S)

    def in_turn(self, count: int, rate: float, begin: datetime) -> list[bytes]:
        """Places and cancels in turn; what is cancelled was placed some turns before."""
        placed: list[str] = []
        requests: list[bytes] = []
        for number in range(count):
            due = begin + timedelta(seconds=number / rate)
            if number % 2 and len(placed) > CANCELLED_AFTER:
                requests.append(self.signed("cancel", {"order_id": placed[-CANCELLED_AFTER]}, due)[1])
            else:
                command_id, request = self.signed("place", ORDER, due)
                placed.append(command_id)
                requests.append(request)
        return requests

    def send(self, requests: list[bytes], rate: float, begin: datetime) -> dict[str, Any]:
        """Sends each when it is due, from `begin` on, and reads what comes back until there is an answer to each."""
        clock, count = time.perf_counter, len(requests)
        latencies: list[float] = []
        heard: list[list[bytes]] = [[] for _ in self.lines]
        answered, tails = [0] * CONNECTIONS, [b""] * CONNECTIONS
        sent = 0
        with selectors.EpollSelector() as selector:
            for number, line in enumerate(self.lines):
                selector.register(line, selectors.EVENT_READ, number)
            time.sleep(max((begin - datetime.now(UTC)).total_seconds(), 0))
            begun = clock()
            while len(latencies) < count:
                now = clock()
                while sent < count and begun + sent / rate <= now:
                    self.lines[sent % CONNECTIONS].sendall(requests[sent])
                    sent += 1
                wait = begun + sent / rate - clock() if sent < count else PATIENCE_S
                ready = selector.select(max(wait, 0))
                if sent == count and not ready:
                    raise SystemExit(f"{count - len(latencies)} commands without an answer after {PATIENCE_S} s")
                now = clock()
                for key, _ in ready:
                    number = key.data
                    data = self.lines[number].recv(65536)
                    if not data:
                        raise SystemExit("the executor closed a connection")
                    heard[number].append(data)
                    data = tails[number] + data
                    tails[number] = data[-len(ANSWER) + 1 :]
                    for _ in range(data.count(ANSWER)):
                        due = begun + (answered[number] * CONNECTIONS + number) / rate
                        latencies.append(now - due)
                        answered[number] += 1
            seconds = clock() - begun
        answers = [answer for line in heard for answer in b"".join(line).split(ANSWER)[1:]]
        wrong = [answer for answer in answers if b'"status":"accepted"' not in answer]
        cut = statistics.quantiles(latencies, n=100)
        return {
            "commands": count,
            "per_second": round(count / seconds),
            "not_accepted": len(wrong),
            "first_not_accepted": [answer.decode() for answer in wrong[:1]],
            "p50_ms": round(statistics.median(latencies) * 1000, 2),
            "p99_ms": round(cut[98] * 1000, 2),
            "longest_ms": round(max(latencies) * 1000, 2),
        }

    def close(self) -> None:
        for line in self.lines:
            line.close()


def ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def ticks_of_server(server: Postgres) -> int:
    """Of the server and what it has started."""
    parent = int((server.data / "postmaster.pid").read_text().split()[0])
    total = ticks(parent)
    for task in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(task.read_text().rpartition(")")[2].split()[1]) == parent:
                total += ticks(int(task.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(round(int(line.split()[1]) / 1024, 1) for line in lines if line.startswith("VmRSS"))


@contextmanager
def profiled(pid: int, file: str | None) -> Iterator[None]:
    if file is None:
        yield
        return
    recorder = subprocess.Popen(
        ["perf", "record", "-q", "-e", "cpu-clock", "-F", "2000", "-g", "-o", file, "-p", str(pid)]
    )
    try:
        yield
    finally:
        recorder.send_signal(signal.SIGINT)
        recorder.wait()


def stream(
    executor: Executor, venue: PaperVenue, server: Postgres, rate: int, seconds: int, file: str | None
) -> dict[str, Any]:
    assert executor.process is not None
    pid = executor.process.pid
    caller = Caller(executor)
    caller.place(500, rate)
    begin = caller.later(rate * seconds)
    requests = caller.in_turn(rate * seconds, rate, begin)
    looks: dict[str, Callable[[], int]] = {
        "executor": lambda: ticks(pid),
        "venue": lambda: ticks(venue.process.pid),
        "postgres": lambda: ticks_of_server(server),
        "caller": lambda: ticks(os.getpid()),
    }
    memory = [resident_mb(pid)]
    gc.collect()
    gc.freeze()
    done = threading.Event()
    watcher = threading.Thread(target=watch_memory, args=(pid, seconds / 6, memory, done))
    watcher.start()
    with profiled(pid, file):
        spent = {name: -look() for name, look in looks.items()}
        result = caller.send(requests, rate, begin)
        result["cpu_us"] = {
            name: round((spent[name] + look()) / TICKS * 1e6 / len(requests)) for name, look in looks.items()
        }
    done.set()
    watcher.join()
    caller.close()
    return result | {"resident_mb": memory}


def watch_memory(pid: int, every: float, seen: list[float], done: threading.Event) -> None:
    while not done.wait(every):
        seen.append(resident_mb(pid))
    seen.append(resident_mb(pid))


def measure(rate: int, seconds: int, resting: int, file: str | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="smc-load-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        account = {"name": "alice", "api_key": "key-of-alice", "api_secret": "secret-of-alice"}
        venue = PaperVenue(Path(name), symbols=[BTCUSDT], accounts=[account | {"balances": {"USDT": "10000000"}}])
        server = start_server(Path(name) / "state")
        books = Books(server, "load", stops=False)
        direct = server.url("smc_executor", "load")
        executor = Executor(
            Path(name), venue.url, direct, account=books.account, user_id=books.user, audit_every_s=AUDIT_S
        )
        try:
            venue.bar("50000", "50000", "50000", "50000")
            executor.start()
            result = stream(executor, venue, server, rate, seconds, file)
            begun = time.perf_counter()
            result["rows_pending"] = executor.drain()["sink_pending"]
            executor.until(lambda: not executor.drain()["sink_pending"], seconds=120)
            result["rows_written_after_s"] = round(time.perf_counter() - begun, 2)
            if not resting:
                return result
            executor.command("cancel_all")
            executor.until(lambda: not executor.drain()["open_orders"], seconds=120)
            caller = Caller(executor)
            if (filled := caller.place(resting, 2_000))["not_accepted"]:
                raise SystemExit(f"not accepted: {filled['first_not_accepted']}")
            caller.close()
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
    parser.add_argument("--open", type=int, default=10_000, help="0: only the stream")
    parser.add_argument("--profile", metavar="FILE")
    options = parser.parse_args()
    result = measure(options.rate, options.seconds, options.open, options.profile)
    if options.json:
        print(json.dumps(result))
        return
    for what, figure in result.items():
        print(f"{what:24} {figure}")


if __name__ == "__main__":
    main()
