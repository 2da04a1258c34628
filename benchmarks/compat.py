"""How fast the functions of `smc_agent.compat.smartmoneyconcepts` are, all together, and how fast the original is.

    python benchmarks/compat.py [--json] [--bars 100000]

swing_length is 5. Times are wall seconds: the best of five runs, after one that compiles. The original runs the same
calls on the same bars in the peers' Python (see benchmarks/peers.py), each once (it takes long), and its results are
compared with ours to the last digit.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ("open", "high", "low", "close", "volume")


def frame(source: Path) -> Any:
    """The bars of a file that numpy wrote, as both packages take them."""
    with np.load(source) as columns:
        time_ms, *values = (columns[name] for name in columns.files)
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)), index=pd.to_datetime(time_ms, unit="ms"))


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


def measure(smc: Any, ohlc: Any, runs: int, warm_up: bool) -> tuple[dict[str, float], dict[str, Any]]:
    seconds, results = {}, {}
    for name, call in calls(smc, ohlc).items():
        if warm_up:
            call()
        took = []
        for _ in range(runs):
            start = time.perf_counter()
            results[name] = call()
            took.append(time.perf_counter() - start)
        seconds[name] = min(took)
    return seconds, results


def measure_peer(source: Path) -> None:
    """Runs in the peer's Python: seconds to stdout, results to the working directory."""
    from smartmoneyconcepts import smc  # type: ignore[import-not-found,unused-ignore]

    seconds, results = measure(smc, frame(source), runs=1, warm_up=False)
    for name, result in results.items():
        result.to_csv(f"{name}.csv", index=False)
    print(json.dumps(seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast the dialect of smartmoneyconcepts is.")
    parser.add_argument("--bars", type=int, default=100_000)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--peer", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        measure_peer(arguments.peer)
        return
    sys.path.insert(0, str(ROOT))
    from benchmarks.peers import bars, peer_python, run

    from smc_agent.compat.smartmoneyconcepts import smc

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "bars.npz", *bars(arguments.bars))
        print(f"compat: ours, {arguments.bars:,} bars", file=sys.stderr, flush=True)
        seconds, results = measure(smc, frame(folder / "bars.npz"), runs=5, warm_up=True)
        figures: dict[str, Any] = {"bars": arguments.bars, "seconds": seconds, "total_s": sum(seconds.values())}
        python = peer_python()
        if python:
            print("compat: the original (minutes)", file=sys.stderr, flush=True)
            theirs = run(python, Path(__file__), "--peer", str(folder / "bars.npz"), folder=folder)
            same = {kind: (folder / f"{kind}.csv").read_text() == results[kind].to_csv(index=False) for kind in results}
            total = sum(theirs.values())
            figures |= {
                "peer_seconds": theirs,
                "peer_total_s": total,
                "ratio": total / figures["total_s"],
                "equal": same,
            }
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
        print("compat: the original was not measured: `make bench` builds its Python", file=sys.stderr)


if __name__ == "__main__":
    main()
