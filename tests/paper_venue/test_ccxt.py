"""ccxt and ccxt.pro, unchanged but for their URLs, trade against the paper venue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import ccxt.async_support
import ccxt.pro
import pytest
from ccxt.base.errors import BadRequest, InsufficientFunds, InvalidOrder, OrderNotFound
from tests.paper_venue.running_venue import KEY, MINUTE, SECRET, START, PaperVenue

SYMBOL = "BTC/USDT"
WAIT = 10


def point(exchange: Any, venue: PaperVenue) -> Any:
    """Points an exchange of ccxt at the venue."""
    rest, ws = f"{venue.url}/api/v3", f"ws://{venue.address}"
    exchange.urls["api"] |= {
        "public": rest,
        "private": rest,
        "v1": f"{venue.url}/api/v1",
        "sapi": f"{venue.url}/sapi/v1",
    }
    if "ws" in exchange.urls["api"]:
        exchange.urls["api"]["ws"] |= {"spot": f"{ws}/ws", "ws-api": {"spot": f"{ws}/ws-api/v3"}}
    return exchange


def settings() -> dict[str, Any]:
    options = {"fetchMarkets": {"types": ["spot"]}, "defaultType": "spot", "warnOnFetchOpenOrdersWithoutSymbol": False}
    return {"apiKey": KEY, "secret": SECRET, "options": options, "enableRateLimit": False}


@pytest.fixture
async def exchange(venue: PaperVenue) -> AsyncIterator[Any]:
    """ccxt on a venue whose last price is 100."""
    venue.bar("100", "101", "99", "100")
    async with point(ccxt.async_support.binance(settings()), venue) as exchange:
        yield exchange


@pytest.fixture
async def stream(venue: PaperVenue) -> AsyncIterator[Any]:
    """ccxt.pro on a venue whose last price is 100."""
    venue.bar("100", "101", "99", "100")
    async with point(ccxt.pro.binance(settings()), venue) as exchange:
        await exchange.load_markets()
        yield exchange


async def test_markets_carry_the_filters(exchange: Any) -> None:
    market = (await exchange.load_markets())[SYMBOL]
    assert market["precision"]["price"] == 0.01
    assert market["precision"]["amount"] == 0.00001
    assert market["limits"]["cost"]["min"] == 5
    assert market["active"] is True
    assert await exchange.fetch_time() > START


async def test_orders_by_rest(exchange: Any, venue: PaperVenue) -> None:
    order = await exchange.create_order(SYMBOL, "limit", "buy", 1, 96, {"clientOrderId": "mine"})
    assert (order["status"], order["clientOrderId"]) == ("open", "mine")
    assert [one["id"] for one in await exchange.fetch_open_orders()] == [order["id"]]
    balance = await exchange.fetch_balance()
    assert balance["USDT"] == {"free": 99904.0, "used": 96.0, "total": 100000.0}

    cancelled = await exchange.cancel_order(order["id"], SYMBOL)
    assert cancelled["status"] == "canceled"
    assert await exchange.fetch_open_orders(SYMBOL) == []

    market = await exchange.create_order(SYMBOL, "market", "buy", 1)
    assert (market["status"], market["filled"]) == ("open", 0)
    venue.bar("102", "103", "101", "102")
    filled = await exchange.fetch_order(market["id"], SYMBOL)
    assert (filled["status"], filled["average"]) == ("closed", 102)
    trade = (await exchange.fetch_my_trades(SYMBOL))[0]
    assert (trade["price"], trade["fee"], trade["takerOrMaker"]) == (102, {"cost": 0.002, "currency": "BTC"}, "taker")
    assert [one["status"] for one in await exchange.fetch_orders(SYMBOL)] == ["canceled", "closed"]


async def test_errors_are_ccxts_own(exchange: Any) -> None:
    with pytest.raises(InsufficientFunds):
        await exchange.create_order(SYMBOL, "limit", "buy", 5000, 96)
    with pytest.raises(BadRequest, match="NOTIONAL"):
        await exchange.create_order(SYMBOL, "limit", "buy", 0.00001, 96)
    with pytest.raises(OrderNotFound):
        await exchange.cancel_order("77", SYMBOL)
    with pytest.raises(OrderNotFound):
        await exchange.fetch_order("77", SYMBOL)
    await exchange.create_order(SYMBOL, "limit", "buy", 1, 96, {"clientOrderId": "mine"})
    with pytest.raises(InvalidOrder, match="Duplicate order sent"):
        await exchange.create_order(SYMBOL, "limit", "buy", 1, 96, {"clientOrderId": "mine"})


async def test_market_data_by_rest(exchange: Any, venue: PaperVenue) -> None:
    venue.bar("100", "104", "98", "103")
    bars = await exchange.fetch_ohlcv(SYMBOL, "1m")
    assert bars == [[START, 100, 101, 99, 100, 10], [START + MINUTE, 100, 104, 98, 103, 10]]
    book = await exchange.fetch_order_book(SYMBOL)
    assert (book["bids"][0][0], book["asks"][0][0]) == (103, 103.01)
    assert (await exchange.fetch_ticker(SYMBOL))["last"] == 103
    assert [trade["price"] for trade in await exchange.fetch_trades(SYMBOL)] == [100, 103]


async def test_an_oco_by_the_implicit_method(exchange: Any, venue: PaperVenue) -> None:
    await exchange.load_markets()
    await exchange.create_order(SYMBOL, "market", "buy", 1)
    venue.bar("100", "101", "99", "100")
    oco = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "quantity": "0.998",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": "110",
        "belowType": "STOP_LOSS_LIMIT",
        "belowStopPrice": "95",
        "belowPrice": "94.5",
        "belowTimeInForce": "GTC",
    }
    placed = await exchange.private_post_orderlist_oco(oco)
    assert len(placed["orderReports"]) == 2
    venue.bar("100", "111", "99", "105")
    orders = await exchange.fetch_orders(SYMBOL)
    assert [(one["status"], one["type"]) for one in orders[1:]] == [("expired", "limit"), ("closed", "limit")]
    assert (await exchange.fetch_my_trades(SYMBOL))[-1]["price"] == 110


async def test_own_orders_and_balance_by_stream(stream: Any, venue: PaperVenue) -> None:
    orders = asyncio.create_task(stream.watch_orders(SYMBOL))
    balance = asyncio.create_task(stream.watch_balance())
    await asyncio.sleep(0.5)  # until the user stream is subscribed
    order = await stream.create_order(SYMBOL, "limit", "buy", 1, 96)
    assert [(one["id"], one["status"]) for one in await asyncio.wait_for(orders, WAIT)] == [(order["id"], "open")]
    assert (await asyncio.wait_for(balance, WAIT))["USDT"] == {"free": 99904.0, "used": 96.0, "total": 100000.0}

    trades = asyncio.create_task(stream.watch_my_trades(SYMBOL))
    orders = asyncio.create_task(stream.watch_orders(SYMBOL))
    await asyncio.sleep(0.5)
    venue.bar("100", "101", "95", "97")
    assert (await asyncio.wait_for(trades, WAIT))[0]["price"] == 96
    last = (await asyncio.wait_for(orders, WAIT))[-1]
    assert (last["status"], last["filled"], last["average"]) == ("closed", 1, 96)


async def test_orders_by_the_websocket_api(stream: Any) -> None:
    order = await asyncio.wait_for(stream.create_order_ws(SYMBOL, "limit", "buy", 1, 96), WAIT)
    assert order["status"] == "open"
    assert [one["id"] for one in await asyncio.wait_for(stream.fetch_open_orders_ws(SYMBOL), WAIT)] == [order["id"]]
    cancelled = await asyncio.wait_for(stream.cancel_order_ws(order["id"], SYMBOL), WAIT)
    assert cancelled["status"] == "canceled"
    with pytest.raises(OrderNotFound):
        await asyncio.wait_for(stream.cancel_order_ws(order["id"], SYMBOL), WAIT)


async def test_market_data_by_stream(stream: Any, venue: PaperVenue) -> None:
    watching = {
        name: asyncio.create_task(work)
        for name, work in {
            "bars": stream.watch_ohlcv(SYMBOL, "1m"),
            "five": stream.watch_ohlcv(SYMBOL, "5m"),
            "trades": stream.watch_trades(SYMBOL),
            "ticker": stream.watch_ticker(SYMBOL),
            "bids": stream.watch_bids_asks([SYMBOL]),
        }.items()
    }
    await asyncio.sleep(0.5)  # until all are subscribed
    venue.bar("100", "104", "98", "103")
    seen = {name: await asyncio.wait_for(work, WAIT) for name, work in watching.items()}
    assert seen["bars"] == [[START + MINUTE, 100, 104, 98, 103, 10]]
    assert seen["five"][0][1:5] == [100, 104, 98, 103]
    assert (seen["trades"][0]["price"], seen["trades"][0]["amount"]) == (103, 10)
    assert seen["ticker"]["last"] == 103
    assert (seen["bids"][SYMBOL]["bid"], seen["bids"][SYMBOL]["ask"]) == (103, 103.01)


async def test_the_order_book_follows_without_a_gap(stream: Any, venue: PaperVenue) -> None:
    book = asyncio.create_task(stream.watch_order_book(SYMBOL))
    for price in ("101", "99", "105"):
        await asyncio.sleep(0.5)
        venue.bar(price, price, price, price)
    await asyncio.wait_for(book, WAIT)
    seen = stream.orderbooks[SYMBOL]
    while seen["asks"][0][0] != 105.01:
        seen = await asyncio.wait_for(stream.watch_order_book(SYMBOL), WAIT)
    assert (seen["bids"][0][0], len(seen["bids"])) == (105, 20)
    rest = await stream.fetch_order_book(SYMBOL)
    assert (list(map(list, seen["bids"])), list(map(list, seen["asks"]))) == (rest["bids"], rest["asks"])
