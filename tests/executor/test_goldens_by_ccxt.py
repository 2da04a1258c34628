"""More requests than were recorded: ccxt makes them on the spot, under the same clock; so must `executor sign`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ccxt
import pytest
from tests.executor.test_goldens import GOLDENS, Case, check_signature, meaning, signed

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
MINE = {"clientOrderId": "smc-0001"}
# Price ticks and amount steps of the recorded markets, spot and swap.
PRECISION = {
    "binance": ((0.01, 1e-5), (0.1, 1e-3)),
    "bybit": ((0.01, 1e-6), (0.1, 1e-3)),
    "okx": ((0.1, 1e-8), (0.1, 1e-2)),
}
BINANCE_TYPES = (
    ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"],
    ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"],
)

pytestmark = pytest.mark.skipif(not GOLDENS.is_dir(), reason=f"needs the recorded requests in {GOLDENS}")


class Sent(Exception):
    """Instead of sending."""


class Recorder:
    """A client of ccxt that keeps its request to itself."""

    def __init__(self, venue: str) -> None:
        self.golden = json.loads((GOLDENS / f"{venue}.json").read_text())
        keys, clock = self.golden["credentials"], self.golden["timestamp"]
        self.client: Any = getattr(ccxt, venue)(keys)
        self.client.set_markets([market(venue, False), market(venue, True)])
        self.client.milliseconds = self.client.nonce = lambda: clock
        unified = {"enableUnifiedMargin": False, "enableUnifiedAccount": True} if venue == "bybit" else {}
        self.client.options |= {"recvWindow": 5000, "warnOnFetchOpenOrdersWithoutSymbol": False} | unified
        self.client.fetch = self.keep
        self.request: Case = {}

    def keep(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> None:
        self.request = {"url": url, "method": method, "headers": headers, "body": body}
        raise Sent

    def case(self, method: str, arguments: list[Any]) -> Case | None:
        """None: ccxt has no such request."""
        try:
            getattr(self.client, method)(*arguments)
        except Sent:
            common = {name: self.golden[name] for name in ("exchange", "timestamp", "credentials")}
            return common | {"method": method, "input": arguments, "request": self.request}
        except ccxt.NotSupported:
            return None
        raise AssertionError(f"{method} sent nothing")


def market(venue: str, is_swap: bool) -> dict[str, Any]:
    tick, step = PRECISION[venue][is_swap]
    name = {"okx": ("BTC-USDT", "BTC-USDT-SWAP")}.get(venue, ("BTCUSDT", "BTCUSDT"))[is_swap]
    settle = "USDT" if is_swap else None
    kind = {"type": "swap" if is_swap else "spot", "spot": not is_swap, "swap": is_swap, "contract": is_swap}
    names = {"base": "BTC", "quote": "USDT", "settle": settle, "baseId": "BTC", "quoteId": "USDT", "settleId": settle}
    rest = {"linear": is_swap or None, "inverse": None, "contractSize": 0.01 if venue == "okx" else 1, "active": True}
    return {"id": name, "symbol": SWAP if is_swap else SPOT, "info": {"orderTypes": BINANCE_TYPES[is_swap]}} | {
        "precision": {"amount": step, "price": tick},
        "limits": {"amount": {}, "price": {}, "cost": {}, "leverage": {"max": 125}},
        **kind,
        **names,
        **rest,
    }


def orders(venue: str) -> Iterator[list[Any]]:
    for symbol, side in itertools.product((SPOT, SWAP), ("buy", "sell")):
        closing = MINE | ({"reduceOnly": True} if symbol == SWAP else {})
        yield [symbol, "limit", side, 0.0123456, 50000.12345, MINE]
        yield [symbol, "market", side, 0.01, None if symbol == SWAP else 50000, MINE]
        yield [symbol, "market", side, 0.01, None, MINE]
        yield [symbol, "limit", side, 0.01, 50000, MINE | {"postOnly": True}]
        for time_in_force in ("GTC", "IOC", "FOK"):
            yield [symbol, "limit", side, 0.01, 50000, MINE | {"timeInForce": time_in_force}]
        for stop in ({"stopLossPrice": 49000}, {"takeProfitPrice": 52000}):
            yield [symbol, "market", side, 0.01, None, closing | stop]
            yield [symbol, "limit", side, 0.01, 48900, closing | stop]
        if symbol == SWAP:
            yield [symbol, "market", side, 0.01, None, closing]
            yield [symbol, "limit", side, 0.01, 50000, closing]
            if venue != "bybit":  # where ccxt hands the parameter on as it is, and Bybit has none of that name
                yield [symbol, "market", side, 0.01, None, closing | {"trailingPercent": 1}]
        if venue != "binance":  # which attaches nothing to an order
            bracket = {"stopLoss": {"triggerPrice": 49000}, "takeProfit": {"triggerPrice": 52000}}
            yield [symbol, "limit", side, 0.01, 50000, MINE | bracket]


def others(venue: str) -> Iterator[tuple[str, list[Any]]]:
    for symbol in (SPOT, SWAP):
        yield "cancel_order", ["12345", symbol]
        if venue != "bybit":  # where ccxt can ask by the venue's id only
            yield "cancel_order", [None, symbol, MINE]
            yield "fetch_order", [None, symbol, MINE]
            yield "fetch_order", ["12345", symbol]
        yield "fetch_open_orders", [symbol]
        if venue != "okx":  # which has none
            yield "cancel_all_orders", [symbol]
        yield "fetch_my_trades", [symbol]
        yield "edit_order", ["12345", symbol, "limit", "buy", 0.02, 49900]
    yield "fetch_balance", []
    yield "set_leverage", [3, SWAP]


@pytest.mark.parametrize("venue", ["binance", "bybit", "okx"])
def test_the_same_requests_as_ccxt(venue: str, tmp_path: Path) -> None:
    recorder = Recorder(venue)
    calls = [("create_order", arguments) for arguments in orders(venue)] + list(others(venue))
    compared = 0
    for method, arguments in calls:
        case = recorder.case(method, arguments)
        if case is None:
            continue
        request = signed(case, tmp_path)
        assert meaning(request, case) == meaning(case["request"], case), (method, arguments)
        check_signature(request, case)
        compared += 1
    assert compared > 50
