"""The routes under /auth/v1 that a user's client calls."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from smc_agent.local.auth.errors import AuthError, bad_request, invalid_credentials, too_often
from smc_agent.local.auth.one_time import spend_token
from smc_agent.local.auth.passwords import Passwords
from smc_agent.local.auth.sessions import Issuer, close_sessions, open_session, refresh
from smc_agent.local.auth.throttle import Throttle
from smc_agent.local.auth.tokens import InvalidToken, verify
from smc_agent.local.auth.users import (
    MAX_PASSWORD,
    as_json,
    checked_email,
    checked_password,
    create_user,
    find_user,
    update_user,
)

_MAX_BODY = 64 * 1024
_SECRET = {"Cache-Control": "no-store"}


@dataclass
class AuthServer:
    """Users and sessions in `pool`'s database (as its owner), tokens signed by `issuer`."""

    pool: asyncpg.Pool
    issuer: Issuer
    signup: bool = True  # anyone may make himself a user
    passwords: Passwords = field(default_factory=Passwords)
    by_account: Throttle = field(default_factory=lambda: Throttle(burst=10, seconds=30))
    by_address: Throttle = field(default_factory=lambda: Throttle(burst=120, seconds=1))

    def routes(self) -> list[Route]:
        """Starlette routes, relative to /auth/v1."""
        return [
            Route("/health", self.health),
            Route("/settings", self.settings),
            Route("/.well-known/jwks.json", self.jwks),
            Route("/signup", self.sign_up, methods=["POST"]),
            Route("/token", self.token, methods=["POST"]),
            Route("/verify", self.verify, methods=["POST"]),
            Route("/recover", self.no_mail, methods=["POST"]),
            Route("/otp", self.no_mail, methods=["POST"]),
            Route("/user", self.get_user, methods=["GET"]),
            Route("/user", self.put_user, methods=["PUT"]),
            Route("/logout", self.logout, methods=["POST"]),
        ]

    async def health(self, _: Request) -> Response:
        return JSONResponse({"name": "smc-agent auth", "description": "A stand-in for Supabase Auth on one machine"})

    async def settings(self, _: Request) -> Response:
        return JSONResponse({
            "external": {"email": True, "phone": False, "anonymous_users": False}, "disable_signup": not self.signup,
            "mailer_autoconfirm": True, "phone_autoconfirm": False, "sms_provider": "", "saml_enabled": False,
        })  # fmt: skip

    async def jwks(self, _: Request) -> Response:
        # HS256: the key that verifies is the one that signs, so none is published.
        return JSONResponse({"keys": []})

    async def sign_up(self, request: Request) -> Response:
        body = await self.body(request)
        if not self.signup:
            raise AuthError(422, "signup_disabled", "Signups not allowed for this instance; an administrator invites")
        email, password = checked_email(body.get("email")), checked_password(body.get("password"))
        data = body.get("data") or {}
        if not isinstance(data, dict):
            raise bad_request("data must be an object")
        encoded = await self.passwords.hash(password)
        async with self.pool.acquire() as connection, connection.transaction():
            user = await create_user(connection, email, encoded, confirmed=True, user_data=data)
            session = await open_session(connection, self.issuer, user["id"], "password", _agent(request))
        return JSONResponse(session, headers=_SECRET)

    async def token(self, request: Request) -> Response:
        grant = request.query_params.get("grant_type")
        body = await self.body(request)
        if grant == "password":
            return JSONResponse(await self._sign_in(request, body), headers=_SECRET)
        if grant == "refresh_token":
            return JSONResponse(await self._refresh(body), headers=_SECRET)
        raise AuthError(400, "unsupported_grant_type", "grant_type is password or refresh_token")

    async def _sign_in(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        email, password = body.get("email"), body.get("password")
        if not isinstance(email, str) or not isinstance(password, str):
            raise bad_request("email and password are needed")
        email = email.strip().lower()
        account = f"{_address(request)} {email[:255]}"
        if wait := self.by_account.wait(account):
            raise too_often(wait)
        async with self.pool.acquire() as connection:
            user = await connection.fetchrow(
                "select id, encrypted_password, email_confirmed_at from auth.users where email = $1", email
            )
        # The hash is compared for every user, known or not, so that neither answer nor time tells them apart.
        encoded = user["encrypted_password"] if user else None
        if not await self.passwords.matches(encoded, password[:MAX_PASSWORD]) or not user:
            raise invalid_credentials()
        if user["email_confirmed_at"] is None:
            raise AuthError(400, "email_not_confirmed", "Email not confirmed")
        self.by_account.forget(account)
        async with self.pool.acquire() as connection, connection.transaction():
            return await open_session(connection, self.issuer, user["id"], "password", _agent(request))

    async def _refresh(self, body: dict[str, Any]) -> dict[str, Any]:
        token = body.get("refresh_token")
        if not isinstance(token, str) or not token:
            raise bad_request("refresh_token is needed")
        async with self.pool.acquire() as connection, connection.transaction():
            session = await refresh(connection, self.issuer, token)
        if session is None:
            raise AuthError(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used")
        return session

    async def verify(self, request: Request) -> Response:
        body = await self.body(request)
        token = body.get("token_hash")
        if not isinstance(token, str) or not token:
            raise bad_request("token_hash is needed")
        token_type = {"email": "magiclink"}.get(str(body.get("type")), body.get("type"))
        if token_type not in ("invite", "recovery", "magiclink"):
            raise bad_request("type is invite, recovery, magiclink or email")
        async with self.pool.acquire() as connection, connection.transaction():
            user_id = await spend_token(connection, token, token_type)
            session = await open_session(connection, self.issuer, user_id, "otp", _agent(request))
        return JSONResponse(session, headers=_SECRET)

    async def no_mail(self, request: Request) -> Response:
        await self.body(request)
        # The same for every address, known or not.
        raise AuthError(422, "email_provider_disabled", "This machine sends no mail; an administrator can make a link")

    async def get_user(self, request: Request) -> Response:
        user, _ = await self.signed_in(request)
        return JSONResponse(as_json(user), headers=_SECRET)

    async def put_user(self, request: Request) -> Response:
        user, session_id = await self.signed_in(request)
        body = await self.body(request)
        if body.get("email") and str(body["email"]).strip().lower() != user["email"]:
            raise AuthError(
                422, "email_provider_disabled", "A new address needs a mail to confirm it, and none is sent here"
            )
        data = body.get("data") or {}
        if not isinstance(data, dict):
            raise bad_request("data must be an object")
        encoded = await self.passwords.hash(checked_password(body["password"])) if body.get("password") else None
        async with self.pool.acquire() as connection, connection.transaction():
            row = await update_user(connection, user["id"], encoded_password=encoded, user_data=data)
            if encoded:
                # Whoever knew the old password is signed out.
                await close_sessions(connection, user["id"], session_id, "others")
        return JSONResponse(as_json(row), headers=_SECRET)

    async def logout(self, request: Request) -> Response:
        scope = request.query_params.get("scope", "global")
        if scope not in ("global", "local", "others"):
            raise bad_request("scope is global, local or others")
        user, session_id = await self.signed_in(request)
        async with self.pool.acquire() as connection:
            await close_sessions(connection, user["id"], session_id, scope)
        return Response(status_code=204)

    def claims(self, request: Request) -> dict[str, Any]:
        """The claims of the request's bearer token, or of its apikey where it has none. Raises AuthError."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        token = token if kind.lower() == "bearer" and token else request.headers.get("apikey", "")
        if not token:
            raise AuthError(401, "no_authorization", "This endpoint requires a Bearer token")
        try:
            return verify(token, self.issuer.secret)
        except InvalidToken as error:
            raise AuthError(403, "bad_jwt", f"invalid JWT: {error}") from None

    async def signed_in(self, request: Request) -> tuple[asyncpg.Record, UUID]:
        """The user and the session of the request; a session that was closed no longer counts. Raises AuthError."""
        claims = self.claims(request)
        if claims["role"] != "authenticated" or "sub" not in claims:
            raise AuthError(403, "bad_jwt", "invalid claim: missing sub claim")
        try:
            user_id, session_id = UUID(claims["sub"]), UUID(claims["session_id"])
        except (KeyError, ValueError):
            raise AuthError(403, "bad_jwt", "invalid JWT: names no session") from None
        async with self.pool.acquire() as connection:
            user = await find_user(connection, user_id)
            if user is None or not await connection.fetchval(
                "select exists (select from auth.sessions where id = $1 and user_id = $2)", session_id, user_id
            ):
                raise AuthError(403, "session_not_found", "Session from session_id claim in JWT does not exist")
        return user, session_id

    async def body(self, request: Request) -> dict[str, Any]:
        """The request's JSON object; each address has so many requests. Raises AuthError."""
        if wait := self.by_address.wait(_address(request)):
            raise too_often(wait)
        data = b""
        async for part in request.stream():
            data += part
            if len(data) > _MAX_BODY:
                raise AuthError(413, "validation_failed", "Request body is larger than 64 KiB")
        try:
            body = json.loads(data or b"{}")
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise AuthError(400, "bad_json", "Could not parse request body as JSON: an object is needed")
        return body


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _agent(request: Request) -> str | None:
    return request.headers.get("user-agent", "")[:255] or None
