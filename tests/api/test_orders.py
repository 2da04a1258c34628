"""Orders by hand, through a real executor to a real paper venue."""

import asyncio
import gc
import json
import re
import signal
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partialmethod
from typing import Any

import httpx
import pytest
from tests.api.desk import Desk
from tests.api.world import SYMBOL, User, World

from smc_agent.api.app import warm
from smc_agent.api.commands import Executor
from smc_agent.execution import sign

CREATE, PREVIEW = "/api/v1/orders/create", "/api/v1/orders/preview"


def limit_order(world: World, **changes: Any) -> dict[str, Any]:
    """A buy far below the market: it rests."""
    price = round(world.last.close * 0.9, 2)
    return {"symbol": SYMBOL, "side": "buy", "type": "limit", "quantity": "0.01", "price": str(price), **changes}


async def post(client: httpx.AsyncClient, user: User, path: str, body: Any, key: str | None = None) -> httpx.Response:
    headers = user.headers | ({"Idempotency-Key": key} if key else {})
    content = body if isinstance(body, str) else json.dumps(body)
    return await client.post(path, content=content, headers=headers | {"Content-Type": "application/json"})


async def placed(client: httpx.AsyncClient, user: User, body: Any, key: str | None = None) -> dict[str, Any]:
    response = await post(client, user, CREATE, body, key)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def stored(world: World, order_id: str) -> Any:
    """The order's row, once the executor has written it."""
    for _ in range(100):
        row = await world.owner.fetchrow("select * from orders where id = $1", uuid.UUID(order_id))
        if row is not None:
            return row
        await asyncio.sleep(0.05)
    raise AssertionError("the executor wrote no row")


async def test_a_resting_order(trading: httpx.AsyncClient, world: World, desk: Desk) -> None:
    body = limit_order(world)
    answer = await placed(trading, world.alice, body)
    assert answer["status"] == "pending"
    assert answer["fill_price"] is None
    assert answer["execution_time_ms"] > 0
    assert answer["order"]["status"] == "open"
    [at_venue] = desk.at_venue(world.alice.portfolio_id)["open_orders"]
    assert at_venue["client_order_id"] == "smc" + uuid.UUID(answer["order_id"]).hex
    assert Decimal(at_venue["price"]) == Decimal(body["price"])
    assert desk.at_venue(world.bob.portfolio_id)["open_orders"] == []
    row = await stored(world, answer["order_id"])
    assert row["session_id"] is None
    event = await world.owner.fetchrow("select * from order_events where event_type = 'intent'")
    assert event is not None
    assert (event["actor"], str(event["order_id"])) == ("user", answer["order_id"])
    assert event["market_time"] is not None


async def test_one_grep_from_the_request_to_the_venue_s_order_id(
    trading: httpx.AsyncClient, world: World, desk: Desk
) -> None:
    headers = world.alice.headers | {"X-Request-ID": "trace-of-this-order"}
    answer = await trading.post(CREATE, json=limit_order(world), headers=headers)
    assert answer.headers["X-Request-ID"] == "trace-of-this-order"
    for _ in range(100):
        lines = [line for line in (desk.folder / "executor.log").read_text().splitlines() if "trace-of-this" in line]
        if lines:
            break
        await asyncio.sleep(0.02)
    [line] = lines
    assert answer.json()["order"]["client_order_id"] in line
    assert f'external_order_id="{answer.json()["order"]["external_order_id"]}"' in line


async def test_digits_survive_as_numbers_and_as_strings(trading: httpx.AsyncClient, world: World, desk: Desk) -> None:
    """0.12345 and 40000.03 have no exact float; nothing is rounded on the way."""
    text = '{{"symbol": "BTCUSDT", "side": "buy", "type": "limit", "quantity": {}, "price": {}}}'
    for quantity, price in (("0.12345", "40000.03"), ('"0.12345"', '"40000.03"'), ("1.2345e-1", "4000003E-2")):
        answer = await placed(trading, world.alice, text.format(quantity, price))
        row = await stored(world, answer["order_id"])
        assert (row["quantity"], row["price"]) == (Decimal("0.12345"), Decimal("40000.03"))


