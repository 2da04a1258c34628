"""Swap accounts: what is traded, and what must hold of a position with a sign."""

from __future__ import annotations

import random
from collections import defaultdict
from decimal import Decimal
from typing import Any

from tests.chaos.invariants import client_order_id, legs
from tests.chaos.trading import STEP, SYMBOL, Tape

# Of each side, the prices of an entry's stop and target, and of one that is never reached.
STOPS = {"buy": (0.975, 0.993), "sell": (1.007, 1.025)}
TARGETS = {"buy": (1.007, 1.03), "sell": (0.97, 0.993)}
NEVER = {"buy": (0.85, 0.95), "sell": (1.05, 1.15)}
OTHER = {"buy": "sell", "sell": "buy"}


class SwapTape(Tape):
    """`style`: which entries there are, and whether anything is closed by hand."""

    def __init__(self, seed: int, style: str) -> None:
        super().__init__(seed, by_hand=style == "by_hand")
        self.style = style

    def funding(self, number: int) -> str | None:
        chance = random.Random(f"{self.seed} funding {number}")
        return str(Decimal(chance.randint(-75, 75)) / 10_000) if chance.random() < 0.3 else None

    def _asked(self, chance: random.Random) -> tuple[str, dict[str, Any]]:
        if self.style not in ("both", "by_hand") or chance.random() > 0.15:
            return super()._asked(chance)
        # Of a position of unknown side: the guards refuse what does not reduce it.
        held = chance.choice(["buy", "sell"])
        return "place_oco", {
            "symbol": SYMBOL,
            "side": OTHER[held],
            "quantity": str(Decimal(chance.randint(1, 3000)) * STEP),
            "price": self._at(chance, *TARGETS[held]),
            "stop_price": self._at(chance, *STOPS[held]),
            "reduce_only": True,
        }

    def _order(self, chance: random.Random) -> dict[str, Any]:
        side = {"long": "buy", "short": "sell"}.get(self.style) or chance.choice(["buy", "sell"])
        quantity = str(Decimal(chance.randint(1, 6000)) * STEP)
        order: dict[str, Any] = {"symbol": SYMBOL, "side": side, "quantity": quantity}
        roll = chance.random()
        if roll < 0.1:
            return order | {"type": "limit", "price": self._at(chance, *NEVER[side])}
        if self.by_hand or (self.style == "both" and roll < 0.3):
            exit_of = order | {"side": OTHER[side], "reduce_only": True}
            stop = {"type": "stop_loss", "stop_price": self._at(chance, *STOPS[side])}
            exits: list[dict[str, Any]] = [
                exit_of | {"type": "market"},
                exit_of | {"type": "limit", "price": self._at(chance, *TARGETS[side])},
                exit_of | stop,
            ]
            entries: list[dict[str, Any]] = [
                order | {"type": "market"},
                order | {"type": "limit", "price": self._at(chance, 0.996, 1.004)},
                order | {"type": "stop_loss", "stop_price": self._at(chance, *STOPS[OTHER[side]])},
            ]
            return chance.choice(exits + entries if self.by_hand else exits)
        order |= {"stop_loss": self._at(chance, *STOPS[side]), "take_profit": self._at(chance, *TARGETS[side])}
        if roll < 0.5:
            return order | {"type": "market"}
        return order | {"type": "limit", "price": self._at(chance, 0.996, 1.004)}


class SwapProtection:
    """A position and the stops that could close it.

    `nets`: entries of both sides and exits by hand take from each other's fills, so that the position alone says
    what is left to protect; else each entry is judged by itself as well, where nothing kept the executor from hearing.
    """

    def __init__(
        self, brackets: dict[str, dict[str, Any]], account: dict[str, Any], nets: bool, is_exact: bool
    ) -> None:
        self.filled: defaultdict[str, Decimal] = defaultdict(Decimal)
        for trade in account["trades"]:
            self.filled[trade["client_order_id"]] += Decimal(trade["quantity"])
        self.orders = {order["client_order_id"]: order for order in account["open_orders"]}
        self.position = sum((Decimal(held["quantity"]) for held in account["positions"]), Decimal(0))
        known = set(self.filled) | set(self.orders)
        self.brackets, self.nets, self.is_exact = brackets, nets, is_exact
        self.legs = {entry: list(legs(entry, known)) for entry in brackets if self.filled[client_order_id(entry)]}

    def missing(self) -> list[str]:
        """What of the position lies bare."""
        if not self.brackets or not self.position:
            return []
        closing = "sell" if self.position > 0 else "buy"
        stops = sum((self._rest(name, closing) for pairs in self.legs.values() for name, _ in pairs), Decimal(0))
        found = []
        if stops < abs(self.position):
            found.append(f"{abs(self.position) - stops} of the position {self.position} is unprotected")
        if self.is_exact and not self.nets:
            for entry, pairs in self.legs.items():
                left = self.filled[client_order_id(entry)] - sum(self.filled[leg] for pair in pairs for leg in pair)
                covered = sum((self._rest(name, closing) for name, _ in pairs), Decimal(0))
                if covered < left:
                    found.append(f"entry {entry}: {left - covered} of {left} is unprotected")
        return found

    def excess(self) -> list[str]:
        """What is protected or was closed beyond what entries brought in, and legs that no position stands behind."""
        found = []
        for entry, pairs in self.legs.items():
            brought, opened = self.filled[client_order_id(entry)], self.brackets[entry]["side"]
            for kind in zip(*pairs, strict=True):
                covered = sum((self._rest(leg, OTHER[opened]) for leg in kind), Decimal(0))
                if covered > brought:
                    found.append(f"entry {entry}: {covered} protected or sold of {brought}")
                if covered and (self.position <= 0 if opened == "buy" else self.position >= 0):
                    found.append(f"entry {entry}: {covered} protected or sold though {self.position} is held")
            gone = sum((self.filled[leg] for pair in pairs for leg in pair), Decimal(0))
            # Stop and target can both fill where the executor does not hear of the one in time to cancel the other.
            if self.is_exact and gone > brought:
                found.append(f"entry {entry}: {gone} protected or sold of {brought}")
        return found

    def _rest(self, name: str, side: str) -> Decimal:
        order = self.orders.get(name)
        if order is None or order["side"] != side:
            return Decimal(0)
        return Decimal(order["quantity"]) - Decimal(order["filled_quantity"])
