"""The backtest's book of trades, kept from fills alone."""

from dataclasses import dataclass
from decimal import Decimal

from smc_agent.backtest.brackets import Brackets
from smc_agent.backtest.result import OpenTrade, Trade
from smc_agent.backtest.venue import Fill
from smc_agent.execution import Place
from smc_agent.market import SymbolRules

ZERO = Decimal(0)


@dataclass(slots=True)
class _Position:
    decision: Place
    entry: Fill
    entry_time: int
    left: Decimal  # what its protective orders still hold
    ambiguous: bool = False


class Ledger:
    """Turns fills into trades: an entry and its exit. What the step leaves over is dust, not a position."""

    def __init__(self, rules: SymbolRules, brackets: Brackets) -> None:
        self._rules = rules
        self._brackets = brackets
        self._sent: dict[str, Place] = {}
        self._open: dict[str, _Position] = {}
        self._spans: list[tuple[int, int]] = []
        self.trades: list[Trade] = []
        self.ambiguous_bars: set[int] = set()

    def follow(self, decision: Place) -> None:
        """Expects fills of the entry that `decision` sent."""
        self._sent[decision.intent.order_id] = decision

    def book(self, fill: Fill, time: int, high: Decimal, low: Decimal) -> None:
        """Takes in a fill of the bar that opened at `time`, with the bar's range."""
        decision = self._sent.pop(fill.order_id, None)
        if decision is not None:
            left = self._rules.round_quantity(fill.quantity - fill.fee)
            position = _Position(decision, fill, time, left)
            target = decision.intent.take_profit
            # The bar reached the target too, but perhaps before the entry. A fill of the target takes this back.
            if target is not None and high >= target and not _at_open(fill):
                self._doubt(position, fill.bar)
            self._open[fill.order_id] = position
            return
        entry_id = self._brackets.parents.get(fill.order_id)
        held = self._open.get(entry_id) if entry_id is not None else None
        if held is None:
            return
        kind = self._brackets.kinds[fill.order_id]
        intent = held.decision.intent
        assert intent.stop_loss is not None
        assert intent.take_profit is not None
        if kind == "stop" and high >= intent.take_profit and fill.price >= intent.stop_loss:
            self._doubt(held, fill.bar)
        elif kind == "target" and fill.bar == held.entry.bar:
            held.ambiguous = False
            self.ambiguous_bars.discard(fill.bar)
        self._close(held, fill, time)

    def open_trade(self) -> OpenTrade | None:
        """The position that is still open, or None."""
        for order_id, position in self._open.items():
            return OpenTrade(order_id, position.entry_time, position.entry.price, position.left)
        return None

    def bars_in_market(self, bars: int) -> int:
        """In how many of `bars` a position was held."""
        spans = [*self._spans, *((position.entry.bar, bars - 1) for position in self._open.values())]
        return len({bar for first, last in spans for bar in range(first, last + 1)})

    def _doubt(self, position: _Position, bar: int) -> None:
        position.ambiguous = True
        self.ambiguous_bars.add(bar)

    def _close(self, position: _Position, fill: Fill, time: int) -> None:
        entry, intent = position.entry, position.decision.intent
        position.left -= fill.quantity
        if position.left > 0:
            raise AssertionError(f"entry {intent.order_id} was closed in part: the brackets sell all of it at once")
        assert intent.stop_loss is not None
        assert intent.take_profit is not None
        pnl = fill.price * fill.quantity - fill.fee - entry.price * entry.quantity
        self.trades.append(
            Trade(
                order_id=intent.order_id,
                signal_id=position.decision.signal.id,
                entry_bar=entry.bar,
                exit_bar=fill.bar,
                entry_time_ms=position.entry_time,
                exit_time_ms=time,
                entry_price=entry.price,
                exit_price=fill.price,
                quantity=entry.quantity,
                stop=intent.stop_loss,
                target=intent.take_profit,
                exit=self._brackets.kinds[fill.order_id],
                pnl=pnl,
                r=float(pnl / intent.risk) if intent.risk else 0.0,
                fees=entry.fee * entry.price + fill.fee,
                ambiguous=position.ambiguous,
                reasons=position.decision.signal.reasons,
            )
        )
        self._spans.append((entry.bar, fill.bar))
        del self._open[intent.order_id]


def _at_open(fill: Fill) -> bool:
    """Whether a limit filled at the open: it paid the taker's fee."""
    return not fill.maker
