"""Bars to test with: generated ones with regimes, gaps, spikes and flat stretches, and recorded ones."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

Float = NDArray[np.float64]
Columns = tuple[NDArray[np.int64], Float, Float, Float, Float, Float]
DATA = Path(__file__).parents[3] / "shared" / "data"


def generated(n: int, seed: int, tick: float = 0.5) -> Columns:
    """A walk on a coarse grid (so that levels meet exactly), with trends, calm, gaps, spikes, flat bars, no volume."""
    rng = np.random.default_rng(seed)
    time, price, drift, scale = 1_600_000_000_000, 1000.0, 0.0, 2.0
    rows: list[tuple[int, float, float, float, float, float]] = []
    for i in range(n):
        if i % 97 == 0:
            drift, scale = rng.choice([-0.6, 0.0, 0.6]), rng.choice([0.3, 2.0, 6.0])
        time += 60_000 if rng.random() > 0.01 else 172_800_000
        jump = rng.choice([0.0, 15.0, -15.0], p=[0.97, 0.015, 0.015])
        path = price + jump + np.cumsum(drift + scale * rng.standard_normal(4))
        wick = rng.choice([0.0, 30.0], size=2, p=[0.98, 0.02])
        path = np.maximum(np.round(path / tick) * tick, 50.0)
        open_, close = path[0], path[-1]
        high, low = path.max() + wick[0], path.min() - wick[1]
        if rng.random() < 0.03:
            open_ = high = low = close
        volume = 0.0 if 300 <= i < 500 else float(np.round(rng.lognormal(2, 1), 3))
        rows.append((time, open_, high, low, close, volume))
        price = close
    return columns(rows)


def columns(rows: list[tuple[int, float, float, float, float, float]]) -> Columns:
    t, o, h, lo, c, v = zip(*rows, strict=True)
    return np.array(t, np.int64), np.array(o), np.array(h), np.array(lo), np.array(c), np.array(v)


def cut(bars: Columns, start: int, end: int) -> Columns:
    t, o, h, lo, c, v = bars
    return t[start:end], o[start:end], h[start:end], lo[start:end], c[start:end], v[start:end]


def recorded(name: str, n: int) -> Columns:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"recorded bars are not here: {path}")
    rows: list[tuple[int, float, float, float, float, float]] = []
    with path.open() as file:
        for row in csv.reader(file):
            if len(rows) == n:
                break
            if not row[0][0].isdigit():
                continue
            stamp = datetime.fromisoformat(row[0].replace(".", "-", 2) if "." in row[0][:5] else row[0])
            o, h, lo, c, v = (float(x) for x in row[1:6])
            rows.append((int(stamp.replace(tzinfo=UTC).timestamp() * 1000), o, h, lo, c, v))
    return columns(rows)
