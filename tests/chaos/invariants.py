"""What must hold, whatever went wrong: judged by the venue's own books."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from typing import Any

from tests.chaos.trading import MIN_NOTIONAL, STEP, SYMBOL

# No entry has more protective groups than this in a row without one that reached the venue.
UNSEEN_GROUPS = 40


def client_order_id(order_id: uuid.UUID | str) -> str:
    return f"smc{uuid.UUID(str(order_id)).hex}"


def legs(entry: str, known: set[str]) -> Iterator[tuple[str, str]]:
    """Client order ids (stop, target) of the entry's protective groups, as far as the venue has heard of any."""
    unseen = 0
    for n in count(1):
        pair = [client_order_id(uuid.uuid5(uuid.UUID(entry), f"{kind}:{n}")) for kind in ("stop", "target")]
        unseen = 0 if known & set(pair) else unseen + 1
        if unseen > UNSEEN_GROUPS:
            return
        yield pair[0], pair[1]


def differences(snapshot: dict[str, Any], account: dict[str, Any]) -> list[str]:
    """Where executor and venue disagree about open orders, position and balances."""

    def shown(orders: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            order["client_order_id"]: (order["side"], Decimal(order["quantity"]), Decimal(order["filled_quantity"]))
            for order in orders
        }

    def amounts(balances: dict[str, dict[str, str]]) -> dict[str, tuple[Decimal, Decimal]]:
        pairs = {asset: (Decimal(both["free"]), Decimal(both["locked"])) for asset, both in balances.items()}
        return {asset: pair for asset, pair in pairs.items() if any(pair)}

    ours, theirs = shown(snapshot["open_orders"]), shown(account["open_orders"])
    found = [
        f"open order {name}: {ours.get(name)} here, {theirs.get(name)} at the venue"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]
    if amounts(snapshot["balances"]) != amounts(account["balances"]):
        found.append(f"balances: {snapshot['balances']} here, {account['balances']} at the venue")
    held = {position["symbol"]: Decimal(position["quantity"]) for position in snapshot["positions"]}
    found += [
        f"position: {held} here, {position} at the venue"
        for position in account["positions"]
        if held.get(position["symbol"], Decimal(0)) != Decimal(position["quantity"])
    ]
    return found


def doubled(placed: set[str], orders: list[dict[str, Any]], flattens: list[str]) -> list[str]:
    """Orders at the venue that no command asked for, or that are there twice. `orders`: the venue's whole list."""
    found = []
    names = [order["clientOrderId"] for order in orders]
    found += [
        f"order {name} is at the venue {names.count(name)} times"
        for name in sorted(set(names))
        if names.count(name) > 1
    ]
    known = set(names)
    expected = {client_order_id(command) for command in placed}
    for command in placed:
        for pair in legs(command, known):
            expected |= set(pair)
    for command in flattens:
        for n in range(1, 10):
            expected.add(client_order_id(uuid.uuid5(uuid.UUID(command), f"flatten:{SYMBOL}:{n}")))
    return found + [f"order {name} at the venue was asked for by no command" for name in sorted(known - expected)]


def ids_of_pair(command: str) -> tuple[str, str]:
    """Client order ids (target, stop) of a commanded pair."""
    return client_order_id(command), client_order_id(uuid.uuid5(uuid.UUID(command), "stop:1"))


def halves(pairs: set[str], open_orders: list[dict[str, Any]]) -> list[str]:
    """Commanded pairs of which one order works without the other."""
    working = {order["client_order_id"] for order in open_orders}
    return [
        f"half of the pair {pair} works alone"
        for pair in sorted(pairs)
        if len(working.intersection(ids_of_pair(pair))) == 1
    ]


class Protection:
    """How much of each bracket's filled quantity rests behind a stop, or has left through a stop or target."""

    def __init__(self, brackets: dict[str, dict[str, Any]], account: dict[str, Any]) -> None:
        bought: defaultdict[str, Decimal] = defaultdict(Decimal)
        sold: defaultdict[str, Decimal] = defaultdict(Decimal)
        for trade in account["trades"]:
            if trade["side"] == "buy":
                fee = Decimal(trade["fee"]) if trade["fee_asset"] == "BTC" else Decimal(0)
                bought[trade["client_order_id"]] += Decimal(trade["quantity"]) - fee
            else:
                sold[trade["client_order_id"]] += Decimal(trade["quantity"])
        resting = {
            order["client_order_id"]: Decimal(order["quantity"]) - Decimal(order["filled_quantity"])
            for order in account["open_orders"]
        }
        known = set(sold) | set(resting)
        # Per entry: what it brought in, what is covered, and the stop that values it.
        self.of: dict[str, tuple[Decimal, Decimal, Decimal]] = {}
        for entry, payload in brackets.items():
            stop = Decimal(payload["stop_loss"])
            net = bought[client_order_id(entry)] // STEP * STEP
            if not net:
                continue
            pairs = list(legs(entry, known))
            # A sale at market under the stop's id rests until the next bar's open.
            covered = sum((resting.get(stop_leg, Decimal(0)) for stop_leg, _ in pairs), Decimal(0))
            gone = sum((sold[leg] for pair in pairs for leg in pair), Decimal(0))
            self.of[entry] = (net, covered + gone, stop)

    def missing(self) -> list[str]:
        """Entries of which more than dust lies bare."""
        return [
            f"entry {entry}: {net - covered} of {net} is unprotected"
            for entry, (net, covered, stop) in self.of.items()
            if net - covered >= STEP and (net - covered) * stop >= MIN_NOTIONAL
        ]

    def excess(self) -> list[str]:
        """Entries that more is protected of, or was sold of, than they brought in."""
        return [
            f"entry {entry}: {covered} protected or sold of {net} bought"
            for entry, (net, covered, _) in self.of.items()
            if covered > net
        ]
