"""Token buckets: in memory, and in a real Redis."""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis.asyncio
from pydantic import SecretStr
from tests.api.world import World

from smc_agent.platform.limits import WRITE, MemoryLimiter, Rate, RedisLimiter

RATE = Rate("test", 5, 8.0)
REDIS = shutil.which("redis-server") or "/usr/bin/redis-server"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_a_burst_then_a_steady_rate() -> None:
    clock = Clock()
    limiter = MemoryLimiter(clock)
    assert [await limiter.take(RATE, "alice") for _ in range(5)] == [0.0] * 5
    assert await limiter.take(RATE, "alice") == 0.125
    assert await limiter.take(RATE, "bob") == 0.0
    clock.now += 0.125
    assert await limiter.take(RATE, "alice") == 0.0
    assert await limiter.take(RATE, "alice") > 0
    clock.now += 1000
    assert [await limiter.take(RATE, "alice") > 0 for _ in range(6)] == [False] * 5 + [True]


async def test_memory_is_bounded_and_forgets_the_idle_first() -> None:
    limiter = MemoryLimiter(Clock(), max_keys=3)
    for _ in range(5):
        await limiter.take(RATE, "busy")
    for i in range(50):
        await limiter.take(RATE, f"once-{i}")
        assert await limiter.take(RATE, "busy") > 0
    assert len(limiter._buckets) == 3


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    if not os.access(REDIS, os.X_OK):
        pytest.skip("needs redis-server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(tmp_path)]
    server = subprocess.Popen([REDIS, *arguments], stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        with redis.Redis.from_url(url) as client:
            for _ in range(200):
                try:
                    client.ping()
                    break
                except redis.exceptions.ConnectionError:
                    time.sleep(0.02)
        yield url
    finally:
        server.terminate()
        server.wait(10)


async def test_processes_share_one_bucket_in_redis(redis_url: str) -> None:
    first, second = RedisLimiter(redis_url), RedisLimiter(redis_url)
    rate = Rate("shared", 20, 0.5)
    taken = await asyncio.gather(*(limiter.take(rate, "alice") for limiter in [first, second] * 20))
    assert sum(wait == 0 for wait in taken) == 20  # atomic: not one more
    assert max(taken) == pytest.approx(2, abs=0.3)
    assert await second.take(rate, "bob") == 0
    quick = Rate("quick", 1, 20.0)
    assert await first.take(quick, "alice") == 0
    wait = await second.take(quick, "alice")
    assert 0 < wait <= 0.05
    await asyncio.sleep(wait + 0.01)
    assert await first.take(quick, "alice") == 0
    await first.close()
    await second.close()


async def test_buckets_in_redis_go_away_by_themselves(redis_url: str) -> None:
    limiter = RedisLimiter(redis_url)
    await limiter.take(Rate("brief", 5, 10.0), "alice")
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        assert 0 < await client.pttl("smc:rate:brief:alice") <= 1500
    await limiter.close()


async def test_without_redis_each_process_counts_by_itself() -> None:
    limiter = RedisLimiter("redis://127.0.0.1:1/0")
    assert [await limiter.take(RATE, "alice") > 0 for _ in range(6)] == [False] * 5 + [True]
    assert await limiter.where() == "redis away"
    await limiter.close()


@pytest.mark.parametrize("where", ["memory", "redis"])
async def test_too_many_requests_of_one_user(world: World, where: str, request: pytest.FixtureRequest) -> None:
    url = SecretStr(request.getfixturevalue("redis_url")) if where == "redis" else None
    async with world.client(world.app(redis_url=url)) as client:
        path = f"/api/v1/orders/{world.alice.id}/cancel"
        started = time.monotonic()
        codes = []
        for _ in range(WRITE.burst + 40):
            response = await client.post(path, headers=world.alice.headers)
            codes.append(response.json()["code"])
            if codes[-1] == "rate_limited":
                break
        allowed = WRITE.burst + (time.monotonic() - started) * WRITE.per_second
        assert codes[-1] == "rate_limited"
        assert len(codes) - 1 <= allowed + 1
        assert response.status_code == 429
        assert response.headers["retry-after"] == "1"
        assert (await client.post(path, headers=world.bob.headers)).json()["code"] == "unknown_order"
        # Reading has its own bucket, and the key of a user his own.
        assert (await client.get("/api/v1/market/symbols", headers=world.alice.headers)).status_code == 200
        key = await world.api_key(world.alice, ["trade"])
        answer = await client.post(path, headers={"Authorization": f"Bearer {key}"})
        assert answer.json()["code"] == "unknown_order"
