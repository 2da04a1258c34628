"""How fast detection is, and how fast its peers are on the same bars in the same run.

    python benchmarks/detection.py [--json] [--bars 1000000]

Seconds are of the processor (all threads), the best of several runs after one that compiles; each part runs in a
process of its own, which loads the bars from a file, so that its peak of memory is its own. The first call is wall
time in a fresh process with a warm cache. Peers run at a tenth of the bars: smartmoneyconcepts (swings of 5 bars as in
its own published expectations, gaps, breaks, order blocks, liquidity; once, it takes minutes) and pyvsmc (all of its
functions, with their defaults).
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FIRST_CALL = """
import time
start = time.perf_counter()
from smc_agent.detection import Detector
imported = time.perf_counter()
Detector().push(0, 1.0, 2.0, 0.5, 1.5, 1.0)
print(imported - start, time.perf_counter() - imported, time.process_time())
"""
TARGETS = {  # name: (what it must keep, as shown, and whether it does)
    "batch_s": ("<= 0.2 s", lambda x: x <= 0.2),
    "growth": ("<= 12", lambda x: x <= 12),
    "peak_mib": ("< 400 MiB", lambda x: x < 400),
    "push_p50_us": ("<= 20 us", lambda x: x <= 20),
    "push_p99_us": ("<= 100 us", lambda x: x <= 100),
    "first_call_s": ("<= 0.6 s", lambda x: x <= 0.6),
    "x_smartmoneyconcepts": (">= 1,000 x", lambda x: x >= 1000),
    "x_pyvsmc": (">= 20 x", lambda x: x >= 20),
}  # fmt: skip


def cpu_seconds(call: Callable[[], Any], runs: int) -> float:
    seconds = []
    for _ in range(runs):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return min(seconds)


def peak_mib() -> float:
    """The most memory this process held. Linux counts what the parent held before exec into ru_maxrss, not VmHWM."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * (1024 if sys.platform == "darwin" else 1))


def part_batch(columns: list[Any]) -> dict[str, Any]:
    from smc_agent.detection import detect

    detect(*(column[:1000] for column in columns))
    events = len(detect(*columns))
    return {
        "events": events,
        "seconds": cpu_seconds(lambda: detect(*columns), 5 if len(columns[0]) > 500_000 else 25),
        "peak_mib": peak_mib(),
    }


def part_push(columns: list[Any]) -> dict[str, Any]:
    from smc_agent.detection import Detector

    detector, took = Detector(), []
    for bar in zip(*(column.tolist() for column in columns), strict=True):
        start = time.perf_counter_ns()
        detector.push(*bar)
        took.append(time.perf_counter_ns() - start)
    state = detector.save()
    p50, p99 = np.percentile(np.array(took[1000:]) / 1000, [50, 99])
    return {"p50_us": float(p50), "p99_us": float(p99), "state_bytes": len(state), "live_zones": detector.live_zones,
            "save_us": 1e6 * cpu_seconds(detector.save, 20),
            "restore_us": 1e6 * cpu_seconds(lambda: Detector.restore(state), 20)}  # fmt: skip


def part_smartmoneyconcepts(columns: list[Any]) -> dict[str, Any]:
    import pandas as pd
    from smartmoneyconcepts import smc  # type: ignore[import-not-found,unused-ignore]

    time_ms, *values = columns
    names = ("open", "high", "low", "close", "volume")
    frame = pd.DataFrame(dict(zip(names, values, strict=True)), index=pd.to_datetime(time_ms, unit="ms"))
    swings = smc.swing_highs_lows(frame, swing_length=5)
    calls = {
        "swings": lambda: smc.swing_highs_lows(frame, swing_length=5),
        "fvg": lambda: smc.fvg(frame),
        "bos_choch": lambda: smc.bos_choch(frame, swings),
        "ob": lambda: smc.ob(frame, swings),
        "liquidity": lambda: smc.liquidity(frame, swings),
    }
    return {"seconds": {name: cpu_seconds(call, 1) for name, call in calls.items()}}


