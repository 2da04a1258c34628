"""How fast detection is: a batch of 1,000,000 bars, its growth, one bar pushed from Python, a cold process.

    python benchmarks/detection.py [--json] [--bars 1000000]

Bars: `../shared/bench/workloads.py bars` where it is there, else a walk like it made here. Times are CPU seconds of the
best of five runs on one core, but for the cold process, which is what a clock on the wall shows.
"""

import argparse
import importlib.util
import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from smc_agent.detection import Detector, detect

WORKLOADS = Path(__file__).parents[2] / "shared" / "bench" / "workloads.py"
COLD = """
import time
start = time.perf_counter()
from smc_agent.detection import Detector
imported = time.perf_counter()
Detector().push(0, 1.0, 2.0, 0.5, 1.5, 1.0)
print(imported - start, time.perf_counter() - imported)
"""


def bars(n: int) -> tuple[Any, ...]:
    """time_ms, open, high, low, close, volume of n one-minute bars, seed 42."""
    if WORKLOADS.exists():
        spec = importlib.util.spec_from_file_location("workloads", WORKLOADS)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        made: tuple[Any, ...] = module.smc_bars(n)
        return made
    rng = np.random.default_rng(42)
    ticks = np.round(30_000 * np.exp(np.cumsum(rng.standard_t(5, n * 8) * 0.00035)), 2).reshape(n, 8)
    open_ = np.concatenate([[30_000.0], ticks[:-1, -1]])
    high, low = np.maximum(open_, ticks.max(1)), np.minimum(open_, ticks.min(1))
    return np.arange(n, dtype=np.int64) * 60_000, open_, high, low, ticks[:, -1].copy(), rng.lognormal(2, 1, n)


def batch_seconds(columns: tuple[Any, ...]) -> float:
    seconds = []
    for _ in range(5):
        start = time.process_time()
        detect(*columns)
        seconds.append(time.process_time() - start)
    return min(seconds)


def push_microseconds(columns: tuple[Any, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
    detector = Detector()
    seconds = []
    for bar in zip(*(column.tolist() for column in columns), strict=True):
        start = time.perf_counter_ns()
        detector.push(*bar)
        seconds.append(time.perf_counter_ns() - start)
    return np.array(seconds) / 1000


def cold_seconds() -> tuple[float, float]:
    said = subprocess.run([sys.executable, "-c", COLD], capture_output=True, text=True, check=True).stdout.split()
    return float(said[0]), float(said[1])


def measure(n: int) -> dict[str, float]:
    columns = bars(n)
    detector = Detector()
    events = detector.extend(*columns)  # compiles, where the cache is empty
    whole, tenth = batch_seconds(columns), batch_seconds(tuple(column[: n // 10] for column in columns))
    pushes = push_microseconds(tuple(column[:50_000] for column in columns))
    start = time.perf_counter()
    state = detector.save()
    saved = time.perf_counter()
    Detector.restore(state)
    restored = time.perf_counter()
    import_seconds, first_seconds = cold_seconds()
    return {
        "bars": n,
        "events": len(events),
        "batch_s": whole,
        "bars_per_s": n / whole,
        "growth_for_10x_bars": whole / tenth,
        "push_p50_us": float(np.percentile(pushes, 50)),
        "push_p99_us": float(np.percentile(pushes, 99)),
        "live_zones": detector.live_zones,
        "state_bytes": len(state),
        "save_us": (saved - start) * 1e6,
        "restore_us": (restored - saved) * 1e6,
        "cold_import_s": import_seconds,
        "cold_first_push_s": first_seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast detection is.")
    parser.add_argument("--bars", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    arguments = parser.parse_args()
    figures = measure(arguments.bars)
    if arguments.json:
        print(json.dumps({"machine": platform.processor() or platform.machine(), **figures}))
        return
    for name, value in figures.items():
        print(f"{name:22}{value:>14,.0f}" if value >= 1000 or value == int(value) else f"{name:22}{value:>14.3f}")


if __name__ == "__main__":
    main()
