"""POST /smc/detect and /analytics/backtest: the same code that trades, asked over HTTP."""

import asyncio
import json
import statistics
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from tests.api.world import SYMBOL, World, minutes

from smc_agent.backtest import Fees, run_backtest
from smc_agent.detection import detect, rule_text
from smc_agent.detection.params import DetectionParams
from smc_agent.execution import SessionConfig
from smc_agent.market.bars import bars_of
from smc_agent.market.resample import resample
from smc_agent.market.store import store_bars
from smc_agent.market.symbols import Market, rules_of


async def detect_over_http(client: httpx.AsyncClient, world: World, **body: Any) -> dict[str, Any]:
    asked = {"symbol": SYMBOL, "timeframe": "1m", **body}
    response = await client.post("/api/v1/smc/detect", json=asked, headers=world.alice.headers)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_events_are_those_of_the_detector(client: httpx.AsyncClient, world: World) -> None:
    body = await detect_over_http(client, world, limit=3000)
    bars = bars_of(world.bars)
    expected = list(detect(bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume))
    assert len(expected) > 100
    names = ("id", "kind", "scale", "direction", "anchor", "confirmed", "top", "bottom", "ref")
    assert [tuple(event[name] for name in names) for event in body["events"]] == [tuple(event) for event in expected]
    for event in body["events"]:
        assert event["anchor_ms"] == bars.time[event["anchor"]]
    kinds = {event.kind for event in expected}
    assert body["rules"] == {kind: rule_text(kind, DetectionParams()) for kind in kinds}


async def test_higher_time_frames_agree_with_resampling(client: httpx.AsyncClient, world: World) -> None:
    body = await detect_over_http(client, world, timeframe="5m", limit=600)
    bars = resample(bars_of(world.bars, SYMBOL, "1m"), "5m")
    expected = detect(bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume)
    assert [(e["kind"], e["confirmed_ms"]) for e in body["events"]] == [
        (event.kind, bars.time[event.confirmed]) for event in expected
    ]


async def test_nothing_said_earlier_is_taken_back(client: httpx.AsyncClient, world: World) -> None:
    """What was detected as of bar 1,500 is the beginning of what is detected as of bar 2,000."""
    first = world.bars[0].time
    early = await detect_over_http(client, world, limit=1500, before_ms=world.bars[1500].time)
    late = await detect_over_http(client, world, limit=2000, before_ms=world.bars[2000].time)
    assert early["first_bar_ms"] == late["first_bar_ms"] == first
    assert late["events"][: len(early["events"])] == early["events"]


async def test_a_limit_leaves_out_and_never_changes(client: httpx.AsyncClient, world: World) -> None:
    """A window that moved with the newest bar would repaint; what still stands from before it is told all the same."""
    everything = await detect_over_http(client, world, limit=3000)
    newest = await detect_over_http(client, world, limit=300)
    known = {event["id"]: event for event in everything["events"]}
    told = {event["id"] for event in newest["events"]}
    assert all(known[event["id"]] == event for event in newest["events"])
    assert len(told) < len(known)
    begins = world.bars[-300].time
    assert {event["id"] for event in everything["events"] if event["confirmed_ms"] >= begins} <= told
    standing = [
        pattern for pattern in everything["patterns"] if pattern["active"] and "block" in pattern["pattern_type"]
    ]
    assert any(pattern["confirmed_ms"] < begins for pattern in standing)
    assert {pattern["id"] for pattern in standing} <= told
    assert newest["order_blocks"] == everything["order_blocks"]
    assert newest["liquidity_levels"] == everything["liquidity_levels"]
    assert newest["market_structure"] == everything["market_structure"]


