"""One origin for the browser: auth, realtime, REST, the API and the web app. `python -m smc_agent.local.gateway`

With SMC_ADMIN_DATABASE_URL and SMC_POSTGREST_URL it is the embedded Supabase; without them a hosted project has that
part, and the gateway serves the web app and passes the API on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Literal, Self

import asyncpg
import uvicorn
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from smc_agent import __version__
from smc_agent.local.auth.admin import AdminRoutes
from smc_agent.local.auth.errors import AuthError, answer
from smc_agent.local.auth.routes import AuthServer
from smc_agent.local.auth.sessions import Issuer
from smc_agent.local.proxy import Upstream
from smc_agent.local.realtime.routes import RealtimeServer
from smc_agent.local.web import Surroundings, WebApp

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_EXPOSED = [
    "Content-Range",
    "Content-Location",
    "Location",
    "Preference-Applied",
    "Range-Unit",
    "Retry-After",
    "X-Total-Count",
]
_MAX_MESSAGE = 1024 * 1024  # of a WebSocket, bytes
# What a request meets while Postgres is away; the listener says in the log that it is.
_AWAY = (
    ConnectionError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
)


class GatewaySettings(BaseModel):
    """What the gateway is told by the environment."""

    model_config = ConfigDict(populate_by_name=True, hide_input_in_errors=True)

    port: int = Field(8700, alias="SMC_GATEWAY_PORT")
    fd: int | None = Field(None, alias="SMC_GATEWAY_FD")  # a socket that listens already, instead of the port
    api_url: str = Field(alias="SMC_API_URL")
    web_dist: Path = Field(Path("frontend/dist"), alias="SMC_WEB_DIST")
    anon_key: str = Field(alias="SUPABASE_ANON_KEY")
    supabase_url: str | None = Field(None, alias="SUPABASE_URL")  # None: this gateway
    # The embedded Supabase:
    admin_database_url: SecretStr | None = Field(None, alias="SMC_ADMIN_DATABASE_URL")  # as the owner, role postgres
    postgrest_url: str | None = Field(None, alias="SMC_POSTGREST_URL")
    jwt_secret: SecretStr | None = Field(None, alias="SUPABASE_JWT_SECRET")
    signup: Literal["on", "off"] = Field("on", alias="SMC_SIGNUP")

    @model_validator(mode="after")
    def _embedded_is_whole(self) -> Self:
        if self.admin_database_url is None:
            return self
        if self.postgrest_url is None or self.jwt_secret is None:
            raise ValueError("with SMC_ADMIN_DATABASE_URL, SMC_POSTGREST_URL and SUPABASE_JWT_SECRET are needed too")
        if len(self.jwt_secret.get_secret_value()) < 32:
            raise ValueError("SUPABASE_JWT_SECRET has fewer than 32 characters; PostgREST refuses it")
        return self

    @property
    def project_url(self) -> str:
        """Base URL of auth, REST and realtime."""
        return (self.supabase_url or f"http://127.0.0.1:{self.port}").rstrip("/")


@contextlib.asynccontextmanager
async def open_gateway(settings: GatewaySettings) -> AsyncIterator[Starlette]:
    """The application, connected to its database and listening to it."""
    if settings.admin_database_url is None:
        gateway = Gateway(settings, None)
        yield gateway.app
        await gateway.close()
        return
    pool = await asyncpg.create_pool(settings.admin_database_url.get_secret_value(), min_size=2, max_size=12)
    gateway = Gateway(settings, pool)
    assert gateway.realtime is not None
    listening = asyncio.create_task(gateway.realtime.listener.run())
    try:
        await gateway.realtime.listener.listening.wait()
        yield gateway.app
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await gateway.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(pool.close(), timeout=3)


class Gateway:
    """The ASGI application `app`, and what it holds open; made by `open_gateway`."""

    def __init__(self, settings: GatewaySettings, pool: asyncpg.Pool | None) -> None:
        self._settings = settings
        cure = "It is being started again; open orders keep their stops at the venue."
        self._api = Upstream(settings.api_url, "The API", cure)
        self._rest: Upstream | None = None
        self.realtime: RealtimeServer | None = None
        supabase = self._supabase_routes(pool) if pool is not None else []
        web = [Route("/config.json", self._config), Mount("/", WebApp(settings.web_dist))]
        self.app = Starlette(
            routes=[*supabase, *self._api_routes(), *web],
            middleware=[
                Middleware(Surroundings, supabase_url=settings.project_url),
                # Any origin may ask, as hosted: what counts is the bearer token, and there are no cookies.
                Middleware(
                    CORSMiddleware,
                    allow_origins=["*"],
                    allow_methods=_METHODS,
                    allow_headers=["*"],
                    expose_headers=_EXPOSED,
                ),
            ],
            exception_handlers={AuthError: answer, **dict.fromkeys(_AWAY, _database_away)},
        )

    async def close(self) -> None:
        """Let go of the upstream connections."""
        for upstream in (self._api, self._rest):
            if upstream is not None:
                await upstream.close()

    def _supabase_routes(self, pool: asyncpg.Pool) -> list[BaseRoute]:
        settings = self._settings
        assert settings.postgrest_url is not None
        assert settings.jwt_secret is not None
        secret = settings.jwt_secret.get_secret_value()
        cure = "It is being started again; try again in a moment."
        self._rest = Upstream(settings.postgrest_url, "The REST API", cure)
        self.realtime = RealtimeServer(pool, secret)
        auth = AuthServer(pool, Issuer(f"{settings.project_url}/auth/v1", secret), signup=settings.signup == "on")
        absent = [
            Route(f"{path}{{rest:path}}", _absent(what), methods=_METHODS)
            for path, what in (("/storage/v1", "Storage"), ("/functions/v1", "Edge functions"))
        ]
        return [
            Mount("/auth/v1", routes=[*auth.routes(), *AdminRoutes(auth).routes(), _no_route()]),
            Mount("/realtime/v1", routes=[*self.realtime.routes(), _no_route()]),
            Route("/rest/v1{rest:path}", self._pass_to_rest, methods=_METHODS),
            *absent,
        ]

    def _api_routes(self) -> list[BaseRoute]:
        return [
            WebSocketRoute("/api/v1/market/stream", self._stream),
            Route("/api/v1/{rest:path}", self._pass_to_api, methods=_METHODS),
            *(Route(path, self._pass_to_api) for path in ("/healthz", "/readyz", "/openapi.json")),
        ]

    async def _config(self, request: Request) -> Response:
        own = self._settings.admin_database_url is not None
        # The embedded Supabase is wherever the page came from: 127.0.0.1 and localhost are two origins.
        url = f"{request.url.scheme}://{request.headers['host']}" if own else self._settings.project_url
        config = {"supabaseUrl": url, "supabaseAnonKey": self._settings.anon_key, "apiUrl": "", "version": __version__}
        return JSONResponse(config, headers={"Cache-Control": "no-store"})

    async def _pass_to_api(self, request: Request) -> Response:
        return await self._api.http(request, _path(request))

    async def _stream(self, socket: WebSocket) -> None:
        await self._api.websocket(socket, "/api/v1/market/stream")

    async def _pass_to_rest(self, request: Request) -> Response:
        assert self._rest is not None
        extra = {}
        if "authorization" not in request.headers:
            apikey = request.headers.get("apikey")
            if not apikey:
                return JSONResponse(
                    {"message": "No API key found in request", "hint": "Send the header `apikey`."}, 401
                )
            extra["authorization"] = f"Bearer {apikey}"
        return await self._rest.http(request, _path(request).removeprefix("/rest/v1") or "/", extra)


async def _database_away(request: Request, _: Exception) -> Response:
    detail = "The database does not answer. It is being started again; try again in a moment."
    body = {"code": 503, "error_code": "database_unavailable", "msg": detail, "message": detail}
    return JSONResponse(body, 503, {"Retry-After": "2", "Cache-Control": "no-store"})


def _path(request: Request) -> str:
    # As it was sent: decoding would turn %2F into a separator.
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    return raw.decode("latin-1")


def _absent(what: str) -> Callable[[Request], Awaitable[Response]]:
    async def refuse(_: Request) -> Response:
        message = f"{what}: not part of the embedded Supabase; a hosted project has it"
        return JSONResponse({"statusCode": "501", "error": "Not Implemented", "message": message}, 501)

    return refuse


def _no_route() -> Route:
    async def refuse(request: Request) -> Response:
        message = f"The embedded Supabase has no {request.method} {request.url.path}"
        return JSONResponse({"code": 404, "error_code": "not_found", "msg": message, "message": message}, 404)

    return Route("/{rest:path}", refuse, methods=_METHODS)


async def serve(settings: GatewaySettings) -> None:
    """Serve on 127.0.0.1 until a signal."""
    async with open_gateway(settings) as app:
        # No proxy_headers: nobody stands before this server, and believing them would let a caller choose his address.
        config = uvicorn.Config(
            app, host="127.0.0.1", port=settings.port, lifespan="off", access_log=False, log_config=None,
            server_header=False, proxy_headers=False, ws_max_size=_MAX_MESSAGE, ws_per_message_deflate=False,
            timeout_graceful_shutdown=3,
        )  # fmt: skip
        sockets = None if settings.fd is None else [socket.socket(fileno=settings.fd)]
        await uvicorn.Server(config).serve(sockets)


def main() -> int:
    """The process: 2 when a setting is missing or wrong, 1 when the database does not answer."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stdout)
    for chatty in (
        "httpx",
        "uvicorn.error",
        "websockets",
    ):  # they log URLs with their queries, and keys may be in these
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # A traceback at each try to connect again; the listener says in one line that the database is away.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
    try:
        settings = GatewaySettings.model_validate({name: value for name, value in os.environ.items() if value})
    except ValidationError as error:
        # Only names and reasons: the values may be secrets.
        for problem in error.errors(include_input=False, include_url=False):
            print(": ".join([*map(str, problem["loc"]), problem["msg"]]), file=sys.stderr)
        return 2
    try:
        asyncio.run(serve(settings))
    except (OSError, asyncpg.PostgresError) as error:
        print(f"The gateway ends: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
