"""Order books at the paper venue: recorded ones to the digit, gaps, and what ccxt.pro sees of them."""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal
from itertools import islice
from typing import Any

import ccxt.pro
import pytest
from tests.paper_venue.recorded_market import SPOT, SWAP, batches, feed, is_told, messages, needs_recordings
from tests.paper_venue.running_venue import KEY, SECRET, PaperVenue
from tests.paper_venue.test_ccxt import point, settings
from tests.paper_venue.test_ccxt_futures import point as point_futures
from tests.paper_venue.test_ccxt_futures import settings as futures_settings

SYMBOL = "BTCUSDT"
BALANCES = {"USDT": Decimal(200_000), "BTC": Decimal(3)}
MAKER, TAKER = Decimal("0.001"), Decimal("0.002")
WAIT = 10


def snapshot(last: int, bids: list[list[str]], asks: list[list[str]]) -> dict[str, Any]:
    return {"lastUpdateId": last, "bids": bids, "asks": asks}


def diff(first: int, last: int, bids: list[list[str]], asks: list[list[str]]) -> dict[str, Any]:
    return {"e": "depthUpdate", "E": 1_000 + last, "s": SYMBOL, "U": first, "u": last, "b": bids, "a": asks}


def trade(number: int, price: str, quantity: str, buyer_is_maker: bool) -> dict[str, Any]:
    return {"e": "trade", "E": 0, "s": SYMBOL, "t": number, "p": price, "q": quantity, "T": 2_000, "m": buyer_is_maker}


@pytest.fixture
def book(venue: PaperVenue) -> PaperVenue:
    """A venue with 2 at 99.90 and 5 at 99.80 against 1 at 100.10."""
    feed(venue, [snapshot(10, [["99.90", "2"], ["99.80", "5"]], [["100.10", "1"]])])
    return venue


class Orders:
    """Places random orders by seed, and answers nothing: what they did is checked at the end."""

    def __init__(self, venue: PaperVenue, seed: int) -> None:
        self.venue, self.random = venue, random.Random(seed)
        self.refused = 0

    def act(self) -> None:
        best = self.venue.public(f"/api/v3/ticker/bookTicker?symbol={SYMBOL}")
        bid, ask = Decimal(best["bidPrice"]), Decimal(best["askPrice"])
        draw = self.random
        side = draw.choice(["BUY", "SELL"])
        quantity = Decimal(draw.randint(10, 60_000)).scaleb(-5)
        own, opposite = (bid, ask) if side == "BUY" else (ask, bid)
        away = Decimal(draw.choice([0, 0, 1, 5, 50, 300])).scaleb(-2) * (-1 if side == "BUY" else 1)
        kind = draw.choice(["MARKET", "LIMIT", "LIMIT", "LIMIT", "LIMIT_MAKER", "IOC", "STOP_LOSS", "cancel"])
        order: dict[str, Any] = {"symbol": SYMBOL, "side": side, "type": kind, "quantity": str(quantity)}
        if kind == "cancel":
            still = self.venue.signed("GET", "/api/v3/openOrders", symbol=SYMBOL)
            if still:
                chosen = draw.choice(still)["orderId"]
                self.venue.signed("DELETE", "/api/v3/order", symbol=SYMBOL, orderId=chosen)
            return
        if kind in ("LIMIT", "LIMIT_MAKER"):
            order["price"] = str(own + away)
        if kind == "LIMIT":
            order["timeInForce"] = "GTC"
        if kind == "IOC":
            order |= {"type": "LIMIT", "timeInForce": "IOC", "price": str(opposite)}
        if kind == "STOP_LOSS":
            order["stopPrice"] = str(opposite - away + (1 if side == "BUY" else -1))
        self.refused += "code" in self.venue.signed("POST", "/api/v3/order", **order)


