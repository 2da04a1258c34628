"""Two executors never trade one account: the lease, its epoch, and what each may still do."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.conftest import Database
from tests.executor.faulty_proxy import FaultyProxy
from tests.executor.running_executor import Desk, Executor
from tests.paper_venue.running_venue import PaperVenue

# The shortest: entries go on for four seconds without the database.
LEASE_S = 10


@pytest.fixture
def proxy(database: Database) -> Iterator[FaultyProxy]:
    """A line to Postgres that can be cut."""
    address = database.executor.rsplit("@", 1)[1].split("/", 1)[0]
    line = FaultyProxy(address)
    yield line
    line.close()


@pytest.fixture
def rival(
    paper_venue: PaperVenue, tmp_path: Path, database: Database, portfolio: str
) -> Iterator[Callable[..., Executor]]:
    """A second executor of the same account, with a journal of its own."""
    made: list[Executor] = []

    def make(**config: Any) -> Executor:
        folder = tmp_path / f"rival{len(made)}"
        folder.mkdir()
        url = config.pop("database_url", database.executor)
        config = {"account": portfolio, "lease_s": LEASE_S} | config
        made.append(Executor(folder, paper_venue.url, url, **config))
        return made[-1]

    yield make
    for executor in made:
        if executor.process is not None and executor.process.poll() is None:
            executor.stop()


def says(executor: Executor, text: str, seconds: float = 30) -> None:
    executor.until(lambda: text in executor.text(), seconds)


def places(executor: Executor, price: str = "45000") -> str:
    code: str = executor.place(price=price)["code"]
    return code


async def test_the_second_stands_by_and_takes_over_at_a_clean_stop(
    rival: Callable[..., Executor], paper_venue: PaperVenue
) -> None:
    first, second = rival(), rival()
    first.start()
    second.start(ready=False)
    says(second, "standing by")
    assert places(first) == "accepted"
    assert places(second) == "not_ready"
    assert second.get("/readyz")[0] == 503
    assert second.snapshot()["open_orders"] == [], "a stand-by does not look after another's orders"
    assert first.stop() == 0
    second.until(lambda: second.get("/readyz")[0] == 200)
    assert places(second) == "accepted"


async def test_a_restart_takes_up_its_own_lease_at_once_and_the_epoch_grows(
    rival: Callable[..., Executor], owner: asyncpg.Connection
) -> None:
    executor = rival().start()
    epochs = [await owner.fetchval("select epoch from private.executor_leases")]
    executor.process.kill()  # type: ignore[union-attr]
    executor.process.wait()  # type: ignore[union-attr]
    executor.start()
    epochs.append(await owner.fetchval("select epoch from private.executor_leases"))
    assert epochs == [1, 2]
    assert "from another" not in executor.text()
    assert places(executor) == "accepted"


async def test_entries_stop_before_another_can_take_over_and_protection_goes_on(
    rival: Callable[..., Executor], paper_venue: PaperVenue, database: Database, proxy: FaultyProxy,
    owner: asyncpg.Connection,
) -> None:  # fmt: skip
    through = database.executor.replace(database.executor.rsplit("@", 1)[1].split("/", 1)[0],
                                        proxy.url.removeprefix("http://"))  # fmt: skip
    first = rival(database_url=through).start()
    desk = Desk(paper_venue, first)
    entry = first.place(quantity="0.1", price="49000", stop_loss="47000")["command_id"]
    late = first.place(quantity="0.1", price="46000", stop_loss="45000")["command_id"]
    second = rival()
    second.start(ready=False)
    says(second, "standing by")

    proxy.pause()
    assert places(first) == "accepted", "entries go on for a while"
    first.until(lambda: places(first) == "not_ready")
    lease = await owner.fetchrow("select expires_at > clock_timestamp() as live, epoch from private.executor_leases")
    assert lease is not None
    assert (lease["live"], lease["epoch"]) == (True, 1), "before the lease ends"
    assert first.get("/readyz")[0] == 503

    # A fill is protected without lease and database.
    snapshot = await asyncio.to_thread(desk.bar, "49100", "49200", "48900", "49100")
    legs = [order for order in snapshot["open_orders"] if order["parent_id"] == entry]
    assert [(leg["type"], leg["quantity"]) for leg in legs] == [("stop_loss", "0.0999")]
    assert first.command("cancel", {"order_id": first.snapshot()["open_orders"][-1]["order_id"]})["code"] != "not_ready"

    # The other takes over, keeps the stop and cancels the entry whose bracket only the first knows.
    await asyncio.to_thread(second.until, lambda: second.get("/readyz")[0] == 200, 30)
    second.drain()
    left = {order["client_order_id"] for order in paper_venue.account()["open_orders"]}
    assert left == {leg["client_order_id"] for leg in legs}
    assert uuid.UUID(late).hex not in str(left)
    assert places(second) == "accepted"

    # Its line back, the first finds the higher epoch: fenced, its rows refused.
    proxy.resume()
    says(first, "FENCED")
    assert places(first) == "not_ready"
    says(first, "standing by")
    assert first.snapshot()["sink_pending"] > 0
    assert places(second) == "accepted"


async def test_the_database_refuses_a_stale_epoch(owner: asyncpg.Connection, database: Database) -> None:
    account, first, second = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    connection = await asyncpg.connect(database.executor)
    take = "select new_epoch, taken_over from private.take_lease($1, $2, $3)"
    assert tuple((await connection.fetchrow(take, account, first, 30)) or ()) == (1, False)
    assert await connection.fetchrow(take, account, second, 30) is None, "it is held"
    assert tuple((await connection.fetchrow(take, account, first, 0)) or ()) == (2, False)
    assert tuple((await connection.fetchrow(take, account, second, 30)) or ()) == (3, True), "it has ended"
    assert await connection.fetchval("select private.renew_lease($1, 2, 30)", account) is False
    await connection.execute("select private.hold_lease($1, 3)", account)
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="taken the account over"):
        await connection.execute("select private.hold_lease($1, 2)", account)
    # While a write is under way nobody takes over; a heartbeat does not wait.
    await owner.execute("update private.executor_leases set expires_at = now()")
    async with connection.transaction():
        await connection.execute("select private.hold_lease($1, 3)", account)
        assert await owner.fetchval("select private.renew_lease($1, 3, 0)", account) is True
        await owner.execute("set lock_timeout = '100ms'")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await owner.execute(take, account, first, 30)
    assert tuple((await owner.fetchrow(take, account, first, 30)) or ()) == (4, True)
    await connection.close()


async def test_what_was_issued_before_the_take_over_is_not_done_again(
    rival: Callable[..., Executor], owner: asyncpg.Connection, database: Database, paper_venue: PaperVenue
) -> None:
    first, second = rival(), rival()
    first.start()
    second.key, second.config["command_keys"] = first.key, first.config["command_keys"]
    order = {"symbol": "BTCUSDT", "side": "buy", "type": "limit", "quantity": "0.01"}
    resting, filling = (first.envelope("place", order | {"price": price}, ttl=120) for price in ("45000", "50000"))
    assert first.send(resting)["status"] == first.send(filling)["status"] == "accepted"
    await asyncio.to_thread(Desk(paper_venue, first).bar, "50100", "50200", "49900", "50100")
    assert first.stop() == 0
    second.start()
    second.drain()
    answer = second.send(filling)
    assert (answer["status"], answer["code"]) == ("refused", "expired")
    assert "took the account over" in answer["message"]
    # One that was found at the venue is known by its id.
    assert second.send(resting)["order"]["status"] == "cancelled"
    assert paper_venue.account()["open_orders"] == []
    assert len(paper_venue.account()["trades"]) == 1
    assert places(second) == "accepted"


async def test_commands_in_the_table_are_the_holder_s(
    rival: Callable[..., Executor], owner: asyncpg.Connection, paper_venue: PaperVenue
) -> None:
    first, second = rival(), rival()
    second.key, second.config["command_keys"] = first.key, first.config["command_keys"]
    first.start()
    second.start(ready=False)
    says(second, "standing by")
    order = {"symbol": "BTCUSDT", "side": "buy", "type": "limit", "quantity": "0.01", "price": "45000"}
    for _ in range(10):
        envelope = first.envelope("place", order)
        await owner.execute(
            "insert into public.executor_commands (command_id, portfolio_id, envelope) values ($1, $2, $3)",
            uuid.UUID(envelope["command_id"]), uuid.UUID(first.account), json.dumps(envelope),
        )  # fmt: skip
    for _ in range(300):
        left = await owner.fetchval("select count(*) from public.executor_commands where answered_at is null")
        if left == 0:
            break
        await asyncio.sleep(0.05)
    codes = await owner.fetch("select answer->>'code' as code from public.executor_commands")
    assert [row["code"] for row in codes] == ["accepted"] * 10
    assert len(paper_venue.account()["open_orders"]) == 10
    assert "command answered" not in second.text()
