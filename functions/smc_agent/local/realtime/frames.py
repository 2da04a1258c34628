"""The wire format of Phoenix channels, versions 1.0.0 (JSON objects) and 2.0.0 (JSON arrays, binary broadcasts)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

Version = Literal["1.0.0", "2.0.0"]
BROADCAST, PUSH = 4, 3  # first byte of a binary broadcast: from the server, from a client
_BINARY, _JSON = 0, 1


class BadFrame(Exception):
    """A message that is no frame; the message says what is wrong."""


@dataclass(frozen=True)
class Frame:
    """One message. `payload` is an object; `ref` is the client's number for it, null in what the server pushes."""

    topic: str
    event: str
    payload: dict[str, Any]
    ref: str | None = None
    join_ref: str | None = None


@dataclass(frozen=True)
class Broadcast:
    """A broadcast to `topic`: `body` is JSON text, passed on to the last digit, or bytes (version 2.0.0 only)."""

    topic: str
    event: str
    body: str | bytes
    meta: dict[str, str] | None = None


def decode(data: str | bytes, version: Version) -> Frame:
    """A client's message; the `payload["payload"]` of a binary broadcast may be bytes. Raises BadFrame."""
    if isinstance(data, bytes):
        return _decode_push(data)
    value = load_json(data)
    if version == "2.0.0":
        if not isinstance(value, list) or len(value) != 5:
            raise BadFrame("a message is [join_ref, ref, topic, event, payload]")
        join_ref, ref, topic, event, payload = value
    elif isinstance(value, dict):
        join_ref, ref, topic, event, payload = (
            value.get(name) for name in ("join_ref", "ref", "topic", "event", "payload")
        )
    else:
        raise BadFrame("a message is {topic, event, payload, ref, join_ref}")
    if not isinstance(topic, str) or not isinstance(event, str):
        raise BadFrame("topic and event are strings")
    if not isinstance(payload, dict):
        payload = {}
    return Frame(topic, event, payload, _text(ref), _text(join_ref))


def encode(frame: Frame, version: Version) -> str:
    """A message of the server."""
    if version == "2.0.0":
        return dump_json([frame.join_ref, frame.ref, frame.topic, frame.event, frame.payload])
    names = ("topic", "event", "payload", "ref", "join_ref")
    return dump_json({name: getattr(frame, name) for name in names})


def encode_broadcast(message: Broadcast, version: Version) -> str | bytes | None:
    """A broadcast of the server; None where the version cannot carry it (bytes in 1.0.0)."""
    meta = dump_json(message.meta) if message.meta else ""
    if version == "2.0.0":
        head = [part.encode() for part in (message.topic, message.event, meta)]
        if all(len(part) <= 255 for part in head):
            body, encoding = (
                (message.body, _BINARY) if isinstance(message.body, bytes) else (message.body.encode(), _JSON)
            )
            return bytes([BROADCAST, *map(len, head), encoding]) + b"".join(head) + body
    if isinstance(message.body, bytes):
        return None
    topic, event = dump_json(message.topic), dump_json(message.event)
    payload = f'{{"type":"broadcast","event":{event},"payload":{message.body}{"," if meta else ""}'
    payload += f'"meta":{meta}}}' if meta else "}"
    if version == "2.0.0":
        return f'[null,null,{topic},"broadcast",{payload}]'
    return f'{{"topic":{topic},"event":"broadcast","payload":{payload},"ref":null,"join_ref":null}}'


def load_json(text: str) -> Any:
    """JSON and nothing beyond it. Raises BadFrame."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise BadFrame("the message is not JSON") from None


def dump_json(value: Any) -> str:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _decode_push(data: bytes) -> Frame:
    if len(data) < 7 or data[0] != PUSH:
        raise BadFrame("a binary message is a broadcast: its first byte is 3")
    sizes, encoding, offset = data[1:6], data[6], 7
    if offset + sum(sizes) > len(data):
        raise BadFrame("the binary message is shorter than its header says")
    parts: list[str] = []
    try:
        for size in sizes:
            parts.append(data[offset : offset + size].decode())
            offset += size
        body: Any = load_json(data[offset:].decode()) if encoding == _JSON else data[offset:]
    except UnicodeDecodeError:
        raise BadFrame("the binary message's names are not UTF-8") from None
    join_ref, ref, topic, event, _ = parts
    payload = {"type": "broadcast", "event": event, "payload": body}
    return Frame(topic, "broadcast", payload, ref or None, join_ref or None)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _text(value: object) -> str | None:
    return None if value is None else str(value)
