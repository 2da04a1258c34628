"""The order path: a request to the API until the venue has acknowledged the order, all on loopback.

    python benchmarks/api.py [--json] [--orders 200]

API (uvicorn, one process), executor and paper venue (release builds) and the embedded Postgres run as they do under
`make up`: journal and database on disk, every guard on. Each measured request is one POST /api/v1/orders/create of a
resting limit order, authenticated, judged by risk, recorded in the audit trail, signed, journaled, acknowledged. It is
cancelled before the next one (not measured). Budget: p99 below 50 ms.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.api.desk import free_port, open_desk
from tests.api.world import JWT_SECRET, SYMBOL, User, World, open_world

from smc_agent.local.database import prepare_database
from smc_agent.local.postgres import Postgres, prepare_postgres

BUDGET_MS = 50.0
WARM_UP = 20
PACE_S = 0.12  # two users, two writes an order: within the rate limit of 10 a second each


@contextmanager
def postgres() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="smc-bench-", ignore_cleanup_errors=True) as folder:
        server = prepare_postgres(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def api(world: World, settings: dict[str, Any]) -> Iterator[str]:
    """The API as a process of its own; its base URL."""
    port = free_port()
    assert world.settings.database_url is not None
    environment = {
        **os.environ,
        "DATABASE_URL": world.settings.database_url.get_secret_value(),
        "SUPABASE_JWT_SECRET": JWT_SECRET,
        "SMC_EXECUTOR_URL": settings["executor_url"],
        "SMC_EXECUTOR_TOKEN": settings["executor_token"].get_secret_value(),
        "SMC_COMMAND_KEY": settings["command_key"].get_secret_value(),
        "SMC_COMMAND_KEY_ID": settings["command_key_id"],
        "SMC_PAPER_URL": settings["paper_url"],
    }
    uvicorn = ["-m", "uvicorn", "smc_agent.api.app:create_app", "--factory", "--host", "127.0.0.1", "--no-access-log"]
    process = subprocess.Popen(
        [sys.executable, *uvicorn, "--port", str(port)], env=environment, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                httpx.get(f"{url}/healthz", trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)


async def place_and_cancel(http: httpx.AsyncClient, user: User, price: str) -> tuple[float, float]:
    """(milliseconds of the request, of them the executor's) for one order."""
    body = {"symbol": SYMBOL, "side": "buy", "type": "limit", "quantity": "0.001", "price": price}
    started = time.perf_counter()
    response = await http.post("/api/v1/orders/create", json=body, headers=user.headers)
    took = (time.perf_counter() - started) * 1000
    if response.status_code != 200:
        raise SystemExit(f"the order was not placed: {response.text}")
    answer = response.json()
    cancelled = await http.post(f"/api/v1/orders/{answer['order_id']}/cancel", headers=user.headers)
    if cancelled.status_code != 200:
        raise SystemExit(f"the order was not cancelled: {cancelled.text}")
    return took, float(answer["execution_time_ms"])


async def measure(url: str, world: World, orders: int) -> list[tuple[float, float]]:
    price = str(round(world.last.close * 0.9, 2))
    results = []
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as http:
        for number in range(WARM_UP + orders):
            user = (world.alice, world.bob)[number % 2]
            results.append(await place_and_cancel(http, user, price))
            await asyncio.sleep(PACE_S)
    return results[WARM_UP:]


def percentile(values: list[float], share: float) -> float:
    return round(statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1], 3)


async def run(orders: int) -> dict[str, Any]:
    with postgres() as server, tempfile.TemporaryDirectory(prefix="smc-bench-") as folder:
        await prepare_database(server)
        async with open_world(server.url("postgres"), server.url("smc_functions")) as world:
            with open_desk(world, server.url("smc_executor"), Path(folder)) as desk, api(world, desk.settings) as url:
                results = await measure(url, world, orders)
    whole, inside = [each[0] for each in results], [each[1] for each in results]
    p99 = percentile(whole, 0.99)
    return {
        "orders": orders,
        "api_ms": {"p50": percentile(whole, 0.5), "p99": p99, "max": round(max(whole), 3)},
        "executor_ms": {"p50": percentile(inside, 0.5), "p99": percentile(inside, 0.99), "max": round(max(inside), 3)},
        "budget_p99_ms": BUDGET_MS,
        "within_budget": p99 < BUDGET_MS,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="The order path on loopback: API to the venue's acknowledgement.")
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.add_argument("--orders", type=int, default=200)
    arguments = parser.parse_args()
    figures = asyncio.run(run(arguments.orders))
    if arguments.json:
        print(json.dumps(figures))
        return
    print(f"{figures['orders']} orders{'p50 ms':>24}{'p99 ms':>10}{'max ms':>10}")
    for name, words in (("api_ms", "request to answer"), ("executor_ms", "of it: executor to venue")):
        row = figures[name]
        print(f"{words:<26}{row['p50']:>9}{row['p99']:>10}{row['max']:>10}")
    print(f"budget: p99 < {BUDGET_MS:g} ms: {'ok' if figures['within_budget'] else 'TOO SLOW'}")


if __name__ == "__main__":
    main()