async def test_the_four_fields(client: httpx.AsyncClient, world: World) -> None:
    body = await detect_over_http(client, world, limit=3000)
    bars = bars_of(world.bars)
    events = detect(bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume)
    active = {event.id for event in events.as_of(len(bars) - 1)}
    assert {block["id"] for block in body["order_blocks"]} == {
        event.id for event in events if event.kind == "order_block" and event.id in active
    }
    assert all(pattern["confidence"] is None for pattern in body["patterns"])
    assert body["liquidity_levels"]
    for level in body["liquidity_levels"]:
        after = [bar for bar in world.bars if bar.time > level["anchor_ms"]]
        if level["side"] == "buy_side":
            assert all(bar.high <= level["price"] for bar in after)
        else:
            assert all(bar.low >= level["price"] for bar in after)
    last = [event for event in events if event.kind in ("bos", "choch") and event.scale == "swing"][-1]
    assert body["market_structure"]["swing"]["trend"] == last.direction
    assert body["market_structure"]["last_close"] == world.last.close


async def test_only_the_asked_patterns_and_what_became_of_them(client: httpx.AsyncClient, world: World) -> None:
    body = await detect_over_http(client, world, limit=3000, pattern_types=["fvg"])
    assert {pattern["pattern_type"] for pattern in body["patterns"]} == {"fvg"}
    assert {event["kind"] for event in body["events"]} <= {"fvg", "fvg_touched", "fvg_half_filled", "fvg_filled"}
    assert "fvg_filled" in {event["kind"] for event in body["events"]}
    assert set(body["rules"]) == {event["kind"] for event in body["events"]}


async def test_a_long_answer_is_compressed_for_who_takes_it(client: httpx.AsyncClient, world: World) -> None:
    asked = {"symbol": SYMBOL, "timeframe": "1m", "limit": 3000}
    answers = [
        await client.post("/api/v1/smc/detect", json=asked, headers={**world.alice.headers, "Accept-Encoding": coding})
        for coding in ("gzip", "identity")
    ]
    assert [answer.headers.get("content-encoding") for answer in answers] == ["gzip", None]
    assert int(answers[0].headers["content-length"]) * 4 < int(answers[1].headers["content-length"])
    assert answers[0].content == answers[1].content
    for answer in answers:
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"pattern_types": ["head_and_shoulders"]}, "validation_failed"),
        ({"pattern_types": []}, "validation_failed"),
        ({"timeframe": "1y"}, "validation_failed"),
        ({"limit": 0}, "validation_failed"),
        ({"symbol": "ETHUSDT"}, "unknown_market"),
    ],
)
async def test_bad_detection_requests(client: httpx.AsyncClient, world: World, body: dict[str, Any], code: str) -> None:
    asked = {"symbol": SYMBOL, "timeframe": "1m", **body}
    response = await client.post("/api/v1/smc/detect", json=asked, headers=world.alice.headers)
    assert response.json()["code"] == code


def backtest_body(
    world: World, first: int = 0, last: int = 3000, config: dict[str, Any] | None = None
) -> dict[str, Any]:
    end_ms = world.bars[last - 1].time + 60_000
    return {
        "strategy_config": {"symbol": SYMBOL, "timeframe": "1m", **(config or {})},
        "start_date": datetime.fromtimestamp(world.bars[first].time / 1000, UTC).isoformat(),
        "end_date": datetime.fromtimestamp(end_ms / 1000, UTC).isoformat(),
        "initial_capital": 100000,
    }


async def backtest_over_http(client: httpx.AsyncClient, world: World, body: dict[str, Any]) -> httpx.Response:
    return await client.post("/api/v1/analytics/backtest", json=body, headers=world.alice.headers, timeout=60)


async def test_a_backtest_is_the_backtest(client: httpx.AsyncClient, world: World) -> None:
    config: dict[str, Any] = {"params": {"discount": 1.0}, "risk": {"fee_rate": "0", "min_risk_reward": 1}}
    response = await backtest_over_http(client, world, backtest_body(world, config=config))
    assert response.status_code == 200, response.text
    body = response.json()
    session = SessionConfig.model_validate(
        {
            "session_id": "00000000-0000-0000-0000-000000000000",
            "portfolio_id": "00000000-0000-0000-0000-000000000000",
            "exchange": "synthetic",
            "symbol": SYMBOL,
            "timeframe": "1m",
            **config,
        }
    )
    bars = bars_of(world.bars, SYMBOL, "1m", "synthetic")
    rules = rules_of(bars[-1000:])
    result = run_backtest(bars, session, rules, Decimal(100000), Fees(Decimal(0), Decimal(0)))
    expected = json.loads(json.dumps(result.report()))
    assert body["trade_log"] == expected["trades"]
    assert body["trade_log"], "the series must trade, or this test says nothing"
    assert body["signals"] == expected["signals"]
    assert body["reproducibility"] == expected["reproducibility"]
    metrics = body["performance_metrics"] | body["risk_metrics"]
    assert {name: metrics[name] for name in expected["metrics"]} == expected["metrics"]
    assert body["equity_curve"][-1]["time_ms"] == world.last.time
    assert len(body["equity_curve"]) <= 2000
    again = await backtest_over_http(client, world, backtest_body(world, config=config))
    assert again.content == response.content


