"""A trade that the order of events within a bar decided is counted."""

from decimal import Decimal

import pytest

from smc_agent.backtest.brackets import Brackets
from smc_agent.backtest.ledger import Ledger
from smc_agent.backtest.venue import Fees, SimulatedVenue, VenueOrder
from smc_agent.execution import Place
from smc_agent.market import SymbolRules
from smc_agent.risk import AccountView, Balance, Book, OrderIntent, RiskLimits, assess
from smc_agent.strategy import Signal

RULES = SymbolRules(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick=Decimal(1),
    step=Decimal("0.001"),
    min_quantity=Decimal("0.001"),
    min_notional=Decimal(5),
)
# Entry 1000, stop 990, target 1030. Bars: open, high, low, close.
QUIET = (1010, 1012, 1008, 1010)
ENTRY = (1010, 1012, 999, 1005)


@pytest.mark.parametrize(
    ("bars", "exit", "ambiguous"),
    [
        ([ENTRY, (1005, 1031, 1004, 1020)], "target", False),
        ([ENTRY, (1005, 1010, 989, 1000)], "stop", False),
        ([ENTRY, (1005, 1031, 989, 1000)], "stop", True),
        ([ENTRY, (980, 1031, 975, 1000)], "stop", False),  # gapped through the stop: nothing to guess
        ([(1010, 1012, 989, 1005)], "stop", False),
        ([(1010, 1031, 989, 1005)], "stop", True),
        ([(1010, 1031, 999, 1030)], "target", False),  # the close proves the target
        ([(1010, 1031, 999, 1005), (1005, 1031, 1004, 1020)], "target", True),  # not taken in the entry's own bar
        ([(999, 1031, 998, 1020)], "target", False),  # entered at the open: all of the bar came after
        ([(985, 1031, 984, 1020), (1021, 1022, 1020, 1021)], "market", False),  # the gap passed the stop: out at market
    ],
)
def test_exit_and_doubt(bars: list[tuple[int, int, int, int]], exit: str, ambiguous: bool) -> None:
    venue = SimulatedVenue(RULES, Fees(Decimal("0.001"), Decimal("0.001")), {"USDT": Decimal(100_000)})
    brackets = Brackets(venue)
    ledger = Ledger(RULES, brackets)
    signal = Signal(
        id="s", symbol="BTCUSDT", time_ms=0, direction="bullish", entry=Decimal(1000), stop=Decimal(990),
        target=Decimal(1030), reasons=("x",), valid_bars=9,
    )  # fmt: skip
    book = Book(equity=Decimal(100_000), session_id="00000000-0000-0000-0000-000000000001")
    account = AccountView({"USDT": Balance(Decimal(100_000))})
    intent = assess(signal, account, book, RiskLimits(), RULES, Decimal(1010))
    assert isinstance(intent, OrderIntent)
    for i, bar in enumerate([QUIET, *bars]):
        opened, high, low, close = map(Decimal, bar)
        for fill in venue.bar(i, opened, high, low, close):
            ledger.book(fill, i * 60_000, high, low)
            brackets.on_fill(fill)
        if i == 0:
            venue.place(VenueOrder(intent.order_id, "buy", "limit", intent.quantity, intent.price))
            brackets.follow(intent)
            ledger.follow(Place(intent, signal))
    (trade,) = ledger.trades
    assert (trade.exit, trade.ambiguous) == (exit, ambiguous)
    assert bool(ledger.ambiguous_bars) is ambiguous
    assert ledger.open_trade() is None
    assert ledger.bars_in_market(len(bars) + 1) == len(bars)
