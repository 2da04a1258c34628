"""Symbols, time frames, higher time frames and the generated market."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smc_agent.market import (
    Bar,
    Bars,
    SymbolRules,
    bars_of,
    check_bars,
    decimal_of,
    market_of_name,
    milliseconds,
    rules_of,
    split_symbol,
)
from smc_agent.market.generated import generated_chunks
from smc_agent.market.resample import resample
from smc_agent.market.timeframes import DAY, bucket

MONDAY = 1_699_833_600_000  # 2023-11-13T00:00Z


@pytest.mark.parametrize(
    ("name", "symbol", "timeframe"),
    [
        ("BTC-PERP_1m.csv", "BTCUSDT", "1m"),
        ("EURUSD_15m", "EURUSD", "15m"),
        ("EURUSD_15m.csv", "EURUSD", "15m"),
        ("ETH_BTC-5m.feather", "ETHBTC", "5m"),
        ("XRP_ETH-1m.feather", "XRPETH", "1m"),
        ("futures_XRP_USDT_USDT-1h-futures.feather", "XRPUSDT", "1h"),
        ("BTCUSDT-4h.parquet", "BTCUSDT", "4h"),
        ("btcusdt.csv", "BTCUSDT", None),
        ("binance_ETHUSDC_1d.csv", "ETHUSDC", "1d"),
        ("prices.csv", None, None),
        ("1m.csv", None, "1m"),
    ],
)
def test_a_file_name_tells_its_market(name: str, symbol: str | None, timeframe: str | None) -> None:
    assert market_of_name(name) == (symbol, timeframe)


def test_symbols_split_at_their_quote_asset() -> None:
    assert split_symbol("BTCUSDT") == ("BTC", "USDT")
    assert split_symbol("ETHBTC") == ("ETH", "BTC")
    assert split_symbol("EURUSD") == ("EUR", "USD")
    for unknown in ("USDT", "BTCXYZ", "BTC/USDT", ""):
        with pytest.raises(ValueError, match="unknown symbol"):
            split_symbol(unknown)


def test_unknown_time_frames_are_refused() -> None:
    assert milliseconds("1w") == 7 * DAY
    for unknown in ("1M", "60", "7m", ""):
        with pytest.raises(ValueError, match="unknown time frame"):
            milliseconds(unknown)


@given(st.floats(1e-9, 1e9))
def test_money_has_the_digits_of_the_float(x: float) -> None:
    assert float(decimal_of(x)) == x
    assert decimal_of(np.float64(x)) == decimal_of(x)


def test_money_is_not_the_binary_expansion() -> None:
    assert decimal_of(46385.1) == Decimal("46385.1")


@given(
    st.decimals("0.00001", "100000", places=7),
    st.sampled_from([Decimal("0.01"), Decimal("0.5"), Decimal("0.00001"), Decimal(1)]),
)
def test_rounding_gives_multiples_and_never_more_quantity(amount: Decimal, unit: Decimal) -> None:
    rules = SymbolRules(
        symbol="BTCUSDT", base="BTC", quote="USDT", tick=unit, step=unit, min_quantity=unit, min_notional=Decimal(5)
    )
    quantity, price = rules.round_quantity(amount), rules.round_price(amount)
    assert quantity % unit == 0
    assert amount - unit < quantity <= amount
    assert price % unit == 0
    assert abs(price - amount) <= unit / 2


@pytest.mark.parametrize(
    ("prices", "symbol", "tick", "step"),
    [
        ([46319.0, 46385.5], "BTCUSDT", "0.1", "0.00001"),
        ([46319.0, 46385.0], "BTCUSDT", "1", "0.00001"),
        ([1.07083, 1.0722], "EURUSD", "0.00001", "0.1"),
        ([0.09946999000000001, 0.0984], "ETHBTC", "0.00000001", "0.0001"),
    ],
)
def test_rules_of_recorded_bars_fit_their_prices(prices: list[float], symbol: str, tick: str, step: str) -> None:
    rules = rules_of(bars_of([Bar(i, p, p, p, p, 1) for i, p in enumerate(prices)], symbol, "1m"))
    assert (rules.tick, rules.step) == (Decimal(tick), Decimal(step))


def walk(minutes: list[int], seed: int) -> Bars:
    random = np.random.default_rng(seed)
    rows = []
    for minute in minutes:
        low, a, b, high = sorted(random.uniform(90, 110, 4).tolist())
        rows.append(Bar(MONDAY + minute * 60_000, a, high, low, b, float(random.integers(10))))
    return bars_of(rows, "BTCUSDT", "1m", "replay")


@settings(max_examples=150, deadline=None)
@given(
    minutes=st.sets(st.integers(0, 300), min_size=1).map(sorted),
    timeframe=st.sampled_from(["3m", "5m", "1h"]),
    seed=st.integers(0, 99),
)
def test_higher_bars_are_made_of_closed_ones_only(minutes: list[int], timeframe: str, seed: int) -> None:
    bars, length = walk(minutes, seed), milliseconds(timeframe)
    expected = []
    for open_time in sorted({(bar.time - MONDAY) // length * length + MONDAY for bar in bars}):
        parts = [bar for bar in bars if open_time <= bar.time < open_time + length]
        begins_inside = parts[0] == bars[0] and parts[0].time != open_time
        closed = bars[-1].time + 60_000 >= open_time + length
        if closed and not begins_inside:
            expected.append(
                Bar(open_time, parts[0].open, max(p.high for p in parts), min(p.low for p in parts), parts[-1].close,
                    sum(p.volume for p in parts))
            )  # fmt: skip
    made = resample(bars, timeframe)
    assert list(made) == expected
    assert (made.symbol, made.timeframe, made.exchange) == ("BTCUSDT", timeframe, "replay")
    # No look-ahead: what a prefix makes stays as it is.
    half = resample(bars[: len(bars) // 2], timeframe)
    assert list(half) == expected[: len(half)]


def test_resampling_refuses_what_cannot_be_made() -> None:
    bars = walk([0, 1], 0)
    with pytest.raises(ValueError, match="1m bars cannot be made of 5m bars"):
        resample(bars.of_market("BTCUSDT", "5m", "replay"), "1m")
    assert resample(bars, "1m") is bars
    assert len(resample(bars[:0], "5m")) == 0


def test_weeks_open_on_monday() -> None:
    sunday = np.array([MONDAY - 1, MONDAY, MONDAY + 6 * DAY])
    assert bucket(sunday, "1w").tolist() == [MONDAY - 7 * DAY, MONDAY, MONDAY]


def test_the_generated_market_is_sound_lively_and_the_same_every_time() -> None:
    chunks = list(islice(generated_chunks(seed=5), 12))
    again = list(islice(generated_chunks(seed=5), 12))
    other = next(generated_chunks(seed=6))
    for one, two in zip(chunks, again, strict=True):
        assert one.exchange == "synthetic"
        assert list(one) == list(two)
    assert list(chunks[0]) != list(other)
    bars = bars_of([bar for chunk in chunks for bar in chunk], "BTCUSDT", "1m", "synthetic")
    check_bars(bars)
    assert rules_of(bars).tick >= Decimal("0.01")
    assert bars.gaps()
    jumps = np.abs(bars.open[1:] / bars.close[:-1] - 1)
    assert (jumps > 0.001).any()
    ranges = np.log(bars.high / bars.low)
    assert ranges.max() > 8 * np.median(ranges)
    assert 10_000 < bars.close.min() < bars.close.max() < 250_000
