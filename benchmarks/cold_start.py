"""Cold start of each Lambda handler: a fresh process, from the first import to the first answer.

    python benchmarks/cold_start.py [--json] [--runs 5]

The interpreter's own start is not counted (the Lambda runtime has it warm before); numba's cache is warm, as in the
image. The answer needs no network: for `api` GET /healthz; the others are called without their database and say so.
Budget: 1.5 s each.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

BUDGET_S = 1.5
HANDLERS = Path(__file__).resolve().parents[1] / "functions" / "smc_agent" / "handlers"
HEALTHZ = {
    "version": "2.0",
    "rawPath": "/healthz",
    "rawQueryString": "",
    "headers": {"host": "cold.start"},
    "requestContext": {"http": {"method": "GET", "path": "/healthz", "sourceIp": "192.0.2.1"}},
    "isBase64Encoded": False,
}
# What each handler is first asked; {} where nothing better is known.
FIRST_EVENT: dict[str, dict[str, object]] = {
    "api": HEALTHZ,
    "on_bar_close": {
        "exchange": "binance",
        "symbol": "BTCUSDT",
        "timeframe": "1m",
        "bar": [1577836800000, 7195.24, 7196.25, 7183.14, 7186.68, 51.6],
    },
}
PROBE = """
import json, sys, time
started, cpu = time.perf_counter(), time.process_time()
from importlib import import_module
module = import_module("smc_agent.handlers." + sys.argv[1])
imported = time.perf_counter()
from types import SimpleNamespace
context = SimpleNamespace(function_name="cold", memory_limit_in_mb=512, invoked_function_arn="arn", aws_request_id="1")
try:
    module.handler(json.loads(sys.argv[2]), context)
except OSError:  # no database here
    pass
answered = time.perf_counter()
print("RESULT", imported - started, answered - started, time.process_time() - cpu)
"""
ENVIRONMENT = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "SUPABASE_JWT_SECRET": "a-secret-of-this-benchmark-and-of-nothing-else",
}


def measure(name: str) -> tuple[float, float, float]:
    """Seconds to import, seconds to the first answer, and processor seconds of both, in a fresh process."""
    event = json.dumps(FIRST_EVENT.get(name, {}))
    done = subprocess.run(
        [sys.executable, "-c", PROBE, name, event], env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    results = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    if not results:
        raise SystemExit(f"{name}: no answer\n{done.stderr[-2000:]}")
    _, imported, answered, cpu = results[0].split()
    return float(imported), float(answered), float(cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description="Cold start of each Lambda handler.")
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    rows = []
    for path in sorted(HANDLERS.glob("[a-z]*.py")):
        measure(path.stem)  # compiles what numba has not cached yet, and warms the file cache
        runs = [measure(path.stem) for _ in range(arguments.runs)]
        rows.append(
            {
                "handler": path.stem,
                "import_s": round(statistics.median(run[0] for run in runs), 3),
                "answer_s": round(statistics.median(run[1] for run in runs), 3),
                "worst_s": round(max(run[1] for run in runs), 3),
                "cpu_s": round(statistics.median(run[2] for run in runs), 3),
                "within_budget": statistics.median(run[1] for run in runs) <= BUDGET_S,
            }
        )
    if arguments.json:
        print(json.dumps({"budget_s": BUDGET_S, "handlers": rows}))
        return
    print(f"{'handler':<16}{'import s':>10}{'answer s':>10}{'worst s':>10}{'cpu s':>10}   budget {BUDGET_S} s")
    for row in rows:
        verdict = "ok" if row["within_budget"] else "TOO SLOW"
        figures = "".join(f"{row[name]:>10}" for name in ("import_s", "answer_s", "worst_s", "cpu_s"))
        print(f"{row['handler']:<16}{figures}   {verdict}")


if __name__ == "__main__":
    main()
