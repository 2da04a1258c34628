"""Compares the books in Postgres with the paper venue's own, digit for digit."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import httpx

NOT_AT_VENUE = "not at the venue"
NOT_IN_BOOKS = "not in the books"

OUR_TYPE = {
    "limit_maker": "limit",
    "stop_loss_limit": "stop_limit",
    "take_profit_limit": "take_profit",
}  # the venue's name: ours


@dataclass(frozen=True)
class Difference:
    """One figure on which books and venue disagree; `what` names it: 'balance USDT free'."""

    what: str
    books: str
    venue: str

    def __str__(self) -> str:
        return f"{self.what}: books {self.books}, venue {self.venue}"


@dataclass(frozen=True)
class Books:
    """What Postgres has of a portfolio: balances {asset: {free, locked}}, positions {symbol: quantity}, open orders."""

    portfolio_id: UUID
    name: str
    balances: Mapping[str, Mapping[str, str]]
    positions: Mapping[str, Decimal]
    open_orders: Mapping[str, Mapping[str, Any]]  # by client order id


async def read_books(connection: asyncpg.Connection) -> list[Books]:
    """The books of every portfolio on the paper venue, all of one moment."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        portfolios = await connection.fetch(
            "select id, name, balances from portfolios where exchange = 'paper' order by created_at, id"
        )
        positions = await connection.fetch("select portfolio_id, symbol, quantity from positions")
        orders = await connection.fetch(
            "select portfolio_id, client_order_id, symbol, side, order_type as type, quantity, price, stop_price,"
            " filled_quantity from orders where status in ('pending', 'open', 'partially_filled', 'unknown')"
        )
    return [
        Books(
            p["id"],
            p["name"],
            json.loads(p["balances"]),
            {row["symbol"]: row["quantity"] for row in positions if row["portfolio_id"] == p["id"]},
            {row["client_order_id"]: dict(row) for row in orders if row["portfolio_id"] == p["id"]},
        )
        for p in portfolios
    ]


async def read_venue(client: httpx.AsyncClient, portfolio_id: UUID) -> dict[str, Any] | None:
    """The venue's account, as `GET /paper/v1/accounts/{name}` gives it; None where it has none of that name."""
    answer = await client.get(f"/paper/v1/accounts/{portfolio_id}")
    if answer.status_code == httpx.codes.NOT_FOUND:
        return None
    answer.raise_for_status()
    account: dict[str, Any] = answer.json()
    return account


def compare(books: Books, venue: Mapping[str, Any] | None) -> list[Difference]:
    """Every figure on which the two disagree. An asset or symbol that one of them leaves out counts as zero."""
    if venue is None:
        return [Difference("account", "there", NOT_AT_VENUE)]
    found: list[Difference] = []
    for asset in _sorted_union(books.balances, venue["balances"]):
        for part in ("free", "locked"):
            ours, theirs = (side.get(asset, {}).get(part, "0") for side in (books.balances, venue["balances"]))
            if Decimal(ours) != Decimal(theirs):
                found.append(Difference(f"balance {asset} {part}", ours, theirs))
    positions = {row["symbol"]: Decimal(row["quantity"]) for row in venue["positions"]}
    for symbol in _sorted_union(books.positions, positions):
        our, their = books.positions.get(symbol, Decimal(0)), positions.get(symbol, Decimal(0))
        if our != their:
            found.append(Difference(f"position {symbol}", f"{our:f}", f"{their:f}"))
    orders = {row["client_order_id"]: row for row in venue["open_orders"]}
    for order_id in _sorted_union(books.open_orders, orders):
        found += _compare_order(order_id, books.open_orders.get(order_id), orders.get(order_id))
    return found


def _compare_order(order_id: str, ours: Mapping[str, Any] | None, theirs: Mapping[str, Any] | None) -> list[Difference]:
    if ours is None or theirs is None:
        order = ours or theirs or {}
        shown = f"{order['side']} {order['type']} {Decimal(order['quantity']):f} {order['symbol']}"
        sides = (NOT_IN_BOOKS, shown) if ours is None else (shown, NOT_AT_VENUE)
        return [Difference(f"open order {order_id}", *sides)]
    found = []
    for name in ("symbol", "side", "type"):
        our, their = str(ours[name]), str(theirs[name])
        their = OUR_TYPE.get(their, their) if name == "type" else their
        if our != their:
            found.append(Difference(f"open order {order_id} {name}", our, their))
    for name in ("quantity", "price", "stop_price", "filled_quantity"):
        # A price that an order of that type does not have is null with one and zero with the other.
        ours_, theirs_ = Decimal(ours[name] or 0), Decimal(theirs[name] or 0)
        if ours_ != theirs_:
            found.append(Difference(f"open order {order_id} {name}", f"{ours_:f}", f"{theirs_:f}"))
    return found


def _sorted_union(first: Iterable[str], second: Iterable[str]) -> list[str]:
    return sorted({*first, *second})
