"""The commands and the market of a run: the same for the same seed, step by step."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

NAMESPACE = uuid.UUID("6f1d1c0e-0000-4000-8000-000000000004")
SYMBOL = "BTCUSDT"
TICK = Decimal("0.01")
STEP = Decimal("0.00001")
MIN_NOTIONAL = Decimal(5)


class Tape:
    """A market that wanders, and a trader that is never short of ideas."""

    def __init__(self, seed: int, by_hand: bool) -> None:
        self.seed, self.by_hand = seed, by_hand
        self.last = Decimal(50_000)

    def step(self, number: int, known: list[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """(command id, action, payload) of this step's commands; `known`: ids of the orders placed so far."""
        chance = random.Random(f"{self.seed} commands {number}")
        for n in range(chance.randint(1, 4)):
            command_id = str(uuid.uuid5(NAMESPACE, f"{self.seed}:{number}:{n}"))
            roll = chance.random()
            if roll < 0.15 and known:
                yield command_id, "cancel", {"order_id": chance.choice(known)}
            elif roll < 0.18:
                yield command_id, chance.choice(["pause", "resume", "cancel_all"]), {}
            else:
                yield command_id, *self._asked(chance)
        if number % 4 == 3:
            # Whatever was paused goes on.
            yield str(uuid.uuid5(NAMESPACE, f"{self.seed}:{number}:resume")), "resume", {}

    def bar(self, number: int) -> tuple[tuple[str, str, str, str], str]:
        """Open, high, low, close and volume of the next bar."""
        chance = random.Random(f"{self.seed} bar {number}")
        opened = self._moved(chance, 0.001)
        close = self._moved(chance, 0.006)
        high = max(opened, close) * (1 + Decimal(str(round(abs(chance.gauss(0, 0.004)), 5))))
        low = min(opened, close) * (1 - Decimal(str(round(abs(chance.gauss(0, 0.004)), 5))))
        self.last = close
        prices = tuple(str(price.quantize(TICK)) for price in (opened, high, low, close))
        return (prices[0], prices[1], prices[2], prices[3]), str(round(chance.uniform(0.05, 1.5), 3))

    def funding(self, number: int) -> str | None:
        """The rate that is settled after this step, if any: spot has none."""
        return None

    def _moved(self, chance: random.Random, by: float) -> Decimal:
        return (self.last * (1 + Decimal(str(round(chance.gauss(0, by), 5))))).quantize(TICK)

    def _asked(self, chance: random.Random) -> tuple[str, dict[str, Any]]:
        return "place", self._order(chance)

    def _order(self, chance: random.Random) -> dict[str, Any]:
        quantity = str(Decimal(chance.randint(20, 6000)) * STEP)
        order: dict[str, Any] = {"symbol": SYMBOL, "side": "buy", "quantity": quantity}
        roll = chance.random()
        if roll < 0.15:
            return order | {"type": "limit", "price": self._at(chance, 0.85, 0.95)}
        if self.by_hand:
            plain: list[dict[str, Any]] = [
                {"type": "market"},
                {"type": "limit", "price": self._at(chance, 0.994, 1.004)},
                {"side": "sell", "type": "market"},
                {"side": "sell", "type": "limit", "price": self._at(chance, 1.0, 1.01)},
                {"side": "sell", "type": "stop_loss", "stop_price": self._at(chance, 0.98, 0.997)},
            ]
            return order | chance.choice(plain)
        protected = {"stop_loss": self._at(chance, 0.975, 0.993), "take_profit": self._at(chance, 1.007, 1.03)}
        if roll < 0.5:
            return order | {"type": "market"} | protected
        return order | {"type": "limit", "price": self._at(chance, 0.994, 1.004)} | protected

    def _at(self, chance: random.Random, low: float, high: float) -> str:
        return str((self.last * Decimal(str(round(chance.uniform(low, high), 6)))).quantize(TICK))
