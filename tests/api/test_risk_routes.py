"""GET /risk/portfolio, POST /risk/kill and /risk/resume."""

import asyncio
import re
import uuid
from decimal import Decimal
from typing import Any

import httpx
import pytest
from tests.api.desk import Desk
from tests.api.test_orders import CREATE, limit_order, placed, post
from tests.api.world import SYMBOL, User, World

PORTFOLIO, KILL, RESUME = "/api/v1/risk/portfolio", "/api/v1/risk/kill", "/api/v1/risk/resume"


async def portfolio(client: httpx.AsyncClient, user: User) -> dict[str, Any]:
    response = await client.get(PORTFOLIO, headers=user.headers)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json(parse_float=Decimal)
    return body


async def mark(world: World) -> None:
    """Alice holds 0.5 BTC and has lost a little today; her worst was worse."""
    owner, account = world.owner, world.alice.portfolio_id
    await owner.execute(
        "update portfolios set equity = 99000.12345678, day_start_equity = 100000, peak_equity = 101000 where id = $1",
        account,
    )
    await owner.execute(
        "insert into positions (portfolio_id, symbol, quantity, entry_price, current_price, unrealized_pnl)"
        " values ($1, $2, 0.5, 46000, 45000.5, -499.75), ($1, 'ETHUSDT', 0, null, null, null)",
        account, SYMBOL,
    )  # fmt: skip
    await owner.execute(
        "insert into risk_metrics (portfolio_id, measured_at, equity, exposure, daily_pnl, drawdown, var_95, breakers)"
        " values ($1, '2020-01-01', 1, 1, 1, 0.05, null, '{}'),"
        " ($1, '2020-01-02', 99000, 22500.25, -999.87, 0.0198, 1234.5, '{\"daily_loss\": \"ok\"}')",
        account,
    )


async def test_figures_of_a_marked_portfolio(client: httpx.AsyncClient, world: World) -> None:
    await mark(world)
    body = await portfolio(client, world.alice)
    assert body["total_exposure"] == Decimal("22500.25")
    assert body["daily_pnl"] == Decimal("-999.87654322")
    assert body["max_drawdown"] == 5
    assert body["drawdown"] == Decimal("1.98")
    assert body["var_95"] == "1234.5"
    assert body["breakers"] == {"daily_loss": "ok"}
    [position] = body["positions"]
    assert position["quantity"] == "0.5"
    assert position["exposure"] == "22500.25"
    assert position["unrealized_pnl"] == "-499.75"
    used = body["risk_limits"]
    assert used["daily_loss"]["limit"] == Decimal("0.03")
    assert used["daily_loss"]["used"] == Decimal("0.00999877")
    assert used["drawdown"] == {"limit": Decimal("0.15"), "used": Decimal("0.0198"), "utilization": Decimal("0.132")}
    assert used["exposure"]["used"] == round(Decimal("22500.25") / Decimal("99000.12345678"), 8)
    assert used["open_orders"] == {"limit": 5, "used": 0, "utilization": 0}


async def test_numbers_keep_all_their_digits(client: httpx.AsyncClient, world: World) -> None:
    await world.owner.execute(
        "update portfolios set equity = 123456789012.12345678, day_start_equity = 0.00000001 where id = $1",
        world.alice.portfolio_id,
    )
    response = await client.get(PORTFOLIO, headers=world.alice.headers)
    assert re.search(r'"daily_pnl":123456789012\.12345677\b', response.text)


async def test_before_the_first_mark_nothing_is_made_up(client: httpx.AsyncClient, world: World) -> None:
    body = await portfolio(client, world.alice)
    assert (body["equity"], body["daily_pnl"], body["max_drawdown"], body["measured_at"]) == (None, None, None, None)
    assert body["total_exposure"] == 0
    assert body["positions"] == []
    assert body["risk_limits"]["daily_loss"]["used"] is None


