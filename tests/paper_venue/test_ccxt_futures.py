"""ccxt's binanceusdm and ccxt.pro's, unchanged but for their URLs, trade swaps against the paper venue."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import ccxt.async_support
import ccxt.pro
import pytest
from ccxt.base.errors import ExchangeError, OrderNotFound
from tests.paper_venue.running_venue import KEY, MINUTE, SECRET, START, PaperVenue

SYMBOL = "BTC/USDT:USDT"
WAIT = 10
SPOT = {"name": "bob", "api_key": "key-of-bob", "api_secret": "secret-of-bob", "balances": {"USDT": "50"}}


def point(exchange: Any, venue: PaperVenue) -> Any:
    """Points an exchange of ccxt at the venue."""
    rest, ws = f"{venue.url}/fapi", f"ws://{venue.address}"
    exchange.urls["api"] |= {
        "fapiPublic": f"{rest}/v1",
        "fapiPrivate": f"{rest}/v1",
        "fapiPublicV2": f"{rest}/v2",
        "fapiPrivateV2": f"{rest}/v2",
        "fapiPublicV3": f"{rest}/v3",
        "fapiPrivateV3": f"{rest}/v3",
        "public": f"{venue.url}/api/v3",
        "private": f"{venue.url}/api/v3",
        "sapi": f"{venue.url}/sapi/v1",
    }
    if "ws" in exchange.urls["api"]:
        exchange.urls["api"]["ws"] |= {"linear": f"{ws}/ws", "ws-api": {"linear": f"{ws}/ws-fapi/v1"}}
    exchange.has["fetchCurrencies"] = False  # it asks of spot, which a swap account may not
    return exchange


def settings() -> dict[str, Any]:
    options = {"warnOnFetchOpenOrdersWithoutSymbol": False}
    return {"apiKey": KEY, "secret": SECRET, "options": options, "enableRateLimit": False}


@pytest.fixture
def venue(start_venue: Callable[..., PaperVenue]) -> PaperVenue:
    """A venue at 100 USDT with a swap account of 1,000 USDT, and a spot account."""
    swap = {"name": "alice", "market": "swap", "api_key": KEY, "api_secret": SECRET, "balances": {"USDT": "1000"}}
    venue = start_venue(accounts=[swap, SPOT])
    venue.bar("100", "101", "99", "100")
    return venue


@pytest.fixture
async def exchange(venue: PaperVenue) -> AsyncIterator[Any]:
    async with point(ccxt.async_support.binanceusdm(settings()), venue) as exchange:
        yield exchange


@pytest.fixture
async def stream(venue: PaperVenue) -> AsyncIterator[Any]:
    async with point(ccxt.pro.binanceusdm(settings()), venue) as exchange:
        await exchange.load_markets()
        yield exchange


async def test_a_position_by_rest(exchange: Any, venue: PaperVenue) -> None:
    market = (await exchange.load_markets())[SYMBOL]
    assert (market["precision"]["price"], market["precision"]["amount"]) == (0.01, 0.00001)
    await exchange.set_leverage(10, SYMBOL)
    order = await exchange.create_order(SYMBOL, "market", "buy", 5, None, {"clientOrderId": "entry"})
    assert (order["status"], order["clientOrderId"]) == ("open", "entry")
    venue.bar("102", "103", "101", "103")
    assert (await exchange.fetch_order(order["id"], SYMBOL))["average"] == 102
    position = (await exchange.fetch_positions([SYMBOL]))[0]
    assert (position["side"], position["contracts"], position["entryPrice"]) == ("long", 5, 102)
    assert (position["unrealizedPnl"], position["initialMargin"], position["markPrice"]) == (5, 51.5, 103)
    balance = (await exchange.fetch_balance())["USDT"]
    # 5 basis points of 510 as the fee; 5 of profit not taken; a tenth of 515 as margin.
    assert (balance["total"], balance["used"]) == (1000 - 0.255 + 5, 51.5)

    close = await exchange.create_order(SYMBOL, "limit", "sell", 5, 104, {"reduceOnly": True})
    assert (close["reduceOnly"], close["type"]) == (True, "limit")
    assert [one["id"] for one in await exchange.fetch_open_orders()] == [close["id"]]
    venue.bar("103", "105", "103", "104")
    trade = (await exchange.fetch_my_trades(SYMBOL))[-1]
    assert (trade["price"], trade["takerOrMaker"], trade["fee"]["cost"]) == (104, "maker", 0.104)
    assert trade["info"]["realizedPnl"] == "10"
    assert [one["status"] for one in await exchange.fetch_orders(SYMBOL)] == ["closed", "closed"]
    assert venue.account()["balances"] == {"USDT": {"free": "1009.641", "locked": "0"}}
    assert venue.account()["positions"][0]["quantity"] == "0"


async def test_short_and_flip(exchange: Any, venue: PaperVenue) -> None:
    await exchange.create_order(SYMBOL, "market", "sell", 2)
    venue.bar("100", "100", "98", "98")
    position = (await exchange.fetch_positions())[0]
    assert (position["side"], position["contracts"], position["unrealizedPnl"]) == ("short", 2, 4)
    await exchange.create_order(SYMBOL, "market", "buy", 3)
    venue.bar("98", "98", "98", "98")
    assert venue.account()["positions"][0] | {"liquidation_price": None} == {
        "symbol": "BTCUSDT",
        "quantity": "1",
        "entry_price": "98",
        "realized_pnl": "4",
        "leverage": 20,
        "liquidation_price": None,
    }


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (("limit", "buy", 1000, 96), '"code":-2019,"msg":"Margin is insufficient."'),
        (("market", "sell", 1, None, {"reduceOnly": True}), '"code":-2022,"msg":"ReduceOnly Order is rejected."'),
        (("market", "sell", 1, None, {"stopLossPrice": 101}), '"code":-2021,"msg":"Order would immediately trigger."'),
        (("limit", "buy", 1, 101, {"postOnly": True}), '"code":-5022'),
        (("limit", "buy", 0.00001, 96), '"code":-4164'),
        (("limit", "buy", 1, 700), '"code":-4131'),
    ],
)
async def test_a_refused_order_has_binances_code(exchange: Any, venue: PaperVenue, order: Any, message: str) -> None:
    # ccxt chooses its exception by the host, which is Binance's or unknown to it; the message is Binance's.
    before = venue.account()
    with pytest.raises(ExchangeError, match=re.escape(message)):
        await exchange.create_order(SYMBOL, *order)
    assert venue.account() == before


async def test_unknown_orders_and_settings(exchange: Any) -> None:
    await exchange.load_markets()
    with pytest.raises(OrderNotFound):
        await exchange.cancel_order("77", SYMBOL)
    with pytest.raises(OrderNotFound):
        await exchange.fetch_order("77", SYMBOL)
    with pytest.raises(ExchangeError, match="-4059"):
        await exchange.set_position_mode(False)
    with pytest.raises(ExchangeError, match="-4168"):
        await exchange.set_margin_mode("isolated", SYMBOL)


async def test_conditional_orders_by_rest(exchange: Any, venue: PaperVenue) -> None:
    await exchange.create_order(SYMBOL, "market", "buy", 1)
    venue.bar("100", "100", "100", "100")
    stop = await exchange.create_order(
        SYMBOL, "market", "sell", 1, None, {"stopLossPrice": 95, "reduceOnly": True, "clientOrderId": "stop"}
    )
    assert (stop["status"], stop["triggerPrice"], stop["type"]) == ("open", 95, "market")
    target = await exchange.create_order(
        SYMBOL, "market", "sell", 1, None, {"takeProfitPrice": 110, "reduceOnly": True}
    )
    trail = await exchange.create_order(SYMBOL, "market", "sell", 1, None, {"trailingPercent": 10, "reduceOnly": True})
    assert await exchange.fetch_open_orders(SYMBOL) == []
    resting = await exchange.fetch_open_orders(SYMBOL, params={"trigger": True})
    assert [one["id"] for one in resting] == [stop["id"], target["id"], trail["id"]]
    assert [one["info"]["orderType"] for one in resting] == [
        "STOP_MARKET",
        "TAKE_PROFIT_MARKET",
        "TRAILING_STOP_MARKET",
    ]
    await exchange.cancel_order(target["id"], SYMBOL, {"trigger": True})
    assert (await exchange.fetch_order(target["id"], SYMBOL, {"trigger": True}))["status"] == "canceled"

    venue.bar("98", "99", "94", "97")
    fired = await exchange.fetch_order(stop["id"], SYMBOL, {"trigger": True})
    assert fired["info"]["algoStatus"] == "FINISHED"
    order = await exchange.fetch_order(fired["info"]["actualOrderId"], SYMBOL)
    assert (order["status"], order["average"], order["clientOrderId"]) == ("closed", 95, "stop")
    await exchange.cancel_all_orders(SYMBOL, {"trigger": True})
    assert await exchange.fetch_open_orders(SYMBOL, params={"trigger": True}) == []


async def test_funding_is_paid_once_and_told(exchange: Any, venue: PaperVenue) -> None:
    await exchange.create_order(SYMBOL, "market", "buy", 5)
    venue.bar("100", "100", "100", "100")
    funding = {"symbol": "BTCUSDT", "rate": "0.0001", "time_ms": START + 3 * MINUTE}
    first = venue.control("POST", "/paper/v1/funding", funding)
    assert (first["duplicate"], first["events"] > 0) == (False, True)
    assert venue.control("POST", "/paper/v1/funding", funding)["duplicate"] is True
    paid = (await exchange.fetch_funding_history(SYMBOL))[0]
    assert (paid["amount"], paid["code"]) == (-0.05, "USDT")
    assert [one["fundingRate"] for one in await exchange.fetch_funding_rate_history(SYMBOL)] == [0.0001]
    assert (await exchange.fetch_funding_rate(SYMBOL))["fundingRate"] == 0.0001
    assert venue.control("POST", "/paper/v1/funding", funding | {"rate": "2", "time_ms": START * 2})["code"] == -1100


async def test_market_data_by_rest(exchange: Any, venue: PaperVenue) -> None:
    venue.bar("100", "104", "98", "103")
    assert (await exchange.fetch_ohlcv(SYMBOL, "1m"))[-1] == [START + MINUTE, 100, 104, 98, 103, 10]
    book = await exchange.fetch_order_book(SYMBOL)
    assert (book["bids"][0][0], book["asks"][0][0]) == (103, 103.01)
    assert (await exchange.fetch_ticker(SYMBOL))["last"] == 103
    assert [trade["price"] for trade in await exchange.fetch_trades(SYMBOL)] == [100, 103]


async def test_orders_positions_and_balance_by_stream(stream: Any, venue: PaperVenue) -> None:
    watching = {
        "orders": asyncio.create_task(stream.watch_orders(SYMBOL)),
        "balance": asyncio.create_task(stream.watch_balance()),
        "positions": asyncio.create_task(stream.watch_positions([SYMBOL])),
        "trades": asyncio.create_task(stream.watch_my_trades(SYMBOL)),
    }
    await asyncio.sleep(0.5)  # until the user stream is there
    order = await stream.create_order(SYMBOL, "market", "buy", 1)
    seen = (await asyncio.wait_for(watching["orders"], WAIT))[0]
    assert (seen["id"], seen["status"], seen["symbol"]) == (order["id"], "open", SYMBOL)
    assert await asyncio.wait_for(watching["positions"], WAIT) == []  # as they stood at the start
    watching["orders"] = asyncio.create_task(stream.watch_orders(SYMBOL))
    watching["positions"] = asyncio.create_task(stream.watch_positions([SYMBOL]))
    await asyncio.sleep(0.1)
    venue.bar("100", "100", "100", "100")
    results = {name: await asyncio.wait_for(work, WAIT) for name, work in watching.items()}
    assert (results["orders"][-1]["status"], results["orders"][-1]["average"]) == ("closed", 100)
    assert results["balance"]["USDT"]["total"] == 1000 - 0.05
    position = results["positions"][0]
    assert (position["symbol"], position["contracts"], position["entryPrice"]) == (SYMBOL, 1, 100)
    trade = results["trades"][0]
    assert (trade["price"], trade["fee"]) == (100, {"cost": 0.05, "currency": "USDT"})


async def test_conditional_orders_by_stream(stream: Any, venue: PaperVenue) -> None:
    await stream.create_order(SYMBOL, "market", "buy", 1)
    venue.bar("100", "100", "100", "100")
    orders = asyncio.create_task(stream.watch_orders(SYMBOL))
    await asyncio.sleep(0.5)
    params = {"stopLossPrice": 95, "reduceOnly": True, "clientOrderId": "stop"}
    stop = await stream.create_order(SYMBOL, "market", "sell", 1, None, params)
    seen = (await asyncio.wait_for(orders, WAIT))[0]
    assert (seen["id"], seen["clientOrderId"], seen["status"], seen["triggerPrice"]) == (stop["id"], "stop", "open", 95)


async def test_orders_by_the_websocket_api(stream: Any) -> None:
    order = await asyncio.wait_for(stream.create_order_ws(SYMBOL, "limit", "buy", 1, 96), WAIT)
    assert order["status"] == "open"
    cancelled = await asyncio.wait_for(stream.cancel_order_ws(order["id"], SYMBOL), WAIT)
    assert cancelled["status"] == "canceled"


async def test_market_data_by_stream(stream: Any, venue: PaperVenue) -> None:
    watching = {
        name: asyncio.create_task(work)
        for name, work in {
            "bars": stream.watch_ohlcv(SYMBOL, "1m"),
            "trades": stream.watch_trades(SYMBOL),
            "ticker": stream.watch_ticker(SYMBOL),
            "bids": stream.watch_bids_asks([SYMBOL]),
            "mark": stream.watch_mark_price(SYMBOL),
            "book": stream.watch_order_book(SYMBOL),
        }.items()
    }
    await asyncio.sleep(0.5)  # until all are subscribed
    for price in ("103", "104"):
        venue.bar("100", "104", "98", price)
        await asyncio.sleep(0.3)
    seen = {name: await asyncio.wait_for(work, WAIT) for name, work in watching.items()}
    assert seen["bars"][-1] == [START + MINUTE, 100, 104, 98, 103, 10]
    assert (seen["trades"][0]["price"], seen["ticker"]["last"], seen["mark"]["markPrice"]) == (103, 103, 103)
    assert (seen["bids"][SYMBOL]["bid"], seen["bids"][SYMBOL]["ask"]) == (103, 103.01)
    assert stream.orderbooks[SYMBOL]["bids"][0][0] == 104


def test_spot_and_swap_accounts_are_apart(venue: PaperVenue) -> None:
    assert venue.signed("GET", "/api/v3/account")["code"] == -2015
    spot = {"key": "key-of-bob", "secret": "secret-of-bob"}
    assert venue.signed("GET", "/fapi/v2/account", **spot)["code"] == -2015


def test_a_restart_keeps_positions_and_conditional_orders(venue: PaperVenue) -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
    venue.signed("POST", "/fapi/v1/order", **order)
    venue.bar("100", "100", "100", "100")
    stop = {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "quantity": "1", "triggerPrice": "95"}
    venue.signed("POST", "/fapi/v1/algoOrder", algoType="CONDITIONAL", reduceOnly="true", **stop)
    before = (venue.account(), venue.signed("GET", "/fapi/v1/openAlgoOrders"))
    venue.stop()
    venue.start()
    assert (venue.account(), venue.signed("GET", "/fapi/v1/openAlgoOrders")) == before
    assert before[1][0]["algoStatus"] == "NEW"
