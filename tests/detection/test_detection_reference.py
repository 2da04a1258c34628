"""The engine against the same rules written naively: every event, every field, every extra column."""

import math
import time

import numpy as np
import pytest

from smc_agent.detection import DetectionParams, Detector, detect

from .reference import reference
from .series import Columns, generated, recorded

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
    seen = compare(generated(1500, 3), SMALL)
    assert seen == {
        "swing_high", "swing_low", "equal_highs", "equal_lows", "bos", "choch", "order_block", "order_block_touched",
        "order_block_mitigated", "breaker_block", "breaker_block_invalidated", "fvg", "fvg_touched", "fvg_half_filled",
        "fvg_filled", "ifvg",
    }  # fmt: skip
    few = compare(generated(1500, 3), VARIANTS["few zones"])
    assert few - seen == {"order_block_expired", "breaker_block_expired", "fvg_expired"}


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
