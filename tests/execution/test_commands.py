"""Signed commands: verified by their public key, refused after any change."""

import base64
import copy
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from smc_agent import __version__
from smc_agent.execution import cancel_payload, place_payload, sign
from smc_agent.execution.commands import plain
from smc_agent.market import SymbolRules
from smc_agent.risk import AccountView, Balance, Book, OrderIntent, RiskLimits, assess
from smc_agent.strategy import Signal

SEED = bytes(range(32))
NOW = datetime(2026, 1, 2, 3, 4, 5, 678_900, UTC)


def envelope(payload: dict[str, Any] | None = None) -> dict[str, Any]:
    return sign(
        SEED,
        "k1",
        "c-1",
        "a-1",
        "place",
        payload or {"quantity": "0.10", "reason": "Lücke ≥ 2"},
        NOW,
        timedelta(seconds=30),
    )


def verify(signed: dict[str, Any]) -> None:
    """As the executor does, from the bytes that went over the wire."""
    received = json.loads(json.dumps(signed))
    signature = base64.b64decode(received.pop("signature"))
    Ed25519PrivateKey.from_private_bytes(SEED).public_key().verify(signature, rfc8785.dumps(received))


def test_the_signature_verifies() -> None:
    signed = envelope()
    verify(signed)
    assert signed["issued_at"] == "2026-01-02T03:04:05.678Z"
    assert signed["expires_at"] == "2026-01-02T03:04:35.678Z"
    assert set(signed) == {
        "command_id", "account", "action", "payload", "issued_at", "expires_at", "key_id", "signature",
    }  # fmt: skip


@pytest.mark.parametrize("field", ["command_id", "account", "action", "issued_at", "expires_at", "key_id"])
def test_any_changed_field_is_refused(field: str) -> None:
    signed = envelope()
    signed[field] += "x"
    with pytest.raises(InvalidSignature):
        verify(signed)


def test_a_changed_payload_is_refused() -> None:
    for change in ({"quantity": "0.1"}, {"reason": "Lucke ≥ 2"}, {"more": True}):
        signed = copy.deepcopy(envelope())
        signed["payload"].update(change)
        with pytest.raises(InvalidSignature):
            verify(signed)


def test_the_order_of_keys_does_not_matter() -> None:
    assert envelope({"a": "1", "b": "2"})["signature"] == envelope({"b": "2", "a": "1"})["signature"]


def test_times_are_utc_and_need_a_zone() -> None:
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    assert sign(SEED, "k", "c", "a", "kill", {}, east, timedelta(1))["issued_at"] == "2026-01-02T03:04:05.678Z"
    with pytest.raises(ValueError, match="time zone"):
        sign(SEED, "k", "c", "a", "kill", {}, NOW.replace(tzinfo=None), timedelta(1))


def test_a_short_seed_is_refused_without_showing_it() -> None:
    with pytest.raises(ValueError, match="32 bytes") as caught:
        sign(b"secret-secret", "k", "c", "a", "kill", {}, NOW, timedelta(1))
    assert "secret" not in str(caught.value)


def intent() -> OrderIntent:
    rules = SymbolRules(
        symbol="BTCUSDT", base="BTC", quote="USDT", tick=Decimal("0.01"), step=Decimal("0.00001"),
        min_quantity=Decimal("0.00001"), min_notional=Decimal(5),
    )  # fmt: skip
    signal = Signal(
        id="s", symbol="BTCUSDT", time_ms=60_000, direction="bullish", entry=Decimal("40000.10"), stop=Decimal("39000"),
        target=Decimal("4.2E+4"), reasons=("One.", "Two."), valid_bars=3,
    )  # fmt: skip
    book = Book(equity=Decimal(100_000), session_id="00000000-0000-0000-0000-000000000001")
    made = assess(signal, AccountView({"USDT": Balance(Decimal(100_000))}), book, RiskLimits(), rules, Decimal(40_500))
    assert isinstance(made, OrderIntent)
    return made


def test_the_payload_of_an_entry() -> None:
    assert place_payload(intent()) == {
        "symbol": "BTCUSDT",
        "side": "buy",
        "type": "limit",
        "quantity": "0.46334",
        "price": "40000.1",
        "stop_loss": "39000",
        "take_profit": "42000",
        "time_in_force": "GTC",
        "session_id": "00000000-0000-0000-0000-000000000001",
        "reason": "One. Two.",
        "market_time_ms": 60_000,
        "version": __version__,
    }
    verify(envelope(place_payload(intent())))


def test_the_payload_of_a_cancel() -> None:
    assert cancel_payload("id", "Too late.") == {"order_id": "id", "reason": "Too late."}


@pytest.mark.parametrize(
    ("amount", "text"),
    [("1E+3", "1000"), ("0.500", "0.5"), ("1E-8", "0.00000001"), ("0", "0"), ("100", "100"), ("0.000", "0")],
)  # fmt: skip
def test_money_is_written_plainly(amount: str, text: str) -> None:
    assert plain(Decimal(amount)) == text