async def test_a_market_order_fills_and_says_its_price(trading: httpx.AsyncClient, world: World, desk: Desk) -> None:
    body = {"symbol": SYMBOL, "side": "buy", "type": "market", "quantity": 0.1}
    answer = await placed(trading, world.alice, body)
    assert answer["status"] in ("pending", "filled")
    desk.play(world.last._replace(time=world.last.time + 60_000))
    row = await stored(world, answer["order_id"])
    for _ in range(100):
        if row["status"] == "filled":
            break
        await asyncio.sleep(0.05)
        row = await stored(world, answer["order_id"])
    assert row["status"] == "filled"
    assert row["filled_price"] == Decimal(repr(world.last.open))


async def test_a_limit_through_the_market_answers_with_the_fill(trading: httpx.AsyncClient, world: World) -> None:
    """If the venue fills at once, the answer carries the price as a number with its digits."""
    response = await post(
        trading, world.alice, CREATE, limit_order(world, price=str(round(world.last.close * 1.001, 2)))
    )
    assert response.status_code == 200
    answer = response.json()
    if answer["status"] == "filled":
        assert re.search(r'"fill_price":[0-9.]+[,}]', response.text)
    else:
        assert answer["order"]["status"] in ("open", "pending")


async def test_one_key_is_one_order(trading: httpx.AsyncClient, world: World, desk: Desk) -> None:
    body = limit_order(world)
    answers = await asyncio.gather(*(placed(trading, world.alice, body, "ticket-1") for _ in range(5)))
    assert len({answer["order_id"] for answer in answers}) == 1
    assert answers[0]["order_id"] == str(uuid.uuid5(world.alice.id, "ticket-1"))
    assert len(desk.at_venue(world.alice.portfolio_id)["open_orders"]) == 1
    later = await placed(trading, world.alice, body, "ticket-1")
    assert later == answers[0]
    # Another user's same key is another order; no key is another order each time.
    await placed(trading, world.bob, body, "ticket-1")
    await placed(trading, world.alice, body)
    await placed(trading, world.alice, body)
    assert len(desk.at_venue(world.alice.portfolio_id)["open_orders"]) == 3
    assert len(desk.at_venue(world.bob.portfolio_id)["open_orders"]) == 1


async def test_one_key_for_two_orders_is_a_conflict(trading: httpx.AsyncClient, world: World, desk: Desk) -> None:
    await placed(trading, world.alice, limit_order(world), "ticket-1")
    response = await post(trading, world.alice, CREATE, limit_order(world, quantity="0.02"), "ticket-1")
    assert (response.status_code, response.json()["code"]) == (409, "idempotency_conflict")
    # Written in another way it is the same order.
    await placed(trading, world.alice, limit_order(world, quantity=0.01), "ticket-1")
    assert len(desk.at_venue(world.alice.portfolio_id)["open_orders"]) == 1


async def test_a_race_for_one_key_is_decided_once(trading: httpx.AsyncClient, world: World, desk: Desk) -> None:
    bodies = [limit_order(world, quantity=f"0.0{i}") for i in range(1, 7)]
    responses = await asyncio.gather(*(post(trading, world.alice, CREATE, body, "ticket-1") for body in bodies))
    assert sorted(response.status_code for response in responses) == [200] + [409] * 5
    assert len(desk.at_venue(world.alice.portfolio_id)["open_orders"]) == 1


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"price": None}, "body.price", "price_required"),
        ({"type": "market"}, "body.price", "price_not_allowed"),
        ({"quantity": 0}, "body.quantity", "greater_than"),
        ({"quantity": "-0.01"}, "body.quantity", "greater_than"),
        ({"quantity": "0.000000001"}, "body.quantity", "value_error"),
        ({"quantity": "1e400"}, "body.quantity", "value_error"),
        ({"quantity": "1e-999999999"}, "body.quantity", "value_error"),
        ({"quantity": "NaN"}, "body.quantity", "value_error"),
        ({"quantity": "many"}, "body.quantity", "value_error"),
        ({"quantity": True}, "body.quantity", "value_error"),
        ({"quantity": [1]}, "body.quantity", "value_error"),
        ({"price": 1e13}, "body.price", "value_error"),
        ({"type": "stop_limit"}, "body.stop_price", "stop_price_required"),
        ({"type": "stop_loss", "price": None}, "body.stop_price", "stop_price_required"),
        ({"stop_price": "1"}, "body.stop_price", "stop_price_not_allowed"),
        ({"side": "sell", "stop_loss": "1"}, "body", "protection_of_sell"),
        ({"leverage": 100}, "body.leverage", "extra_forbidden"),
        ({"symbol": "BTC/USDT"}, "body.symbol", "string_pattern_mismatch"),
    ],
)
async def test_orders_that_are_none(
    client: httpx.AsyncClient, world: World, change: dict[str, Any], field: str, code: str
) -> None:
    body = {name: value for name, value in limit_order(world, **change).items() if value is not None}
    response = await post(client, world.alice, CREATE, body)
    assert response.status_code == 422, response.text
    assert [(error["field"], error["code"]) for error in response.json()["errors"]] == [(field, code)]


