"""What is different between runs of a spot account and of a swap account."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from tests.chaos.invariants import Protection
from tests.chaos.scenario import Scenario
from tests.chaos.swaps import SwapProtection, SwapTape
from tests.chaos.trading import MIN_NOTIONAL, Tape
from tests.paper_venue.running_venue import KEY, SECRET, PaperVenue


class Spot:
    """Binance spot: a bracket's legs are a pair that the venue holds; sales take a balance."""

    # Of what is worth less than this at any price here, the venue takes no order.
    dust = Decimal("0.00012")
    account: dict[str, Any] = {  # noqa: RUF012
        "name": "alice",
        "api_key": KEY,
        "api_secret": SECRET,
        "balances": {"USDT": "100000"},
    }

    def __init__(self, scenario: Scenario) -> None:
        self.tape = Tape(scenario.seed, scenario.by_hand)

    def settings(self, address: str) -> dict[str, Any]:
        """What the executor's account is set to beside the usual."""
        return {}

    def orders(self, venue: PaperVenue) -> list[dict[str, Any]]:
        """Every order that the venue has ever had."""
        return asked(venue, "/api/v3/allOrders")

    def protection(self, brackets: dict[str, dict[str, Any]], account: dict[str, Any]) -> Protection | SwapProtection:
        """Judges how what has filled is protected."""
        return Protection(brackets, account)

    def is_dust(self, item: dict[str, Any], brackets: dict[str, dict[str, Any]]) -> bool:
        """Too small for the venue to take a protective order of."""
        stop = Decimal(brackets.get(item["order_id"], {}).get("stop_loss", 0))
        return Decimal(item["quantity"]) * stop < MIN_NOTIONAL

    def careless(self, orders: list[dict[str, Any]], placed: set[str]) -> list[str]:
        """Orders that could do what they must not; `placed`: client order ids of those that commands named."""
        return []


class Swap(Spot):
    """Binance USD-M: positions with a sign, conditional orders apart, exits that only reduce."""

    dust = Decimal(0)
    account = Spot.account | {"market": "swap"}

    def __init__(self, scenario: Scenario) -> None:
        self.style, self.is_exact = scenario.swap, scenario.is_exact
        self.tape = SwapTape(scenario.seed, scenario.swap)

    def settings(self, address: str) -> dict[str, Any]:
        return {"market": "swap", "ws_api_url": f"ws://{address}/ws-fapi/v1"}

    def orders(self, venue: PaperVenue) -> list[dict[str, Any]]:
        plain, conditional = asked(venue, "/fapi/v1/allOrders"), asked(venue, "/fapi/v1/allAlgoOrders")
        # One that was triggered is in both lists, once in each.
        conditional = [order | {"clientOrderId": order["clientAlgoId"]} for order in conditional]
        triggered = Counter(order["clientOrderId"] for order in conditional)
        return conditional + [order for order in plain if not triggered[order["clientOrderId"]]]

    def protection(self, brackets: dict[str, dict[str, Any]], account: dict[str, Any]) -> Protection | SwapProtection:
        return SwapProtection(brackets, account, self.style == "both", self.is_exact)

    def is_dust(self, item: dict[str, Any], brackets: dict[str, dict[str, Any]]) -> bool:
        return False

    def careless(self, orders: list[dict[str, Any]], placed: set[str]) -> list[str]:
        exits = [order for order in orders if order["clientOrderId"] not in placed]
        return [f"{order['clientOrderId']} could open a position" for order in exits if not order["reduceOnly"]]


def market_of(scenario: Scenario) -> Spot:
    return Swap(scenario) if scenario.swap else Spot(scenario)


def asked(venue: PaperVenue, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = venue.signed("GET", path, symbol="BTCUSDT", limit=1000)
    assert isinstance(found, list), found
    return found