async def test_each_sees_his_own(client: httpx.AsyncClient, world: World) -> None:
    await mark(world)
    his = await portfolio(client, world.bob)
    assert his["portfolio_id"] == str(world.bob.portfolio_id)
    assert his["positions"] == []
    for portfolio_id in (world.alice.portfolio_id, uuid.uuid4()):
        response = await client.get(PORTFOLIO, params={"portfolio_id": str(portfolio_id)}, headers=world.bob.headers)
        assert (response.status_code, response.json()["code"]) == (404, "unknown_portfolio")


async def test_a_user_without_portfolio(client: httpx.AsyncClient, world: World) -> None:
    await world.owner.execute("delete from portfolios where user_id = $1", world.bob.id)
    response = await client.get(PORTFOLIO, headers=world.bob.headers)
    assert (response.status_code, response.json()["code"]) == (404, "unknown_portfolio")


async def killed_in_database(world: World, user: User, expected: bool) -> None:
    for _ in range(200):
        if await world.owner.fetchval("select killed from portfolios where id = $1", user.portfolio_id) == expected:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"the portfolio's killed did not become {expected}")


async def test_kill_and_resume(trading: httpx.AsyncClient, world: World, desk: Desk) -> None:
    await placed(trading, world.alice, limit_order(world))
    body = {"portfolio_id": str(world.alice.portfolio_id), "flatten": False}
    response = await post(trading, world.alice, KILL, body, "kill-1")
    assert response.status_code == 200, response.text
    assert (response.json()["status"], response.json()["killed"]) == ("done", True)
    assert (await post(trading, world.alice, KILL, body, "kill-1")).json() == response.json()
    refused = await post(trading, world.alice, CREATE, limit_order(world))
    assert refused.json()["errors"][0]["code"] == "killed"
    await killed_in_database(world, world.alice, True)
    assert desk.at_venue(world.alice.portfolio_id)["open_orders"] == []
    assert (await portfolio(trading, world.alice))["killed"] is True
    await placed(trading, world.bob, limit_order(world))
    resumed = await post(trading, world.alice, RESUME, {"portfolio_id": str(world.alice.portfolio_id)})
    assert (resumed.status_code, resumed.json()["killed"]) == (200, False)
    await killed_in_database(world, world.alice, False)
    await placed(trading, world.alice, limit_order(world))
    kinds = await world.owner.fetch("select event_type from order_events where actor = 'user' order by id")
    assert [row["event_type"] for row in kinds if row["event_type"] != "intent"] == ["kill", "resume"]


async def test_nobody_kills_anothers_portfolio(trading: httpx.AsyncClient, world: World, desk: Desk) -> None:
    for path in (KILL, RESUME):
        response = await post(trading, world.bob, path, {"portfolio_id": str(world.alice.portfolio_id)})
        assert (response.status_code, response.json()["code"]) == (404, "unknown_portfolio")
    await placed(trading, world.alice, limit_order(world))
    assert await world.owner.fetchval("select count(*) from order_events where event_type in ('kill', 'resume')") == 0


async def test_a_kill_waits_for_an_executor_that_is_away(trading: httpx.AsyncClient, world: World, desk: Desk) -> None:
    desk.stop("executor")
    body = {"portfolio_id": str(world.alice.portfolio_id)}
    response = await post(trading, world.alice, KILL, body)
    assert response.status_code == 202, response.text
    assert response.json()["status"] == "queued"
    assert "Your stops rest at the exchange." in response.json()["message"]
    resume = await post(trading, world.alice, RESUME, body)
    assert (resume.status_code, resume.json()["code"]) == (503, "executor_unavailable")
    desk.start_executor()
    await killed_in_database(world, world.alice, True)
    refused = await post(trading, world.alice, CREATE, limit_order(world))
    assert refused.json()["errors"][0]["code"] == "killed"


@pytest.mark.parametrize("body", [{}, {"portfolio_id": "mine"}, {"portfolio_id": str(uuid.uuid4()), "force": True}])
async def test_bad_kills(client: httpx.AsyncClient, world: World, body: dict[str, Any]) -> None:
    response = await post(client, world.alice, KILL, body)
    assert (response.status_code, response.json()["code"]) == (422, "validation_failed")
