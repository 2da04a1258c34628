"""Whatever is not to be carried out: refused with a code of its own, journaled as refused, counted."""

from __future__ import annotations

import json
import subprocess
import uuid
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.executor.running_executor import BINARY, Desk, Executor

ORDER = {"symbol": "BTCUSDT", "side": "buy", "type": "limit", "quantity": "0.01", "price": "45000"}


def counted(executor: Executor, code: str) -> int:
    """How many were refused with `code`, as the metrics have it."""
    page: str = executor.get("/metrics")[1]
    name = f'smc_refusals_total{{code="{code}"}} '
    return next((int(line.removeprefix(name)) for line in page.splitlines() if line.startswith(name)), 0)


def journaled(executor: Executor) -> list[dict[str, Any]]:
    out = subprocess.run(
        [BINARY, "journal", "export", executor.config["journal"]], capture_output=True, text=True, check=True
    )
    return [json.loads(line)["fact"] for line in out.stdout.splitlines()]


def turned_away(executor: Executor) -> list[str]:
    return [fact["turned_away"]["code"] for fact in journaled(executor) if "turned_away" in fact]


def answered(executor: Executor) -> list[str]:
    return [fact["answered"]["code"] for fact in journaled(executor) if "answered" in fact]


def test_what_never_was_a_command(desk: Desk) -> None:
    executor = desk.executor
    good = executor.envelope("place", ORDER)
    unsigned = {name: value for name, value in good.items() if name != "signature"}
    forged = executor.signed(unsigned, Ed25519PrivateKey.generate())
    sent = [
        ("bad_signature", json.dumps(forged)),
        ("unknown_key", json.dumps(executor.signed(unsigned | {"key_id": "other"}))),
        ("expired", json.dumps(executor.envelope("place", ORDER, age=60, ttl=30))),
        ("malformed", json.dumps(executor.envelope("place", ORDER | {"leverage": "3"}))),
        ("malformed", "{"),
        ("malformed", json.dumps(executor.signed(unsigned | {"trace_id": "two\nlines"}))),
        ("oversized", json.dumps(good | {"payload": ORDER | {"reason": "x" * 70_000}})),
        ("unknown_account", json.dumps(executor.signed(unsigned | {"account": str(uuid.uuid4())}))),
    ]
    for done, (code, body) in enumerate(sent, 1):
        before = counted(executor, code)
        assert executor.post("/v1/commands", body)[1]["code"] == code
        assert counted(executor, code) == before + 1
        assert turned_away(executor) == [code for code, _ in sent[:done]]
    assert desk.venue.account()["open_orders"] == []
    # They are nobody's facts: a restart reads them, and no account is different for it.
    executor.stop()
    executor.start()
    assert executor.place(price="45000")["status"] == "accepted"


def test_a_flood_of_forgeries_is_counted_and_does_not_fill_the_disk(desk: Desk) -> None:
    forged = json.dumps(desk.executor.envelope("place", ORDER) | {"signature": "AAAA"})
    for _ in range(120):
        desk.executor.post("/v1/commands", forged)
    assert counted(desk.executor, "bad_signature") == 120
    assert 50 <= len(turned_away(desk.executor)) < 100
    assert desk.executor.place(price="45000")["status"] == "accepted"


def test_a_replayed_command_gets_its_first_answer_and_acts_once(desk: Desk) -> None:
    envelope = desk.executor.envelope("place", ORDER)
    first = desk.executor.send(envelope)
    assert [desk.executor.send(envelope) for _ in range(5)] == [first] * 5
    assert "smc_commands_repeated_total 5" in desk.executor.get("/metrics")[1]
    assert answered(desk.executor) == ["accepted"]
    assert len(desk.venue.account()["open_orders"]) == 1


@pytest.mark.parametrize(
    ("limits", "order", "code"),
    [
        ({"max_order_notional": "100"}, {}, "max_order_notional"),
        ({"max_position_notional": "100"}, {}, "max_position_notional"),
        ({"max_open_orders": 0}, {}, "max_open_orders"),
        ({"max_orders_per_minute": 0}, {}, "order_rate"),
        ({"price_collar": "0.01"}, {"price": "60000"}, "price_collar"),
        ({}, {"price": "45000.001"}, "filter_price"),
        ({}, {"quantity": "0.000001"}, "filter_lot"),
        ({}, {"quantity": "0.00001"}, "filter_notional"),
        ({}, {"side": "sell", "reduce_only": True}, "reduce_only"),
        ({}, {"quantity": "50"}, "insufficient_balance"),
        ({}, {"symbol": "NOSUCH"}, "unknown_symbol"),
    ],
)
def test_beyond_a_limit_or_a_rule(desk: Desk, limits: dict[str, Any], order: dict[str, Any], code: str) -> None:
    if limits:
        assert desk.executor.command("set_limits", limits)["status"] == "accepted"
    answer = desk.executor.command("place", ORDER | order)
    assert (answer["status"], answer["code"]) == ("refused", code), answer
    assert answer["message"]
    assert counted(desk.executor, code) == 1
    assert answered(desk.executor)[-1] == code
    assert desk.venue.account()["open_orders"] == []


def test_by_switch(desk: Desk) -> None:
    for action, code in [("pause", "paused"), ("kill", "killed")]:
        assert desk.executor.command(action)["status"] == "accepted"
        assert desk.executor.command("place", ORDER)["code"] == code
        assert counted(desk.executor, code) == 1
        assert answered(desk.executor)[-1] == code
        assert desk.executor.command("resume")["status"] == "accepted"
    assert desk.executor.command("cancel", {"order_id": str(uuid.uuid4())})["code"] == "unknown_order"
    assert counted(desk.executor, "unknown_order") == 1
