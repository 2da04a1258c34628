"""The first user, his paper portfolio and his session: made once, by the same API that a hosted project has."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import asyncpg
import httpx

from smc_agent.local.market_choice import MarketChoice
from smc_agent.local.state import State, StateError
from smc_agent.market import SymbolRules

FILE = "account.json"
DEFAULT_EMAIL = "admin@localhost.localdomain"
DOLLAR_LIKE = {"USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD", "EUR", "GBP", "CHF", "AUD", "CAD", "NZD"}
ROLES = ("trader", "analyst", "admin")


class AdminError(Exception):
    """The auth server refused; the message names cause and cure, `code` is the server's own."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Account:
    """The first user's address, and the ids of his things."""

    email: str
    portfolio_id: UUID
    session_id: UUID

    @staticmethod
    def of(state: State, email: str | None) -> "Account":
        """The account that `keep` left in this state folder, else a new one. Raises AdminError for another
        e-mail, StateError for a damaged file."""
        kept = state.read(FILE)
        if kept is None:
            return Account(email or DEFAULT_EMAIL, uuid4(), uuid4())
        try:
            account = Account(str(kept["email"]), UUID(kept["portfolio_id"]), UUID(kept["session_id"]))
        except (KeyError, ValueError, TypeError, AttributeError):
            path = state.folder / FILE
            raise StateError(f"{path} is damaged. Restore it, or start over with `smc reset`.") from None
        if email is not None and email != account.email:
            raise AdminError(
                f"The first user of this state is {account.email}. Make {email} a user with `smc admin create {email}`."
            )
        return account

    def keep(self, state: State) -> None:
        """Remember it in the state folder, before anything is made by these ids. Raises StateError."""
        ids = {"portfolio_id": str(self.portfolio_id), "session_id": str(self.session_id)}
        state.write(FILE, {"email": self.email, **ids})


class AuthAdmin:
    """Users and one-time links, with the service key. Raises AdminError."""

    def __init__(self, supabase_url: str, service_key: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=supabase_url,
            headers={"apikey": service_key, "Authorization": f"Bearer {service_key}"},
            timeout=15,
            trust_env=not supabase_url.startswith("http://127.0.0.1"),  # a proxy does not know this machine's loopback
        )

    async def __aenter__(self) -> "AuthAdmin":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def invite(self, email: str, role: str) -> tuple[UUID, str | None]:
        """Make the user where there is none, and give him the role.

        Returns his id and the fragment of a one-time link; None instead of it once he has signed in.
        """
        user = await self.find(email)
        fragment = None
        if user is None or not user.get("email_confirmed_at"):
            user, fragment = await self._link(email, "invite")
        changed = await self._ask("PATCH", f"/rest/v1/users?id=eq.{user['id']}", {"role": role})
        if not changed:
            raise AdminError(f"{email} has no row in `users`. Run the migrations on this project.")
        return UUID(user["id"]), fragment

    async def link(self, email: str) -> str:
        """The fragment of a new one-time link, by which the user sets a new password."""
        if await self.find(email) is None:
            raise AdminError(f"There is no user {email}. Make one with `smc admin create {email}`.")
        try:
            return (await self._link(email, "invite"))[1]
        except AdminError as error:
            if error.code != "email_exists":  # a hosted project invites nobody twice
                raise
            return (await self._link(email, "recovery"))[1]

    async def find(self, email: str) -> dict[str, Any] | None:
        """The auth user with this address."""
        page = 1
        while users := (await self._ask("GET", f"/auth/v1/admin/users?page={page}&per_page=200"))["users"]:
            for user in users:
                if user["email"] == email.lower():
                    found: dict[str, Any] = user
                    return found
            page += 1
        return None

    async def roles(self) -> list[dict[str, Any]]:
        """E-mail, role and is_active of every user."""
        rows: list[dict[str, Any]] = await self._ask("GET", "/rest/v1/users?select=email,role,is_active&order=email")
        return rows

    async def _link(self, email: str, kind: str) -> tuple[dict[str, Any], str]:
        user = await self._ask("POST", "/auth/v1/admin/generate_link", {"type": kind, "email": email})
        return user, f"token_hash={quote(user['hashed_token'], safe='')}&type={kind}"

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            answer = await self._http.request(method, path, json=body, headers={"Prefer": "return=representation"})
            content = answer.json()
        except httpx.TransportError as error:
            raise AdminError(
                f"{self._http.base_url} does not answer ({type(error).__name__}). "
                "Start it with `smc up`, or see `smc doctor`."
            ) from None
        except json.JSONDecodeError:
            raise AdminError(
                f"{self._http.base_url} answered no JSON ({answer.status_code}). Is it Supabase?"
            ) from None
        if answer.is_error:
            said = content.get("msg") or content.get("message") or content.get("error") or "no reason given"
            raise AdminError(
                f"{method} {path.partition('?')[0]}: {said} ({answer.status_code}).", content.get("error_code")
            )
        return content


async def open_account(
    database_url: str, account: Account, user_id: UUID, market: MarketChoice, balance: Decimal
) -> None:
    """Make the paper portfolio and the session on `market`, where they are not there yet."""
    from smc_agent.execution import SessionConfig

    config = SessionConfig(
        session_id=account.session_id,
        portfolio_id=account.portfolio_id,
        exchange=market.exchange,
        symbol=market.symbol,
        timeframe=market.timeframe,
    )
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute(
                "insert into portfolios (id, user_id, name, exchange, trading_mode, quote_asset, initial_balance)"
                " values ($1, $2, 'Paper', 'paper', 'paper', $3, $4) on conflict (id) do nothing",
                account.portfolio_id,
                user_id,
                market.rules.quote,
                balance,
            )
            await connection.execute(
                "insert into trading_sessions (id, user_id, session_name, strategy_config)"
                " values ($1, $2, $3, $4) on conflict (id) do nothing",
                account.session_id,
                user_id,
                f"SMC confluence, {market.symbol} {market.timeframe}",
                config.model_dump_json(exclude={"session_id"}),
            )
    finally:
        await connection.close()


def opening_balance(rules: SymbolRules) -> Decimal:
    """100,000 in a currency like the dollar; else about as much, by the least notional, which is about five dollars."""
    return Decimal(100_000) if rules.quote in DOLLAR_LIKE else 20_000 * rules.min_notional
