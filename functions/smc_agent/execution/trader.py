"""One trading session: strategy, risk, and the book-keeping on this side of the executor."""

import json
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Self

from smc_agent.detection import Event
from smc_agent.execution.decisions import Cancel, Decision, Place, Refused
from smc_agent.execution.session import SessionConfig
from smc_agent.market import Bar, SymbolRules, decimal_of
from smc_agent.risk import AccountView, Book, OrderIntent, assess, breakers
from smc_agent.strategy import Signal, SmcConfluence, Withdraw

ZERO = Decimal(0)
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Figures:
    """The account as marked at the last bar. Money in the quote asset; `drawdown` is a fraction of `peak_equity`.

    `breakers`: "ok" or "tripped: <reason>" by name. `trades`, `wins`, `realized_pnl` (after fees) are this session's,
    read from the change of the quote asset between entry and exit: exact while nothing else trades on the account.
    """

    equity: Decimal
    exposure: Decimal
    daily_pnl: Decimal
    drawdown: Decimal
    peak_equity: Decimal
    day_start_equity: Decimal
    breakers: dict[str, str]
    trades: int
    wins: int
    realized_pnl: Decimal


@dataclass(slots=True)
class Entry:
    """An entry that was sent and is not over. `quote_before`: all the account had of the quote asset then."""

    order_id: str
    signal_id: str
    quote_before: Decimal
    cancelled: bool = False


