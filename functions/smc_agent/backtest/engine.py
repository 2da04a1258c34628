"""Runs a trading session over recorded bars: the live detector and trader, against the simulated venue."""

import hashlib
from decimal import Decimal

import numpy as np

from smc_agent import __version__
from smc_agent.backtest.brackets import Brackets
from smc_agent.backtest.ledger import Ledger
from smc_agent.backtest.metrics import correlation, curve_metrics, daily_returns, trade_metrics
from smc_agent.backtest.result import BacktestResult, BuyAndHold, Reproducibility
from smc_agent.backtest.venue import Fees, Fill, Rejected, SimulatedVenue, VenueOrder
from smc_agent.detection import Event, detect
from smc_agent.execution import Cancel, Decision, Place, Refused, SessionConfig, Trader
from smc_agent.market import Bars, SymbolRules, decimal_of, split_symbol
from smc_agent.risk import AccountView, OpenOrder

FIAT = frozenset({"EUR", "GBP", "USD", "CHF", "AUD", "CAD", "NZD", "JPY", "XAU", "XAG"})


def run_backtest(
    bars: Bars, session: SessionConfig, rules: SymbolRules, initial_capital: Decimal, fees: Fees
) -> BacktestResult:
    """The result of trading `session` over `bars` from `initial_capital` of the quote asset.

    ValueError when the bars are not the session's market, or there are none.
    """
    if (bars.symbol, bars.timeframe) != (session.symbol, session.timeframe):
        raise ValueError(
            f"the bars are {bars.symbol} {bars.timeframe}, the session trades {session.symbol} {session.timeframe}; "
            "give the session's own bars"
        )
    if rules.symbol != bars.symbol:
        raise ValueError(f"the symbol rules are those of {rules.symbol}, the bars are {bars.symbol}")
    if not len(bars):
        raise ValueError("there are no bars to test on")
    if initial_capital <= 0:
        raise ValueError(f"the initial capital must be more than 0, not {initial_capital}")
    run = _Run(bars, session, rules, initial_capital, fees)
    run.over_all_bars()
    return run.result()


class _Run:
    def __init__(
        self, bars: Bars, session: SessionConfig, rules: SymbolRules, initial_capital: Decimal, fees: Fees
    ) -> None:
        self.bars, self.session, self.rules, self.initial, self.fees = bars, session, rules, initial_capital, fees
        self.venue = SimulatedVenue(rules, fees, {rules.quote: initial_capital})
        self.brackets = Brackets(self.venue)
        self.ledger = Ledger(rules, self.brackets)
        self.trader = Trader(session, rules)
        self.decisions: list[tuple[int, Decision]] = []
        self.fills: list[Fill] = []
        self.equity = np.empty(len(bars))

    def over_all_bars(self) -> None:
        events = self._events_by_bar()
        none: list[Event] = []
        venue, trader = self.venue, self.trader
        seen = -1
        for i, bar in enumerate(self.bars):
            if venue.orders:
                high, low = decimal_of(bar.high), decimal_of(bar.low)
                for fill in venue.bar(i, decimal_of(bar.open), high, low, decimal_of(bar.close)):
                    self.fills.append(fill)
                    self.ledger.book(fill, bar.time, high, low)
                    self.brackets.on_fill(fill)
            if venue.version != seen:
                account, seen = self._account(), venue.version
            decided = trader.on_bar(bar, i, events.get(i, none), account)
            self.equity[i] = float(trader.equity)
            if decided:
                # Bars in which nothing works are not played: their close is all that the next order may ask for.
                venue.close(decimal_of(bar.close))
                for decision in decided:
                    self._act(i, decision)

    def _events_by_bar(self) -> dict[int, list[Event]]:
        bars = self.bars
        by_bar: dict[int, list[Event]] = {}
        for event in detect(bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume):
            by_bar.setdefault(event.confirmed, []).append(event)
        return by_bar

    def _account(self) -> AccountView:
        return AccountView(
            balances=self.venue.balances(),
            open_orders=tuple(
                OpenOrder(
                    order_id=order.id,
                    symbol=self.rules.symbol,
                    side=order.side,
                    type=order.kind,
                    quantity=order.quantity,
                    price=order.price,
                    stop_price=order.stop_price,
                    parent_id=self.brackets.parents.get(order.id),
                )
                for order in self.venue.orders.values()
            ),
            unprotected=dict(self.brackets.unprotected),
        )

    def _act(self, index: int, decision: Decision) -> None:
        self.decisions.append((index, decision))
        if isinstance(decision, Cancel):
            self.venue.cancel(decision.order_id)
        elif isinstance(decision, Place):
            intent = decision.intent
            if intent.side != "buy" or intent.type != "limit":
                raise ValueError(f"the backtest plays limit buys, not {intent.type} {intent.side}s")
            try:
                self.venue.place(VenueOrder(intent.order_id, "buy", "limit", intent.quantity, price=intent.price))
            except Rejected as rejected:
                self.decisions.append((index, Refused(decision.signal, "venue_rejected", str(rejected))))
                return
            self.brackets.follow(intent)
            self.ledger.follow(decision)

    def result(self) -> BacktestResult:
        bars, initial = self.bars, float(self.initial)
        # Markets that close at weekends have fewer days a year.
        days_a_year = 252 if split_symbol(bars.symbol).base in FIAT else 365
        trades = tuple(self.ledger.trades)
        held = bars.close * (initial / float(bars.open[0]) * (1 - float(self.fees.taker)))
        mine = daily_returns(bars.time, self.equity, initial)
        return BacktestResult(
            symbol=bars.symbol,
            timeframe=bars.timeframe,
            quote=self.rules.quote,
            initial_capital=self.initial,
            final_equity=self.trader.equity,
            fees=self.fees,
            time=bars.time,
            equity=self.equity,
            trades=trades,
            open_trade=self.ledger.open_trade(),
            decisions=tuple(self.decisions),
            fills=tuple(self.fills),
            curve=curve_metrics(bars.time, self.equity, initial, days_a_year),
            trading=trade_metrics([float(trade.pnl) for trade in trades], [trade.r for trade in trades]),
            exposure=self.ledger.bars_in_market(len(bars)) / len(bars),
            ambiguous_bars=len(self.ledger.ambiguous_bars),
            benchmark=BuyAndHold(
                curve_metrics(bars.time, held, initial, days_a_year),
                correlation(mine, daily_returns(bars.time, held, initial)),
            ),
            reproducibility=Reproducibility(
                data_sha256=digest(bars),
                config={
                    **self.session.model_dump(mode="json"),
                    "initial_capital": f"{self.initial:f}",
                    "fees": {"maker": f"{self.fees.maker:f}", "taker": f"{self.fees.taker:f}"},
                    "rules": self.rules.model_dump(mode="json"),
                },
                version=__version__,
            ),
        )


def digest(bars: Bars) -> str:
    """SHA-256 of the market's name and the six columns, as little-endian 64-bit numbers."""
    sha = hashlib.sha256(f"{bars.symbol} {bars.timeframe} {len(bars)}\n".encode())
    sha.update(np.ascontiguousarray(bars.time, "<i8").tobytes())
    for column in (bars.open, bars.high, bars.low, bars.close, bars.volume):
        sha.update(np.ascontiguousarray(column, "<f8").tobytes())
    return sha.hexdigest()
