"""Around every request: an id, a limit to the body, security headers, one log line without query, header or body."""

import logging
import re
import time
import uuid
from contextvars import ContextVar

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("smc_agent.api")

MAX_BODY = 64 * 1024
REQUEST_ID = "X-Request-ID"
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
}
# The request that is being served, for what it sends on; None outside of one.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_PLAUSIBLE_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")


def _id_of(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _PLAUSIBLE_ID.fullmatch(value):
            return str(value.decode())
    return uuid.uuid4().hex


class Envelope:
    """ASGI middleware; the request's id is `request.state.request_id`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        own_id = _id_of(scope)
        request_id.set(own_id)
        scope.setdefault("state", {})["request_id"] = own_id
        started = time.perf_counter()
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY:
                raise HTTPException(413)
            return message

        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = own_id
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
            await send(message)

        try:
            await self._app(scope, receive_limited, send_with_headers)
        finally:
            log.info(
                "%s %s -> %d in %.1f ms [%s]",
                scope["method"],
                scope["path"].encode("unicode_escape").decode(),  # no line breaks of others in our log
                status,
                (time.perf_counter() - started) * 1000,
                own_id,
            )
