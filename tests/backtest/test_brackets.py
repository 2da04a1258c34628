"""What the backtest's executor does after an entry fills: protection for what came in, as the real one places it."""

from decimal import Decimal
from uuid import UUID, uuid5

from smc_agent.backtest.brackets import Brackets
from smc_agent.backtest.venue import Fees, Fill, SimulatedVenue, VenueOrder
from smc_agent.market import SymbolRules
from smc_agent.risk import AccountView, Balance, Book, OrderIntent, RiskLimits, assess
from smc_agent.strategy import Signal


class Scene:
    """A limit buy of 4.17 at 1000, stop 990, target 1030, at a venue whose last price is 1010."""

    def __init__(self, fee: str = "0.001", min_notional: int = 5) -> None:
        rules = SymbolRules(
            symbol="BTCUSDT", base="BTC", quote="USDT", tick=Decimal(1), step=Decimal("0.001"),
            min_quantity=Decimal("0.001"), min_notional=Decimal(min_notional),
        )  # fmt: skip
        self.venue = SimulatedVenue(rules, Fees(Decimal(fee), Decimal(fee)), {"USDT": Decimal(10_000)})
        self.venue.close(Decimal(1010))
        self.brackets = Brackets(self.venue)
        signal = Signal(
            id="s", symbol="BTCUSDT", time_ms=0, direction="bullish", entry=Decimal(1000), stop=Decimal(990),
            target=Decimal(1030), reasons=("x",), valid_bars=9,
        )  # fmt: skip
        book = Book(equity=Decimal(10_000), session_id="00000000-0000-0000-0000-000000000001")
        account = AccountView({"USDT": Balance(Decimal(10_000))})
        intent = assess(signal, account, book, RiskLimits(), rules, Decimal(1010))
        assert isinstance(intent, OrderIntent)
        self.entry = intent.order_id
        self.venue.place(VenueOrder(intent.order_id, "buy", "limit", intent.quantity, intent.price))
        self.brackets.follow(intent)

    def bar(self, opened: int, high: int, low: int, close: int) -> list[Fill]:
        fills = []
        for fill in self.venue.bar(0, *map(Decimal, (opened, high, low, close))):
            fills.append(fill)
            self.brackets.on_fill(fill)
        return fills

    def leg(self, name: str) -> str:
        return str(uuid5(UUID(self.entry), name))


def test_what_is_left_after_the_fee_is_covered_by_an_oco() -> None:
    scene = Scene()
    scene.bar(1010, 1011, 999, 1005)
    stop, target = scene.venue.orders[scene.leg("stop:1")], scene.venue.orders[scene.leg("target:1")]
    # 4.17 less a fee of 0.00417 is 4.16583; the step leaves 0.00083 as dust.
    assert stop.quantity == target.quantity == Decimal("4.165")
    assert stop.kind == "stop_loss"
    assert stop.stop_price == 990
    assert target.kind == "limit_maker"
    assert target.price == 1030
    assert scene.brackets.parents == {stop.id: scene.entry, target.id: scene.entry}
    balance = scene.venue.balances()["BTC"]
    assert (balance.free, balance.locked) == (Decimal("0.00083"), Decimal("4.165"))


def test_a_gap_past_the_stop_is_left_at_market_under_the_next_number() -> None:
    scene = Scene()
    scene.bar(985, 986, 984, 985)
    (order,) = scene.venue.orders.values()
    assert order.id == scene.leg("stop:2")
    assert order.kind == "market"
    assert order.quantity == Decimal("4.165")
    assert scene.brackets.kinds[order.id] == "market"
    (fill,) = scene.bar(980, 981, 979, 980)
    assert fill.price == 980
    assert not scene.venue.orders


def test_less_than_the_venue_takes_stays_as_dust() -> None:
    scene = Scene(fee="0.999")
    scene.bar(1010, 1011, 999, 1005)
    assert not scene.venue.orders
    assert scene.brackets.unprotected == {}


def test_what_no_form_protects_is_reported() -> None:
    # After the fee 4.165 are left: worth 4123 at the stop, but only 416 after the crash.
    scene = Scene(min_notional=4000)
    scene.bar(100, 101, 99, 100)
    assert not scene.venue.orders
    assert scene.brackets.unprotected == {scene.entry: Decimal("4.165")}