@pytest.mark.parametrize(
    ("change", "status", "code", "where"),
    [
        ({"end_date": "2020-01-01"}, 422, "validation_failed", "body.end_date"),
        ({"start_date": "yesterday"}, 422, "validation_failed", "body.start_date"),
        ({"initial_capital": 0}, 422, "validation_failed", "body.initial_capital"),
        ({"strategy_config": {"symbol": SYMBOL}}, 422, "validation_failed", "body.strategy_config.timeframe"),
        (
            {"strategy_config": {"symbol": SYMBOL, "timeframe": "1m", "params": {"discount": 7}}},
            422,
            "validation_failed",
            "body.strategy_config.params.discount",
        ),
        ({"strategy_config": {"symbol": "ETHUSDT", "timeframe": "1m"}}, 404, "unknown_market", None),
        ({"start_date": "1990-01-01", "end_date": "1990-02-01"}, 404, "unknown_market", None),
        ({"start_date": "1990-01-01"}, 422, "too_many_bars", None),
    ],
)
async def test_bad_backtest_requests(
    client: httpx.AsyncClient, world: World, change: dict[str, Any], status: int, code: str, where: str | None
) -> None:
    response = await backtest_over_http(client, world, backtest_body(world) | change)
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    if where:
        assert response.json()["errors"][0]["field"] == where


async def test_a_symbol_whose_steps_nobody_knows(client: httpx.AsyncClient, world: World) -> None:
    await world.owner.execute("update market_data set symbol = 'ABCXYZ'")
    body = backtest_body(world) | {"strategy_config": {"symbol": "ABCXYZ", "timeframe": "1m"}}
    response = await backtest_over_http(client, world, body)
    assert (response.status_code, response.json()["code"]) == (422, "unknown_symbol")


async def test_a_backtest_plays_whole_bars_of_its_period_only(client: httpx.AsyncClient, world: World) -> None:
    response = await backtest_over_http(client, world, backtest_body(world, 10, 2970, {"timeframe": "1h"}))
    body = response.json()
    assert body["bars"] == 48  # of 01:00 to 49:00, without the hours that are cut
    assert body["equity_curve"][0]["time_ms"] == world.bars[60].time


async def test_a_third_backtest_at_once_is_sent_away(world: World) -> None:
    app = world.app()
    slots = app.state.parts.backtests
    async with world.client(app) as client, slots, slots:
        response = await backtest_over_http(client, world, backtest_body(world))
    assert (response.status_code, response.json()["code"]) == (429, "backtest_busy")
    assert response.headers["retry-after"] == "5"


async def test_others_are_answered_while_a_backtest_runs(world: World) -> None:
    bars = minutes(12_000)
    await store_bars(world.owner, Market("synthetic", SYMBOL, "1m"), bars[3000:])
    body = backtest_body(world) | {"end_date": datetime.fromtimestamp(bars[-1].time / 1000, UTC).isoformat()}
    async with world.client() as client:
        await backtest_over_http(client, world, backtest_body(world, 0, 100))  # compile and connect first
        running = asyncio.create_task(backtest_over_http(client, world, body))
        waits = []
        while not running.done():
            started = time.perf_counter()
            assert (await client.get("/healthz")).status_code == 200
            await asyncio.sleep(0.001)
            waits.append(time.perf_counter() - started)
        assert running.result().json()["bars"] == 11_999
        assert len(waits) > 10
        assert statistics.median(waits) < 0.1
