"""Rate limits: token buckets, in Redis where several processes serve, else in memory."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, Protocol

from smc_agent.platform.problems import Problem


class Rate(NamedTuple):
    """burst: requests that may come at once. per_second: how fast they are given back."""

    name: str
    burst: int
    per_second: float


READ = Rate("read", 120, 20.0)
WRITE = Rate("write", 60, 10.0)
HEAVY = Rate("heavy", 10, 0.5)  # detection over many bars, backtests


class Limiter(Protocol):
    async def take(self, rate: Rate, key: str) -> float:
        """Take one token of `key`'s bucket: 0 when there was one, else the seconds until there is."""

    async def where(self) -> str:
        """Where the buckets are: 'memory', 'redis', or 'redis away'."""

    async def close(self) -> None: ...


async def enforce(limiter: Limiter, rate: Rate, key: str) -> None:
    """Raise Problem `rate_limited` with Retry-After when `key` asks too often."""
    wait_s = await limiter.take(rate, key)
    if wait_s > 0:
        retry_after = str(max(1, math.ceil(wait_s)))
        raise Problem(
            "rate_limited",
            f"More than {rate.burst} requests at once, or {rate.per_second:g} a second for long; wait {retry_after} s.",
            headers={"Retry-After": retry_after},
        )


class MemoryLimiter:
    """Buckets of this process; the ones unused for longest are forgotten first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_keys: int = 10_000) -> None:
        self._clock = clock
        self._max_keys = max_keys
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()  # -> (tokens, at)

    async def take(self, rate: Rate, key: str) -> float:
        now = self._clock()
        tokens, at = self._buckets.pop((rate.name, key), (float(rate.burst), now))
        tokens = min(rate.burst, tokens + (now - at) * rate.per_second)
        taken = tokens >= 1
        self._buckets[rate.name, key] = (tokens - 1 if taken else tokens, now)
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        return 0.0 if taken else (1 - tokens) / rate.per_second

    async def where(self) -> str:
        return "memory"

    async def close(self) -> None:
        pass


# Redis' own clock, so that processes with different clocks share one bucket. Answers the wait in microseconds as a
# string: Redis cuts Lua numbers to integers.
_TAKE = """
local burst, per_second = tonumber(ARGV[1]), tonumber(ARGV[2])
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1e6
local state = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(state[1]) or burst, tonumber(state[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * per_second)
local wait = 0
if tokens >= 1 then tokens = tokens - 1 else wait = (1 - tokens) / per_second end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.9f', tokens), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / per_second * 1000) + 1000)
return string.format('%.6f', wait)
"""


class RedisLimiter:
    """Buckets shared by all processes of one Redis; each take is one atomic script.

    When Redis is away the buckets of this process decide: an outage must neither stop trading nor lift the limit.
    """

    def __init__(self, url: str) -> None:
        from redis.asyncio import Redis

        self._redis: Redis = Redis.from_url(url, socket_timeout=0.5, socket_connect_timeout=0.5)
        self._script = self._redis.register_script(_TAKE)
        self._fallback = MemoryLimiter()

    async def take(self, rate: Rate, key: str) -> float:
        from redis.exceptions import RedisError

        try:
            wait = await self._script(keys=[f"smc:rate:{rate.name}:{key}"], args=[rate.burst, rate.per_second])
        except (RedisError, OSError):
            return await self._fallback.take(rate, key)
        return float(wait)

    async def where(self) -> str:
        from redis.exceptions import RedisError

        try:
            await self._redis.ping()
        except (RedisError, OSError):
            return "redis away"
        return "redis"

    async def close(self) -> None:
        await self._redis.aclose()
