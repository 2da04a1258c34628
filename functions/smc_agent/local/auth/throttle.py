"""How often something may be tried."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable


class Throttle:
    """A token bucket for each key: `burst` tries at once, then one every `seconds`. Bounded: forgets the idle first."""

    def __init__(
        self, burst: int, seconds: float, clock: Callable[[], float] = time.monotonic, keys: int = 10_000
    ) -> None:
        self._burst, self._seconds, self._clock, self._keys = burst, seconds, clock, keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # key -> (tries left, at)

    def wait(self, key: str) -> float:
        """Take one try; 0 if there was one, else the seconds until the next."""
        now = self._clock()
        left, at = self._buckets.pop(key, (float(self._burst), now))
        left = min(self._burst, left + (now - at) / self._seconds)
        allowed = left >= 1
        self._buckets[key] = (left - 1 if allowed else left, now)
        while len(self._buckets) > self._keys:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - left) * self._seconds

    def forget(self, key: str) -> None:
        """Give `key` all its tries back."""
        self._buckets.pop(key, None)
