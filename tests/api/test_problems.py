"""Errors, headers and the published description."""

import logging
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from tests.api.world import World

from smc_agent.api.openapi import document
from smc_agent.platform.problems import KINDS

OPENAPI = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


async def test_an_unknown_route_is_a_problem(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/v1/nothing")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["code"] == "not_found"
    assert body["type"] == "urn:smc-agent:problem:not_found"
    assert body["request_id"] == response.headers["x-request-id"]


async def test_a_wrong_method_names_the_right_one(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/v1/orders/create")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "body",
    [b"{", b'{"quantity": NaN}', b'{"quantity": Infinity}', b"\xff", b"[" * 50_000, b'{"a": ' + b"9" * 5000 + b"}"],
)
async def test_what_is_no_json(client: httpx.AsyncClient, world: World, body: bytes) -> None:
    headers = world.alice.headers | {"Content-Type": "application/json"}
    response = await client.post("/api/v1/orders/create", content=body, headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_json")


async def test_a_body_that_is_too_large(client: httpx.AsyncClient, world: World) -> None:
    response = await client.post("/api/v1/smc/detect", json={"symbol": "X" * 70_000}, headers=world.alice.headers)
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


async def test_every_wrong_field_is_named_and_nothing_is_repeated(client: httpx.AsyncClient, world: World) -> None:
    secret = "do-not-repeat-me"
    body = {"symbol": secret, "side": "hold", "type": "limit", "quantity": "-1", "extra": secret}
    response = await client.post("/api/v1/orders/create", json=body, headers=world.alice.headers)
    assert response.status_code == 422
    found = {error["field"]: error["code"] for error in response.json()["errors"]}
    assert found == {
        "body.symbol": "string_pattern_mismatch",
        "body.side": "literal_error",
        "body.price": "price_required",
        "body.quantity": "greater_than",
        "body.extra": "extra_forbidden",
    }
    assert secret not in response.text


async def test_security_headers_are_on_every_answer(client: httpx.AsyncClient, world: World) -> None:
    for path in ("/healthz", "/nothing", "/openapi.json"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert len(headers["x-request-id"]) == 32


async def test_a_request_id_is_kept_if_it_can_be_one(client: httpx.AsyncClient) -> None:
    kept = await client.get("/healthz", headers={"X-Request-ID": "trace-0123456789"})
    assert kept.headers["x-request-id"] == "trace-0123456789"
    replaced = await client.get("/healthz", headers={"X-Request-ID": "a b<script>"})
    assert len(replaced.headers["x-request-id"]) == 32


async def test_logs_hold_no_credentials(
    client: httpx.AsyncClient, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token, key = world.alice.token(), await world.api_key(world.alice, ["read"])
    for credential in (token, key, "smc_unknown_key", token[:-4] + "AAAA"):
        await client.get(
            "/api/v1/market/symbols?token=" + credential, headers={"Authorization": f"Bearer {credential}"}
        )
    logged = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("smc_agent"))
    assert "GET /api/v1/market/symbols -> 200" in logged
    for credential in (token, key, "smc_unknown_key", token[:-4]):
        assert credential not in logged


async def test_what_breaks_inside_is_not_told(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("postgresql://user:password@host/")

    monkeypatch.setattr("smc_agent.api.routes.market.read_series", broken)
    async with world.client() as client:
        response = await client.get("/api/v1/market/symbols", headers=world.alice.headers)
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "password" not in response.text
    assert response.json()["request_id"] in caplog.text


async def test_without_the_database(world: World) -> None:
    app = world.app(database_url=SecretStr("postgresql://nobody@127.0.0.1:1/none"))
    async with world.client(app) as client:
        response = await client.get("/api/v1/market/symbols", headers=world.alice.headers)
        assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")
        assert response.headers["retry-after"] == "5"
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/healthz")).json()["status"] == "ok"


async def test_readiness_names_each_part(client: httpx.AsyncClient) -> None:
    body = (await client.get("/readyz")).json()
    assert {part["name"]: part["state"] for part in body["parts"]} == {
        "database": "ok",
        "executor": "not_configured",
        "rate_limits": "ok",
        "stream": "not_configured",
    }


async def test_an_executor_that_is_away_degrades(world: World) -> None:
    async with world.client(world.app(executor_url="http://127.0.0.1:1")) as client:
        response = await client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")


def test_the_published_description_is_that_of_the_code() -> None:
    assert OPENAPI.read_text() == document(), "run: python -m smc_agent.api.openapi > docs/openapi.json"


def test_the_description_lists_every_problem_code() -> None:
    text = document()
    assert [code for code in KINDS if f"`{code}`" not in text and code not in ("not_found", "method_not_allowed")] == []
