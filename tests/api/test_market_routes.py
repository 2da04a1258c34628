"""GET /market/symbols and /market/bars."""

from typing import Any

import httpx
import pytest
from tests.api.world import MINUTE, SYMBOL, World

HOUR = 60 * MINUTE


async def bars_of(client: httpx.AsyncClient, world: World, **query: str | int) -> dict[str, Any]:
    response = await client.get("/api/v1/market/bars", params={"symbol": SYMBOL, **query}, headers=world.alice.headers)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_symbols_say_what_is_stored_and_what_it_makes(client: httpx.AsyncClient, world: World) -> None:
    response = await client.get("/api/v1/market/symbols", headers=world.alice.headers)
    [market] = response.json()
    assert market["symbol"] == SYMBOL
    assert market["exchange"] == "synthetic"
    assert market["synthetic"] is True
    assert market["tick"] == "0.01"
    assert market["timeframes"][:3] == ["1m", "3m", "5m"]
    assert market["last_bar_ms"] == world.last.time


async def test_bars_are_the_stored_ones_digit_for_digit(client: httpx.AsyncClient, world: World) -> None:
    body = await bars_of(client, world, timeframe="1m", limit=10_000)
    assert body["bars"] == [list(bar) for bar in world.bars]
    assert body["next_before_ms"] is None


async def test_pages_join_without_hole_or_overlap(client: httpx.AsyncClient, world: World) -> None:
    pages: list[list[list[float]]] = []
    before: int | None = None
    while True:
        query = {} if before is None else {"before_ms": before}
        body = await bars_of(client, world, timeframe="1m", limit=700, **query)
        pages.insert(0, body["bars"])
        before = body["next_before_ms"]
        if before is None:
            break
    assert [bar for page in pages for bar in page] == [list(bar) for bar in world.bars]
    assert len(pages) == 5


async def test_a_higher_time_frame_is_made_of_closed_bars_only(client: httpx.AsyncClient, world: World) -> None:
    body = await bars_of(client, world, timeframe="1h", limit=1000)
    hours = [world.bars[i : i + 60] for i in range(0, 3000, 60)]
    assert [bar[0] for bar in body["bars"]] == [hour[0].time for hour in hours]
    for found, hour in zip(body["bars"], hours, strict=True):
        assert found[1:5] == [hour[0].open, max(b.high for b in hour), min(b.low for b in hour), hour[-1].close]
        assert found[5] == pytest.approx(sum(b.volume for b in hour), abs=1e-9)
    # Half an hour more, and nothing more has closed; the bar before the first is not invented.
    await world.owner.execute(
        "delete from market_data where timestamp < to_timestamp($1)", (world.bars[30].time) / 1000
    )
    body = await bars_of(client, world, timeframe="1h", limit=1000, before_ms=world.last.time - 10 * MINUTE)
    assert body["bars"][0][0] == hours[1][0].time
    assert body["bars"][-1][0] <= world.last.time - 10 * MINUTE
    assert body["next_before_ms"] is None


async def test_a_bar_still_forming_is_not_shown(client: httpx.AsyncClient, world: World) -> None:
    await world.owner.execute("delete from market_data where timestamp > to_timestamp($1)", world.bars[-30].time / 1000)
    body = await bars_of(client, world, timeframe="1h")
    assert body["bars"][-1][0] == world.bars[-120].time


async def test_paging_passes_a_hole_longer_than_a_page(client: httpx.AsyncClient, world: World) -> None:
    await world.owner.execute(
        "delete from market_data where timestamp >= to_timestamp($1) and timestamp < to_timestamp($2)",
        world.bars[1000].time / 1000, world.bars[2000].time / 1000,
    )  # fmt: skip
    body = await bars_of(client, world, timeframe="1m", limit=100, before_ms=world.bars[1500].time)
    assert body["bars"] == [list(bar) for bar in world.bars[900:1000]]


@pytest.mark.parametrize(
    ("query", "status", "code", "field"),
    [
        ({"symbol": "btc/usdt", "timeframe": "1m"}, 422, "validation_failed", "query.symbol"),
        ({"symbol": SYMBOL, "timeframe": "7m"}, 422, "validation_failed", "query.timeframe"),
        ({"symbol": SYMBOL}, 422, "validation_failed", "query.timeframe"),
        ({"symbol": SYMBOL, "timeframe": "1m", "limit": 10_001}, 422, "validation_failed", "query.limit"),
        ({"symbol": "ETHUSDT", "timeframe": "1m"}, 404, "unknown_market", None),
        ({"symbol": SYMBOL, "timeframe": "1m", "exchange": "binance"}, 404, "unknown_market", None),
    ],
)
async def test_bad_questions(
    client: httpx.AsyncClient, world: World, query: dict[str, str], status: int, code: str, field: str | None
) -> None:
    response = await client.get("/api/v1/market/bars", params=query, headers=world.alice.headers)
    assert (response.status_code, response.json()["code"]) == (status, code)
    if field:
        assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_bars_that_do_not_divide_are_refused(client: httpx.AsyncClient, world: World) -> None:
    await world.owner.execute("update market_data set timeframe = '4h'")
    response = await client.get(
        "/api/v1/market/bars", params={"symbol": SYMBOL, "timeframe": "1h"}, headers=world.alice.headers
    )
    assert response.json()["code"] == "unsupported_timeframe"
    assert "4h" in response.json()["detail"]
