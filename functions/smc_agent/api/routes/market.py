"""Market data: which markets there are, and their bars."""

import json
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from smc_agent.api.bars import choose_series, read_page, read_series
from smc_agent.api.decimal_json import Amount, DecimalRoute, dumps
from smc_agent.api.deps import SIGNED_IN, PartsDep, Reader
from smc_agent.api.errors import responses
from smc_agent.market.timeframes import TIMEFRAMES

router = APIRouter(prefix="/api/v1/market", tags=["market"], route_class=DecimalRoute)

Timeframe = Literal["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w"]
Symbol = Annotated[str, Field(pattern=r"^[A-Z0-9-]{2,20}$", examples=["BTCUSDT"], description="the venue's own id")]
Exchange = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9_]{2,50}$",
        examples=["binance"],
        description="where the bars come from; `replay` (a file) and `synthetic` (generated) too",
    ),
]
MAX_BARS = 10_000


class SymbolInfo(BaseModel):
    """One market that bars are stored of."""

    exchange: Exchange
    symbol: Symbol
    timeframes: list[Timeframe] = Field(description="that bars can be asked for: the stored ones and what they make up")
    tick: Amount | None = Field(description="step of the price; null where the venue was not heard of it")
    step: Amount | None = Field(description="step of the quantity")
    min_notional: Amount | None = Field(description="least price times quantity, in the quote asset")
    synthetic: bool = Field(description="generated bars: no market ever traded so")
    last_bar_ms: int = Field(description="open time of the newest bar, epoch milliseconds", examples=[1577836740000])


@router.get(
    "/symbols",
    response_model=list[SymbolInfo],
    responses=responses(*SIGNED_IN),
    summary="Markets with bars",
    operation_id="list_symbols",
)
async def list_symbols(parts: PartsDep, reader: Reader) -> Response:
    """Every market that bars are stored of, with the steps its orders are made in."""
    async with parts.database.as_user(reader.user_id) as connection:
        stored = await read_series(connection)
    markets: list[SymbolInfo] = []
    for exchange, symbol in sorted({(s.exchange, s.symbol) for s in stored}):
        series = [s for s in stored if (s.exchange, s.symbol) == (exchange, symbol)]
        newest = max(series, key=lambda s: s.last_bar_ms)
        rules = await parts.symbols.rules(parts.database, newest, symbol)
        markets.append(
            SymbolInfo.model_construct(
                exchange=exchange,
                symbol=symbol,
                timeframes=[t for t, ms in TIMEFRAMES.items() if any(ms % s.length_ms == 0 for s in series)],
                tick=rules.tick if rules else None,
                step=rules.step if rules else None,
                min_notional=rules.min_notional if rules else None,
                synthetic=exchange == "synthetic",
                last_bar_ms=newest.last_bar_ms,
            )
        )
    return Response(dumps([market.model_dump() for market in markets]), media_type="application/json")


BarRow = Annotated[
    list[Decimal],
    Field(
        min_length=6,
        max_length=6,
        json_schema_extra={"items": {"type": "number"}},
        examples=[[1577836800000, 7195.24, 7196.25, 7183.14, 7186.68, 51.642812]],
    ),
]


class BarPage(BaseModel):
    """Closed bars, oldest first."""

    exchange: Exchange
    symbol: Symbol
    timeframe: Timeframe
    bars: list[BarRow] = Field(description="[open time in epoch ms, open, high, low, close, volume]")
    next_before_ms: int | None = Field(description="ask with it as before_ms for the page before; null: there is none")


@router.get(
    "/bars",
    response_model=BarPage,
    responses=responses(*SIGNED_IN, "unknown_market", "unsupported_timeframe"),
    summary="Closed bars",
    operation_id="list_bars",
)
async def list_bars(
    parts: PartsDep,
    reader: Reader,
    symbol: Annotated[Symbol, Query()],
    timeframe: Annotated[Timeframe, Query(description="a higher one than stored is made of closed bars")],
    exchange: Annotated[Exchange | None, Query(description="default: the one with the newest bar")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_BARS, description="at most; holes in the data are left out")] = 1000,
    before_ms: Annotated[
        int | None, Query(ge=0, le=10**14, description="bars that opened before this moment, epoch ms")
    ] = None,
) -> Response:
    """A page of closed bars. The bar that is still forming is never among them."""
    async with parts.database.as_user(reader.user_id) as connection:
        series = choose_series(await read_series(connection, symbol), timeframe, exchange)
        page = await read_page(connection, series, timeframe, limit, before_ms)
    body = {
        "exchange": series.exchange,
        "symbol": symbol,
        "timeframe": timeframe,
        "bars": page.bars,
        "next_before_ms": page.next_before_ms,
    }
    return Response(json.dumps(body, separators=(",", ":")), media_type="application/json")
