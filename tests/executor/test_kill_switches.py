"""Kill switches that stand: a file, a row, a silent controller. Each acts as the command does; `resume` waits."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from pathlib import Path

import asyncpg
from tests.conftest import Database
from tests.executor.running_executor import Desk, Executor
from tests.paper_venue.running_venue import PaperVenue


def with_a_stop_and_an_entry(desk: Desk) -> Desk:
    desk.executor.place(quantity="0.1", price="50000", stop_loss="49000")
    desk.bar("50100", "50200", "49900", "50100")
    desk.executor.place(price="45000")
    return desk


def killed(executor: Executor) -> bool:
    return bool(executor.snapshot()["killed"])


def kinds(executor: Executor) -> list[str]:
    return [order["type"] for order in executor.drain()["open_orders"]]


def test_a_file_kills_and_holds_until_it_is_gone(desk: Desk, tmp_path: Path) -> None:
    executor = with_a_stop_and_an_entry(desk).executor
    (tmp_path / "KILL").touch()
    executor.until(lambda: killed(executor), 2)
    assert kinds(executor) == ["stop_loss"], "entries cancelled, the stop stays"
    assert executor.place(price="45000")["code"] == "killed"
    refused = executor.command("resume")
    assert (refused["code"], "KILL" in refused["message"]) == ("killed", True)
    assert executor.stop() == 0
    executor.start()
    assert killed(executor)
    (tmp_path / "KILL").unlink()
    executor.until(lambda: "stands no more" in executor.text(), 2)
    assert executor.place(price="45000")["code"] == "killed", "a person resumes"
    assert executor.command("resume")["status"] == "accepted"
    assert executor.place(price="45000")["status"] == "accepted"


def test_a_file_set_while_the_executor_was_down_kills_at_the_start(desk: Desk, tmp_path: Path) -> None:
    executor = with_a_stop_and_an_entry(desk).executor
    executor.stop()
    (tmp_path / "KILL").write_text("flatten\n")
    executor.start()
    executor.until(lambda: killed(executor), 2)
    executor.drain()
    desk.bar("50100", "50100", "50100", "50100")
    assert executor.drain()["open_orders"] == []
    assert executor.snapshot()["positions"][0]["quantity"] in ("0", "0.0000")
    sales = [trade for trade in desk.venue.account()["trades"] if trade["side"] == "sell"]
    assert len(sales) == 1
    # Once: what is bought by hand while it stands is not sold at the next start.
    executor.stop()
    executor.start()
    executor.until(lambda: executor.get("/readyz")[0] == 200)
    executor.drain()
    desk.bar("50100", "50100", "50100", "50100")
    assert len([trade for trade in desk.venue.account()["trades"] if trade["side"] == "sell"]) == 1


def test_a_path_of_ones_own(make_executor: Callable[..., Executor], tmp_path: Path, paper_venue: PaperVenue) -> None:
    switch = tmp_path / "elsewhere" / "stop"
    switch.parent.mkdir()
    executor = make_executor(kill_file=str(switch)).start()
    assert executor.place(price="45000")["status"] == "accepted"
    switch.touch()
    executor.until(lambda: killed(executor), 2)
    assert paper_venue.account()["open_orders"] == []


async def test_the_row_kills_within_a_second_and_the_user_sets_it(
    paper_venue: PaperVenue, make_executor: Callable[..., Executor], database: Database, owner: asyncpg.Connection
) -> None:
    user, portfolio = uuid.uuid4(), uuid.uuid4()
    await owner.execute("insert into auth.users (id, email) values ($1, 'trader@example.com')", user)
    await owner.execute(
        "insert into public.portfolios (id, user_id, name, exchange, initial_balance) "
        "values ($1, $2, 'p', 'paper', 100000)", portfolio, user,
    )  # fmt: skip
    executor = make_executor(database_url=database.executor, account=str(portfolio)).start()
    assert executor.place(price="45000")["status"] == "accepted"

    async def as_user(who: uuid.UUID, switch: str | None) -> str:
        async with owner.transaction():
            await owner.execute("select set_config('request.jwt.claims', $1, true)", f'{{"sub": "{who}"}}')
            await owner.execute("set local role authenticated")
            done: str = await owner.execute("update public.portfolios set kill_switch = $1", switch)
        return done

    assert await as_user(uuid.uuid4(), "kill") == "UPDATE 0"
    assert not killed(executor)
    assert await as_user(user, "kill") == "UPDATE 1"
    await asyncio.to_thread(executor.until, lambda: killed(executor), 2)
    executor.drain()
    assert paper_venue.account()["open_orders"] == []
    assert (await asyncio.to_thread(executor.command, "resume"))["code"] == "killed"
    assert await as_user(user, None) == "UPDATE 1"
    await asyncio.to_thread(executor.until, lambda: "stands no more" in executor.text(), 2)
    assert (await asyncio.to_thread(executor.command, "resume"))["status"] == "accepted"
    for _ in range(200):
        reasons = await owner.fetch("select reason from public.order_events where event_type = 'killed'")
        if reasons:
            break
        await asyncio.sleep(0.02)
    assert [row["reason"] for row in reasons] == ["kill_switch is set in the portfolio's row"]


def test_a_silent_controller_kills_and_a_beating_one_does_not(
    paper_venue: PaperVenue, make_executor: Callable[..., Executor]
) -> None:
    executor = make_executor(dead_man_s=1).start()
    assert executor.post("/v1/heartbeat", "")[0] == 401
    for _ in range(30):
        assert executor.post("/v1/heartbeat", "", authorized=True)[0] == 204
        executor.process.poll()  # type: ignore[union-attr]
        if executor.place(price="45000")["status"] != "accepted":
            raise AssertionError(executor.text())
    executor.until(lambda: killed(executor), 4)
    executor.drain()
    assert paper_venue.account()["open_orders"] == []
    assert "no heartbeat" in executor.command("resume")["message"]
    executor.post("/v1/heartbeat", "", authorized=True)
    executor.until(lambda: "stands no more" in executor.text(), 2)
    executor.post("/v1/heartbeat", "", authorized=True)
    assert executor.command("resume")["status"] == "accepted"


def test_without_dead_man_nobody_need_beat(desk: Desk) -> None:
    assert desk.executor.post("/v1/heartbeat", "", authorized=True)[0] == 204
    assert not killed(desk.executor)
