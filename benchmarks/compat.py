"""How fast the functions of `smc_agent.compat.smartmoneyconcepts` are, all together, and how fast the original is.

    python benchmarks/compat.py [--json] [--bars 100000]

The bars are a random walk made here (seed 42), swing_length is 5. Times are wall seconds: the best of five runs, after
one that compiles. Where SMC_PEER_PYTHON names a Python that has the package `smartmoneyconcepts`, that runs the same
calls on the same bars, each once (it takes long), and its results are compared with ours to the last digit.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

PEER = "SMC_PEER_PYTHON"


def bars(n: int) -> Any:
    rng = np.random.default_rng(42)
    ticks = np.round(30_000 * np.exp(np.cumsum(rng.standard_t(5, n * 8) * 0.00035)), 2).reshape(n, 8)
    open_ = np.concatenate([[30_000.0], ticks[:-1, -1]])
    high, low = np.maximum(open_, ticks.max(1)), np.minimum(open_, ticks.min(1))
    columns = {"open": open_, "high": high, "low": low, "close": ticks[:, -1], "volume": rng.lognormal(2, 1, n)}
    return pd.DataFrame(columns, index=pd.date_range("2020-01-01", periods=n, freq="15min"))


def calls(smc: Any, ohlc: Any) -> dict[str, Callable[[], Any]]:
    swings = smc.swing_highs_lows(ohlc, swing_length=5)
    return {
        "swing_highs_lows": lambda: smc.swing_highs_lows(ohlc, swing_length=5),
        "fvg": lambda: smc.fvg(ohlc),
        "bos_choch": lambda: smc.bos_choch(ohlc, swings),
        "ob": lambda: smc.ob(ohlc, swings),
        "liquidity": lambda: smc.liquidity(ohlc, swings),
        "previous_high_low": lambda: smc.previous_high_low(ohlc),
        "sessions": lambda: smc.sessions(ohlc, "London"),
        "retracements": lambda: smc.retracements(ohlc, swings),
    }


def measure(smc: Any, n: int, runs: int, warm_up: bool) -> tuple[dict[str, float], dict[str, Any]]:
    seconds, results = {}, {}
    for name, call in calls(smc, bars(n)).items():
        if warm_up:
            call()
        took = []
        for _ in range(runs):
            start = time.perf_counter()
            results[name] = call()
            took.append(time.perf_counter() - start)
        seconds[name] = min(took)
    return seconds, results


def measure_peer(n: int) -> None:
    """Runs in the peer's Python: seconds to stdout, results to the working directory."""
    from smartmoneyconcepts import smc  # type: ignore[import-not-found,unused-ignore]

    seconds, results = measure(smc, n, runs=1, warm_up=False)
    for name, result in results.items():
        result.to_csv(f"{name}.csv", index=False)
    print(json.dumps(seconds))


def peer(python: str, n: int, ours: dict[str, Any]) -> tuple[dict[str, float], dict[str, bool]]:
    with tempfile.TemporaryDirectory() as folder:
        command = [python, str(Path(__file__).resolve()), "--peer", "--bars", str(n)]
        environment = {**os.environ, "SMC_CREDIT": "0"}  # or it prints its thanks
        said = subprocess.run(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
        same = {name: (Path(folder) / f"{name}.csv").read_text() == ours[name].to_csv(index=False) for name in ours}
    return json.loads(said.splitlines()[-1]), same


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast the dialect of smartmoneyconcepts is.")
    parser.add_argument("--bars", type=int, default=100_000)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        measure_peer(arguments.bars)
        return
    from smc_agent.compat.smartmoneyconcepts import smc

    seconds, results = measure(smc, arguments.bars, runs=5, warm_up=True)
    figures: dict[str, Any] = {"bars": arguments.bars, "seconds": seconds, "total_s": sum(seconds.values())}
    python = os.environ.get(PEER)
    if python:
        theirs, same = peer(python, arguments.bars, results)
        total = sum(theirs.values())
        figures |= {"peer_seconds": theirs, "peer_total_s": total, "ratio": total / figures["total_s"], "equal": same}
    if arguments.json:
        print(json.dumps({"machine": platform.processor() or platform.machine(), **figures}))
        return
    for name in seconds:
        line = f"{name:20}{seconds[name] * 1000:>12.2f} ms"
        if python:
            verdict = "equal" if same[name] else "DIFFERENT"
            line += f"{theirs[name]:>12.3f} s{theirs[name] / seconds[name]:>10,.0f} x  {verdict}"
        print(line)
    line = f"{'all':20}{figures['total_s'] * 1000:>12.2f} ms"
    print(line + (f"{total:>12.3f} s{figures['ratio']:>10,.0f} x" if python else ""))
    if not python:
        print(f"the original was not measured: {PEER} names no Python that has it", file=sys.stderr)


if __name__ == "__main__":
    main()