class Trader:
    """Decides for one session at each closed bar. Pure: no clock, no network; equal inputs give equal decisions.

    Whether an entry works, is a position, or is over is read from the account each time: the venue is right about
    positions. An entry is a position while protective orders of it work, or something it bought is not protected yet;
    what is left of the base asset beside that (dust, holdings from elsewhere) is none.
    """

    def __init__(self, session: SessionConfig, rules: SymbolRules) -> None:
        self.session = session
        self.rules = rules
        self._strategy = SmcConfluence(session.params, rules, session.timeframe)
        self._entries: list[Entry] = []
        self._equity = self._exposure = self._peak = self._day_start = self._realized = ZERO
        self._day: int | None = None
        self._tripped: dict[str, str] = {}
        self._cooldown_until = 0
        self._trades = self._wins = 0

    def on_bar(self, bar: Bar, index: int, events: list[Event], account: AccountView) -> list[Decision]:
        """The decisions at the close of `bar`, the detector's bar `index`; `account` is as the bar has left it."""
        close = decimal_of(bar.close)
        self._mark(bar, close, account)
        decisions: list[Decision] = []
        working: set[str] = set()
        if self._entries:
            working = {order.order_id for order in account.open_orders}
            self._settle(index, account, working)
        said = self._strategy.on_bar(bar, index, events)
        for word in said:
            if isinstance(word, Withdraw):
                for entry in self._entries:
                    if entry.signal_id == word.signal_id:
                        decisions += self._cancel(entry, word.reason, working)
        if self._tripped:
            name, reason = next(iter(self._tripped.items()))
            for entry in self._entries:
                decisions += self._cancel(entry, f"Breaker {name}: {reason}", working)
        for word in said:
            if isinstance(word, Signal):
                decisions.append(self._assess(word, index, account, close))
        return decisions

    @property
    def equity(self) -> Decimal:
        """Quote asset and base asset, the latter at the last close."""
        return self._equity

    @property
    def figures(self) -> Figures:
        """The account as marked at the last bar."""
        return Figures(
            equity=self._equity,
            exposure=self._exposure,
            daily_pnl=self._equity - self._day_start,
            drawdown=(self._peak - self._equity) / self._peak if self._peak > 0 else ZERO,
            peak_equity=self._peak,
            day_start_equity=self._day_start,
            breakers={
                name: f"tripped: {self._tripped[name]}" if name in self._tripped else "ok" for name in breakers.__all__
            },
            trades=self._trades,
            wins=self._wins,
            realized_pnl=self._realized,
        )

    def save(self) -> bytes:
        """The state, as JSON."""
        state: dict[str, Any] = {
            "strategy": json.loads(self._strategy.save()),
            "entries": [{**asdict(entry), "quote_before": str(entry.quote_before)} for entry in self._entries],
            "money": [str(x) for x in (self._equity, self._exposure, self._peak, self._day_start, self._realized)],
            "day": self._day,
            "tripped": self._tripped,
            "cooldown_until": self._cooldown_until,
            "trades": self._trades,
            "wins": self._wins,
        }
        return json.dumps(state, separators=(",", ":")).encode()

    @classmethod
    def restore(cls, session: SessionConfig, rules: SymbolRules, data: bytes) -> Self:
        """The trader that gave `data` by `save`; ValueError when they are not such bytes."""
        try:
            state = json.loads(data)
            trader = cls(session, rules)
            trader._strategy = SmcConfluence.restore(
                session.params, rules, session.timeframe, json.dumps(state["strategy"]).encode()
            )
            trader._entries = [
                Entry(**{**entry, "quote_before": Decimal(entry["quote_before"])}) for entry in state["entries"]
            ]
            money = (Decimal(x) for x in state["money"])
            trader._equity, trader._exposure, trader._peak, trader._day_start, trader._realized = money
            trader._day = state["day"]
            trader._tripped = state["tripped"]
            trader._cooldown_until = state["cooldown_until"]
            trader._trades, trader._wins = state["trades"], state["wins"]
        except (KeyError, TypeError, ArithmeticError) as error:
            raise ValueError("these bytes are no saved state of a trading session; start the session anew") from error
        return trader

    def _mark(self, bar: Bar, close: Decimal, account: AccountView) -> None:
        held = account.balance(self.rules.base).total * close
        previous = self._equity
        self._equity = account.balance(self.rules.quote).total + held
        # Dust, which the venue would not take back, is no exposure; it stays in the equity.
        self._exposure = held if held >= self.rules.min_notional else ZERO
        day = bar.time // DAY_MS
        if self._day is None:
            self._day_start = self._peak = self._equity
        elif day != self._day:
            self._day_start = previous
            self._tripped.pop("daily_loss", None)
        self._day = day
        self._peak = max(self._peak, self._equity)
        limits = self.session.risk
        # Daily loss and drawdown stay tripped, whatever the equity does then; exposure is over when it is less again.
        for name, reason in (
            ("daily_loss", breakers.daily_loss(self._equity, self._day_start, limits)),
            ("drawdown", breakers.drawdown(self._equity, self._peak, limits)),
        ):
            if reason is not None:
                self._tripped.setdefault(name, reason)
        over = breakers.exposure(self._exposure, self._equity, limits)
        if over is None:
            self._tripped.pop("exposure", None)
        else:
            self._tripped["exposure"] = over

    def _settle(self, index: int, account: AccountView, working: set[str]) -> None:
        """Drops the entries that are over, and books what they made."""
        protecting = {order.parent_id for order in account.open_orders}
        still = []
        for entry in self._entries:
            loose = account.unprotected.get(entry.order_id, ZERO)
            if entry.order_id in working or entry.order_id in protecting or not self._is_dust(loose):
                still.append(entry)
                continue
            made = account.balance(self.rules.quote).total - entry.quote_before
            if made == 0:
                continue  # cancelled, expired or refused: no position came of it
            self._trades += 1
            self._realized += made
            if made > 0:
                self._wins += 1
            else:
                self._cooldown_until = index + self.session.risk.cooldown_bars
        self._entries = still

    def _is_dust(self, quantity: Decimal) -> bool:
        return self.rules.round_quantity(quantity) < max(self.rules.min_quantity, self.rules.step)

    def _cancel(self, entry: Entry, reason: str, working: set[str]) -> list[Cancel]:
        """Takes back what is left of `entry`, once; nothing when it has filled."""
        if entry.cancelled or entry.order_id not in working:
            return []
        entry.cancelled = True
        return [Cancel(entry.order_id, reason)]

    def _assess(self, signal: Signal, index: int, account: AccountView, close: Decimal) -> Decision:
        book = Book(
            equity=self._equity,
            exposure=self._exposure,
            tripped=self._tripped,
            positions=len(self._entries),
            cooldown_left=max(0, self._cooldown_until - index),
            session_id=str(self.session.session_id),
        )
        verdict = assess(signal, account, book, self.session.risk, self.rules, close)
        if not isinstance(verdict, OrderIntent):
            return Refused(signal, verdict.code, verdict.reason)
        self._entries.append(Entry(verdict.order_id, signal.id, account.balance(self.rules.quote).total))
        return Place(verdict, signal)
