"""The Lambda handler in a process of its own, with the events that an API Gateway sends, on a real Postgres."""

import base64
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.api.world import JWT_SECRET, SYMBOL, World

# What the runtime does: import once, then one event after the other.
RUNTIME = """
import json, sys
from types import SimpleNamespace
from smc_agent.handlers.api import handler
context = SimpleNamespace(
    function_name="api", memory_limit_in_mb=512, invoked_function_arn="arn:aws:lambda:x:1:function:api",
    aws_request_id="52fdfc07-2182-154f-163f-5f0f9a621d72", get_remaining_time_in_millis=lambda: 10000)
answers = [handler(event, context) for event in json.load(sys.stdin)]
with open(sys.argv[1], "w") as file:
    json.dump(answers, file)
"""


def gateway_event(
    method: str, path: str, headers: dict[str, str], query: str = "", body: str | None = None
) -> dict[str, Any]:
    """An event of API Gateway's HTTP API, payload format 2.0."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "abc.execute-api.eu-central-1.amazonaws.com", **headers},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc",
            "domainName": "abc.execute-api.eu-central-1.amazonaws.com",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "test",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "stage": "$default",
            "time": "22/Nov/2026:15:00:00 +0000",
            "timeEpoch": 1795359600000,
        },
        "body": body,
        "isBase64Encoded": False,
    }


def invoke(world: World, events: list[dict[str, Any]], folder: Path) -> tuple[list[dict[str, Any]], str]:
    """The answers, and all that was logged."""
    assert world.settings.database_url is not None
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SMC_", "SUPABASE_"))},
        "DATABASE_URL": world.settings.database_url.get_secret_value(),
        "SUPABASE_JWT_SECRET": JWT_SECRET,
    }
    out = folder / "answers.json"
    done = subprocess.run(
        [sys.executable, "-c", RUNTIME, out], input=json.dumps(events), env=environment, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    answers: list[dict[str, Any]] = json.loads(out.read_text())
    return answers, done.stdout + done.stderr


async def test_requests_by_an_api_gateway(world: World, tmp_path: Path) -> None:
    token = world.alice.headers["Authorization"]
    query = f"symbol={SYMBOL}&timeframe=1m&limit=3"
    events = [
        gateway_event("GET", "/healthz", {}),
        gateway_event("GET", "/api/v1/market/bars", {"authorization": token}, query),
        gateway_event("GET", "/api/v1/market/bars", {"authorization": token}, query),
        gateway_event(
            "POST", "/api/v1/orders/create", {"authorization": token, "content-type": "application/json"}, body="{"
        ),
        gateway_event("GET", "/api/v1/market/symbols", {}),
        gateway_event("GET", "/openapi.json", {"accept-encoding": "gzip"}),
    ]
    answers, logged = invoke(world, events, tmp_path)
    assert [answer["statusCode"] for answer in answers] == [200, 200, 200, 400, 401, 200]
    assert json.loads(answers[1]["body"])["bars"] == [list(bar) for bar in world.bars[-3:]]
    assert answers[2]["body"] == answers[1]["body"]  # the connection of the first is still there
    assert json.loads(answers[4]["body"])["code"] == "missing_credentials"
    assert answers[4]["headers"]["content-type"] == "application/problem+json"
    assert answers[4]["isBase64Encoded"] is False
    assert (answers[5]["headers"]["content-encoding"], answers[5]["isBase64Encoded"]) == ("gzip", True)
    assert "openapi" in json.loads(gzip.decompress(base64.b64decode(answers[5]["body"])))
    assert token.removeprefix("Bearer ") not in logged
    lines = [json.loads(line) for line in logged.splitlines() if line.startswith("{")]
    assert any("GET /api/v1/market/bars -> 200" in str(line["message"]) for line in lines)
