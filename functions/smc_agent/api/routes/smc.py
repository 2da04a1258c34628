"""Smart Money Concepts: detection over stored bars."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from smc_agent.api.bars import choose_series, read_series
from smc_agent.api.decimal_json import DecimalRoute
from smc_agent.api.deps import SIGNED_IN, Analyst, PartsDep
from smc_agent.api.errors import responses
from smc_agent.api.routes.market import MAX_BARS, Exchange, Symbol, Timeframe
from smc_agent.api.smc_view import PATTERN_TYPES, Detection, PatternType

router = APIRouter(prefix="/api/v1/smc", tags=["smc"], route_class=DecimalRoute)


class DetectBody(BaseModel):
    """Which bars to look at, and which patterns to tell of."""

    model_config = ConfigDict(extra="forbid")

    symbol: Symbol
    timeframe: Timeframe
    pattern_types: list[PatternType] | None = Field(None, min_length=1, description="default: all")
    exchange: Exchange | None = Field(None, description="default: the one with the newest bar")
    limit: Annotated[
        int, Field(ge=1, le=MAX_BARS, description="of how many of the newest bars to tell; what still stands comes too")
    ] = 1000
    before_ms: Annotated[int | None, Field(ge=0, le=10**14, description="as of this moment, epoch ms")] = None


@router.post(
    "/detect",
    response_model=Detection,
    responses=responses(*SIGNED_IN, "invalid_json", "body_too_large", "unknown_market", "unsupported_timeframe"),
    summary="Detect patterns",
    operation_id="detect_patterns",
)
async def detect_patterns(parts: PartsDep, reader: Analyst, body: DetectBody) -> Response:
    """Patterns, active order blocks, resting liquidity and structure, by the default parameters.

    Detection begins at the first stored bar, whatever is asked for, so an answer never takes back what an earlier one
    said; event ids and bar indices count from there."""
    async with parts.database.as_user(reader.user_id) as connection:
        series = choose_series(await read_series(connection, body.symbol), body.timeframe, body.exchange)
        bars, events = await parts.detections.read(connection, series, body.timeframe, body.before_ms)
    wanted = frozenset(body.pattern_types or PATTERN_TYPES)

    def work() -> bytes:
        from smc_agent.api.smc_view import detect_view

        return detect_view(bars, events, body.limit, wanted).model_dump_json().encode()

    return Response(await asyncio.to_thread(work), media_type="application/json")
