"""Whether the process lives, and whether its parts do."""

import asyncio
import time
from typing import Literal

import httpx
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from smc_agent import __version__
from smc_agent.api.decimal_json import answer
from smc_agent.api.deps import Parts, PartsDep
from smc_agent.api.errors import responses

router = APIRouter(tags=["system"])


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str = Field(examples=["0.1.0"])


class Part(BaseModel):
    """One thing the API leans on."""

    name: Literal["database", "executor", "rate_limits", "stream"]
    state: Literal["ok", "down", "not_configured"]
    detail: str = Field(examples=["answers in 1.2 ms"])


class Feed(BaseModel):
    """The newest bar that the stream has seen."""

    symbol: str
    last_bar_ms: int = Field(description="open time of that bar, epoch ms: market time, long ago in a replay")
    age_ms: int = Field(description="how long ago this process heard of it")


class Readiness(BaseModel):
    """ready: all parts answer. degraded: reads work, but something (see `parts`) does not."""

    status: Literal["ready", "degraded"]
    version: str
    parts: list[Part]
    feeds: list[Feed] = Field(description="empty until the first bar came over the stream")


@router.get("/healthz", response_model=Alive, summary="Liveness", operation_id="healthz")
async def healthz() -> Alive:
    """Answers as long as the process does; asks nothing else."""
    return Alive(version=__version__)


@router.get(
    "/readyz",
    response_model=Readiness,
    responses=responses("database_unavailable"),
    summary="Readiness",
    operation_id="readyz",
)
async def readyz(parts: PartsDep) -> Response:
    """Each part with its state, and the age of each feed. 503 only without the database: reads survive all else."""
    states = await asyncio.gather(_database(parts), _executor(parts), _rate_limits(parts))
    stream = Part(name="stream", state=parts.stream.state, detail=parts.stream.detail)
    now = time.time()
    feeds = [
        Feed(symbol=symbol, last_bar_ms=bar_ms, age_ms=round((now - heard_at) * 1000))
        for symbol, (bar_ms, heard_at) in sorted(parts.stream.feeds.items())
    ]
    everything = [*states, stream]
    status: Literal["ready", "degraded"] = "degraded" if any(p.state == "down" for p in everything) else "ready"
    return answer(Readiness(status=status, version=__version__, parts=everything, feeds=feeds))


async def _database(parts: Parts) -> Part:
    started = time.perf_counter()
    async with parts.database.as_functions() as connection:
        await connection.fetchval("select 1")
    return Part(name="database", state="ok", detail=f"answers in {(time.perf_counter() - started) * 1000:.1f} ms")


async def _executor(parts: Parts) -> Part:
    if parts.settings.executor_url is None:
        return Part(name="executor", state="not_configured", detail="SMC_EXECUTOR_URL is not set: no orders")
    try:
        response = await parts.http.get(f"{parts.settings.executor_url}/readyz", timeout=2)
    except httpx.HTTPError as error:
        return Part(
            name="executor", state="down", detail=f"no answer ({type(error).__name__}); stops rest at the venue"
        )
    if response.status_code != 200:
        return Part(name="executor", state="down", detail="not reconciled with the venue yet: no entries")
    return Part(name="executor", state="ok", detail="reconciled with the venue")


async def _rate_limits(parts: Parts) -> Part:
    where = await parts.limiter.where()
    if where == "redis away":
        return Part(name="rate_limits", state="down", detail="Redis does not answer; each process counts by itself")
    return Part(name="rate_limits", state="ok", detail=f"counted in {where}")