def part_pyvsmc(columns: list[Any]) -> dict[str, Any]:
    import pyvsmc  # type: ignore[import-not-found,unused-ignore]

    _, open_, high, low, close, _ = columns
    calls: dict[str, Callable[[], Any]] = {
        "swings": lambda: pyvsmc.detect_swings(high, low),
        "fvg": lambda: pyvsmc.detect_fvg(high, low),
        "structure": lambda: pyvsmc.detect_structure(high, low, close),
        "order_blocks": lambda: pyvsmc.detect_order_blocks(open_, high, low, close),
        "liquidity": lambda: pyvsmc.detect_liquidity(high, low, close),
        "zones": lambda: pyvsmc.detect_zones(high, low, close),
    }
    for call in calls.values():
        call()  # compiles
    return {"seconds": {name: cpu_seconds(call, 3) for name, call in calls.items()}}


PARTS: dict[str, Callable[[list[Any]], dict[str, Any]]] = {
    "batch": part_batch,
    "push": part_push,
    "smartmoneyconcepts": part_smartmoneyconcepts,
    "pyvsmc": part_pyvsmc,
}


def measure(n: int, tell: Callable[[str], None]) -> dict[str, Any]:
    from benchmarks.peers import bars, peer_python, run

    here, python = Path(__file__), peer_python()
    with tempfile.TemporaryDirectory() as folder:
        tell(f"making {n:,} bars")
        columns, tenth = bars(n), n // 10
        for name, count in (("whole", n), ("tenth", tenth), ("pushed", 50_000)):
            np.savez(Path(folder) / f"{name}.npz", *(column[:count] for column in columns))
        del columns

        def part(name: str, file: str, python: str = sys.executable) -> dict[str, Any]:
            return run(python, here, "--part", name, "--from", str(Path(folder) / f"{file}.npz"))

        tell(f"batch, {n:,} bars")
        whole = part("batch", "whole")
        tell(f"batch, {tenth:,} bars")
        small = part("batch", "tenth")
        tell("one bar pushed from Python, 50,000 times")
        pushed = part("push", "pushed")
        tell("the first call in a fresh process")
        firsts = [
            subprocess.run(
                [sys.executable, "-c", FIRST_CALL], capture_output=True, text=True, check=True
            ).stdout.split()
            for _ in range(5)
        ]
        imported, first, cpu = min((tuple(map(float, said)) for said in firsts), key=lambda seconds: sum(seconds[:2]))
        figures: dict[str, Any] = {
            "bars": n,
            "events": whole["events"],
            "batch_s": whole["seconds"],
            "bars_per_s": n / whole["seconds"],
            "growth": whole["seconds"] / small["seconds"],
            "peak_mib": whole["peak_mib"],
            **{f"push_{name}" if name.startswith("p") else name: value for name, value in pushed.items()},
            "first_call_s": imported + first,
            "first_import_s": imported,
            "first_cpu_s": cpu,
            "bars_beside_peers": tenth,
            "batch_beside_peers_s": small["seconds"],
        }
        if python is None:
            tell("the peers were not measured: `make bench` builds .venv-peers, or name a Python by SMC_PEER_PYTHON")
            return figures
        for peer in ("smartmoneyconcepts", "pyvsmc"):
            tell(f"{peer}, {tenth:,} bars" + (" (minutes)" if peer == "smartmoneyconcepts" else ""))
            theirs = part(peer, "tenth", python)["seconds"]
            figures[f"{peer}_s"] = {**theirs, "all": sum(theirs.values())}
            figures[f"x_{peer}"] = sum(theirs.values()) / small["seconds"]
    return figures


def table(figures: dict[str, Any]) -> str:
    lines = []
    for name, value in figures.items():
        if isinstance(value, dict):
            lines += [f"{name + ' ' + part:32}{seconds:>14,.3f}" for part, seconds in value.items()]
            continue
        number = f"{value:>14,.0f}" if value >= 1000 or value == int(value) else f"{value:>14.3f}"
        wanted, kept = TARGETS.get(name, ("", lambda _: True))
        lines.append(
            f"{name:32}{number}  {wanted:12}{'' if not wanted else 'kept' if kept(value) else 'MISSED'}".rstrip()
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast detection is.")
    parser.add_argument("--bars", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--from", dest="source", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        with np.load(arguments.source) as columns:
            loaded = [columns[name] for name in columns.files]
        print(json.dumps(PARTS[arguments.part](loaded)))
        return
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    figures = measure(arguments.bars, lambda text: print(f"detection: {text}", file=sys.stderr, flush=True))
    if arguments.json:
        print(json.dumps({"machine": platform.processor() or platform.machine(), **figures}))
    else:
        print(table(figures))


if __name__ == "__main__":
    main()
