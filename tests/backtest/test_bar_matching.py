"""The simulated venue passes the cases that it shares with the paper venue."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from smc_agent.backtest.venue import Fees, Fill, Rejected, SimulatedVenue, VenueOrder
from smc_agent.market import SymbolRules

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "cases" / "bar_matching.json").read_text())
RULES = SymbolRules(
    symbol="BTCUSDT", base="BTC", quote="USDT", tick=Decimal("0.01"), step=Decimal("0.00001"),
    min_quantity=Decimal("0.00001"), min_notional=Decimal(5),
)  # fmt: skip


class Runner:
    """Plays a case's steps against a venue and notes what became of each order."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.case = case
        fees = Fees(Decimal(case["fees"]["maker"]), Decimal(case["fees"]["taker"]))
        self.venue = SimulatedVenue(RULES, fees, {asset: Decimal(x) for asset, x in case["balances"].items()})
        self.orders: dict[str, VenueOrder] = {}
        self.fills: list[Fill] = []

    def run(self) -> None:
        for i, bar in enumerate(self.case["bars"]):
            self.steps("before_bar", i)
            for fill in self.venue.bar(i, *(Decimal(bar[name]) for name in ("open", "high", "low", "close"))):
                self.fills.append(fill)
                self.steps("on_fill", fill.order_id)
        self.steps("before_bar", len(self.case["bars"]))

    def steps(self, when: str, what: int | str) -> None:
        for step in self.case["steps"]:
            if step.get(when) != what or when not in step:
                continue
            if "place" in step:
                asked = step["place"]
                order = self.order(asked["side"], asked["type"], asked["quantity"], asked)
                try:
                    self.venue.place(order)
                except Rejected:
                    order.status = "rejected"
            elif "oco" in step:
                asked = step["oco"]
                stop = self.order(asked["side"], "stop_loss", asked["quantity"], asked["stop"])
                target = self.order(asked["side"], "limit_maker", asked["quantity"], asked["target"])
                try:
                    self.venue.place_oco(stop, target)
                except Rejected:
                    stop.status = target.status = "rejected"
            else:
                assert self.venue.cancel(step["cancel"])

    def order(self, side: Any, kind: Any, quantity: str, asked: dict[str, str]) -> VenueOrder:
        order = VenueOrder(asked["id"], side, kind, Decimal(quantity))
        if "price" in asked:
            order.price = Decimal(asked["price"])
        if "stop_price" in asked:
            order.stop_price = Decimal(asked["stop_price"])
        self.orders[order.id] = order
        return order


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    runner = Runner(case)
    runner.run()
    expect = case["expect"]
    fills = [
        (
            *(fill["bar"], fill["id"], Decimal(fill["price"]), Decimal(fill["quantity"])),
            *(Decimal(fill["fee"]), fill["fee_asset"], fill["maker"]),
        )
        for fill in expect["fills"]
    ]
    got = [(f.bar, f.order_id, f.price, f.quantity, f.fee, f.fee_asset, f.maker) for f in runner.fills]
    assert got == fills, case["why"]
    assert {order_id: order.status for order_id, order in runner.orders.items()} == expect["orders"]
    balances = {
        asset: {"free": balance.free, "locked": balance.locked} for asset, balance in runner.venue.balances().items()
    }
    wanted = {asset: {name: Decimal(x) for name, x in parts.items()} for asset, parts in expect["balances"].items()}
    assert balances == wanted


def test_the_names_of_the_cases_are_unique() -> None:
    names = [case["name"] for case in CASES]
    assert len(set(names)) == len(names)
    assert len(names) >= 12
