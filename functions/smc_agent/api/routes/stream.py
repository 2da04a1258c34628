"""The WebSocket: live bars, patterns and signals. Its protocol is in docs/contracts.md."""

import asyncio
import contextlib
import json
import time
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from smc_agent.api.deps import Parts, parts_of
from smc_agent.api.routes.market import Symbol
from smc_agent.api.stream_hub import Client, DataType
from smc_agent.platform.auth import Principal
from smc_agent.platform.limits import READ, enforce
from smc_agent.platform.problems import Problem

router = APIRouter()

TOKEN_WITHIN_S: Final = 5.0
HEARTBEAT_S: Final = 15.0
RECHECK_S: Final = 60.0  # whether the user is still active and his key not revoked
MAX_MESSAGE: Final = 8 * 1024
MAX_SYMBOLS: Final = 200

# Close codes: 4000 + the HTTP status that would say the same.
MALFORMED, UNAUTHORIZED, FORBIDDEN, TIMEOUT, TOO_MANY = 4400, 4401, 4403, 4408, 4429


class Credential(BaseModel):
    """The first message; later ones replace the credential before it ends."""

    model_config = ConfigDict(extra="forbid")
    token: str = Field(min_length=1, max_length=MAX_MESSAGE)


class Subscription(BaseModel):
    """What to send from now on, or no more."""

    model_config = ConfigDict(extra="forbid")
    action: Literal["subscribe", "unsubscribe"]
    symbols: list[Symbol] = Field(min_length=1, max_length=MAX_SYMBOLS)
    data_types: list[str] = Field(min_length=1)

    @field_validator("data_types")
    @classmethod
    def _served(cls, data_types: list[str]) -> list[str]:
        served = get_args(DataType)
        for name in data_types:
            if name not in served:
                raise ValueError(
                    f"{name[:50]!r} is not served; subscribe to {' or '.join(served)}"
                    " (trade signals come with smc_patterns)"
                )
        return data_types


class Refused(Exception):
    """The connection ends: why, and with which close code."""

    def __init__(self, close_code: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.close_code, self.code, self.detail = close_code, code, detail


def same_origin(headers: Any, supabase_url: str | None) -> bool:
    """Whether a browser's page of ours (or no browser at all) opened the connection.

    Ours: its origin is the host that was asked, behind a proxy the host that the proxy was asked, or the project.
    """
    origin = headers.get("origin")
    if origin is None:
        return True
    ours = {headers.get("host"), headers.get("x-forwarded-host"), urlsplit(supabase_url or "").netloc}
    # One machine has two names for itself, and a proxy on it may know the other one.
    return _loopback(urlsplit(origin).netloc) in {_loopback(host) for host in ours if host}


def _loopback(host: str) -> str:
    return "127.0.0.1:" + host.removeprefix("localhost:") if host.startswith("localhost:") else host


@router.websocket("/api/v1/market/stream")
async def stream(websocket: WebSocket) -> None:
    parts = parts_of(websocket)
    if not same_origin(websocket.headers, parts.settings.supabase_url):
        await websocket.close(FORBIDDEN)  # before the handshake: HTTP 403
        return
    await websocket.accept()
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # RuntimeError: sent after the client had gone
        try:
            await _serve(websocket, parts)
        except Refused as refused:
            await _send_error(websocket, refused.code, refused.detail)
            await websocket.close(refused.close_code, refused.code)


async def _serve(websocket: WebSocket, parts: Parts) -> None:
    principal = await _first_principal(websocket, parts)
    client = Client(principal.user_id)
    holder = _Holder(principal)
    parts.stream.start()
    parts.stream.add(client)
    jobs = [
        asyncio.create_task(job)
        for job in (
            _receive(websocket, parts, client, holder),
            _send(websocket, client),
            _recheck(parts, holder),
        )
    ]
    try:
        done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        for job in done:
            job.result()
    finally:
        parts.stream.remove(client)
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


class _Holder:
    """Who is connected; a new credential of the same user replaces the old one."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.renewed = asyncio.Event()


async def _read(websocket: WebSocket) -> Any:
    try:
        text = await websocket.receive_text()
    except KeyError:  # a frame of bytes
        raise Refused(MALFORMED, "invalid_json", "A message is one JSON object, sent as text.") from None
    if len(text) > MAX_MESSAGE:
        raise Refused(MALFORMED, "message_too_large", f"A message may hold at most {MAX_MESSAGE} characters.")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused(MALFORMED, "invalid_json", "A message is one JSON object.") from None
    if not isinstance(message, dict):
        raise Refused(MALFORMED, "invalid_json", "A message is one JSON object.")
    return message


async def _authenticate(parts: Parts, message: Any) -> Principal:
    try:
        token = Credential.model_validate(message).token
    except ValidationError:
        raise Refused(UNAUTHORIZED, "missing_credentials", 'The first message is {"token": "..."}.') from None
    try:
        principal = await parts.authenticator.authenticate(token)
        principal.require("read")
        await enforce(parts.limiter, READ, principal.rate_key)
    except Problem as problem:
        raise Refused(4000 + problem.status, problem.code, problem.detail) from None
    return principal


async def _first_principal(websocket: WebSocket, parts: Parts) -> Principal:
    try:
        message = await asyncio.wait_for(_read(websocket), TOKEN_WITHIN_S)
    except TimeoutError:
        raise Refused(TIMEOUT, "missing_credentials", "No token came within 5 seconds.") from None
    return await _authenticate(parts, message)


async def _receive(websocket: WebSocket, parts: Parts, client: Client, holder: _Holder) -> None:
    while True:
        message = await _read(websocket)
        if "token" in message:
            principal = await _authenticate(parts, message)
            if principal.user_id != holder.principal.user_id:
                raise Refused(FORBIDDEN, "invalid_token", "A connection belongs to one user; open another.")
            holder.principal = principal
            holder.renewed.set()
            continue
        try:
            subscription = Subscription.model_validate(message)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "message"
            detail = f"{where}: {first['msg'].removeprefix('Value error, ')}."
            client.tell("error", {"code": "validation_failed", "detail": detail})
            continue
        if not client.change(subscription.action, subscription.symbols, subscription.data_types, MAX_SYMBOLS):
            client.tell("error", {"code": "too_many_symbols", "detail": f"At most {MAX_SYMBOLS} symbols a connection."})
            continue
        client.tell("subscribed", {"symbols": {symbol: sorted(types) for symbol, types in client.wanted.items()}})


async def _send(websocket: WebSocket, client: Client) -> None:
    while True:
        try:
            message = await asyncio.wait_for(client.take(), HEARTBEAT_S)
        except TimeoutError:
            client.tell("heartbeat", {})
            continue
        await websocket.send_text(json.dumps(message, separators=(",", ":")))


async def _recheck(parts: Parts, holder: _Holder) -> None:
    while True:
        holder.renewed.clear()
        left = holder.principal.expires_at - time.time()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(holder.renewed.wait(), max(0.0, min(RECHECK_S, left)))
            continue
        try:
            await parts.authenticator.still_valid(holder.principal)
        except Problem as problem:
            if problem.code != "database_unavailable":  # says nothing about the user; the next round asks again
                raise Refused(4000 + problem.status, problem.code, problem.detail) from None


async def _send_error(websocket: WebSocket, code: str, detail: str) -> None:
    now = int(time.time() * 1000)
    error = {"type": "error", "symbol": None, "data": {"code": code, "detail": detail}, "timestamp": now, "seq": 0}
    await websocket.send_text(json.dumps(error))
