"""The executor, as seen from here: HTTP, with no retries of its own.

ExecutorError          the executor answered, but not as agreed (status, body)
+-- ExecutorAway       no answer: not reachable, timed out, connection lost. A command may or may not have arrived;
|                      sending the same envelope again is safe, the executor gives its first answer again.
+-- UnknownAccount     the executor does not have the account
+-- WrongToken         the executor does not take the token; asking again will not help
"""

import json
from decimal import Decimal
from typing import Any, Literal, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from smc_agent.risk import AccountView, Balance, OpenOrder


class ExecutorError(Exception):
    """The executor's answer cannot be used."""


class ExecutorAway(ExecutorError):
    """The executor did not answer."""


class UnknownAccount(ExecutorError):
    """The executor does not have the account."""


class WrongToken(ExecutorError):
    """The executor does not take the token."""


class _Said(BaseModel):
    # The executor may learn to say more; what is asked here stays.
    model_config = ConfigDict(frozen=True, extra="ignore")


class AnsweredOrder(_Said):
    """The order a command made or named, as the executor has it."""

    order_id: str
    client_order_id: str | None = None
    external_order_id: str | None = None
    status: str
    filled_quantity: Decimal = Decimal(0)
    average_price: Decimal | None = None


class Answer(_Said):
    """The executor's answer to a command. `unknown`: sent, and the venue is being asked what became of it."""

    command_id: str
    status: Literal["accepted", "refused", "unknown"]
    code: str | None = None
    message: str | None = None
    latency_ms: float | None = None
    order: AnsweredOrder | None = None


class SnapshotBalance(_Said):
    free: Decimal
    locked: Decimal


class SnapshotPosition(_Said):
    symbol: str
    quantity: Decimal
    entry_price: Decimal | None = None
    realized_pnl: Decimal = Decimal(0)


class SnapshotOrder(_Said):
    order_id: str
    client_order_id: str | None = None
    parent_id: str | None = None
    symbol: str
    side: str
    type: str
    quantity: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None
    filled_quantity: Decimal = Decimal(0)
    status: str


class Unprotected(_Said):
    order_id: str
    quantity: Decimal


class Snapshot(_Said):
    """An account as the executor knows it; `sink_pending` rows are not in Postgres yet."""

    account: str
    ready: bool
    killed: bool
    paused: bool
    balances: dict[str, SnapshotBalance]
    positions: list[SnapshotPosition]
    open_orders: list[SnapshotOrder]
    sink_pending: int = 0
    unprotected: list[Unprotected] = []

    def view(self) -> AccountView:
        """What risk and the trading sessions need of it."""
        loose: dict[str, Decimal] = {}
        for item in self.unprotected:
            loose[item.order_id] = loose.get(item.order_id, Decimal(0)) + item.quantity
        return AccountView(
            balances={asset: Balance(balance.free, balance.locked) for asset, balance in self.balances.items()},
            open_orders=tuple(
                OpenOrder(
                    order_id=order.order_id,
                    symbol=order.symbol,
                    side=order.side,
                    type=order.type,
                    quantity=order.quantity,
                    filled_quantity=order.filled_quantity,
                    price=order.price,
                    stop_price=order.stop_price,
                    parent_id=order.parent_id,
                    status=order.status,
                )
                for order in self.open_orders
            ),
            killed=self.killed,
            paused=self.paused,
            unprotected=loose,
        )


_Model = TypeVar("_Model", Answer, Snapshot)


class ExecutorClient:
    """Speaks to one executor. `http` and its time limits are the caller's; `token` opens snapshot and drain."""

    def __init__(self, base_url: str, token: str, http: httpx.AsyncClient) -> None:
        self._base_url = base_url.rstrip("/")
        self._authorization = {"Authorization": f"Bearer {token}"}
        self._http = http

    async def submit(self, envelope: dict[str, Any]) -> Answer:
        """Sends a signed command once. A refusal is an Answer; ExecutorAway when none came."""
        response = await self._request("POST", "/v1/commands", json=envelope)
        # Every refusal by the executor, malformed or bad_signature too, has the answer's shape; a proxy's page has not.
        return _read(Answer, response, "answer to a command")

    async def drain(self, account: str) -> Snapshot:
        """The account once nothing is in flight any more."""
        return await self._account("POST", account, f"/v1/accounts/{account}/drain")

    async def snapshot(self, account: str) -> Snapshot:
        """The account as it is known now."""
        return await self._account("GET", account, f"/v1/accounts/{account}")

    async def heartbeat(self) -> None:
        """Tell the executor that its controller lives: where it waits for that, silence kills the accounts."""
        await self._request("POST", "/v1/heartbeat", headers=self._authorization)

    async def _account(self, method: str, account: str, path: str) -> Snapshot:
        response = await self._request(method, path, headers=self._authorization)
        if response.status_code == 401 and _is_problem(response):
            raise WrongToken(
                "the executor refuses the token (HTTP 401): SMC_EXECUTOR_TOKEN must be the `token` of its config file"
            )
        if response.status_code == 404 and _is_problem(response):
            raise UnknownAccount(f"the executor does not have account {account} (HTTP 404); its config file lists them")
        return _read(Snapshot, response, "snapshot")

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return await self._http.request(method, self._base_url + path, **options)
        except httpx.TransportError as error:
            raise ExecutorAway(f"no answer from the executor to {method} {path}: {type(error).__name__}") from error


def _is_problem(response: httpx.Response) -> bool:
    """Whether it is the executor that says so: another program on its port may answer 401 and 404 as well."""
    try:
        body = json.loads(response.content)
    except ValueError:
        return False
    return isinstance(body, dict) and isinstance(body.get("error"), str)


def _read(model: type[_Model], response: httpx.Response, what: str) -> _Model:
    try:
        return model.model_validate_json(response.content)
    except ValidationError:
        raise ExecutorError(
            f"HTTP {response.status_code} from the executor is no {what}: {response.text[:200]!r}"
        ) from None