async def test_orders_that_risk_refuses(trading: httpx.AsyncClient, world: World, desk: Desk) -> None:
    price = Decimal(limit_order(world)["price"])
    for change, code in (
        ({"price": f"{price}1"}, "filter_price"),
        ({"quantity": "0.010001"}, "filter_lot"),
        ({"quantity": "0.00002"}, "filter_notional"),
        ({"stop_loss": str(price + 1)}, "stop_passed"),
        ({"take_profit": str(price - 1)}, "target_passed"),
        ({"quantity": "1000"}, "insufficient_balance"),
        ({"side": "sell"}, "insufficient_balance"),
        ({"stop_loss": str(price - 1000), "quantity": "2"}, "risk_per_trade"),
    ):
        response = await post(trading, world.alice, CREATE, limit_order(world, **change))
        assert (response.status_code, response.json()["code"]) == (422, "order_refused"), response.text
        assert response.json()["errors"][0]["code"] == code
        assert response.json()["detail"] == response.json()["errors"][0]["message"]
    assert desk.at_venue(world.alice.portfolio_id)["open_orders"] == []
    refusals = await world.owner.fetch("select * from order_events where event_type = 'refusal' order by id")
    assert len(refusals) == 8
    assert refusals[0]["actor"] == "risk"


async def test_symbols_that_are_not_traded_or_have_no_price(trading: httpx.AsyncClient, world: World) -> None:
    response = await post(trading, world.alice, CREATE, limit_order(world, symbol="DOGEUSDT"))
    assert (response.status_code, response.json()["code"]) == (422, "unknown_symbol")
    response = await post(trading, world.alice, CREATE, limit_order(world, symbol="ETHUSDT"))
    assert (response.status_code, response.json()["code"]) == (503, "no_price")


async def test_a_tripped_breaker_stops_entries(trading: httpx.AsyncClient, world: World) -> None:
    await world.owner.execute(
        "insert into risk_metrics (portfolio_id, measured_at, equity, exposure, daily_pnl, drawdown, breakers)"
        ' values ($1, now(), 100000, 0, 0, 0, \'{"drawdown": "tripped: too deep", "daily_loss": "ok"}\')',
        world.alice.portfolio_id,
    )
    response = await post(trading, world.alice, CREATE, limit_order(world))
    assert response.json()["errors"] == [{"field": "body", "code": "drawdown", "message": "too deep"}]
    await placed(trading, world.bob, limit_order(world))


async def test_a_users_own_limits_are_kept(trading: httpx.AsyncClient, world: World) -> None:
    await world.owner.execute(
        "update users set risk_limits = '{\"max_exposure\": 0.001}' where id = $1", world.alice.id
    )
    response = await post(trading, world.alice, CREATE, limit_order(world))
    assert response.json()["errors"][0]["code"] == "insufficient_balance"


