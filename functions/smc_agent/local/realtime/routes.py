"""The routes under /realtime/v1."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from smc_agent.local.auth.tokens import InvalidToken, verify
from smc_agent.local.realtime.authorize import permissions
from smc_agent.local.realtime.frames import Version, dump_json
from smc_agent.local.realtime.hub import Hub
from smc_agent.local.realtime.listener import MessageListener
from smc_agent.local.realtime.socket import RealtimeSocket

_MAX_BODY = 1024 * 1024
_SERVICE_RESTART = 1012


class RealtimeServer:
    """The channels of one gateway; `listener.run()` feeds them from the database."""

    def __init__(self, pool: asyncpg.Pool, secret: str) -> None:
        self._pool, self._secret = pool, secret
        self.hub = Hub()
        self._sockets: set[RealtimeSocket] = set()
        self.listener = MessageListener(pool, self.hub, self.disconnect_all)

    def routes(self) -> list[BaseRoute]:
        """Starlette routes, relative to /realtime/v1."""
        return [WebSocketRoute("/websocket", self.websocket), Route("/api/broadcast", self.broadcast, methods=["POST"])]

    def disconnect_all(self, reason: str) -> None:
        """End every connection; the clients come back by themselves."""
        for socket in tuple(self._sockets):
            socket.disconnect(_SERVICE_RESTART, reason)

    async def websocket(self, socket: WebSocket) -> None:
        query = socket.query_params
        version: Version = "2.0.0" if query.get("vsn") == "2.0.0" else "1.0.0"
        apikey = query.get("apikey") or socket.headers.get("apikey", "")
        try:
            verify(apikey, self._secret)
        except InvalidToken:
            await socket.close()  # before it is accepted: HTTP 403
            return
        await socket.accept()
        client = RealtimeSocket(socket, version, apikey, self._secret, self._pool, self.hub)
        self._sockets.add(client)
        try:
            await client.serve()
        finally:
            self._sockets.discard(client)

    async def broadcast(self, request: Request) -> Response:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        token = token if kind.lower() == "bearer" and token else request.headers.get("apikey", "")
        try:
            claims = verify(token, self._secret)
        except InvalidToken as error:
            return JSONResponse({"message": f"Unauthorized: {error}"}, status_code=401)
        messages = await _messages(request)
        if messages is None:
            needed = "{messages: [{topic, event, payload, private}]}, at most 1 MiB"
            return JSONResponse({"message": f"The body is {needed}"}, status_code=422)
        allowed: dict[str, bool] = {}
        for topic in {message["topic"] for message in messages if message.get("private")}:
            allowed[topic] = "broadcast" in (await permissions(self._pool, claims, topic)).write
        # As hosted: what is not allowed is dropped without a word, so that topics cannot be probed.
        for message in messages:
            private = bool(message.get("private"))
            if not private or allowed[message["topic"]]:
                self.hub.broadcast((private, message["topic"]), message["event"], dump_json(message.get("payload")))
        return Response(status_code=202)


async def _messages(request: Request) -> list[dict[str, Any]] | None:
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > _MAX_BODY:
            return None
    try:
        messages = json.loads(data)["messages"]
        valid = all(isinstance(m["topic"], str) and isinstance(m["event"], str) for m in messages)
    except (ValueError, TypeError, KeyError):
        return None
    return messages if valid else None
