"""Whatever is sent to the simulated venue: nothing is made from nothing, and nothing is owed."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from smc_agent.backtest.venue import Fees, Rejected, SimulatedVenue, VenueOrder
from smc_agent.market import SymbolRules

RULES = SymbolRules(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick=Decimal(1),
    step=Decimal("0.1"),
    min_quantity=Decimal("0.1"),
    min_notional=Decimal(1),
)
FEES = Fees(Decimal("0.001"), Decimal("0.002"))
prices = st.integers(80, 120).map(Decimal)
quantities = st.integers(1, 60).map(lambda n: Decimal(n) / 10)


@st.composite
def bars(draw: st.DrawFn) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    low, a, b, high = sorted(draw(st.lists(prices, min_size=4, max_size=4)))
    opened, close = draw(st.permutations([a, b]))
    return opened, high, low, close


kinds = st.sampled_from(["market", "limit", "limit_maker", "stop_loss", "oco", "cancel"])
orders = st.tuples(st.sampled_from(["buy", "sell"]), kinds, quantities, prices, prices)


@given(st.lists(st.tuples(bars(), st.lists(orders, max_size=4), st.lists(orders, max_size=2)), min_size=1, max_size=8))
def test_the_books_balance(days: list) -> None:  # type: ignore[type-arg]  # hypothesis makes it of the strategy above
    start = {"USDT": Decimal(1000), "BTC": Decimal(10)}
    venue = SimulatedVenue(RULES, FEES, start)
    expected = dict(start)
    count = 0

    def send(side: str, kind: str, quantity: Decimal, price: Decimal, other: Decimal) -> None:
        nonlocal count
        count += 1
        try:
            if kind == "cancel":
                if venue.orders:
                    venue.cancel(next(iter(venue.orders)))
            elif kind == "oco":
                stop = VenueOrder(f"{count}s", "sell", "stop_loss", quantity, stop_price=price)
                venue.place_oco(stop, VenueOrder(f"{count}t", "sell", "limit_maker", quantity, price=other))
            else:
                levels = {"stop_price": price} if kind == "stop_loss" else {} if kind == "market" else {"price": price}
                venue.place(VenueOrder(str(count), side, kind, quantity, **levels))  # type: ignore[arg-type]  # drawn
        except Rejected:
            pass

    for i, (bar, before, during) in enumerate(days):
        for order in before:
            send(*order)
        pending = list(during)
        for fill in venue.bar(i, *bar):
            assert bar[2] <= fill.price <= bar[1]
            notional = fill.price * fill.quantity
            sign = 1 if fill.side == "buy" else -1
            expected["BTC"] += sign * fill.quantity
            expected["USDT"] -= sign * notional
            expected[fill.fee_asset] -= fill.fee
            rate = FEES.maker if fill.maker else FEES.taker
            received = fill.quantity if fill.side == "buy" else notional
            assert received * rate - Decimal("1E-8") < fill.fee <= received * rate
            if pending:
                send(*pending.pop())
        balances = venue.balances()
        assert {asset: balance.total for asset, balance in balances.items()} == expected
        assert all(balance.free >= 0 and balance.locked >= 0 for balance in balances.values())
        assert all(order.status == "open" for order in venue.orders.values())
        if not venue.orders:
            assert all(balance.locked == 0 for balance in balances.values())
