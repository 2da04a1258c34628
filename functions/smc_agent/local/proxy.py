"""Passes requests and WebSockets on to another process of this machine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import websockets
from starlette.background import BackgroundTask
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect

# RFC 9110 7.6.1, and what belongs to one hop only.
_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
    "upgrade", "host", "proxy-connection",
}  # fmt: skip
_TRY_LATER, _MAX_MESSAGE = 1013, 4 * 1024 * 1024


class Upstream:
    """A process to pass requests to. `name` and `cure` are what a user is told while it is away."""

    def __init__(self, base_url: str, name: str, cure: str) -> None:
        self._base, self._name, self._cure = base_url.rstrip("/"), name, cure
        # Not by a proxy of the environment: the other process is on this machine.
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(connect=5, read=300, write=60, pool=30),
            limits=httpx.Limits(max_connections=200, max_keepalive_connections=50), trust_env=False,
        )  # fmt: skip

    async def close(self) -> None:
        """Close the idle connections."""
        await self._http.aclose()

    async def http(self, request: Request, path: str, extra_headers: dict[str, str] | None = None) -> Response:
        """The other process's answer to the request, at `path`; body and answer are streamed."""
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        headers |= _forwarded(request)
        headers.setdefault("accept-encoding", "identity")  # or httpx would offer gzip in the client's name
        headers |= extra_headers or {}
        query = request.scope["query_string"].decode("latin-1")
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        outgoing = self._http.build_request(
            request.method, f"{self._base}{path}{'?' + query if query else ''}", headers=headers,
            content=request.stream() if has_body else None,
        )  # fmt: skip
        try:
            answer = await self._http.send(outgoing, stream=True)
        except httpx.TimeoutException:
            return self.away(504, f"{self._name} did not answer in time.")
        except httpx.TransportError:
            return self.away(503, f"{self._name} does not answer.")
        response = StreamingResponse(_raw(answer), answer.status_code, background=BackgroundTask(answer.aclose))
        response.raw_headers = [
            (name.lower(), value)
            for name, value in answer.headers.raw
            if (lowered := name.decode("latin-1").lower()) not in _HOP
            and lowered not in ("date", "server")
            and not lowered.startswith("access-control-")
        ]
        return response

    def away(self, status: int, what: str) -> Response:
        """RFC 9457, and `message` and `hint`, where clients of PostgREST look."""
        code = "upstream_timeout" if status == 504 else "upstream_away"
        title = "Gateway Timeout" if status == 504 else "Service Unavailable"
        detail = f"{what} {self._cure}"
        return JSONResponse(
            {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code, "message": detail,
             "hint": None, "details": None},
            status_code=status, media_type="application/problem+json", headers={"Retry-After": "2"},
        )  # fmt: skip

    async def websocket(self, socket: WebSocket, path: str) -> None:
        """Join the client with the other process's WebSocket at `path` until either ends."""
        url = "ws" + self._base.removeprefix("http") + path
        try:
            upstream = await connect(
                url, additional_headers=_forwarded(socket), open_timeout=5, max_size=_MAX_MESSAGE, proxy=None,
                origin=_origin(socket),
            )  # fmt: skip
        except (OSError, TimeoutError, websockets.WebSocketException):
            await socket.accept()
            await socket.close(_TRY_LATER, f"{self._name} does not answer. {self._cure}"[:120])
            return
        await socket.accept()
        async with upstream:
            pumps = [
                asyncio.create_task(_to_upstream(socket, upstream)),
                asyncio.create_task(_to_client(upstream, socket)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        with contextlib.suppress(RuntimeError, WebSocketDisconnect, OSError):
            # 1005 and 1006 say that no code came; they cannot be sent.
            code = upstream.close_code or 1011
            await socket.close(1011 if code in (1005, 1006) else code, upstream.close_reason or "")


async def _raw(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()  # also when the client goes away in the middle


async def _to_upstream(socket: WebSocket, upstream: ClientConnection) -> None:
    with contextlib.suppress(WebSocketDisconnect, websockets.ConnectionClosed, RuntimeError):
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await upstream.send(message["text"] if message.get("text") is not None else message["bytes"])


async def _to_client(upstream: ClientConnection, socket: WebSocket) -> None:
    with contextlib.suppress(WebSocketDisconnect, websockets.ConnectionClosed, RuntimeError):
        async for data in upstream:
            await (socket.send_text(data) if isinstance(data, str) else socket.send_bytes(data))


def _forwarded(connection: HTTPConnection) -> dict[str, str]:
    # Said by whoever called, it would let him choose the address that he is rate-limited by.
    return {
        "x-forwarded-for": connection.client.host if connection.client else "",
        "x-forwarded-proto": {"ws": "http", "wss": "https"}.get(connection.url.scheme, connection.url.scheme),
        "x-forwarded-host": connection.headers.get("host", ""),
    }


def _origin(socket: WebSocket) -> websockets.Origin | None:
    origin = socket.headers.get("origin")
    return websockets.Origin(origin) if origin else None
