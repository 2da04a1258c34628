"""A token that is not the other side's: no wait mends it, so the agent ends and says what to change."""

from __future__ import annotations

import asyncio
import base64
import logging
from pathlib import Path
from typing import Any

import pytest
from tests.agent import world as w
from tests.agent.test_agent_run import CONFIG
from tests.agent.test_venue_clock import DONE, Server, http

from smc_agent.local import agent

SYMBOL = {
    "symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT",
    "filters": [
        {"filterType": "PRICE_FILTER", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "stepSize": "0.00001", "minQty": "0.00001"},
        {"filterType": "NOTIONAL", "minNotional": "5"},
    ],
}  # fmt: skip


@pytest.mark.parametrize("wrong", ["SMC_EXECUTOR_TOKEN", "SMC_PAPER_TOKEN"])
async def test_a_wrong_token_ends_the_agent_with_one_line_that_names_it(
    wrong: str, database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await w.settle(database.owner, CONFIG)
    account = {
        "account": str(w.PORTFOLIO), "ready": True, "killed": False, "paused": False,
        "balances": {"USDT": {"free": "100000", "locked": "0"}}, "positions": [], "open_orders": [],
    }  # fmt: skip

    async def executor_says(first: str, body: dict[str, Any]) -> bytes:
        if wrong == "SMC_EXECUTOR_TOKEN":
            return http("401 Unauthorized", {"error": "the bearer token is missing or wrong"})
        return http("200 OK", account)

    async def venue_says(first: str, body: dict[str, Any]) -> bytes:
        if "exchangeInfo" in first:
            return http("200 OK", {"symbols": [SYMBOL]})
        if wrong == "SMC_PAPER_TOKEN":
            return http("401 Unauthorized", {"code": -2015, "msg": "Control token missing or wrong."})
        return http("200 OK", DONE)

    async with Server(executor_says) as executor, Server(venue_says) as venue:
        for name, value in {
            "DATABASE_URL": database.functions, "SMC_STATE_DIR": str(tmp_path), "SMC_MARKET": "synthetic",
            "SMC_SPEED": "max", "SMC_EXECUTOR_URL": executor.url, "SMC_EXECUTOR_TOKEN": "a-secret",
            "SMC_PAPER_URL": venue.url, "SMC_PAPER_TOKEN": "a-secret",
            "SMC_COMMAND_KEY": base64.b64encode(bytes(32)).decode(), "SMC_COMMAND_KEY_ID": "test",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        with caplog.at_level(logging.WARNING):
            assert await asyncio.wait_for(agent.main(), 20) == 1
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert line.startswith("agent: the ")
    assert "refuses the" in line
    assert f"{wrong} must be the" in line
    assert "a-secret" not in line
