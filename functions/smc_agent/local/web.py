"""The built web app: its files, its one page for every address, and the headers around all answers."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_access = logging.getLogger("smc_agent.access")
_LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}


class WebApp(StaticFiles):
    """Files of `folder`; an address that is no file is the app's own, and gets index.html."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, check_dir=False)
        self._index = folder / "index.html"

    async def get_response(self, path: str, scope: Scope) -> Response:
        if not self._index.is_file():
            return PlainTextResponse("The web app is not built. Run: make setup\n", status_code=503)
        try:
            response = await super().get_response(path if path != "." else "index.html", scope)
        except HTTPException as error:
            # A file that is missing is missing; only an address without a suffix can be a page.
            if error.status_code != 404 or "." in path.rsplit("/", 1)[-1]:
                raise
            path = "index.html"
            response = await super().get_response(path, scope)
        hashed = path.startswith("assets/")  # the names of these change with their content
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return response


class Surroundings:
    """Around every answer: the host is checked, security headers are set, the access is logged without its query."""

    def __init__(self, app: ASGIApp, supabase_url: str) -> None:
        self._app = app
        supabase = urlsplit(supabase_url)
        self._hosts = _LOOPBACK | {supabase.hostname or ""}
        self._supabase = f"{supabase.scheme}://{supabase.netloc}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host, began, status = headers.get(b"host", ""), time.monotonic(), 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *self._headers(host)]}
            elif message["type"] == "websocket.accept":
                status = 101
            elif message["type"] == "websocket.close" and not status:
                status = 403
            await send(message)

        try:
            if _name(host) in self._hosts:
                await self._app(scope, receive, send_on)
            elif scope["type"] == "http":
                # A foreign name that leads here is a rebinding attack on a server that only this machine should reach.
                refused = JSONResponse({"message": f"Unknown host; use {self._supabase}"}, status_code=421)
                await refused(scope, receive, send_on)
            else:
                await send_on({"type": "websocket.close", "code": 1008})
        finally:
            took = (time.monotonic() - began) * 1000
            _access.info("%s %s %s %.0f ms", scope.get("method", "WS"), scope["path"], status or "-", took)

    def _headers(self, host: str) -> list[tuple[bytes, bytes]]:
        sources = {f"http://{host}": None, f"ws://{host}": None, self._supabase: None}
        sources["ws" + self._supabase.removeprefix("http")] = None
        policy = (
            f"default-src 'self'; script-src 'self'; connect-src 'self' {' '.join(sources)}; img-src 'self' data:; "
            "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
        )
        return [
            (b"content-security-policy", policy.encode("latin-1")),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-opener-policy", b"same-origin"),
        ]


def _name(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()
