"""The SMC confluence strategy, told hand-made events, says what a trader would expect of it."""

from decimal import Decimal
from typing import Any

import pytest

from smc_agent.detection import Event
from smc_agent.market import Bar, SymbolRules
from smc_agent.strategy import Signal, SmcConfluence, SmcConfluenceParams, Withdraw
from smc_agent.strategy.structure import MAX_LEVELS, MAX_ZONES

RULES = SymbolRules(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick=Decimal("0.1"),
    step=Decimal("0.001"),
    min_quantity=Decimal("0.001"),
    min_notional=Decimal(5),
)
PARAMS = SmcConfluenceParams(min_stop=0, stop_buffer_atr=0.5, atr_period=2, valid_bars=3)


class Market:
    """Feeds a strategy bar by bar. Event ids count up; bars are a minute long and 4 high, so the ATR is 4."""

    def __init__(self, params: SmcConfluenceParams = PARAMS) -> None:
        self.strategy = SmcConfluence(params, RULES, "1m")
        self.index = -1
        self.ids = 0

    def event(
        self, kind: str, direction: str, top: float, bottom: float, scale: str = "", ref: int | None = None
    ) -> Event:
        self.ids += 1
        return Event(self.ids, kind, scale, direction, 0, self.index + 1, top, bottom, ref)

    def bar(self, close: float, *events: Event, high: float | None = None, low: float | None = None) -> list[Any]:
        self.index += 1
        shape = (close, close + 2 if high is None else high, close - 2 if low is None else low, close)
        return self.strategy.on_bar(Bar(self.index * 60_000, *shape, 1.0), self.index, list(events))

    def bullish_range(self) -> None:
        """A swing range from 900 to 1000 and a bullish break, with price at 990; the break may already signal."""
        self.bar(990.0, self.event("swing_low", "bullish", 900, 900, "swing"))
        self.bar(990.0, self.event("swing_high", "bearish", 1000, 1000, "swing"))
        self.bar(990.0, self.event("bos", "bullish", 985, 985, "swing"))

    def block(self, top: float, bottom: float, direction: str = "bullish") -> Event:
        return self.event("order_block", direction, top, bottom, "internal")


def signal_of(said: list[Any]) -> Signal:
    assert len(said) == 1
    assert isinstance(said[0], Signal)
    return said[0]


def test_enters_at_the_near_edge_of_a_fresh_block_in_discount_and_aims_at_liquidity() -> None:
    market = Market()
    market.bullish_range()
    block = market.block(930, 920)
    signal = signal_of(market.bar(990.0, block))
    assert signal.direction == "bullish"
    assert signal.entry == 930
    assert signal.stop == 918  # half an ATR of 4 below the block
    assert signal.target == 1000  # the swing high
    assert signal.time_ms == 4 * 60_000
    assert signal.event_ids == (3, block.id, 2)
    text = " ".join(signal.reasons)
    for event_id in signal.event_ids:
        assert f"(event {event_id})" in text
    assert "discount" in text
    assert "5.83 times the risk" in text


def test_mirrored_for_shorts() -> None:
    market = Market()
    market.bar(910.0, market.event("swing_high", "bearish", 1000, 1000, "swing"))
    market.bar(910.0, market.event("swing_low", "bullish", 900, 900, "swing"))
    market.bar(910.0, market.event("choch", "bearish", 915, 915, "swing"))
    signal = signal_of(market.bar(910.0, market.block(980, 970, "bearish")))
    assert signal.direction == "bearish"
    assert [signal.entry, signal.stop, signal.target] == [970, 982, 900]
    assert "premium" in " ".join(signal.reasons)


def test_the_middle_of_a_zone_and_a_multiple_of_the_risk() -> None:
    params = PARAMS.model_copy(update={"entry": "middle", "target": "r_multiple", "r_multiple": Decimal(3)})
    market = Market(params)
    market.bullish_range()
    signal = signal_of(market.bar(990.0, market.block(930, 920)))
    assert [signal.entry, signal.stop, signal.target] == [925, 918, 946]


def test_a_tight_stop_is_widened() -> None:
    market = Market(PARAMS.model_copy(update={"min_stop": 0.02}))
    market.bullish_range()
    signal = signal_of(market.bar(990.0, market.block(930, 929)))
    assert signal.stop == Decimal("911.4")  # 930 * 0.98


@pytest.mark.parametrize(
    ("top", "bottom"),
    [(960, 955), (899, 890), (995, 991)],
    ids=["in premium", "below the range", "above price"],
)
def test_no_signal_from_a_zone_elsewhere(top: float, bottom: float) -> None:
    market = Market()
    market.bullish_range()
    assert market.bar(990.0, market.block(top, bottom)) == []


def test_no_signal_against_the_break_or_from_a_touched_zone_or_without_a_target() -> None:
    market = Market()
    market.bullish_range()
    assert market.bar(990.0, market.block(930, 920, "bearish")) == []
    block = market.block(930, 920)
    assert (
        market.bar(990.0, block, market.event("order_block_touched", "bullish", 930, 920, "internal", block.id)) == []
    )
    market.bar(1100.0, high=1101)  # takes the liquidity at 1000; the range grows to 1101
    assert market.bar(1090.0, market.block(940, 930)) == []