def check_accounts(account: dict[str, Any]) -> None:
    """The balances are what the trades made of them, to the digit."""
    expected = dict(BALANCES)
    for one in account["trades"]:
        quantity, price, fee = (Decimal(one[name]) for name in ("quantity", "price", "fee"))
        gained, paid = (quantity, quantity * price) if one["side"] == "buy" else (quantity * price, quantity)
        got, gave = ("BTC", "USDT") if one["side"] == "buy" else ("USDT", "BTC")
        rate = MAKER if one["maker"] else TAKER
        assert fee == (gained * rate).quantize(Decimal("1e-8"), ROUND_DOWN)
        assert one["fee_asset"] == got
        expected[got] += gained - fee
        expected[gave] -= paid
    held = {asset: Decimal(has["free"]) + Decimal(has["locked"]) for asset, has in account["balances"].items()}
    assert held == expected
    locked: dict[str, Decimal] = defaultdict(Decimal)
    for order in account["open_orders"]:
        rest = Decimal(order["quantity"]) - Decimal(order["filled_quantity"])
        if order["side"] == "buy":
            locked["USDT"] += rest * Decimal(order["price"] or order["stop_price"])
        else:
            locked["BTC"] += rest
    assert {asset: Decimal(has["locked"]) for asset, has in account["balances"].items()} == {
        asset: locked[asset] for asset in account["balances"]
    }


@needs_recordings
@pytest.mark.parametrize(("seed", "length"), [(1, 100_000), (2, 12_000), (3, 12_000)])
def test_a_recorded_spot_market_to_the_digit(start_venue: Callable[..., PaperVenue], seed: int, length: int) -> None:
    funds = {asset: str(amount) for asset, amount in BALANCES.items()}
    alice = {"name": "alice", "api_key": KEY, "api_secret": SECRET, "balances": funds}
    venue = start_venue(accounts=[alice], latency_ms=20)
    orders = Orders(venue, seed)
    touches: dict[int, Any] = {}
    best: dict[int, Any] = {}
    told = 0
    for batch in batches(islice(messages(SPOT), length), 150):
        events = [message for message in batch if is_told(message)]
        feed(venue, events)
        told += len(events)
        touches |= {message["u"]: message for message in batch if "A" in message}
        now = venue.public(f"/api/v3/depth?symbol={SYMBOL}&limit=1")
        best[now["lastUpdateId"]] = now
        if now["bids"]:
            orders.act()
    account = venue.account()
    check_accounts(account)
    kinds = {(one["maker"], one["side"]) for one in account["trades"]}
    assert len(kinds) == 4, "both sides made and took"
    assert told > 3_000
    # The book is Binance's: where its bookTicker names the same update, bid and ask are the same.
    both = best.keys() & touches.keys()
    assert both
    for update in both:
        ours, theirs = best[update], touches[update]
        assert [ours["bids"][0], ours["asks"][0]] == [[theirs["b"], theirs["B"]], [theirs["a"], theirs["A"]]]
    before = venue.account()
    venue.stop()
    venue.start()
    assert venue.account() == before


@needs_recordings
def test_a_recorded_swap_market_links_by_pu(start_venue: Callable[..., PaperVenue]) -> None:
    venue = start_venue()
    events = [message for message in islice(messages(SWAP), 8_000) if is_told(message)]
    for batch in batches(events, 500):
        feed(venue, batch)
    depth = venue.public(f"/fapi/v1/depth?symbol={SYMBOL}&limit=5")
    assert depth["lastUpdateId"] == [one for one in events if one.get("e") == "depthUpdate"][-1]["u"]
    assert Decimal(depth["bids"][0][0]) < Decimal(depth["asks"][0][0])


def test_a_gap_voids_the_book_until_the_next_snapshot(book: PaperVenue) -> None:
    def post(*events: dict[str, Any]) -> Any:
        return book.control("POST", "/paper/v1/l2", {"symbol": SYMBOL, "events": list(events)})

    assert post(diff(11, 12, [["99.95", "1"]], []))["gap"] is False
    answer = post(diff(14, 15, [], []), diff(16, 16, [], []))
    assert (answer["gap"], answer["applied"], answer["done"]) == (True, 1, False)
    order = book.signed("POST", "/api/v3/order", symbol=SYMBOL, side="BUY", type="MARKET", quantity="1")
    assert (order["status"], order["fills"]) == ("NEW", [])
    assert post(diff(16, 16, [["99.96", "1"]], []))["gap"] is False
    assert post(snapshot(14, [["99.90", "2"]], [["100.10", "1"]]))["gap"] is False
    depth = book.public(f"/api/v3/depth?symbol={SYMBOL}")
    assert (depth["lastUpdateId"], depth["bids"][0][0]) == (16, "99.96000000")
    assert [one["price"] for one in book.account()["trades"]] == ["100.1"]