async def test_the_executors_guard_has_the_last_word(trading: httpx.AsyncClient, world: World, desk: Desk) -> None:
    envelope = sign(
        desk.seed, "test", str(uuid.uuid4()), str(world.alice.portfolio_id), "set_limits",
        {"max_order_notional": "10"}, datetime.now(UTC), timedelta(seconds=10),
    )  # fmt: skip
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"{desk.executor_url}/v1/commands", json=envelope)
    assert answer.json()["status"] == "accepted"
    response = await post(trading, world.alice, CREATE, limit_order(world))
    assert (response.status_code, response.json()["code"]) == (422, "order_refused")
    assert response.json()["errors"][0]["code"] == "max_order_notional"


async def test_a_preview_judges_and_sends_nothing(trading: httpx.AsyncClient, world: World, desk: Desk) -> None:
    price = Decimal(limit_order(world)["price"])
    stop, target = price - 500, price + 1000
    body = limit_order(world, stop_loss=str(stop), take_profit=str(target), risk_percent="0.1")
    del body["quantity"]
    response = await post(trading, world.alice, PREVIEW, body)
    assert response.status_code == 200, response.text
    shown = response.json()
    assert shown["refusals"] == []
    assert shown["risk_reward"] == "2"
    quantity = Decimal(shown["quantity"])
    assert quantity % Decimal("0.00001") == 0
    assert Decimal(shown["notional"]) == quantity * price
    assert Decimal(shown["fee"]) == quantity * price * Decimal("0.001")
    assert Decimal("99.9") < Decimal(shown["risk"]) <= 100
    many = limit_order(world, price=f"{price}1", quantity="1000.000001")
    refusals = (await post(trading, world.alice, PREVIEW, many)).json()["refusals"]
    assert {refusal["code"] for refusal in refusals} >= {"filter_price", "filter_lot", "insufficient_balance"}
    assert desk.at_venue(world.alice.portfolio_id)["open_orders"] == []
    assert await world.owner.fetchval("select count(*) from order_events") == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, "one_size"),
        ({"quantity": "1", "risk_percent": "1"}, "one_size"),
        ({"risk_percent": "1"}, "stop_required"),
        ({"risk_percent": "101", "stop_loss": "1"}, "less_than_equal"),
    ],
)
async def test_previews_without_one_size(
    client: httpx.AsyncClient, world: World, change: dict[str, str], code: str
) -> None:
    body = {name: value for name, value in limit_order(world).items() if name != "quantity"} | change
    response = await post(client, world.alice, PREVIEW, body)
    assert [error["code"] for error in response.json()["errors"]] == [code]


async def test_cancel(trading: httpx.AsyncClient, world: World, desk: Desk) -> None:
    order_id = (await placed(trading, world.alice, limit_order(world)))["order_id"]
    path = f"/api/v1/orders/{order_id}/cancel"
    assert (await post(trading, world.bob, path, {})).json()["code"] == "unknown_order"
    assert len(desk.at_venue(world.alice.portfolio_id)["open_orders"]) == 1
    first = await post(trading, world.alice, path, {"reason": "Changed my mind."}, "cancel-1")
    assert first.status_code == 200, first.text
    assert first.json()["status"] == "cancelled"
    assert desk.at_venue(world.alice.portfolio_id)["open_orders"] == []
    again = await post(trading, world.alice, path, {"reason": "Changed my mind."}, "cancel-1")
    assert again.json() == first.json()
    event = await world.owner.fetchrow("select * from order_events where event_type = 'cancel' and actor = 'user'")
    assert event is not None
    assert event["reason"] == "Changed my mind."
    unknown = await post(trading, world.alice, f"/api/v1/orders/{uuid.uuid4()}/cancel", {})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_order")


async def test_another_users_portfolio_is_not_there(trading: httpx.AsyncClient, world: World, desk: Desk) -> None:
    body = limit_order(world, portfolio_id=str(world.alice.portfolio_id))
    for path in (CREATE, PREVIEW):
        response = await post(trading, world.bob, path, body)
        assert (response.status_code, response.json()["code"]) == (404, "unknown_portfolio")
    assert desk.at_venue(world.alice.portfolio_id)["open_orders"] == []


