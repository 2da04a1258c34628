"""JSON web tokens, signed with the project's secret (HS256), and the opaque tokens beside them."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from typing import Any

import jwt

ROLES = ("anon", "authenticated", "service_role")
ACCESS_SECONDS = 3600
_KEY_SECONDS = 10 * 365 * 24 * 3600

Claims = Mapping[str, Any]


class InvalidToken(Exception):
    """A token that this project did not sign, or not for now; the message says which, never the token."""


def make_keys(secret: str) -> tuple[str, str]:
    """The anon and service_role keys of a project, valid for ten years. `secret`: at least 32 characters."""
    now = int(time.time())
    anon, service = (
        sign({"role": role, "iss": "supabase", "iat": now, "exp": now + _KEY_SECONDS}, secret)
        for role in ("anon", "service_role")
    )
    return anon, service


def sign(claims: Claims, secret: str) -> str:
    """Claims as a compact JWT."""
    return jwt.encode(dict(claims), secret, algorithm="HS256")


def verify(token: str, secret: str) -> dict[str, Any]:
    """The claims of a token of this project: signature, expiry and role checked. Raises InvalidToken."""
    try:
        # The project's own keys carry no audience, users' tokens do; the role says what a token may do.
        claims: dict[str, Any] = jwt.decode(
            token, secret, algorithms=["HS256"], options={"require": ["exp", "role"], "verify_aud": False}
        )
    except jwt.ExpiredSignatureError:
        raise InvalidToken("token is expired") from None
    except jwt.PyJWTError:
        raise InvalidToken("token is malformed or not signed by this project") from None
    if claims["role"] not in ROLES:
        raise InvalidToken("token names an unknown role")
    return claims


def opaque_token() -> str:
    """A random token of 256 bits; only its `digest` is stored."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """SHA-256 of an opaque token, hex; enough without salt, for the token is random."""
    return hashlib.sha256(token.encode()).hexdigest()
