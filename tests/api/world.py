"""A database with two users, their portfolios and a market, and the application on it."""

import asyncio
import hashlib
import secrets
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import jwt
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr

from smc_agent.api.app import create_app
from smc_agent.market.bars import Bar
from smc_agent.market.generated import generated_chunks
from smc_agent.market.store import store_bars
from smc_agent.market.symbols import Market
from smc_agent.platform.settings import Settings

JWT_SECRET = "a-secret-of-these-tests-and-of-nothing-else"
SYMBOL = "BTCUSDT"
MINUTE = 60_000


@dataclass(frozen=True)
class User:
    """A user with one paper portfolio of 100,000 USDT."""

    id: uuid.UUID
    portfolio_id: uuid.UUID

    def token(self, secret: str = JWT_SECRET, **claims: Any) -> str:
        """An access token as Supabase makes it; `claims` replace or, when None, take away."""
        now = int(time.time())
        every = {"sub": str(self.id), "aud": "authenticated", "role": "authenticated", "iat": now, "exp": now + 3600}
        kept = {name: value for name, value in (every | claims).items() if value is not None}
        return jwt.encode(kept, secret, algorithm="HS256")

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token()}"}


@dataclass
class World:
    """alice and bob. `bars`: 3,000 minutes of BTCUSDT, `last` the newest; prices in ticks of 0.01."""

    owner: asyncpg.Connection
    settings: Settings
    alice: User
    bob: User
    bars: list[Bar]
    apps: list[FastAPI] = field(default_factory=list)

    @property
    def last(self) -> Bar:
        return self.bars[-1]

    def app(self, **settings: Any) -> FastAPI:
        """The application, with settings replaced."""
        app = create_app(self.settings.model_copy(update=settings))
        self.apps.append(app)
        return app

    def client(self, app: FastAPI | None = None) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app or self.app(), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://api.test")

    async def api_key(self, user: User, scopes: list[str], expires: str = "1 day", revoked: bool = False) -> str:
        """A new API key of `user`."""
        key = f"smc_{secrets.token_urlsafe(32)}"
        await self.owner.execute(
            "insert into api_keys (user_id, label, key_hash, last_four, scopes, expires_at, revoked_at)"
            " values ($1, 'test', $2, $3, $4, now() + $5::text::interval, case when $6 then now() end)",
            user.id, hashlib.sha256(key.encode()).hexdigest(), key[-4:], scopes, expires, revoked,
        )  # fmt: skip
        return key


async def add_user(owner: asyncpg.Connection, email: str) -> User:
    user = User(uuid.uuid4(), uuid.uuid4())
    await owner.execute("insert into auth.users (id, email) values ($1, $2)", user.id, email)
    await owner.execute(
        "insert into portfolios (id, user_id, name, exchange, initial_balance)"
        " values ($1, $2, 'Paper', 'paper', 100000)",
        user.portfolio_id, user.id,
    )  # fmt: skip
    return user


def minutes(count: int) -> list[Bar]:
    """`count` generated minutes in a row; the generator's outages are filled with the bar before them."""
    found: list[Bar] = []
    for chunk in generated_chunks(7, SYMBOL, "1m"):
        for bar in chunk:
            while found and found[-1].time + MINUTE < bar.time:
                close = found[-1].close
                found.append(Bar(found[-1].time + MINUTE, close, close, close, close, 0.0))
            found.append(bar)
        if len(found) >= count:
            return found[:count]
    raise AssertionError("the series has no end")


@asynccontextmanager
async def open_world(owner_url: str, functions_url: str, **settings: Any) -> AsyncIterator[World]:
    """A world on a fresh database; its applications are closed at the end."""
    owner = await asyncpg.connect(owner_url)
    bars = minutes(3000)
    await store_bars(owner, Market("synthetic", SYMBOL, "1m"), bars)
    given = Settings.model_construct(
        database_url=SecretStr(functions_url), supabase_jwt_secret=SecretStr(JWT_SECRET), **settings
    )
    world = World(
        owner, given, await add_user(owner, "alice@test.example"), await add_user(owner, "bob@test.example"), bars
    )
    try:
        yield world
    finally:
        await asyncio.gather(*(app.state.parts.close() for app in world.apps))
        await owner.close()


@asynccontextmanager
async def serve(app: FastAPI) -> AsyncIterator[str]:
    """The application on a real socket of this machine; its base URL."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False, server_header=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event to wait for
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
