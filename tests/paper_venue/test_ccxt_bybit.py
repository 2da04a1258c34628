"""ccxt's and ccxt.pro's Bybit, unchanged but for their URLs, trade against the paper venue: they judge its dialect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import ccxt.async_support
import ccxt.pro
import pytest
from ccxt.base.errors import AuthenticationError, InsufficientFunds, InvalidOrder, OrderNotFound
from tests.paper_venue.running_venue import KEY, SECRET, PaperVenue

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
WAIT = 10


def point(exchange: Any, venue: PaperVenue) -> Any:
    """Points an exchange of ccxt at the venue."""
    exchange.urls["api"] |= dict.fromkeys(("spot", "futures", "v2", "public", "private"), venue.url)
    if "ws" in exchange.urls["api"]:
        ws = f"ws://{venue.address}/v5"
        exchange.urls["api"]["ws"] = {
            "public": {name: f"{ws}/public/{name}" for name in ("spot", "linear")},
            "private": {
                "spot": {"unified": f"{ws}/private"},
                "contract": f"{ws}/private",
                "trade": f"{ws}/trade",
            },
        }
    # An account's list of coins is not among what the paper venue has.
    exchange.has["fetchCurrencies"] = False
    return exchange


def settings(secret: str = SECRET, **options: Any) -> dict[str, Any]:
    options = {"fetchMarkets": {"types": ["spot", "linear"]}, "defaultType": "spot"} | options
    return {"apiKey": KEY, "secret": secret, "options": options, "enableRateLimit": False}


@pytest.fixture
async def exchange(venue: PaperVenue) -> AsyncIterator[Any]:
    """ccxt on a venue whose last price is 100."""
    venue.bar("100", "101", "99", "100")
    async with point(ccxt.async_support.bybit(settings()), venue) as exchange:
        yield exchange


async def test_markets_carry_the_filters(exchange: Any) -> None:
    markets = await exchange.load_markets()
    for symbol in (SPOT, SWAP):
        assert (markets[symbol]["precision"]["price"], markets[symbol]["precision"]["amount"]) == (0.01, 0.00001)
    assert markets[SPOT]["limits"]["cost"]["min"] == 5
    assert (markets[SWAP]["linear"], markets[SWAP]["settle"]) == (True, "USDT")


async def test_orders_by_rest(exchange: Any, venue: PaperVenue) -> None:
    order = await exchange.create_order(SPOT, "limit", "buy", 1, 96, {"clientOrderId": "mine"})
    seen = (await exchange.fetch_open_orders(SPOT))[0]
    assert (seen["id"], seen["clientOrderId"], seen["status"]) == (order["id"], "mine", "open")
    balance = await exchange.fetch_balance()
    assert balance["USDT"] == {"free": 99904.0, "used": 96.0, "total": 100000.0}
    await exchange.cancel_order(order["id"], SPOT)
    assert await exchange.fetch_open_orders(SPOT) == []
    done = await exchange.fetch_order(order["id"], SPOT, {"acknowledged": True})
    assert (done["status"], done["filled"]) == ("canceled", 0)

    market = await exchange.create_order(SPOT, "market", "buy", 1)
    venue.bar("102", "103", "101", "102")
    filled = await exchange.fetch_order(market["id"], SPOT, {"acknowledged": True})
    assert (filled["status"], filled["filled"], filled["average"]) == ("closed", 1, 102)
    trade = (await exchange.fetch_my_trades(SPOT))[0]
    assert (trade["price"], trade["fee"]["cost"], trade["takerOrMaker"]) == (102, 0.002, "taker")
    assert trade["fee"]["currency"] == "BTC"
    assert {one["status"] for one in await exchange.fetch_canceled_and_closed_orders(SPOT)} == {"canceled", "closed"}


async def test_a_stop_waits_apart_from_plain_orders(exchange: Any, venue: PaperVenue) -> None:
    await exchange.create_order(SPOT, "market", "buy", 1)
    venue.bar("100", "101", "99", "100")
    stop = await exchange.create_order(SPOT, "market", "sell", 0.5, None, {"stopLossPrice": 95})
    seen = (await exchange.fetch_open_orders(SPOT))[0]
    assert (seen["id"], seen["status"], seen["triggerPrice"]) == (stop["id"], "open", 95)
    with pytest.raises(OrderNotFound):
        await exchange.cancel_order(stop["id"], SPOT)
    venue.bar("98", "98", "90", "92")
    done = await exchange.fetch_order(stop["id"], SPOT, {"acknowledged": True})
    assert (done["status"], done["average"]) == ("closed", 95)


async def test_errors_are_ccxts_own(exchange: Any, venue: PaperVenue) -> None:
    with pytest.raises(InsufficientFunds):
        await exchange.create_order(SPOT, "limit", "buy", 5000, 96)
    with pytest.raises(InvalidOrder):
        await exchange.create_order(SPOT, "limit", "buy", 0.00001, 96)
    with pytest.raises(OrderNotFound):
        await exchange.cancel_order("77", SPOT)
    await exchange.create_order(SPOT, "limit", "buy", 1, 96, {"clientOrderId": "mine"})
    with pytest.raises(InvalidOrder):
        await exchange.create_order(SPOT, "limit", "buy", 1, 96, {"clientOrderId": "mine"})
    async with point(ccxt.async_support.bybit(settings(secret="another")), venue) as stranger:
        with pytest.raises(AuthenticationError):
            await stranger.fetch_balance()


async def test_a_swap_position_by_rest(start_venue: Callable[..., PaperVenue]) -> None:
    accounts = [
        {"name": "alice", "api_key": KEY, "api_secret": SECRET, "market": "swap", "balances": {"USDT": "100000"}}
    ]
    venue = start_venue(accounts=accounts)
    venue.bar("100", "101", "99", "100")
    async with point(ccxt.async_support.bybit(settings(defaultType="swap")), venue) as exchange:
        await exchange.create_order(SWAP, "market", "sell", 2)
        venue.bar("100", "101", "99", "100")
        position = (await exchange.fetch_positions([SWAP]))[0]
        assert (position["side"], position["contracts"], position["entryPrice"]) == ("short", 2, 100)
        stop = {"stopLossPrice": 105, "reduceOnly": True}
        order = await exchange.create_order(SWAP, "market", "buy", 2, None, stop)
        venue.bar("101", "106", "100", "106")
        assert (await exchange.fetch_order(order["id"], SWAP, {"acknowledged": True}))["status"] == "closed"
        assert [one for one in await exchange.fetch_positions([SWAP]) if one["contracts"]] == []


async def test_own_orders_trades_and_balance_by_stream(venue: PaperVenue) -> None:
    venue.bar("100", "101", "99", "100")
    async with point(ccxt.pro.bybit(settings()), venue) as stream:
        await stream.load_markets()
        orders = asyncio.create_task(stream.watch_orders(SPOT))
        balance = asyncio.create_task(stream.watch_balance())
        await asyncio.sleep(0.5)  # until the private stream is subscribed
        order = await stream.create_order(SPOT, "limit", "buy", 1, 96)
        seen = [(one["id"], one["status"]) for one in await asyncio.wait_for(orders, WAIT)]
        assert seen == [(order["id"], "open")]
        assert (await asyncio.wait_for(balance, WAIT))["USDT"]["used"] == 96
        trades = asyncio.create_task(stream.watch_my_trades(SPOT))
        public = asyncio.create_task(stream.watch_trades(SPOT))
        await asyncio.sleep(0.5)
        venue.bar("100", "101", "95", "97")
        assert (await asyncio.wait_for(trades, WAIT))[0]["price"] == 96
        assert (await asyncio.wait_for(public, WAIT))[0]["symbol"] == SPOT


async def test_orders_by_websocket(venue: PaperVenue) -> None:
    venue.bar("100", "101", "99", "100")
    async with point(ccxt.pro.bybit(settings()), venue) as desk:
        order = await desk.create_order_ws(SPOT, "limit", "buy", 1, 96, {"clientOrderId": "mine"})
        assert [one["client_order_id"] for one in venue.account()["open_orders"]] == ["mine"]
        assert (await desk.cancel_order_ws(order["id"], SPOT))["id"] == order["id"]
        assert venue.account()["open_orders"] == []
        with pytest.raises(InsufficientFunds):
            await desk.create_order_ws(SPOT, "limit", "buy", 5000, 96)
        with pytest.raises(OrderNotFound):
            await desk.cancel_order_ws(order["id"], SPOT)
        market = await desk.create_order_ws(SPOT, "market", "buy", 1)
        venue.bar("102", "103", "101", "102")
        assert (await desk.fetch_order(market["id"], SPOT, {"acknowledged": True}))["status"] == "closed"
    async with point(ccxt.pro.bybit(settings(secret="another")), venue) as stranger:
        with pytest.raises(AuthenticationError):
            await stranger.create_order_ws(SPOT, "limit", "buy", 1, 96)
    assert venue.account()["open_orders"] == []
