"""The packages that ours are measured beside: where their Python is, and a call into it.

They live in an environment of their own, `.venv-peers`, which `make bench` builds from `benchmarks/peers.lock`;
SMC_PEER_PYTHON names another Python that has them.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
WORKLOADS = ROOT.parent / "shared" / "bench" / "workloads.py"


def peer_python() -> str | None:
    """The Python that has the peers; None where there is none."""
    named = os.environ.get("SMC_PEER_PYTHON")
    built = ROOT / ".venv-peers" / "bin" / "python"
    return named or (str(built) if built.exists() else None)


def run(python: str, script: Path, *arguments: str, folder: Path | None = None) -> dict[str, Any]:
    """The JSON object that `script` prints last, in a process of its own without our packages in its path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["SMC_CREDIT"] = "0"  # or smartmoneyconcepts prints its thanks
    if python == sys.executable:
        environment = dict(os.environ)
    command = [python, str(script.resolve()), *arguments]
    said = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    result: dict[str, Any] = json.loads(said.splitlines()[-1])
    return result


def bars(n: int) -> tuple[Any, ...]:
    """time_ms, open, high, low, close, volume of n one-minute bars, seed 42: the workload of `shared/bench`, or where
    that is not, a walk like it."""
    if WORKLOADS.exists():
        spec = importlib.util.spec_from_file_location("workloads", WORKLOADS)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return tuple(np.ascontiguousarray(column) for column in module.smc_bars(n))
    rng = np.random.default_rng(42)
    path = np.round(30_000 * np.exp(np.cumsum(rng.standard_t(5, n * 8) * 0.00035)), 2).reshape(n, 8)
    open_ = np.concatenate([[30_000.0], path[:-1, -1]])
    high, low = np.maximum(open_, path.max(1)), np.minimum(open_, path.min(1))
    return np.arange(n, dtype=np.int64) * 60_000, open_, high, low, path[:, -1].copy(), rng.lognormal(2, 1, n)
