"""Passwords, sessions, one-time links and the limits on trying."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import jwt
import pytest
import websockets
from tests.supabase.conftest import JWT_SECRET, PASSWORD, Supabase, User

from smc_agent.local.auth.one_time import create_invite
from smc_agent.local.auth.throttle import Throttle


class Auth:
    """Asks /auth/v1 as a client with the anon key, or with another bearer."""

    def __init__(self, supabase: Supabase, http: httpx.AsyncClient) -> None:
        self._supabase, self._http = supabase, http

    async def ask(self, method: str, path: str, body: Any = None, bearer: str | None = None) -> httpx.Response:
        headers = {"apikey": self._supabase.anon_key}
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        return await self._http.request(method, f"/auth/v1/{path}", json=body, headers=headers)

    async def sign_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        return await self.ask("POST", "token?grant_type=password", {"email": email, "password": password})

    async def refresh(self, token: str) -> httpx.Response:
        return await self.ask("POST", "token?grant_type=refresh_token", {"refresh_token": token})


@pytest.fixture
async def auth(supabase: Supabase) -> AsyncIterator[Auth]:
    async with httpx.AsyncClient(base_url=supabase.url, trust_env=False) as http:
        yield Auth(supabase, http)


def _error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


def test_an_access_token_says_who_and_for_how_long(sign_up: Callable[[], User], supabase: Supabase) -> None:
    user = sign_up()
    claims = jwt.decode(user.token, JWT_SECRET, algorithms=["HS256"], audience="authenticated")
    assert set(claims) == {
        "iss", "sub", "aud", "exp", "iat", "email", "phone", "app_metadata", "user_metadata", "role", "aal", "amr",
        "session_id", "is_anonymous",
    }  # fmt: skip
    assert (claims["sub"], claims["email"], claims["role"]) == (str(user.id), user.email, "authenticated")
    assert (claims["aal"], claims["amr"][0]["method"], claims["is_anonymous"]) == ("aal1", "password", False)
    assert claims["exp"] - claims["iat"] == user.session["expires_in"] == 3600
    assert user.session["expires_at"] == claims["exp"]
    assert claims["iss"] == f"{supabase.url}/auth/v1"


async def test_a_refresh_token_works_once_and_its_reuse_ends_the_session(
    auth: Auth, sign_up: Callable[[], User]
) -> None:
    user = sign_up()
    first = user.session["refresh_token"]
    second = (await auth.refresh(first)).json()
    assert (await auth.ask("GET", "user", bearer=second["access_token"])).status_code == 200
    assert _error(await auth.refresh(first)) == (400, "refresh_token_already_used")
    # The thief's or the owner's: neither goes on.
    assert _error(await auth.refresh(second["refresh_token"])) == (400, "refresh_token_not_found")
    assert _error(await auth.ask("GET", "user", bearer=second["access_token"])) == (403, "session_not_found")
    assert (await auth.sign_in(user.email)).status_code == 200


async def test_one_of_two_simultaneous_refreshes_wins(auth: Auth, sign_up: Callable[[], User]) -> None:
    token = sign_up().session["refresh_token"]
    answers = await asyncio.gather(*(auth.refresh(token) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]


async def test_a_wrong_password_and_an_unknown_user_get_the_same_answer_in_the_same_time(
    auth: Auth, sign_up: Callable[[], User]
) -> None:
    answers: dict[str, list[httpx.Response]] = {"known": [], "unknown": []}
    times: dict[str, list[float]] = {"known": [], "unknown": []}
    for _ in range(6):
        for who, email in (("known", sign_up().email), ("unknown", f"{uuid4().hex}@example.com")):
            began = time.perf_counter()
            answers[who].append(await auth.sign_in(email, "not the password"))
            times[who].append(time.perf_counter() - began)
    assert {answer.text for of in answers.values() for answer in of} == {
        '{"code":400,"error_code":"invalid_credentials","msg":"Invalid login credentials"}'
    }
    known, unknown = (statistics.median(times[who]) for who in ("known", "unknown"))
    # The hash takes tens of milliseconds; without it an unknown user would be answered many times faster.
    assert unknown > known / 2.5


async def test_guessing_is_limited_and_the_answer_says_when_to_try_again(
    auth: Auth, sign_up: Callable[[], User]
) -> None:
    user = sign_up()
    answers = [await auth.sign_in(user.email, f"guess {n}") for n in range(10)]
    assert {answer.status_code for answer in answers} == {400}
    limited = await auth.sign_in(user.email)  # the right one, too late
    assert _error(limited) == (429, "over_request_rate_limit")
    assert 0 < int(limited.headers["retry-after"]) <= 30
    assert (await auth.sign_in(sign_up().email)).status_code == 200


def test_the_throttle_gives_tries_back_with_time_and_forgets_the_idle() -> None:
    now = 0.0
    throttle = Throttle(burst=2, seconds=10, clock=lambda: now, keys=2)
    assert [throttle.wait("a"), throttle.wait("a"), throttle.wait("a")] == [0, 0, 10]
    now = 10.0
    assert [throttle.wait("a"), throttle.wait("a")] == [0, 10]
    throttle.wait("b")
    throttle.wait("c")
    assert throttle.wait("a") == 0


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"email": "nobody", "password": PASSWORD}, (400, "validation_failed")),
        ({"email": "a@example.com", "password": "short"}, (422, "weak_password")),
        ({"email": "a@example.com", "password": "x" * 1025}, (400, "validation_failed")),
        (["not", "an", "object"], (400, "bad_json")),
        ({"email": "a@example.com", "password": PASSWORD, "data": "x" * 70_000}, (413, "validation_failed")),
    ],
)
async def test_bad_sign_ups_are_refused(auth: Auth, body: Any, expected: tuple[int, str]) -> None:
    assert _error(await auth.ask("POST", "signup", body)) == expected


async def test_signing_out_everywhere_ends_every_session_and_others_leaves_this_one(
    auth: Auth, sign_up: Callable[[], User]
) -> None:
    user = sign_up()
    here, there = (await auth.sign_in(user.email)).json(), (await auth.sign_in(user.email)).json()

    async def alive(session: dict[str, Any]) -> bool:
        return (await auth.ask("GET", "user", bearer=session["access_token"])).status_code == 200

    assert (await auth.ask("POST", "logout?scope=others", bearer=here["access_token"])).status_code == 204
    assert [await alive(session) for session in (here, there, user.session)] == [True, False, False]
    there = (await auth.sign_in(user.email)).json()
    await auth.ask("POST", "logout?scope=local", bearer=there["access_token"])
    assert [await alive(session) for session in (here, there)] == [True, False]
    await auth.ask("POST", "logout", bearer=here["access_token"])
    assert not await alive(here)
    assert _error(await auth.refresh(here["refresh_token"])) == (400, "refresh_token_not_found")


async def test_a_new_password_signs_the_other_sessions_out(auth: Auth, sign_up: Callable[[], User]) -> None:
    user = sign_up()
    thief = (await auth.sign_in(user.email)).json()
    assert (await auth.ask("PUT", "user", {"password": "another good one"}, user.token)).status_code == 200
    assert _error(await auth.refresh(thief["refresh_token"])) == (400, "refresh_token_not_found")
    assert (await auth.sign_in(user.email)).status_code == 400
    assert (await auth.sign_in(user.email, "another good one")).status_code == 200


async def test_an_invitation_makes_a_user_with_his_role_and_works_once(auth: Auth, supabase: Supabase) -> None:
    email = f"{uuid4().hex}@example.com"
    async with asyncpg.create_pool(supabase.database.owner, min_size=1, max_size=1) as pool:
        void = await create_invite(pool, email, "trader")
        token = await create_invite(pool, email, "admin")
        stored = await pool.fetchval(
            "select token_hash from auth.one_time_tokens where user_id = (select id from auth.users where email = $1)",
            email,
        )
        assert token not in stored
        assert await pool.fetchval("select role from users where email = $1", email) == "admin"
        with pytest.raises(ValueError, match="'boss'"):
            await create_invite(pool, email, "boss")
    body = {"type": "invite", "token_hash": token}
    assert _error(await auth.ask("POST", "verify", {**body, "token_hash": void})) == (403, "otp_expired")
    assert _error(await auth.ask("POST", "verify", {**body, "type": "recovery"})) == (403, "otp_expired")
    assert (await auth.sign_in(email, "any password")).json()["error_code"] == "invalid_credentials"
    session = (await auth.ask("POST", "verify", body)).json()
    assert session["user"]["email"] == email
    assert (await auth.ask("PUT", "user", {"password": PASSWORD}, session["access_token"])).status_code == 200
    assert _error(await auth.ask("POST", "verify", body)) == (403, "otp_expired")
    assert (await auth.sign_in(email)).status_code == 200


async def test_administration_needs_the_service_key(
    auth: Auth, supabase: Supabase, sign_up: Callable[[], User]
) -> None:
    user = sign_up()
    for bearer in (None, user.token):
        for method, path in (("GET", "admin/users"), ("POST", "admin/users"), ("POST", "admin/generate_link"),
                             ("DELETE", f"admin/users/{user.id}")):  # fmt: skip
            assert _error(await auth.ask(method, path, {}, bearer)) == (403, "not_admin")
    email = f"{uuid4().hex}@example.com"
    body = {"email": email, "password": PASSWORD, "email_confirm": False}
    made = (await auth.ask("POST", "admin/users", body, supabase.service_key)).json()
    assert _error(await auth.sign_in(email)) == (400, "email_not_confirmed")
    one = f"admin/users/{made['id']}"
    await auth.ask("PUT", one, {"email_confirm": True}, supabase.service_key)
    assert (await auth.sign_in(email)).status_code == 200
    link = {"email": email, "type": "recovery"}
    token = (await auth.ask("POST", "admin/generate_link", link, supabase.service_key)).json()["hashed_token"]
    reset = await auth.ask("POST", "verify", {"type": "recovery", "token_hash": token})
    assert reset.json()["user"]["id"] == made["id"]
    assert (await auth.ask("DELETE", one, bearer=supabase.service_key)).status_code == 200
    assert _error(await auth.ask("GET", one, bearer=supabase.service_key)) == (404, "user_not_found")


async def test_a_banned_user_is_out_until_the_ban_is_lifted(
    auth: Auth, supabase: Supabase, sign_up: Callable[[], User]
) -> None:
    user = sign_up()
    one = f"admin/users/{user.id}"
    await auth.ask("PUT", one, {"ban_duration": "24h"}, supabase.service_key)
    assert _error(await auth.ask("GET", "user", bearer=user.token)) == (403, "session_not_found")
    assert _error(await auth.sign_in(user.email)) == (400, "user_banned")
    assert _error(await auth.sign_in(user.email, "not the password")) == (400, "invalid_credentials")
    assert _error(await auth.ask("PUT", one, {"ban_duration": "soon"}, supabase.service_key))[0] == 400
    await auth.ask("PUT", one, {"ban_duration": "none"}, supabase.service_key)
    assert (await auth.sign_in(user.email)).status_code == 200


async def test_nothing_secret_is_stored_or_logged_as_it_is(
    auth: Auth, supabase: Supabase, sign_up: Callable[[], User]
) -> None:
    user = sign_up()
    await auth.ask("GET", f"user?apikey={user.token}", bearer=user.token)
    for socket in ("realtime/v1/websocket", "api/v1/market/stream"):
        url = f"ws{supabase.url.removeprefix('http')}/{socket}?vsn=2.0.0&apikey={user.token}"
        async with websockets.connect(url, proxy=None):
            pass
    connection = await asyncpg.connect(supabase.database.superuser)
    stored = ""
    for table in ("users", "sessions", "refresh_tokens", "one_time_tokens"):
        stored += str(await connection.fetch(f"select t::text from auth.{table} t"))
    await connection.close()
    log = supabase.log.read_text()
    assert "WS /realtime/v1/websocket 101" in log
    assert "/auth/v1/user 200" in log
    for secret in (PASSWORD, user.token, user.session["refresh_token"]):
        assert secret not in stored
        assert secret not in log
    assert "?" not in log
    assert "$argon2id$" in stored
