"""The engine against the same rules written naively: every event, every field, every extra column."""

import math
import time

import numpy as np
import pytest

from smc_agent.detection import KINDS, WINDOWS, DetectionParams, Detector, Window, Windows, detect

from .reference import reference
from .series import Columns, cut, generated, recorded

SMALL = DetectionParams(swing=9, internal=3, equal=2, atr_period=14)
VARIANTS = {
    "defaults": DetectionParams(),
    "small": SMALL,
    "smallest": DetectionParams(swing=2, internal=1, equal=1, atr_period=3, equal_threshold=0.5),
    "by wick": SMALL.model_copy(update={"break_by": "wick"}),
    "by close": SMALL.model_copy(update={"mitigation": "close"}),
    "every gap": SMALL.model_copy(update={"fvg_threshold": "none"}),
    "all other": DetectionParams(
        swing=7, internal=7, equal=5, atr_period=10, break_by="wick", mitigation="close", fvg_threshold="none",
        wild_factor=1.2, equal_threshold=0.4,
    ),
    "other hours": SMALL.model_copy(update={
        "day_zone": "America/New_York", "day_start": "17:00", "premium": 0.2, "equilibrium": 0.3, "ote_from": 0.3,
        "displacement_factor": 1.0, "windows": Windows(
            asian_session=Window(zone="Asia/Kathmandu", start="23:15", end="23:00"), london_session=None,
            new_york_session=Window(zone="America/New_York", start="02:30", end="03:00"),
        ),
    }),
    "fifty zones": SMALL.model_copy(update={"max_zones": 50, "fvg_threshold": "none"}),
    "few zones": SMALL.model_copy(update={"max_zones": 3, "fvg_threshold": "none"}),
    "one zone": SMALL.model_copy(update={"max_zones": 1, "fvg_threshold": "none", "mitigation": "close"}),
}  # fmt: skip


def compare(bars: Columns, params: DetectionParams) -> set[str]:
    expected, extras = reference(list(zip(*(c.tolist() for c in bars), strict=True)), params)
    events = detect(*bars, params)
    got = [tuple(event) for event in events]
    for mine, theirs in zip(got, expected, strict=False):
        assert mine == theirs
    assert len(got) == len(expected)
    for label, volume, share, extra in zip(events.label, events.volume, events.share, extras, strict=True):
        assert label == extra.label
        assert volume == extra.volume or (math.isnan(volume) and extra.volume is None)
        assert share == extra.share or (math.isnan(share) and extra.share is None)
    return {event.kind for event in events}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("seed", [1, 2])
def test_equals_the_reference_on_generated_bars(name: str, seed: int) -> None:
    compare(generated(1500, seed), VARIANTS[name])


def test_the_generated_bars_reach_every_kind_that_the_rules_name() -> None:
    seen = compare(generated(3000, 3), SMALL)
    expired = {kind for kind in KINDS if kind.endswith("_expired")}
    assert seen == set(KINDS) - expired
    few = compare(generated(3000, 3), VARIANTS["few zones"])
    assert few - seen == expired


@pytest.mark.parametrize("params", [SMALL, VARIANTS["other hours"]], ids=["small", "other hours"])
def test_equals_the_reference_where_clocks_are_changed(params: DetectionParams) -> None:
    """Bars of a bit over two hours for half a year from February 2024, then of 11 minutes around each change."""
    _, o, h, lo, c, v = generated(2000, 8)
    for first, spacing in ((1_706_745_600_000, 7_340_000), (1_709_856_000_000, 660_000), (1_729_814_400_000, 660_000)):
        compare((first + spacing * np.arange(2000, dtype=np.int64), o, h, lo, c, v), params)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_equals_the_reference_on_the_smallest_and_largest_prices(scale: float) -> None:
    t, o, h, lo, c, v = generated(1500, 9)
    compare((t, o * scale, h * scale, lo * scale, c * scale, v), SMALL)


@pytest.mark.parametrize("count", [1, 2, 60, 199, 200, 201, 202])
def test_equals_the_reference_on_the_first_bars(count: int) -> None:
    kinds = compare(cut(generated(300, 10), 0, count), DetectionParams())
    assert count > 200 or not kinds & {"equal_highs", "equal_lows", "displacement"}


def test_equals_the_reference_on_bars_of_one_price_and_on_a_flat_market() -> None:
    t, _, _, _, c, v = generated(1500, 12)
    compare((t, c, c, c, c, v), SMALL)
    flat = np.full(1500, 100.0)
    assert compare((t, flat, flat, flat, flat, v), SMALL) <= {
        f"{window}_{what}" for window in WINDOWS for what in ("open", "close")
    } | {f"previous_{period}_{side}" for period in ("day", "week", "month") for side in ("high", "low")}


@pytest.mark.parametrize("file", ["crypto/BTC-PERP_1m.csv", "smc/EURUSD_15m.csv"])
@pytest.mark.parametrize("params", [DetectionParams(), SMALL], ids=["defaults", "small"])
def test_equals_the_reference_on_recorded_bars(file: str, params: DetectionParams) -> None:
    compare(recorded(file, 3000), params)


def test_a_trend_that_fills_every_slot_stays_cheap() -> None:
    middles = 1000.0 + 3.0 * np.arange(200_000)
    bars = (np.arange(200_000), middles, middles + 1, middles - 1, middles, np.ones(200_000))
    detector = Detector(DetectionParams(fvg_threshold="none", max_zones=1000))
    start = time.process_time()
    kinds = detector.extend(*bars).kind
    assert time.process_time() - start < 5  # one by one it would be minutes
    assert 930 < detector.live_zones <= 1000
    assert np.count_nonzero(kinds == "fvg") - np.count_nonzero(kinds == "fvg_expired") == detector.live_zones


def test_never_more_live_zones_than_the_limit() -> None:
    detector = Detector(VARIANTS["few zones"])
    for bar in zip(*(c.tolist() for c in generated(600, 4)), strict=True):
        detector.push(*bar)
        assert detector.live_zones <= 3
