"""One trading session: what it decides from bars, events and the account, and what it remembers."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid5

import numpy as np
import pytest

from smc_agent.backtest.brackets import Brackets
from smc_agent.backtest.venue import Fees, SimulatedVenue, VenueOrder
from smc_agent.detection import Detector, Event
from smc_agent.execution import Cancel, Decision, Place, Refused, SessionConfig, Trader
from smc_agent.market import Bar, SymbolRules, decimal_of
from smc_agent.risk import AccountView, Balance, OpenOrder, RiskLimits
from smc_agent.strategy import SmcConfluenceParams

RULES = SymbolRules(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick=Decimal("0.1"),
    step=Decimal("0.001"),
    min_quantity=Decimal("0.001"),
    min_notional=Decimal(5),
)
DAY = 86_400_000
SESSION = SessionConfig(
    session_id=UUID(int=1), portfolio_id=UUID(int=2), exchange="replay", symbol="BTCUSDT", timeframe="1m",
    params=SmcConfluenceParams(min_stop=0), risk=RiskLimits(fee_rate=Decimal(0), cooldown_bars=3),
)  # fmt: skip
CASH = AccountView({"USDT": Balance(Decimal(100_000))})


def wave(n: int, seed: int = 3) -> list[Bar]:
    """Bars that swing: a slow wave, a faster one and noise, on a tick of 0.1."""
    random = np.random.default_rng(seed)
    i = np.arange(n + 1)
    path = 1000 + 60 * np.sin(i / 180) + 25 * np.sin(i / 37) + np.cumsum(random.normal(0, 0.8, n + 1))
    path = np.round(path, 1)
    bars = []
    for k in range(n):
        start, end = float(path[k]), float(path[k + 1])
        up, down = np.round(np.abs(random.normal(0, 0.6, 2)), 1)
        high, low = round(max(start, end) + float(up), 1), round(min(start, end) - float(down), 1)
        bars.append(Bar(k * 60_000, start, high, low, end, 1.0))
    return bars


class Desk:
    """A detector, a trader and a simulated venue, in the order in which the agent runs them."""

    def __init__(self, session: SessionConfig = SESSION) -> None:
        self.session = session
        self.detector = Detector()
        self.trader = Trader(session, RULES)
        self.venue = SimulatedVenue(RULES, Fees(Decimal("0.001"), Decimal("0.001")), {"USDT": Decimal(100_000)})
        self.brackets = Brackets(self.venue)

    def bar(self, index: int, bar: Bar) -> list[Decision]:
        for fill in self.venue.bar(index, *(decimal_of(price) for price in (bar.open, bar.high, bar.low, bar.close))):
            self.brackets.on_fill(fill)
        events = self.detector.push(*bar)
        decisions = self.trader.on_bar(bar, index, events, self.account())
        for decision in decisions:
            if isinstance(decision, Place):
                intent = decision.intent
                self.venue.place(VenueOrder(intent.order_id, "buy", "limit", intent.quantity, intent.price))
                self.brackets.follow(intent)
            elif isinstance(decision, Cancel):
                assert self.venue.cancel(decision.order_id)
        return decisions

    def account(self) -> AccountView:
        orders = (
            OpenOrder(o.id, "BTCUSDT", o.side, o.kind, o.quantity, parent_id=self.brackets.parents.get(o.id))
            for o in self.venue.orders.values()
        )
        return AccountView(self.venue.balances(), tuple(orders))


def story(bars: list[Bar], restart: bool = False) -> list[list[Decision]]:
    desk = Desk()
    told = []
    for i, bar in enumerate(bars):
        told.append(desk.bar(i, bar))
        if restart:
            desk.trader = Trader.restore(desk.session, RULES, desk.trader.save())
            desk.detector = Detector.restore(desk.detector.save())
    return told


BARS = wave(4000)


@pytest.fixture(scope="module")
def straight() -> list[list[Decision]]:
    return story(BARS)


def test_it_trades_at_all(straight: list[list[Decision]]) -> None:
    kinds = [type(decision) for told in straight for decision in told]
    assert kinds.count(Place) >= 5
    assert kinds.count(Cancel) >= 1
    assert kinds.count(Refused) >= 5


def test_saved_and_restored_at_every_bar_it_decides_the_same(straight: list[list[Decision]]) -> None:
    assert story(BARS, restart=True) == straight


@pytest.mark.parametrize("cut", [517, 1203, 1999, 2750, 3333])
def test_decisions_do_not_depend_on_later_bars(straight: list[list[Decision]], cut: int) -> None:
    other = [Bar(b.time, b.open, b.high + 50, b.low - 50, b.close + 10, 9.0) for b in BARS[cut:]]
    assert story(BARS[:cut] + other)[:cut] == straight[:cut]


def test_equal_states_have_equal_bytes() -> None:
    a, b = Desk(), Desk()
    for i, bar in enumerate(BARS[:800]):
        a.bar(i, bar)
        b.bar(i, bar)
    assert a.trader.save() == b.trader.save()
    assert Trader.restore(SESSION, RULES, a.trader.save()).save() == a.trader.save()


def test_bytes_of_something_else_are_refused() -> None:
    for data in (b"{}", b"[]", b"not json", b'{"strategy":{}}'):
        with pytest.raises(ValueError, match=r"saved state|Expecting"):
            Trader.restore(SESSION, RULES, data)


class Told:
    """A trader whose bars are flat at 990 and whose events are made by hand: a bullish range from 900 to 1000."""

    def __init__(self, risk: RiskLimits | None = None) -> None:
        session = SESSION if risk is None else SESSION.model_copy(update={"risk": risk})
        self.trader = Trader(session, RULES)
        self.index = -1
        self.ids = 0
        self.bar(CASH, self.event("swing_low", "bullish", 900, "swing"))
        self.bar(CASH, self.event("swing_high", "bearish", 1000, "swing"))
        self.bar(CASH, self.event("bos", "bullish", 985, "swing"))

    def event(self, kind: str, direction: str, top: float, scale: str = "", bottom: float | None = None) -> Event:
        self.ids += 1
        return Event(self.ids, kind, scale, direction, 0, self.index + 1, top, top if bottom is None else bottom, None)

    def block(self, top: float = 930) -> Event:
        return self.event("order_block", "bullish", top, "internal", top - 10)

    def bar(
        self, account: AccountView, *events: Event, low: float = 988, close: float = 990, time: int | None = None
    ) -> list[Decision]:
        self.index += 1
        opened = self.index * 60_000 if time is None else time
        return self.trader.on_bar(Bar(opened, 990, 992, low, close, 1), self.index, list(events), account)

    def restart(self) -> None:
        self.trader = Trader.restore(self.trader.session, RULES, self.trader.save())

    def place(self) -> Place:
        (decision,) = self.bar(CASH, self.block())
        assert isinstance(decision, Place)
        return decision


def working(place: Place, filled: str = "0") -> AccountView:
    intent = place.intent
    assert intent.price is not None
    entry = OpenOrder(intent.order_id, "BTCUSDT", "buy", "limit", intent.quantity, Decimal(filled), intent.price)
    locked = (intent.quantity - Decimal(filled)) * intent.price
    return AccountView({"USDT": Balance(100_000 - locked, locked)}, (entry,))


def protected(place: Place, quote: str = "50000") -> AccountView:
    leg = OpenOrder("leg", "BTCUSDT", "sell", "stop_loss", Decimal(1), parent_id=place.intent.order_id)
    return AccountView({"USDT": Balance(Decimal(quote)), "BTC": Balance(Decimal(0), Decimal(50))}, (leg,))


def test_order_and_cancel_ids_follow_from_session_and_signal() -> None:
    told = Told()
    place = told.place()
    assert place.intent.order_id == str(uuid5(UUID(int=1), place.signal.id))
    account = working(place)
    for _ in range(119):
        assert told.bar(account) == []
    (cancel,) = told.bar(account)
    assert isinstance(cancel, Cancel)
    assert cancel.order_id == place.intent.order_id
    assert cancel.command_id == str(uuid5(UUID(place.intent.order_id), "cancel"))


def test_a_filled_entry_is_not_cancelled_when_its_signal_is_withdrawn() -> None:
    told = Told()
    place = told.place()
    for _ in range(130):
        assert not any(isinstance(decision, Cancel) for decision in told.bar(protected(place)))


def test_what_is_left_of_a_partly_filled_entry_is_cancelled() -> None:
    told = Told()
    place = told.place()
    decisions = [decision for _ in range(130) for decision in told.bar(working(place, filled="0.5"))]
    assert [type(decision) for decision in decisions] == [Cancel]


def test_a_position_blocks_the_next_entry_until_it_is_closed() -> None:
    told = Told()
    place = told.place()
    told.bar(protected(place), low=930)
    (refused,) = told.bar(protected(place), told.block(940))
    assert isinstance(refused, Refused)
    assert refused.code == "max_positions"
    # Closed with a profit; a residue below a step stays behind and is no position.
    flat = AccountView({"USDT": Balance(Decimal(100_100)), "BTC": Balance(Decimal("0.0009"))})
    told.bar(flat, low=935)
    (decision,) = told.bar(flat, told.block(945))
    assert isinstance(decision, Place)
    figures = told.trader.figures
    told.restart()
    assert told.trader.figures == figures
    assert (figures.trades, figures.wins) == (1, 1)
    assert figures.realized_pnl == 100
    assert figures.exposure == 0


def test_what_is_not_protected_yet_is_a_position() -> None:
    told = Told()
    place = told.place()
    bare = replace(protected(place), open_orders=(), unprotected={place.intent.order_id: Decimal(1)})
    told.bar(bare, low=930)
    (refused,) = told.bar(bare, told.block(940))
    assert isinstance(refused, Refused)
    assert refused.code == "max_positions"
    dust = replace(bare, unprotected={place.intent.order_id: Decimal("0.0009")})
    told.bar(dust)
    assert told.trader.figures.trades == 1


def test_an_entry_that_came_to_nothing_is_no_trade() -> None:
    told = Told()
    told.place()
    told.bar(CASH, low=930)
    assert told.trader.figures.trades == 0
    (decision,) = told.bar(CASH, told.block(940))
    assert isinstance(decision, Place)


def test_after_a_loss_it_waits() -> None:
    told = Told()
    place = told.place()
    told.bar(protected(place), low=930)
    poorer = AccountView({"USDT": Balance(Decimal(99_900))})
    told.bar(poorer)  # closed: three bars of cooldown
    told.restart()
    (refused,) = told.bar(poorer, told.block(940))
    assert isinstance(refused, Refused)
    assert refused.code == "cooldown"
    assert "2 bars" in refused.reason
    told.bar(poorer, low=935)
    (decision,) = told.bar(poorer, told.block(945))
    assert isinstance(decision, Place)


def test_the_daily_loss_breaker_trips_cancels_and_resets_with_the_utc_day() -> None:
    told = Told()
    place = told.place()
    account = working(place)
    entry = account.open_orders
    poorer = AccountView({"USDT": Balance(Decimal(96_900))}, entry)
    (cancel,) = told.bar(poorer)
    assert isinstance(cancel, Cancel)
    assert "3.1 %" in cancel.reason
    assert told.trader.figures.daily_pnl == -3100
    told.restart()
    assert told.trader.figures.daily_pnl == -3100
    # It stays tripped though the equity comes back, and says so once only for one entry.
    assert told.bar(AccountView({"USDT": Balance(Decimal(100_000))}, entry)) == []
    assert told.trader.figures.breakers["daily_loss"].startswith("tripped: ")
    told.bar(CASH, low=930)
    (refused,) = told.bar(CASH, told.block(940))
    assert isinstance(refused, Refused)
    assert refused.code == "daily_loss"
    told.bar(CASH, low=935, time=DAY)
    assert told.trader.figures.breakers["daily_loss"] == "ok"
    assert told.trader.figures.day_start_equity == 100_000
    (decision,) = told.bar(CASH, told.block(945), time=DAY + 60_000)
    assert isinstance(decision, Place)


def test_the_drawdown_breaker_stays_for_the_session_and_a_new_one_begins_afresh() -> None:
    told = Told(RiskLimits(max_daily_loss=Decimal(1), max_drawdown=Decimal("0.1")))
    poorer = AccountView({"USDT": Balance(Decimal(90_000))})
    told.bar(poorer)
    assert told.trader.figures.drawdown == Decimal("0.1")
    told.restart()
    told.bar(CASH, time=DAY)
    (refused,) = told.bar(CASH, told.block(940), time=DAY + 60_000)
    assert isinstance(refused, Refused)
    assert refused.code == "drawdown"
    anew = Trader(told.trader.session, RULES)
    anew.on_bar(Bar(2 * DAY, 990, 992, 988, 990, 1), 99, [], poorer)
    assert anew.figures.peak_equity == 90_000
    assert anew.figures.breakers["drawdown"] == "ok"


def test_the_exposure_breaker_trips_and_resets_with_what_is_held() -> None:
    told = Told(RiskLimits(max_exposure=Decimal("0.5")))
    heavy = AccountView({"USDT": Balance(Decimal(40_000)), "BTC": Balance(Decimal(60))})
    told.bar(heavy)
    assert told.trader.figures.breakers["exposure"].startswith("tripped: ")
    (refused,) = told.bar(heavy, told.block(940))
    assert isinstance(refused, Refused)
    assert refused.code == "exposure"
    told.bar(CASH)
    assert told.trader.figures.breakers["exposure"] == "ok"


def test_figures_are_marked_at_the_close() -> None:
    told = Told()
    told.bar(
        AccountView({"USDT": Balance(Decimal(50_000), Decimal(10_000)), "BTC": Balance(Decimal(1), Decimal(2))}),
        close=991.5,
    )
    figures = told.trader.figures
    assert figures.equity == 60_000 + 3 * Decimal("991.5")
    assert figures.exposure == 3 * Decimal("991.5")
    assert figures.peak_equity == 100_000
