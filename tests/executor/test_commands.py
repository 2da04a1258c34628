"""Who may command the executor, and what a repeated command gets."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.executor.running_executor import Desk, Executor
from tests.paper_venue.running_venue import PaperVenue

ORDER = {"symbol": "BTCUSDT", "side": "buy", "type": "limit", "quantity": "0.01", "price": "45000"}


def test_a_repeated_command_gets_the_first_answer_and_makes_one_order(desk: Desk) -> None:
    envelope = desk.executor.envelope("place", ORDER)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(desk.executor.send, [envelope] * 8))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["status"] == "accepted"
    assert len(desk.venue.account()["open_orders"]) == 1
    # Signed anew under the same id, with other content: still the first answer.
    other = desk.executor.envelope("place", ORDER | {"quantity": "0.02"}, command_id=envelope["command_id"])
    assert desk.executor.send(other) == answers[0]
    assert len(desk.venue.account()["open_orders"]) == 1


def test_a_repetition_gets_its_answer_even_when_it_has_expired(desk: Desk) -> None:
    envelope = desk.executor.envelope("place", ORDER, age=29, ttl=30)
    first = desk.executor.send(envelope)
    assert first["status"] == "accepted"
    late = desk.executor.envelope("place", ORDER, command_id=envelope["command_id"], age=3600)
    assert desk.executor.send(late) == first


def test_a_refusal_is_repeated_as_well(desk: Desk) -> None:
    envelope = desk.executor.envelope("place", ORDER | {"price": "45000.001"})
    first = desk.executor.send(envelope)
    assert first["code"] == "filter_price"
    assert desk.executor.send(envelope) == first


def test_what_is_not_signed_as_it_stands_is_refused(desk: Desk) -> None:
    def refused(envelope: Any, status: int, code: str) -> None:
        body = envelope if isinstance(envelope, str) else json.dumps(envelope)
        answer = desk.executor.post("/v1/commands", body)
        assert (answer[0], answer[1]["status"], answer[1]["code"]) == (status, "refused", code), answer
        assert answer[1]["message"]

    good = desk.executor.envelope("place", ORDER)
    refused(good | {"payload": ORDER | {"quantity": "1"}}, 401, "bad_signature")
    refused(good | {"expires_at": "2999-01-01T00:00:00.000Z"}, 401, "bad_signature")
    unsigned = {name: value for name, value in good.items() if name != "signature"}
    refused(unsigned, 400, "malformed")
    refused(desk.executor.signed(unsigned, Ed25519PrivateKey.generate()), 401, "bad_signature")
    refused(desk.executor.signed(unsigned | {"key_id": "other"}), 401, "unknown_key")
    refused(desk.executor.envelope("place", ORDER, age=60, ttl=30), 401, "expired")
    refused(desk.executor.envelope("place", ORDER, age=-60), 401, "expired")
    refused(desk.executor.signed(unsigned | {"account": str(uuid.uuid4())}), 200, "unknown_account")
    refused(desk.executor.envelope("place", ORDER | {"quantity": 0.01}), 400, "malformed")
    refused(desk.executor.envelope("place", ORDER | {"leverage": "3"}), 400, "malformed")
    refused(desk.executor.envelope("transfer", {}), 400, "malformed")
    refused("{", 400, "malformed")
    refused("[]", 400, "malformed")
    refused("", 400, "malformed")
    refused(json.dumps(good | {"payload": ORDER | {"reason": "x" * 70_000}}), 413, "oversized")
    assert desk.venue.account()["open_orders"] == []


def test_snapshots_need_the_token_and_health_does_not(desk: Desk) -> None:
    path = f"/v1/accounts/{desk.executor.account}"
    assert desk.executor.get(path)[0] == 401
    assert desk.executor.post(f"{path}/drain", "")[0] == 401
    assert desk.executor.get(f"/v1/accounts/{uuid.uuid4()}", authorized=True)[0] == 404
    assert desk.executor.get("/healthz") == (200, "ok")
    assert desk.executor.get("/readyz") == (200, "ready")


def test_pause_stops_entries_and_lets_exits_and_cancels_pass(desk: Desk) -> None:
    desk.executor.place(type="market", quantity="0.1")
    desk.bar("50000", "50000", "50000", "50000")
    resting = desk.executor.place(price="45000")
    assert desk.executor.command("pause")["status"] == "accepted"
    assert desk.executor.place(price="45000")["code"] == "paused"
    assert desk.executor.place(side="sell", price="51000", quantity="0.05")["status"] == "accepted"
    assert desk.executor.place(side="sell", price="51000", quantity="0.06")["code"] == "reduce_only"
    assert desk.executor.command("cancel", {"order_id": resting["command_id"]})["status"] == "accepted"
    assert desk.executor.command("resume")["status"] == "accepted"
    assert desk.executor.place(price="45000")["status"] == "accepted"


def test_the_kill_switch_keeps_stops_and_survives_a_restart(desk: Desk) -> None:
    desk.executor.place(quantity="0.1", price="50000", stop_loss="49000")
    desk.bar("50100", "50200", "49900", "50100")
    desk.executor.place(price="45000")
    assert desk.executor.command("kill", {"reason": "test"})["status"] == "accepted"
    snapshot = desk.executor.drain()
    assert snapshot["killed"]
    assert [order["type"] for order in snapshot["open_orders"]] == ["stop_loss"]
    assert desk.executor.stop() == 0
    desk.executor.start()
    assert desk.executor.snapshot()["killed"]
    assert desk.executor.place(price="45000")["code"] == "killed"
    assert desk.executor.command("resume")["status"] == "accepted"
    assert desk.executor.place(price="45000")["status"] == "accepted"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"token": "short"}, "token is shorter"),
        ({"accounts": []}, "accounts is empty"),
        ({"command_keys": [{"key_id": "k", "public_key": "AAAA"}]}, "public_key must be"),
        ({"surprise": 1}, "unknown field `surprise`"),
        ({"journal": "/nowhere/at/all/journal"}, "check that the folder exists"),
    ],
)
def test_a_bad_configuration_is_one_clear_error(
    make_executor: Callable[..., Executor], change: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(AssertionError):
        make_executor(**change).start()
    executor = make_executor(**change)
    assert complaint in executor.text()
    assert "panicked" not in executor.text()


def test_one_journal_one_port_one_owner(desk: Desk, make_executor: Callable[..., Executor]) -> None:
    with pytest.raises(AssertionError, match="another process has it open"):
        make_executor().start()
    taken = desk.executor.url.removeprefix("http://")
    with pytest.raises(AssertionError, match="stop what uses it"):
        make_executor(listen=taken, journal=desk.executor.config["journal"] + "2").start()


def test_secrets_stay_out_of_the_log(desk: Desk, paper_venue: PaperVenue) -> None:
    desk.executor.place(price="45000")
    desk.executor.place(price="45000", quantity="5")
    paper_venue.stop()
    desk.executor.place(price="45000")
    desk.executor.stop()
    text = desk.executor.text()
    assert "cannot be reached" in text or "user stream is down" in text
    for secret in ("secret-of-alice", "key-of-alice", "executor-token", "signature=", "nothing@"):
        assert secret not in text
