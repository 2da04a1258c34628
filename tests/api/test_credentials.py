"""Who may ask: tokens, API keys, scopes."""

import time
import uuid
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.api.world import JWT_SECRET, World

ANY = "/api/v1/market/symbols"


async def ask(
    client: httpx.AsyncClient, credential: str | None, method: str = "GET", path: str = ANY
) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {credential}"} if credential else {}
    response = await client.request(method, path, headers=headers, json={} if method == "POST" else None)
    return response.status_code, response.json()


async def test_a_token_of_the_project_is_let_in(client: httpx.AsyncClient, world: World) -> None:
    assert (await ask(client, world.alice.token()))[0] == 200


@pytest.mark.parametrize("scheme", ["", "Basic abc", "Bearer", "Bearer   "])
async def test_without_credentials(client: httpx.AsyncClient, scheme: str) -> None:
    response = await client.get(ANY, headers={"Authorization": scheme})
    assert (response.status_code, response.json()["code"]) == (401, "missing_credentials")
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"secret": "another-secret-that-is-long-enough-for-hs256"}, "invalid_token"),
        ({"exp": int(time.time()) - 1}, "token_expired"),
        ({"exp": None}, "invalid_token"),
        ({"aud": "anon"}, "invalid_token"),
        ({"aud": None}, "invalid_token"),
        ({"sub": None}, "invalid_token"),
        ({"sub": "not-a-uuid"}, "invalid_token"),
        ({"sub": str(uuid.uuid4())}, "invalid_token"),
    ],
)
async def test_bad_tokens(client: httpx.AsyncClient, world: World, changed: dict[str, Any], code: str) -> None:
    status, body = await ask(client, world.alice.token(**changed))
    assert (status, body["code"]) == (401, code)


async def test_an_unsigned_token_is_forged(client: httpx.AsyncClient, world: World) -> None:
    claims = {"sub": str(world.alice.id), "aud": "authenticated", "exp": time.time() + 60}
    status, body = await ask(client, jwt.encode(claims, "", algorithm="none"))
    assert (status, body["code"]) == (401, "invalid_token")


async def test_a_key_of_ones_own_is_no_key_of_the_project(client: httpx.AsyncClient, world: World) -> None:
    """An asymmetric token where the project has only a secret, and one under an algorithm that is not used."""
    claims = {"sub": str(world.alice.id), "aud": "authenticated", "exp": time.time() + 60}
    for token in (
        jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256"),
        jwt.encode(claims, JWT_SECRET.ljust(64, "x"), algorithm="HS512"),
    ):
        assert (await ask(client, token))[1]["code"] == "invalid_token"


async def test_a_deactivated_user_is_shut_out(client: httpx.AsyncClient, world: World) -> None:
    key = await world.api_key(world.alice, ["read"])
    await world.owner.execute("update users set is_active = false where id = $1", world.alice.id)
    for credential in (world.alice.token(), key):
        status, body = await ask(client, credential)
        assert (status, body["code"]) == (403, "inactive_user")
    assert (await ask(client, world.bob.token()))[0] == 200


async def test_an_api_key_reads_and_says_when_it_was_used(client: httpx.AsyncClient, world: World) -> None:
    key = await world.api_key(world.alice, ["read"])
    assert (await ask(client, key))[0] == 200
    assert await world.owner.fetchval("select last_used_at from api_keys") is not None


async def test_a_key_that_reads_does_not_trade(client: httpx.AsyncClient, world: World) -> None:
    key = await world.api_key(world.alice, ["read"])
    for path in (
        "/api/v1/orders/create",
        "/api/v1/risk/kill",
        "/api/v1/risk/resume",
        f"/api/v1/orders/{uuid.uuid4()}/cancel",
    ):
        status, body = await ask(client, key, "POST", path)
        assert (status, body["code"]) == (403, "insufficient_scope"), path


async def test_a_key_that_trades_does_not_read(client: httpx.AsyncClient, world: World) -> None:
    key = await world.api_key(world.alice, ["trade"])
    assert (await ask(client, key))[1]["code"] == "insufficient_scope"
    # The body is judged, not the scope.
    assert (await ask(client, key, "POST", "/api/v1/orders/create"))[1]["code"] == "validation_failed"


async def test_unknown_expired_and_revoked_keys(client: httpx.AsyncClient, world: World) -> None:
    expired = await world.api_key(world.alice, ["read"], expires="-1 second")
    revoked = await world.api_key(world.alice, ["read"], revoked=True)
    assert (await ask(client, "smc_made_up"))[1]["code"] == "invalid_api_key"
    assert (await ask(client, expired))[1]["code"] == "api_key_expired"
    assert (await ask(client, revoked))[1]["code"] == "api_key_revoked"


async def test_asymmetric_keys_come_from_the_projects_jwks(world: World, httpserver_jwks: Any) -> None:
    private, url = httpserver_jwks
    app = world.app(supabase_jwt_secret=None, supabase_url=url)
    claims = {"sub": str(world.alice.id), "aud": "authenticated", "exp": time.time() + 60}
    async with world.client(app) as client:
        good = jwt.encode(claims, private, algorithm="ES256", headers={"kid": "k1"})
        assert (await ask(client, good))[0] == 200
        forged = jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": "k1"})
        assert (await ask(client, forged))[1]["code"] == "invalid_token"
        # The public key is no secret: a token signed with it as one must not pass.
        assert (await ask(client, world.alice.token()))[1]["code"] == "invalid_token"
