"""One origin: the web app, its headers, the way to the API, and what is said when a part is away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
import websockets
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from tests.supabase.conftest import Supabase

from smc_agent import __version__


@pytest.fixture
async def http(supabase: Supabase) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=supabase.url, trust_env=False) as http:
        yield http


@pytest.fixture
async def api(api_url: str) -> AsyncIterator[None]:
    """A stand-in API that answers with what reached it."""

    async def echo(request: Request) -> Response:
        path = request.scope["raw_path"].decode()
        body = (await request.body()).decode()
        seen = {"path": path, "query": request.url.query, "body": body, "headers": dict(request.headers)}
        return JSONResponse(
            {**seen, "method": request.method}, 418, {"X-From": "api", "Access-Control-Allow-Origin": "no"}
        )

    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        asked = await socket.receive_text()
        if asked == "bye":
            return await socket.close(4001, "as asked")
        if asked == "who?":
            return await socket.send_json(dict(socket.headers))
        await socket.send_text("welcome")
        await socket.send_bytes(await socket.receive_bytes())

    app = Starlette(routes=[
        WebSocketRoute("/api/v1/market/stream", stream),
        Route("/{rest:path}", echo, methods=["GET", "POST", "DELETE"]),
    ], middleware=[Middleware(GZipMiddleware, minimum_size=1024)])  # fmt: skip
    port = urlsplit(api_url).port
    assert port
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve())
    for _ in range(500):
        if not server.started:
            await asyncio.sleep(0.01)
    yield
    server.should_exit = True
    await task


async def test_the_page_and_every_address_of_the_app(http: httpx.AsyncClient) -> None:
    for path in ("/", "/index.html", "/trading", "/reports/42?tab=fees"):
        answer = await http.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "<title>SMC</title>" in answer.text
        assert answer.headers["cache-control"] == "no-cache"
    script = await http.get("/assets/main-1a2b3c.js")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    for missing in ("/assets/gone-999.js", "/favicon.ico", "/..%2f..%2fetc/passwd.txt"):
        assert (await http.get(missing)).status_code == 404


async def test_security_headers_are_on_every_answer(http: httpx.AsyncClient, supabase: Supabase) -> None:
    socket = "ws" + supabase.url.removeprefix("http")
    for path in ("/", "/config.json", "/auth/v1/health", "/rest/v1/portfolios", "/healthz", "/assets/gone.js"):
        headers = (await http.get(path)).headers
        assert headers["content-security-policy"] == (
            f"default-src 'self'; script-src 'self'; connect-src 'self' {supabase.url} {socket}; img-src 'self' data:; "
            "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
        )
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "server" not in headers


async def test_the_app_is_told_where_everything_is(http: httpx.AsyncClient, supabase: Supabase) -> None:
    answer = await http.get("/config.json")
    expected = {"supabaseUrl": supabase.url, "supabaseAnonKey": supabase.anon_key, "apiUrl": "", "version": __version__}
    assert answer.json() == expected
    assert answer.headers["cache-control"] == "no-store"
    by_name = await http.get("/config.json", headers={"Host": f"localhost:{urlsplit(supabase.url).port}"})
    assert by_name.json()["supabaseUrl"] == supabase.url.replace("127.0.0.1", "localhost")


async def test_a_foreign_name_that_leads_here_is_refused(http: httpx.AsyncClient, supabase: Supabase) -> None:
    foreign = await http.get("/config.json", headers={"Host": "rebound.example.com"})
    assert foreign.status_code == 421
    url = f"ws{supabase.url.removeprefix('http')}/realtime/v1/websocket?apikey={supabase.anon_key}"
    host, port = urlsplit(supabase.url).hostname, urlsplit(supabase.url).port
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(url.replace("127.0.0.1", "rebound.example.com"), host=host, port=port, proxy=None)
    assert refused.value.response.status_code == 403


async def test_any_origin_may_ask_with_a_token(http: httpx.AsyncClient) -> None:
    asked = {
        "Origin": "http://localhost:5173", "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "apikey,authorization,x-client-info,prefer",
    }  # fmt: skip
    for path in ("/rest/v1/portfolios", "/auth/v1/user", "/api/v1/orders/create"):
        answer = await http.options(path, headers=asked)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "PATCH" in answer.headers["access-control-allow-methods"]
        assert "authorization" in answer.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in answer.headers


async def test_without_the_api_the_answer_says_so_as_a_problem(http: httpx.AsyncClient, supabase: Supabase) -> None:
    for path in ("/api/v1/market/symbols", "/healthz", "/readyz", "/openapi.json"):
        answer = await http.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert (answer.json()["code"], answer.json()["status"]) == ("upstream_away", 503)
        assert "The API does not answer" in answer.json()["detail"]
    async with websockets.connect(_stream(supabase), proxy=None) as socket:
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason[:11]) == (1013, "The API doe")


async def test_requests_reach_the_api_unchanged(http: httpx.AsyncClient, api: None) -> None:
    sent = {
        "Authorization": "Bearer t",
        "Idempotency-Key": "k",
        "X-Forwarded-For": "6.6.6.6",
        "Origin": "http://x.example",
    }
    answer = await http.post("/api/v1/orders/a%2Fb?limit=1&x=%20", content=b'{"quantity": 0.10}', headers=sent)
    seen: dict[str, Any] = answer.json()
    assert (answer.status_code, answer.headers["x-from"], seen["method"]) == (418, "api", "POST")
    assert (seen["path"], seen["query"], seen["body"]) == (
        "/api/v1/orders/a%2Fb",
        "limit=1&x=%20",
        '{"quantity": 0.10}',
    )
    assert (seen["headers"]["authorization"], seen["headers"]["idempotency-key"]) == ("Bearer t", "k")
    assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]


async def test_a_compressed_answer_passes_as_it_is(http: httpx.AsyncClient, api: None) -> None:
    body = "x" * 300_000
    compressed = await http.post("/api/v1/x", content=body, headers={"Accept-Encoding": "gzip"})
    plain = await http.post("/api/v1/x", content=body, headers={"Accept-Encoding": "identity"})
    assert [answer.headers.get("content-encoding") for answer in (compressed, plain)] == ["gzip", None]
    assert compressed.num_bytes_downloaded < 5_000 < 300_000 < plain.num_bytes_downloaded
    assert compressed.json()["body"] == plain.json()["body"] == body
    assert "Accept-Encoding" in compressed.headers["vary"]


async def test_the_stream_is_joined_both_ways_with_its_close(api: None, supabase: Supabase) -> None:
    async with websockets.connect(_stream(supabase), proxy=None) as socket:
        await socket.send("hello")
        assert await socket.recv() == "welcome"
        await socket.send(b"\x00\x01")
        assert await socket.recv() == b"\x00\x01"
    async with websockets.connect(_stream(supabase), proxy=None) as socket:
        await socket.send("bye")
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "as asked")


async def test_the_stream_is_told_who_asked_whom_and_not_by_the_client(api: None, supabase: Supabase) -> None:
    """By the host that the gateway was asked, the API knows a page of ours by its origin."""
    port = urlsplit(supabase.url).port
    url = _stream(supabase).replace("127.0.0.1", "localhost")
    forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-For": "6.6.6.6"}
    origin = websockets.Origin(f"http://localhost:{port}")
    async with websockets.connect(
        url, host="127.0.0.1", port=port, proxy=None, additional_headers=forged, origin=origin
    ) as socket:
        await socket.send("who?")
        seen = json.loads(await socket.recv())
    assert (seen["x-forwarded-host"], seen["x-forwarded-for"]) == (f"localhost:{port}", "127.0.0.1")
    assert (seen["x-forwarded-proto"], seen["origin"]) == ("http", str(origin))


async def test_rest_takes_the_apikey_for_the_bearer(http: httpx.AsyncClient, supabase: Supabase) -> None:
    assert (await http.get("/rest/v1/users")).status_code == 401
    anon = await http.get("/rest/v1/users", headers={"apikey": supabase.anon_key})
    assert (anon.status_code, anon.json()["code"]) == (401, "42501")
    service = await http.get("/rest/v1/users?select=id", headers={"apikey": supabase.service_key})
    assert service.status_code == 200


async def test_what_is_not_there_says_so(http: httpx.AsyncClient) -> None:
    for path in ("/storage/v1/object/x", "/functions/v1/hello"):
        answer = await http.post(path)
        assert answer.status_code == 501
        assert "not part of the embedded Supabase" in answer.json()["message"]
    assert (await http.get("/auth/v1/authorize")).status_code == 404


def _stream(supabase: Supabase) -> str:
    return f"ws{supabase.url.removeprefix('http')}/api/v1/market/stream"
