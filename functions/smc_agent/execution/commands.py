"""Commands to the executor: payloads from intents, and the signed envelope around them."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from smc_agent import __version__
from smc_agent.risk import OrderIntent


def sign(
    seed: bytes,
    key_id: str,
    command_id: str,
    account: str,
    action: str,
    payload: Mapping[str, Any],
    now: datetime,
    ttl: timedelta,
    trace_id: str | None = None,
) -> dict[str, Any]:
    """The envelope of a command, signed with the Ed25519 `seed` (32 bytes) over its RFC 8785 form.

    `now` must know its time zone; after `now + ttl` the executor refuses the command. `trace_id` names the request
    behind it in the executor's log. ValueError for another seed.
    """
    if len(seed) != 32:
        raise ValueError(f"an Ed25519 seed has 32 bytes, not {len(seed)}; check SMC_COMMAND_KEY")
    if now.tzinfo is None:
        raise ValueError("the time of a command needs a time zone")
    envelope: dict[str, Any] = {
        "command_id": command_id,
        "account": account,
        "action": action,
        "payload": dict(payload),
        "issued_at": _iso(now),
        "expires_at": _iso(now + ttl),
        "key_id": key_id,
    }
    if trace_id is not None:
        envelope["trace_id"] = trace_id
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(rfc8785.dumps(envelope))
    return {**envelope, "signature": base64.b64encode(signature).decode()}


def place_payload(intent: OrderIntent) -> dict[str, Any]:
    """The payload of `place`; money as decimal strings, nothing that is not set."""
    amounts = {
        "quantity": intent.quantity,
        "price": intent.price,
        "stop_price": intent.stop_price,
        "stop_loss": intent.stop_loss,
        "take_profit": intent.take_profit,
    }
    payload: dict[str, Any] = {
        "symbol": intent.symbol,
        "side": intent.side,
        "type": intent.type,
        **{name: plain(amount) for name, amount in amounts.items() if amount is not None},
        "reason": intent.reason,
        "version": __version__,
    }
    if intent.time_in_force is not None:
        payload["time_in_force"] = intent.time_in_force
    if intent.reduce_only:
        payload["reduce_only"] = True
    if intent.post_only:
        payload["post_only"] = True
    if intent.session_id is not None:
        payload["session_id"] = intent.session_id
    if intent.market_time_ms is not None:
        payload["market_time_ms"] = intent.market_time_ms
    return payload


def cancel_payload(order_id: str, reason: str) -> dict[str, Any]:
    """The payload of `cancel`."""
    return {"order_id": order_id, "reason": reason}


def plain(amount: Decimal) -> str:
    """`amount` without exponent and without idle zeros: 1E+3 -> 1000, 0.500 -> 0.5."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
