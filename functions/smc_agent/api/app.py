"""The API: `uvicorn smc_agent.api.app:create_app --factory`."""

import asyncio
import gc
import importlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware

from smc_agent import __version__
from smc_agent.api.deps import Parts
from smc_agent.api.detection_history import DetectionHistory
from smc_agent.api.errors import add_error_handlers, described
from smc_agent.api.middleware import Envelope
from smc_agent.api.routes import analytics, market, orders, risk, smc, stream, system
from smc_agent.api.stream_hub import StreamHub
from smc_agent.api.symbols import SymbolDirectory
from smc_agent.platform.auth import Authenticator
from smc_agent.platform.database import Database
from smc_agent.platform.limits import Limiter, MemoryLimiter, RedisLimiter
from smc_agent.platform.settings import Settings

EXECUTOR_TIMEOUT_S = 20  # it waits 10 s for the venue before it says that it does not know
DESCRIPTION = """\
Smart Money Concepts: market data, detection, orders, risk and backtests.

Send `Authorization: Bearer <access token or API key>` with every request but `/healthz` and `/readyz`.
Fields that are called *number* take a JSON number or a string; no digit is lost on the way. Other amounts are decimal
strings. Errors are `application/problem+json` with a stable `code`. Writes take an `Idempotency-Key`: repeats act once.
Live data comes over the WebSocket `/api/v1/market/stream`; its protocol is in docs/contracts.md.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; without settings those of the environment. Raises LookupError that names missing settings."""
    settings = settings or Settings()
    settings.require("database_url")
    if settings.supabase_jwt_secret is None:
        settings.require("supabase_url")  # one of the two, or no token can be verified
    parts = _parts(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        log_to_stderr()
        parts.stream.start()
        warming = asyncio.create_task(asyncio.to_thread(warm))
        try:
            yield
        finally:
            await warming
            await parts.close()

    app = FastAPI(
        title="SMC Trading Agent",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.parts = parts
    add_error_handlers(app)
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)  # 9: four times as long for a tenth less
    app.add_middleware(Envelope)
    for controller in (market, stream, smc, orders, risk, analytics, system):
        app.include_router(controller.router)
    app.openapi = lambda: described(app)  # type: ignore[method-assign]  # the documented way to change the document
    return app


def log_to_stderr() -> None:
    """Lines of this program, unless whoever runs it has set up logging already."""
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every request


def warm() -> None:
    """Import what the first order or detection would otherwise wait for; a server has the time, a Lambda has not.

    What is there then stays: left to the garbage collector, it stops every order for 80 ms each time it looks at it.
    """
    importlib.import_module("smc_agent.backtest")  # brings detection, risk and execution with it
    gc.collect()
    gc.freeze()


def _parts(settings: Settings) -> Parts:
    assert settings.database_url is not None
    database_url = settings.database_url.get_secret_value()
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    database = Database(database_url)
    http = httpx.AsyncClient(timeout=EXECUTOR_TIMEOUT_S, trust_env=False)  # our own parts: no proxy in between
    limiter: Limiter = RedisLimiter(redis_url) if redis_url else MemoryLimiter()
    jwks_url = f"{settings.supabase_url}/auth/v1/.well-known/jwks.json" if settings.supabase_url else None
    secret = settings.supabase_jwt_secret.get_secret_value() if settings.supabase_jwt_secret else None
    return Parts(
        settings=settings,
        database=database,
        authenticator=Authenticator(database, secret, jwks_url),
        limiter=limiter,
        http=http,
        symbols=SymbolDirectory(http, settings.paper_url),
        stream=StreamHub(database_url, redis_url),
        backtests=asyncio.Semaphore(2),
        detections=DetectionHistory(),
    )