async def test_who_has_two_portfolios_names_one(client: httpx.AsyncClient, world: World) -> None:
    await world.owner.execute(
        "insert into portfolios (user_id, name, exchange, initial_balance) values ($1, 'Second', 'paper', 1)",
        world.alice.id,
    )
    response = await post(client, world.alice, CREATE, limit_order(world))
    assert (response.status_code, response.json()["code"]) == (422, "portfolio_required")


async def test_without_an_executor_nothing_is_sent(trading: httpx.AsyncClient, world: World, desk: Desk) -> None:
    desk.stop("executor")
    response = await post(trading, world.alice, CREATE, limit_order(world), "ticket-1")
    assert (response.status_code, response.json()["code"]) == (503, "executor_unavailable")
    assert "Your stops rest at the exchange." in response.json()["detail"]
    assert await world.owner.fetchval("select count(*) from order_events") == 0
    desk.start_executor()
    await placed(trading, world.alice, limit_order(world), "ticket-1")
    assert len(desk.at_venue(world.alice.portfolio_id)["open_orders"]) == 1


async def test_a_key_that_the_executor_does_not_know(world: World, desk: Desk) -> None:
    app = world.app(**desk.settings | {"command_key_id": "other"})
    async with world.client(app) as client:
        response = await post(client, world.alice, CREATE, limit_order(world))
    assert (response.status_code, response.json()["code"]) == (502, "command_not_accepted")


async def test_a_command_that_comes_too_late_may_be_sent_again(
    trading: httpx.AsyncClient, world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, key = limit_order(world), uuid.uuid4().hex
    with monkeypatch.context() as late:
        late.setattr(Executor, "envelope", partialmethod(Executor.envelope, ttl=timedelta(seconds=-5)))
        response = await post(trading, world.alice, CREATE, body, key)
    assert (response.status_code, response.json()["code"]) == (503, "executor_unavailable")
    assert "too late" in response.json()["detail"]
    assert response.headers["Retry-After"] == "5"
    assert desk.at_venue(world.alice.portfolio_id)["open_orders"] == []
    await placed(trading, world.alice, body, key)
    assert len(desk.at_venue(world.alice.portfolio_id)["open_orders"]) == 1


async def test_an_order_whose_fate_is_not_known_yet(trading: httpx.AsyncClient, world: World, desk: Desk) -> None:
    """The venue falls silent: the answer says pending, not failed, and a repeat places nothing twice."""
    body = limit_order(world)
    await placed(trading, world.alice, body)  # it knows the symbol's filters by now
    desk.processes["paper_venue"].send_signal(signal.SIGSTOP)
    try:
        response = await post(trading, world.alice, CREATE, body, "ticket-1")
    finally:
        desk.processes["paper_venue"].send_signal(signal.SIGCONT)
    assert response.status_code == 202, response.text
    assert (response.json()["status"], response.json()["fill_price"]) == ("pending", None)
    row = await stored(world, response.json()["order_id"])
    for _ in range(200):
        if row["status"] in ("open", "rejected"):  # the venue may find the request too old by now
            break
        await asyncio.sleep(0.1)
        row = await stored(world, response.json()["order_id"])
    assert row["status"] in ("open", "rejected")
    again = await post(trading, world.alice, CREATE, body, "ticket-1")
    if again.status_code == 422:  # the first answer is forgotten once the command has expired: then what became of it
        assert (row["status"], again.json()["errors"][0]["code"]) == ("rejected", "venue_rejected"), again.text
    else:
        assert again.json()["order_id"] == response.json()["order_id"]
    resting = 2 if row["status"] == "open" else 1
    assert len(desk.at_venue(world.alice.portfolio_id)["open_orders"]) == resting


def test_the_garbage_collector_leaves_a_warm_server_s_modules_alone() -> None:
    """Of the hundred thousand objects that importing leaves, an order would pay for each look at them."""
    warm()
    try:
        assert gc.get_freeze_count() > 50_000
        assert len(gc.get_objects()) < gc.get_freeze_count() / 10
    finally:
        gc.unfreeze()
