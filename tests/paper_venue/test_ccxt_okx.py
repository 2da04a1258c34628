"""ccxt's and ccxt.pro's OKX, unchanged but for their URLs, trade against the paper venue: they judge its dialect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import ccxt.async_support
import ccxt.pro
import pytest
from ccxt.base.errors import AuthenticationError, ExchangeError, InsufficientFunds, InvalidOrder, OrderNotFound
from tests.paper_venue.running_venue import KEY, SECRET, PaperVenue

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
WAIT = 10


def point(exchange: Any, venue: PaperVenue) -> Any:
    """Points an exchange of ccxt at the venue."""
    exchange.urls["api"]["rest"] = venue.url
    if "ws" in exchange.urls["api"]:
        exchange.urls["api"]["ws"] = f"ws://{venue.address}/ws/v5"
    # An account's list of coins is not among what the paper venue has.
    exchange.has["fetchCurrencies"] = False
    return exchange


def settings(secret: str = SECRET, **options: Any) -> dict[str, Any]:
    options = {"fetchMarkets": {"types": ["spot", "swap"]}, "defaultType": "spot"} | options
    return {"apiKey": KEY, "secret": secret, "password": "any", "options": options, "enableRateLimit": False}


@pytest.fixture
async def exchange(venue: PaperVenue) -> AsyncIterator[Any]:
    """ccxt on a venue whose last price is 100."""
    venue.bar("100", "101", "99", "100")
    async with point(ccxt.async_support.okx(settings()), venue) as exchange:
        yield exchange


async def test_markets_carry_the_filters(exchange: Any) -> None:
    markets = await exchange.load_markets()
    assert (markets[SPOT]["precision"]["price"], markets[SPOT]["precision"]["amount"]) == (0.01, 0.00001)
    assert (markets[SWAP]["contractSize"], markets[SWAP]["precision"]["amount"]) == (0.01, 0.001)
    assert (markets[SWAP]["linear"], markets[SWAP]["settle"]) == (True, "USDT")


async def test_orders_by_rest(exchange: Any, venue: PaperVenue) -> None:
    order = await exchange.create_order(SPOT, "limit", "buy", 1, 96, {"clientOrderId": "mine"})
    seen = (await exchange.fetch_open_orders(SPOT))[0]
    assert (seen["id"], seen["clientOrderId"], seen["status"]) == (order["id"], "mine", "open")
    balance = await exchange.fetch_balance()
    assert balance["USDT"] == {"free": 99904.0, "used": 96.0, "total": 100000.0}
    await exchange.cancel_order(order["id"], SPOT)
    assert await exchange.fetch_open_orders(SPOT) == []
    assert (await exchange.fetch_order(None, SPOT, {"clientOrderId": "mine"}))["status"] == "canceled"

    market = await exchange.create_order(SPOT, "market", "buy", 1)
    venue.bar("102", "103", "101", "102")
    filled = await exchange.fetch_order(market["id"], SPOT)
    assert (filled["status"], filled["filled"], filled["average"]) == ("closed", 1, 102)
    trade = (await exchange.fetch_my_trades(SPOT))[0]
    assert (trade["price"], trade["fee"], trade["takerOrMaker"]) == (102, {"cost": 0.002, "currency": "BTC"}, "taker")


async def test_a_stop_is_an_algo_order(exchange: Any, venue: PaperVenue) -> None:
    await exchange.create_order(SPOT, "market", "buy", 1)
    venue.bar("100", "101", "99", "100")
    stop = await exchange.create_order(SPOT, "market", "sell", 0.5, None, {"stopLossPrice": 95})
    assert await exchange.fetch_open_orders(SPOT) == []
    waiting = await exchange.fetch_open_orders(SPOT, None, None, {"trigger": True, "ordType": "conditional"})
    assert [(one["id"], one["stopLossPrice"]) for one in waiting] == [(stop["id"], 95)]
    with pytest.raises(OrderNotFound):
        await exchange.cancel_order(stop["id"], SPOT)
    venue.bar("98", "98", "90", "92")
    assert (await exchange.fetch_my_trades(SPOT))[-1]["price"] == 95


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
    async with point(ccxt.async_support.okx(settings(secret="another")), venue) as stranger:
        with pytest.raises(AuthenticationError):
            await stranger.fetch_balance()


async def test_a_swap_position_in_contracts(start_venue: Callable[..., PaperVenue]) -> None:
    accounts = [
        {"name": "alice", "api_key": KEY, "api_secret": SECRET, "market": "swap", "balances": {"USDT": "100000"}}
    ]
    venue = start_venue(accounts=accounts)
    venue.bar("100", "101", "99", "100")
    async with point(ccxt.async_support.okx(settings(defaultType="swap")), venue) as exchange:
        await exchange.create_order(SWAP, "market", "sell", 200)
        venue.bar("100", "101", "99", "100")
        position = (await exchange.fetch_positions([SWAP]))[0]
        assert (position["side"], position["contracts"], position["entryPrice"]) == ("short", 200, 100)
        assert venue.account()["positions"][0]["quantity"] == "-2"


async def test_own_orders_and_balance_by_stream(venue: PaperVenue) -> None:
    venue.bar("100", "101", "99", "100")
    async with point(ccxt.pro.okx(settings()), venue) as stream:
        await stream.load_markets()
        orders = asyncio.create_task(stream.watch_orders(SPOT))
        balance = asyncio.create_task(stream.watch_balance())
        await asyncio.sleep(0.5)  # until the private stream is subscribed
        order = await stream.create_order(SPOT, "limit", "buy", 1, 96)
        seen = [(one["id"], one["status"]) for one in await asyncio.wait_for(orders, WAIT)]
        assert seen == [(order["id"], "open")]
        assert (await asyncio.wait_for(balance, WAIT))["USDT"]["used"] == 96
        trades = asyncio.create_task(stream.watch_my_trades(SPOT))
        await asyncio.sleep(0.5)
        venue.bar("100", "101", "95", "97")
        assert (await asyncio.wait_for(trades, WAIT))[0]["price"] == 96


async def test_orders_by_websocket(venue: PaperVenue) -> None:
    venue.bar("100", "101", "99", "100")
    async with point(ccxt.pro.okx(settings()), venue) as desk:
        order = await desk.create_order_ws(SPOT, "limit", "buy", 1, 96, {"clientOrderId": "mine"})
        assert [one["client_order_id"] for one in venue.account()["open_orders"]] == ["mine"]
        assert (await desk.cancel_order_ws(order["id"], SPOT))["id"] == order["id"]
        assert venue.account()["open_orders"] == []
        # Over the WebSocket ccxt does not look at an entry's own code.
        with pytest.raises(ExchangeError, match="51008"):
            await desk.create_order_ws(SPOT, "limit", "buy", 5000, 96)
        with pytest.raises(ExchangeError, match="51400"):
            await desk.cancel_order_ws(order["id"], SPOT)
        await desk.create_order_ws(SPOT, "limit", "buy", 1, 96, {"op": "order"})
        venue.bar("100", "101", "95", "97")
        assert (await desk.fetch_my_trades(SPOT))[-1]["price"] == 96
    async with point(ccxt.pro.okx(settings(secret="another")), venue) as stranger:
        with pytest.raises(AuthenticationError):
            await stranger.create_order_ws(SPOT, "limit", "buy", 1, 96)
    assert venue.account()["open_orders"] == []


async def test_an_instrument_is_named_by_its_code(start_venue: Callable[..., PaperVenue]) -> None:
    accounts = [
        {"name": "alice", "api_key": KEY, "api_secret": SECRET, "market": "swap", "balances": {"USDT": "100000"}}
    ]
    venue = start_venue(accounts=accounts)
    venue.bar("100", "101", "99", "100")
    async with point(ccxt.pro.okx(settings(defaultType="swap")), venue) as desk:
        await desk.create_order_ws(SWAP, "limit", "buy", 200, 96)
        assert [one["quantity"] for one in venue.account()["open_orders"]] == ["2"]
        # As OKX: the name alone does not do, and another book's code is not this account's.
        for code in (None, desk.market(SPOT)["instIdCode"]):
            desk.markets[SWAP]["instIdCode"] = code
            with pytest.raises(ExchangeError, match=r"instIdCode|51001"):
                await desk.create_order_ws(SWAP, "limit", "buy", 200, 96)