def test_events_stop_where_someone_must_answer(book: PaperVenue) -> None:
    resting = {
        "symbol": SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "1",
        "price": "99.90",
    }
    book.signed("POST", "/api/v3/order", **resting)
    events = [trade(1, "99.90", "2.5", True), trade(2, "99.90", "2", True), trade(3, "99.80", "1", True)]
    answer = book.control("POST", "/paper/v1/l2", {"symbol": SYMBOL, "events": events})
    # 2 were ahead, so the first trade leaves 0.5 for it.
    assert (answer["applied"], answer["done"]) == (1, False)
    assert [one["quantity"] for one in book.account()["trades"]] == ["0.5"]
    assert feed(book, events[1:]) == 1
    assert [(one["quantity"], one["maker"]) for one in book.account()["trades"]] == [("0.5", True), ("0.5", True)]


@pytest.mark.parametrize(
    "events",
    [
        [{"e": "depthUpdate"}],
        [trade(1, "0", "1", True)],
        [snapshot(1, [["-1", "1"]], [])],
        [snapshot(1, [["1", 1.5]], [])],  # type: ignore[list-item]
    ],
)
def test_what_is_no_market_is_refused_whole(book: PaperVenue, events: list[dict[str, Any]]) -> None:
    before = book.public(f"/api/v3/depth?symbol={SYMBOL}")
    good = diff(11, 12, [["99.95", "1"]], [])
    answer = book.control("POST", "/paper/v1/l2", {"symbol": SYMBOL, "events": [good, *events]})
    assert answer["code"] == -1100
    assert book.public(f"/api/v3/depth?symbol={SYMBOL}") == before


def test_bars_and_books_do_not_mix(book: PaperVenue) -> None:
    bar = {"symbol": SYMBOL, "interval": "1m", "open_time_ms": 0, "close_time_ms": 59_999}
    answer = book.control("POST", "/paper/v1/bar", bar | dict.fromkeys(("open", "high", "low", "close", "volume"), "1"))
    assert "order book" in answer["msg"]


@needs_recordings
@pytest.mark.parametrize("futures", [False, True])
async def test_ccxt_pro_sees_the_book_trades_and_its_own_orders(
    start_venue: Callable[..., PaperVenue], futures: bool
) -> None:
    funds = {asset: str(amount) for asset, amount in BALANCES.items()}
    alice = {"name": "alice", "api_key": KEY, "api_secret": SECRET, "balances": funds}
    venue = start_venue(accounts=[alice | {"market": "swap" if futures else "spot"}])
    events = [message for message in islice(messages(SWAP if futures else SPOT), 6_000) if is_told(message)]
    first = next(index for index, message in enumerate(events) if "lastUpdateId" in message) + 1
    feed(venue, events[:first])
    make, aim, symbol = (
        (ccxt.pro.binanceusdm(futures_settings()), point_futures, "BTC/USDT:USDT")
        if futures
        else (ccxt.pro.binance(settings()), point, "BTC/USDT")
    )
    async with aim(make, venue) as exchange:
        await exchange.load_markets()
        watching = [
            asyncio.create_task(work)
            for work in (
                exchange.watch_order_book(symbol),
                exchange.watch_trades(symbol),
                exchange.watch_bids_asks([symbol]),
            )
        ]
        await asyncio.sleep(0.5)  # until all are subscribed
        for batch in batches(events[first:], 100):
            await asyncio.to_thread(feed, venue, batch)
            await asyncio.sleep(0.01)
        await asyncio.wait_for(asyncio.gather(*watching), WAIT)
        rest = await exchange.fetch_order_book(symbol, 1000)
        deadline = time.monotonic() + WAIT
        while (seen := exchange.orderbooks[symbol])["nonce"] != rest["nonce"]:
            assert time.monotonic() < deadline, (seen["nonce"], rest["nonce"])
            await asyncio.sleep(0.01)
        # ccxt keeps at most a thousand levels, and REST gives as many.
        assert [list(level) for level in seen["bids"]][:500] == rest["bids"][:500]
        assert [list(level) for level in seen["asks"]][:500] == rest["asks"][:500]
        order = await exchange.create_order(symbol, "market", "buy", 0.5)
        trades = await exchange.fetch_my_trades(symbol)
        assert (order["status"], sum(one["amount"] for one in trades)) == ("closed", pytest.approx(0.5))
        assert trades[0]["price"] == rest["asks"][0][0]
