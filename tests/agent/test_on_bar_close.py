"""The stateless form of detection: any copy of it continues where the last one stopped, and a bar counts once."""

from __future__ import annotations

import json
from itertools import islice
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from smc_agent.detection import KINDS, Detector
from smc_agent.handlers.on_bar_close import handler, on_bar_close
from smc_agent.market import Bar, BarError, Market
from smc_agent.market.generated import generated_chunks

MARKET = Market("synthetic", "BTCUSDT", "1m")
TABLES = ("market_data", "smc_patterns", "pattern_detections", "agent_checkpoints")


def some_bars(count: int) -> list[Bar]:
    return list(next(islice(generated_chunks(seed=3), 1)))[:count]


async def rows(connection: Any) -> list[list[Any]]:
    queries = [f"select t::text from {table} t order by 1" for table in TABLES]
    return [[row[0] for row in await connection.fetch(query)] for query in queries]


async def test_bar_by_bar_it_finds_what_one_detector_finds(database: Any) -> None:
    connection = await asyncpg.connect(database.functions)
    bars, detector = some_bars(300), Detector()
    expected = [event for bar in bars for event in detector.push(*bar)]
    found = [event for bar in bars for event in await on_bar_close(connection, MARKET, bar)]
    assert len(found) > 50
    assert found == expected
    stored = await connection.fetch("select event_id, kind, event_data, detected_at from pattern_detections order by 1")
    context = KINDS[KINDS.index("premium_entered") :]  # where the market stands is no pattern, and is not kept
    kept = [event for event in expected if event.kind not in context]
    assert [row["event_id"] for row in stored] == [event.id for event in kept]
    for row, event in zip(stored, kept, strict=True):
        data = json.loads(row["event_data"])
        assert data["anchor_ms"] == bars[event.anchor].time
        assert data["confirmed_ms"] == bars[event.confirmed].time + 60_000
        assert row["detected_at"].timestamp() * 1000 == data["confirmed_ms"]
    await connection.close()


async def test_a_bar_that_comes_twice_changes_nothing(database: Any) -> None:
    connection = await asyncpg.connect(database.functions)
    bars = some_bars(120)
    for bar in bars:
        await on_bar_close(connection, MARKET, bar)
    before = await rows(connection)
    for bar in (bars[-1], bars[60], bars[0], bars[-1]._replace(close=bars[-1].low)):
        assert await on_bar_close(connection, MARKET, bar) == []
    assert await rows(connection) == before
    await connection.close()


async def test_a_bar_that_fails_leaves_nothing_behind(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = await asyncpg.connect(database.functions)
    bars = some_bars(200)
    for bar in bars[:-1]:
        await on_bar_close(connection, MARKET, bar)
    before = await rows(connection)

    async def fail(*_: Any) -> None:
        raise RuntimeError("gone")

    with monkeypatch.context() as patch:
        patch.setattr("smc_agent.handlers.on_bar_close.save_checkpoint", fail)
        with pytest.raises(RuntimeError, match="gone"):
            await on_bar_close(connection, MARKET, bars[-1])
    assert await rows(connection) == before
    await on_bar_close(connection, MARKET, bars[-1])
    assert len((await rows(connection))[0]) == 200
    await connection.close()


async def test_an_unsound_bar_is_refused_with_its_rule(database: Any) -> None:
    connection = await asyncpg.connect(database.functions)
    bar = some_bars(1)[0]
    with pytest.raises(BarError, match=r"BTCUSDT:1m: bar 1, column high: must be at least max\(open, close\)"):
        await on_bar_close(connection, MARKET, bar._replace(high=bar.low))
    with pytest.raises(ValueError, match="unknown time frame"):
        await on_bar_close(connection, Market("synthetic", "BTCUSDT", "9m"), bar)
    assert await rows(connection) == [[], [], [], []]
    await connection.close()


def test_lambda_takes_one_bar_or_a_batch_from_a_queue(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database.functions)
    context = SimpleNamespace(function_name="f", memory_limit_in_mb=1, invoked_function_arn="a", aws_request_id="r")
    calls = [
        {"exchange": "synthetic", "symbol": "BTCUSDT", "timeframe": "1m", "bar": list(bar)} for bar in some_bars(60)
    ]
    first = handler(calls[0], context)
    rest = handler({"Records": [{"body": json.dumps(call)} for call in calls]}, context)
    detector = Detector()
    expected = sum(len(detector.push(*bar)) for bar in some_bars(60))
    assert first["events"] + rest["events"] == expected
    assert expected > 0
