"""Who asks: a Supabase access token or one of the user's API keys, verified; never taken from a URL, never logged."""

import asyncio
import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

import jwt

from smc_agent.platform.database import Database
from smc_agent.platform.problems import Problem

if TYPE_CHECKING:
    from jwt import PyJWKClient

API_KEY_PREFIX: Final = "smc_"
ASYMMETRIC: Final = ("ES256", "RS256", "EdDSA")
Scope = Literal["read", "trade"]


@dataclass(frozen=True)
class Principal:
    """A verified caller.

    user_id: of public.users. key_id: of the API key, None for a token. scopes: what the credential allows.
    expires_at: epoch seconds at which the credential ends.
    """

    user_id: UUID
    key_id: UUID | None
    scopes: frozenset[str]
    expires_at: float

    @property
    def rate_key(self) -> str:
        """What a rate limit counts by: the key, or the user for all of his tokens together."""
        return f"key:{self.key_id}" if self.key_id else f"user:{self.user_id}"

    def require(self, scope: Scope) -> None:
        """Raise Problem `insufficient_scope` unless the credential allows `scope`."""
        if scope not in self.scopes:
            raise Problem(
                "insufficient_scope",
                f"This API key lacks the scope '{scope}'; use a key that has it, or sign in.",
            )


def bearer_of(authorization: str | None) -> str:
    """The credential of an Authorization header; raises Problem `missing_credentials`."""
    scheme, _, credential = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise Problem(
            "missing_credentials",
            "Send 'Authorization: Bearer' with an access token or an API key.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return credential.strip()


class Authenticator:
    """Verifies credentials against the project's keys and the users table.

    jwt_secret: of a project that signs with HS256. jwks_url: of one that signs with asymmetric keys. Either or both.
    """

    def __init__(self, database: Database, jwt_secret: str | None, jwks_url: str | None) -> None:
        self._database = database
        self._secret = jwt_secret
        self._jwks_url = jwks_url
        self._jwks: PyJWKClient | None = None

    async def authenticate(self, credential: str) -> Principal:
        """The caller behind a credential; Problem 401 when it proves nothing, 403 when the user is not active."""
        if credential.startswith(API_KEY_PREFIX):
            return await self._by_api_key(credential)
        return await self._by_token(credential)

    async def still_valid(self, principal: Principal) -> None:
        """Raise the Problem that `principal` would meet if he came back now; for connections that stay open."""
        if principal.expires_at <= time.time():
            raise Problem("token_expired", "The credential has expired; send a fresh one.")
        if principal.key_id is None:
            await self._require_active(principal.user_id)
        else:
            await self._read_key(key_id=principal.key_id)

    async def _by_token(self, token: str) -> Principal:
        challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        try:
            algorithm = str(jwt.get_unverified_header(token).get("alg"))
            key: Any
            if algorithm == "HS256" and self._secret is not None:
                key = self._secret
            elif algorithm in ASYMMETRIC and self._jwks_url is not None:
                key = await asyncio.to_thread(self._signing_key, token)
            else:
                raise jwt.InvalidAlgorithmError(algorithm)
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience="authenticated",
                options={"require": ["exp", "sub", "aud"]},
            )
            user_id = UUID(claims["sub"])
        except jwt.ExpiredSignatureError as error:
            raise Problem(
                "token_expired", "The access token has expired; refresh the session.", headers=challenge
            ) from error
        except (jwt.PyJWTError, ValueError) as error:
            raise Problem(
                "invalid_token",
                "The access token is malformed, not signed by this project, or not meant for signed-in users.",
                headers=challenge,
            ) from error
        await self._require_active(user_id)
        return Principal(user_id, None, frozenset({"read", "trade"}), float(claims["exp"]))

    def _signing_key(self, token: str) -> Any:
        if self._jwks is None:
            assert self._jwks_url is not None
            self._jwks = jwt.PyJWKClient(self._jwks_url, timeout=5)
        return self._jwks.get_signing_key_from_jwt(token).key

    async def _require_active(self, user_id: UUID) -> None:
        async with self._database.as_functions() as connection:
            active = await connection.fetchval("select is_active from public.users where id = $1", user_id)
        if active is None:
            raise Problem("invalid_token", "The user of this access token is not known here.")
        if not active:
            raise Problem("inactive_user", "This account was deactivated; ask an administrator.")

    async def _by_api_key(self, key: str) -> Principal:
        return await self._read_key(key_hash=hashlib.sha256(key.encode()).hexdigest())

    async def _read_key(self, key_id: UUID | None = None, key_hash: str | None = None) -> Principal:
        async with self._database.as_functions() as connection:
            row = await connection.fetchrow(
                "select k.id, k.user_id, k.scopes, k.revoked_at, u.is_active,"
                " extract(epoch from k.expires_at)::float8 as expires_at,"
                " k.last_used_at is null or k.last_used_at < now() - interval '1 minute' as stale"
                " from public.api_keys k join public.users u on u.id = k.user_id"
                " where k.id = $1 or k.key_hash = $2",
                key_id,
                key_hash,
            )
            if row is None:
                raise Problem("invalid_api_key", "No such API key; make one on the login page.")
            if row["revoked_at"] is not None:
                raise Problem("api_key_revoked", "This API key was revoked; make a new one on the login page.")
            if row["expires_at"] <= time.time():
                raise Problem("api_key_expired", "This API key has expired; make a new one on the login page.")
            if not row["is_active"]:
                raise Problem("inactive_user", "This account was deactivated; ask an administrator.")
            if row["stale"]:  # once a minute is enough to see whether a key is in use
                await connection.execute("update public.api_keys set last_used_at = now() where id = $1", row["id"])
        return Principal(row["user_id"], row["id"], frozenset(row["scopes"]), row["expires_at"])
