"""Higher time frames: only bars that have closed count, and batch, stream and every prefix agree on when they had."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smc_agent.detection import DetectionParams, DetectionStateError, detect, detect_timeframes
from smc_agent.detection.timeframes import TimeframeDetector, TimeframeEvent
from smc_agent.market import BarError, Bars
from smc_agent.market.resample import Resampler, completed, resample

from .series import generated

SMALL = DetectionParams(swing=4, internal=2, equal=1, atr_period=5, fvg_threshold="none")
MONDAY = 1_704_067_200_000  # 2024-01-01


def minutes(opens: list[int], seed: int) -> Bars:
    """One-minute bars that open so many minutes after Monday; volumes whose sum depends on the order of adding."""
    _, o, h, lo, c, _ = generated(len(opens), seed)
    volume = np.random.default_rng(seed).lognormal(0, 8, len(opens))
    return Bars(np.array(opens, np.int64) * 60_000 + MONDAY, o, h, lo, c, volume, "BTCUSDT", "1m")


def test_a_bar_is_known_at_the_close_of_the_bar_that_ends_it_or_of_the_next_there_is() -> None:
    # 12:00-12:04 is whole; of 12:05-12:09 the last minute is missing; of 12:10-12:14 all but the last.
    bars = minutes([720, 721, 722, 723, 724, 725, 726, 727, 728, 734, 735], 1)
    made, closing = completed(bars, "5m")
    assert ((made.time - MONDAY) // 60_000).tolist() == [720, 725, 730]
    assert closing.tolist() == [4, 9, 9]
    assert made.close.tolist() == [bars.close[4], bars.close[8], bars.close[9]]


@settings(max_examples=60, deadline=None)
@given(
    st.sets(st.integers(0, 900), min_size=1, max_size=400).map(sorted),
    st.sampled_from(["1m", "3m", "5m", "15m", "1h"]),
    st.integers(0, 99),
)
def test_batch_stream_and_prefixes_agree(opens: list[int], timeframe: str, seed: int) -> None:
    bars = minutes(opens, seed)
    (whole,) = detect_timeframes(bars, [timeframe], SMALL)
    resampler, streamed = Resampler("1m", timeframe), []
    detector, got = TimeframeDetector("1m", timeframe, SMALL), list[TimeframeEvent]()
    for i, bar in enumerate(bars):
        streamed += [(closed, i) for closed in resampler.push(bar)]
        events = detector.push(*bar)
        assert all(event.known == i for event in events)
        got += events
        if i % 37 == 0:
            detector = TimeframeDetector.restore(detector.save())
    assert streamed == list(zip(whole.bars, whole.closing.tolist(), strict=True))
    assert [event.event for event in got] == list(whole.events)
    assert [event.known for event in got] == whole.known.tolist()
    for end in range(0, len(bars), 7):
        (prefix,) = detect_timeframes(bars[: end + 1], [timeframe], SMALL)
        assert prefix.events == whole.until(end)
        assert len(prefix.bars) == whole.closed(end)


def test_events_carry_both_time_frames_and_never_precede_the_close_of_their_bar() -> None:
    bars = minutes(list(range(2000)), 4)
    five, hour = detect_timeframes(bars, ["5m", "1h"], SMALL)
    assert (five.timeframe, five.lower, hour.timeframe) == ("5m", "1m", "1h")
    assert len(five.events) > len(hour.events) > 0
    for found, length in ((five, 5), (hour, 60)):
        closes = found.bars.time[found.events.confirmed] + length * 60_000
        assert (bars.time[found.known] + 60_000 == closes).all()
    same = detect_timeframes(bars, ["1m"], SMALL)[0]
    assert same.events == detect(bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume, SMALL)
    assert (same.known == same.events.confirmed).all()


def test_a_bar_of_which_the_beginning_is_missing_in_the_file_is_left_out() -> None:
    bars = minutes(list(range(3, 20)), 2)
    assert ((resample(bars, "5m").time - MONDAY) // 60_000).tolist() == [5, 10, 15]


def test_what_cannot_be_made_is_refused() -> None:
    bars = minutes(list(range(10)), 2)
    with pytest.raises(ValueError, match="5m bars cannot be made of 3m bars"):
        detect_timeframes(minutes([0, 3], 2).of_market("BTCUSDT", "3m", "replay"), ["5m"])
    two = minutes([1, 3, 5], 2).of_market("BTCUSDT", "3m", "replay")
    with pytest.raises(BarError, match="opens before"):
        detect_timeframes(two, ["15m"])
    late = minutes([14, 17], 2).of_market("BTCUSDT", "3m", "replay")
    for refused in (lambda: detect_timeframes(late, ["15m"]), lambda: push_all(late, "15m")):
        with pytest.raises(ValueError, match=r"the 3m bar that opens at 2024-01-01T00:14:00Z lies in two 15m bars"):
            refused()
    detector = TimeframeDetector("1m", "5m")
    detector.push(*bars[0])
    before = detector.save()
    for bad in (bars[0], bars[1]._replace(high=0.5), bars[1]._replace(close=float("nan"))):
        with pytest.raises(BarError):
            detector.push(*bad)
        assert detector.save() == before


def push_all(bars: Bars, timeframe: str) -> None:
    detector = TimeframeDetector(bars.timeframe, timeframe)
    for bar in bars:
        detector.push(*bar)


def test_foreign_or_damaged_state_is_refused() -> None:
    detector = TimeframeDetector("1m", "5m", SMALL)
    for bar in minutes(list(range(50)), 3):
        detector.push(*bar)
    state = detector.save()
    for at in range(0, len(state), 29):
        damaged = bytearray(state)
        damaged[at] ^= 1
        with pytest.raises(DetectionStateError):
            TimeframeDetector.restore(bytes(damaged))
    with pytest.raises(DetectionStateError, match="not the state of a detector on a higher time frame"):
        TimeframeDetector.restore(b"something else")
