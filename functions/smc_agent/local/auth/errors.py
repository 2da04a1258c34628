"""Errors of the auth server, in the shape its clients read."""

from __future__ import annotations

import math

from starlette.requests import Request
from starlette.responses import JSONResponse


class AuthError(Exception):
    """An answer `{code, error_code, msg}` with its HTTP status."""

    def __init__(self, status: int, error_code: str, msg: str, retry_after: float | None = None) -> None:
        super().__init__(msg)
        self.status, self.error_code, self.msg, self.retry_after = status, error_code, msg, retry_after


def bad_request(msg: str) -> AuthError:
    return AuthError(400, "validation_failed", msg)


def invalid_credentials() -> AuthError:
    return AuthError(400, "invalid_credentials", "Invalid login credentials")


def too_often(seconds: float) -> AuthError:
    return AuthError(429, "over_request_rate_limit", "Too many attempts; try again later", seconds)


async def answer(_: Request, error: Exception) -> JSONResponse:
    """Starlette's handler for AuthError."""
    assert isinstance(error, AuthError)
    body = {"code": error.status, "error_code": error.error_code, "msg": error.msg}
    headers = {"Retry-After": str(math.ceil(error.retry_after))} if error.retry_after is not None else {}
    return JSONResponse(body, status_code=error.status, headers={"Cache-Control": "no-store", **headers})
