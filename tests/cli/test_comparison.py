"""The comparison behind `smc status`: each figure that differs is found, and only those."""

import copy
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from tests.conftest import Database

from smc_agent.local.comparison import Books, compare, read_books

ORDER = {"symbol": "BTCUSDT", "side": "sell", "type": "stop_loss", "quantity": Decimal("0.50000000"), "price": None,
         "stop_price": Decimal("95.10000000"), "filled_quantity": Decimal(0)}  # fmt: skip
BOOKS = Books(
    uuid4(),
    "Paper",
    {"USDT": {"free": "99950.1", "locked": "0"}, "BTC": {"free": "0", "locked": "0.5"}},
    {"BTCUSDT": Decimal("0.50000000"), "ETHUSDT": Decimal(0)},
    {"smc1": ORDER},
)
VENUE: dict[str, Any] = {
    "balances": {"USDT": {"free": "99950.10", "locked": "0.00"}, "BTC": {"free": "0", "locked": "0.5"}},
    "positions": [{"symbol": "BTCUSDT", "quantity": "0.5"}],
    "open_orders": [
        {"client_order_id": "smc1", "symbol": "BTCUSDT", "side": "sell", "type": "stop_loss", "quantity": "0.5",
         "price": None, "stop_price": "95.1", "filled_quantity": "0"}
    ],
}  # fmt: skip


def test_the_same_figures_written_differently_are_equal() -> None:
    assert compare(BOOKS, VENUE) == []


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        (("balances", "USDT", "free"), "99950.10000001", "balance USDT free: books 99950.1, venue 99950.10000001"),
        (("balances", "BTC", "locked"), "0.4", "balance BTC locked: books 0.5, venue 0.4"),
        (("balances", "BNB"), {"free": "1", "locked": "0"}, "balance BNB free: books 0, venue 1"),
        (("positions", 0, "quantity"), "0.49999999", "position BTCUSDT: books 0.50000000, venue 0.49999999"),
        (("positions",), [], "position BTCUSDT: books 0.50000000, venue 0"),
        (("open_orders", 0, "stop_price"), "95.11", "open order smc1 stop_price: books 95.10000000, venue 95.11"),
        (("open_orders", 0, "filled_quantity"), "0.1", "open order smc1 filled_quantity: books 0, venue 0.1"),
        (("open_orders", 0, "type"), "limit", "open order smc1 type: books stop_loss, venue limit"),
        (("open_orders",), [], "open order smc1: books sell stop_loss 0.50000000 BTCUSDT, venue not at the venue"),
    ],
)
def test_each_figure_that_differs_is_named(path: tuple[Any, ...], value: Any, what: str) -> None:
    venue = copy.deepcopy(VENUE)
    place: Any = venue
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert [str(difference) for difference in compare(BOOKS, venue)] == [what]


def test_a_type_that_the_venue_calls_otherwise_is_the_same() -> None:
    target = {**ORDER, "type": "limit", "price": Decimal(110), "stop_price": None}
    theirs = {**VENUE["open_orders"][0], "type": "limit_maker", "price": "110", "stop_price": None}
    books = Books(BOOKS.portfolio_id, BOOKS.name, BOOKS.balances, BOOKS.positions, {"smc1": target})
    assert compare(books, {**VENUE, "open_orders": [theirs]}) == []


def test_an_order_and_an_account_that_one_side_lacks() -> None:
    stranger = {**VENUE["open_orders"][0], "client_order_id": "web1"}
    assert [str(d) for d in compare(BOOKS, {**VENUE, "open_orders": [*VENUE["open_orders"], stranger]})] == [
        "open order web1: books not in the books, venue sell stop_loss 0.5 BTCUSDT"
    ]
    assert [str(d) for d in compare(BOOKS, None)] == ["account: books there, venue not at the venue"]


async def test_books_are_read_as_the_functions_role(database: Database) -> None:
    user, portfolio = uuid4(), uuid4()
    owner = await asyncpg.connect(database.owner)
    await owner.execute("insert into auth.users (id, email) values ($1, 'a@example.com')", user)
    await owner.execute(
        "insert into portfolios (id, user_id, name, exchange, initial_balance, balances)"
        " values ($1, $2, 'Paper', 'paper', 100000, $3), ($4, $2, 'Real', 'binance', 1, '{}')",
        portfolio, user, '{"USDT": {"free": "100000", "locked": "0"}}', uuid4(),
    )  # fmt: skip
    await owner.execute("insert into positions (portfolio_id, symbol, quantity) values ($1, 'BTCUSDT', 0.5)", portfolio)
    for client_order_id, status in (("smc1", "open"), ("smc2", "filled"), ("smc3", "partially_filled")):
        await _order(owner, portfolio, client_order_id, status)
    await owner.close()
    functions = await asyncpg.connect(database.functions)
    (books,) = await read_books(functions)
    await functions.close()
    assert (books.portfolio_id, books.name) == (portfolio, "Paper")
    assert books.balances == {"USDT": {"free": "100000", "locked": "0"}}
    assert books.positions == {"BTCUSDT": Decimal("0.5")}
    assert sorted(books.open_orders) == ["smc1", "smc3"]
    assert books.open_orders["smc1"]["stop_price"] == Decimal("95.1")


async def _order(owner: asyncpg.Connection, portfolio: UUID, client_order_id: str, status: str) -> None:
    await owner.execute(
        "insert into orders (id, portfolio_id, symbol, side, order_type, quantity, stop_price, status, exchange,"
        " client_order_id)"
        " values ($1, $2, 'BTCUSDT', 'sell', 'stop_loss', 0.5, 95.1, $3, 'paper', $4)",
        uuid4(), portfolio, status, client_order_id,
    )  # fmt: skip