def test_only_the_kinds_of_zone_that_are_asked_for() -> None:
    market = Market(PARAMS.model_copy(update={"zones": "fvg"}))
    market.bullish_range()
    assert market.bar(990.0, market.block(930, 920)) == []
    gap = market.event("fvg", "bullish", 940, 935)
    assert signal_of(market.bar(990.0, gap)).entry == 940


def test_nearer_liquidity_that_pays_too_little_is_passed_over() -> None:
    market = Market()
    market.bullish_range()
    near = market.event("equal_highs", "bearish", 993, 992.9)
    market.bar(980.0, near)
    # 945 to 932 risks 13 (the fall to 980 raised the ATR to 6): 993 pays 3.7 times that, 1000 4.2 times.
    assert signal_of(market.bar(980.0, market.block(945, 935))).target == 993
    demanding = Market(PARAMS.model_copy(update={"min_risk_reward": Decimal(4)}))
    demanding.bullish_range()
    demanding.bar(980.0, demanding.event("equal_highs", "bearish", 993, 992.9))
    assert signal_of(demanding.bar(980.0, demanding.block(945, 935))).target == 1000


def test_one_signal_waits_at_a_time_and_the_next_comes_after_it_is_reached() -> None:
    market = Market()
    market.bullish_range()
    market.bar(990.0, market.block(930, 920))
    assert market.bar(990.0, market.block(945, 940)) == []
    signal = signal_of(market.bar(960.0, low=930))
    assert signal.entry == 945


def test_withdrawn_after_its_bars() -> None:
    market = Market()
    market.bullish_range()
    signal = signal_of(market.bar(990.0, market.block(930, 920)))
    assert market.bar(990.0) == []
    assert market.bar(990.0) == []
    assert market.bar(990.0) == [Withdraw(signal.id, "The entry did not come in the bars it was given.")]
    assert market.bar(990.0) == []


def test_withdrawn_when_its_zone_is_mitigated_even_once_reached() -> None:
    market = Market()
    market.bullish_range()
    block = market.block(930, 920)
    signal = signal_of(market.bar(990.0, block))
    market.bar(935.0, low=929)
    said = market.bar(919.0, market.event("order_block_mitigated", "bullish", 930, 920, "internal", block.id))
    assert isinstance(said[0], Withdraw)
    assert said[0].signal_id == signal.id
    assert "mitigated (event 5)" in said[0].reason


def test_withdrawn_when_swing_structure_turns_but_not_for_an_internal_break() -> None:
    market = Market()
    market.bullish_range()
    signal = signal_of(market.bar(990.0, market.block(930, 920)))
    assert market.bar(990.0, market.event("choch", "bearish", 985, 985, "internal")) == []
    said = market.bar(990.0, market.event("choch", "bearish", 985, 985, "swing"))
    assert said[0].signal_id == signal.id
    assert "Structure turned" in said[0].reason


def test_a_zone_is_used_once() -> None:
    market = Market()
    market.bullish_range()
    market.bar(990.0, market.block(930, 920))
    for _ in range(10):
        assert not any(isinstance(word, Signal) for word in market.bar(990.0))


def test_prices_are_multiples_of_the_tick_and_the_stop_is_rounded_away() -> None:
    market = Market()
    market.bullish_range()
    signal = signal_of(market.bar(990.0, market.block(930.04, 920.07)))
    assert signal.entry == Decimal("930.0")
    assert signal.stop == Decimal("918.0")  # 918.07 down
    assert all(price % RULES.tick == 0 for price in (signal.entry, signal.stop, signal.target))


def test_saved_and_restored_at_every_bar_it_says_the_same() -> None:
    def story(restart: bool) -> list[Any]:
        market = Market()
        said = []

        def step(close: float, *events: Event, **shape: float) -> None:
            said.extend(market.bar(close, *events, **shape))
            if restart:
                market.strategy = SmcConfluence.restore(PARAMS, RULES, "1m", market.strategy.save())

        step(990.0, market.event("swing_low", "bullish", 900, 900, "swing"))
        step(990.0, market.event("swing_high", "bearish", 1000, 1000, "swing"))
        step(990.3, market.event("bos", "bullish", 985, 985, "swing"), market.block(930, 920), market.block(945, 940))
        step(944.7, low=944.1)
        step(990.1)
        step(990.0)
        step(990.0)
        step(990.0)
        return said

    assert story(True) == story(False)
    assert [type(word) for word in story(True)] == [Signal, Signal, Withdraw, Withdraw]


def test_its_state_is_bounded() -> None:
    market = Market()
    market.bullish_range()
    for i in range(1000):
        market.bar(
            990.0,
            market.block(700 + i / 100, 690),
            market.event("equal_highs", "bearish", 1200 + i / 100, 1200),
            market.event("equal_lows", "bullish", 800, 800 - i / 100),
        )
    structure = market.strategy._structure
    assert len(structure.zones) == MAX_ZONES
    assert len(structure.highs) == MAX_LEVELS
    assert len(structure.lows) == MAX_LEVELS
    assert len(market.strategy.save()) < 30_000
