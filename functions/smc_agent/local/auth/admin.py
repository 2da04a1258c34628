"""The routes under /auth/v1/admin, for the service_role key alone."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from smc_agent.local.auth.errors import AuthError, bad_request
from smc_agent.local.auth.one_time import issue_token
from smc_agent.local.auth.routes import AuthServer
from smc_agent.local.auth.users import (
    as_json,
    ban_user,
    checked_email,
    checked_password,
    create_user,
    find_user,
    update_user,
)

_LINK_TYPES = ("invite", "recovery", "magiclink")


class AdminRoutes:
    """Makes, lists, changes and removes users; makes one-time tokens."""

    def __init__(self, server: AuthServer) -> None:
        self.server = server

    def routes(self) -> list[Route]:
        """Starlette routes, relative to /auth/v1."""
        return [
            Route("/admin/users", self.list_users, methods=["GET"]),
            Route("/admin/users", self.create, methods=["POST"]),
            Route("/admin/users/{id:uuid}", self.one, methods=["GET"]),
            Route("/admin/users/{id:uuid}", self.update, methods=["PUT"]),
            Route("/admin/users/{id:uuid}", self.delete, methods=["DELETE"]),
            Route("/admin/generate_link", self.generate_link, methods=["POST"]),
        ]

    async def list_users(self, request: Request) -> Response:
        self._check(request)
        try:
            page, size = (
                int(request.query_params.get(name) or default) for name, default in (("page", 1), ("per_page", 50))
            )
        except ValueError:
            raise bad_request("page and per_page are whole numbers") from None
        page, size = max(page, 1), min(max(size, 1), 1000)
        async with self.server.pool.acquire() as connection:
            rows = await connection.fetch(
                "select * from auth.users order by created_at desc, id limit $1 offset $2", size, (page - 1) * size
            )
            total = await connection.fetchval("select count(*) from auth.users")
        body = {"users": [as_json(row) for row in rows], "aud": "authenticated"}
        return JSONResponse(body, headers={"X-Total-Count": str(total)})

    async def create(self, request: Request) -> Response:
        self._check(request)
        body = await self.server.body(request)
        email = checked_email(body.get("email"))
        encoded = await self._hash(body)
        async with self.server.pool.acquire() as connection:
            user = await create_user(
                connection, email, encoded, bool(body.get("email_confirm")),
                _object(body, "user_metadata"), _object(body, "app_metadata"),
            )  # fmt: skip
        return JSONResponse(as_json(user))

    async def one(self, request: Request) -> Response:
        self._check(request)
        async with self.server.pool.acquire() as connection:
            return JSONResponse(as_json(await self._found(connection, request)))

    async def update(self, request: Request) -> Response:
        self._check(request)
        body = await self.server.body(request)
        encoded = await self._hash(body)
        email = checked_email(body["email"]) if body.get("email") else None
        async with self.server.pool.acquire() as connection, connection.transaction():
            user = await update_user(
                connection, request.path_params["id"], encoded_password=encoded, email=email,
                confirm=bool(body.get("email_confirm")),
                user_data=_object(body, "user_metadata"), app_data=_object(body, "app_metadata"),
            )  # fmt: skip
            if encoded:
                await connection.execute("delete from auth.sessions where user_id = $1", user["id"])
            if body.get("ban_duration"):
                user = await ban_user(connection, user["id"], _duration(body["ban_duration"]))
        return JSONResponse(as_json(user))

    async def delete(self, request: Request) -> Response:
        self._check(request)
        async with self.server.pool.acquire() as connection:
            user = await self._found(connection, request)
            try:
                await connection.execute("delete from auth.users where id = $1", user["id"])
            except asyncpg.IntegrityConstraintViolationError:
                # The audit trail outlives the user.
                message = "The user has trading records, which are kept; ban him instead"
                raise AuthError(409, "conflict", message) from None
        return JSONResponse(as_json(user))

    async def generate_link(self, request: Request) -> Response:
        self._check(request)
        body = await self.server.body(request)
        email, kind = checked_email(body.get("email")), body.get("type")
        if kind not in _LINK_TYPES:
            raise bad_request(f"type is one of {', '.join(_LINK_TYPES)}")
        async with self.server.pool.acquire() as connection, connection.transaction():
            user = await connection.fetchrow("select * from auth.users where email = $1", email)
            if user is None and kind == "invite":
                user = await create_user(connection, email, None, confirmed=False, user_data=_object(body, "data"))
            if user is None:
                raise AuthError(404, "user_not_found", "User with this email not found")
            token = await issue_token(connection, user["id"], kind)
        redirect = str(body.get("redirect_to") or "")
        # After the '#', so that the token reaches no server's log.
        link = {"action_link": f"{redirect}#token_hash={token}&type={kind}", "email_otp": "", "hashed_token": token,
                "redirect_to": redirect, "verification_type": kind}  # fmt: skip
        return JSONResponse({**as_json(user), **link}, headers={"Cache-Control": "no-store"})

    def _check(self, request: Request) -> None:
        if self.server.claims(request)["role"] != "service_role":
            raise AuthError(403, "not_admin", "User not allowed")

    async def _hash(self, body: dict[str, Any]) -> str | None:
        return await self.server.passwords.hash(checked_password(body["password"])) if body.get("password") else None

    async def _found(self, connection: asyncpg.pool.PoolConnectionProxy, request: Request) -> asyncpg.Record:
        user_id: UUID = request.path_params["id"]
        user = await find_user(connection, user_id)
        if user is None:
            raise AuthError(404, "user_not_found", "User not found")
        return user


def _duration(value: object) -> timedelta | None:
    """'24h', '90m', '30s', or 'none'."""
    if value == "none":
        return None
    match = re.fullmatch(r"(\d{1,7})([hms])", value) if isinstance(value, str) else None
    if match is None:
        raise bad_request("ban_duration is a number with h, m or s, such as 24h, or none")
    return timedelta(seconds=int(match[1]) * {"h": 3600, "m": 60, "s": 1}[match[2]])


def _object(body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name) or {}
    if not isinstance(value, dict):
        raise bad_request(f"{name} must be an object")
    return value
