"""Commands to the executor, and what its answers mean over HTTP.

| executor says | the API says |
|---|---|
| accepted | 200 |
| unknown: sent, outcome being asked for | 202 |
| refused: not_ready | 503 `executor_unavailable` |
| refused: unknown_order | 404 `unknown_order` |
| refused: bad_signature, unknown_key, unknown_account, malformed, oversized | 502 `command_not_accepted` |
| refused: expired, it came too late, and nothing is kept of it | 503 `executor_unavailable` |
| refused by a guard or the venue | 422 `order_refused`, its code in `errors` |
| nothing | 503 `executor_unavailable` |
"""

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx

from smc_agent.api.middleware import request_id
from smc_agent.platform.problems import FieldError, Problem
from smc_agent.platform.settings import Settings

if TYPE_CHECKING:
    from smc_agent.execution.client import Answer, ExecutorClient, Snapshot

SAFE = "Your stops rest at the exchange."
OUR_FAULT = frozenset({"bad_signature", "unknown_key", "unknown_account", "malformed", "oversized"})
TTL = timedelta(seconds=10)


class Executor:
    """Signs for the caller and speaks to the executor; raises Problem where there is none to speak to."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._http = http

    def _client(self) -> "ExecutorClient":
        from smc_agent.execution import ExecutorClient

        url, token = self._settings.executor_url, self._settings.executor_token
        if url is None or token is None:
            raise away("No executor is configured: SMC_EXECUTOR_URL and SMC_EXECUTOR_TOKEN are not set.")
        return ExecutorClient(url, token.get_secret_value(), self._http)

    def envelope(
        self, command_id: UUID, account: UUID, action: str, payload: dict[str, Any], ttl: timedelta = TTL
    ) -> dict[str, Any]:
        """The signed command; Problem `executor_unavailable` when there is no key to sign with."""
        from smc_agent.execution import sign

        if self._settings.command_key is None:
            raise away("No command key is configured: SMC_COMMAND_KEY is not set.")
        seed = base64.b64decode(self._settings.command_key.get_secret_value())
        return sign(
            seed, self._settings.command_key_id, str(command_id), str(account), action, payload, datetime.now(UTC), ttl,
            request_id.get(),
        )  # fmt: skip

    async def submit(self, envelope: dict[str, Any]) -> "Answer":
        """The executor's answer, refusals included; Problem `executor_unavailable` when none came."""
        from smc_agent.execution.client import ExecutorError

        try:
            return await self._client().submit(envelope)
        except ExecutorError as error:
            raise away(
                "The executor did not answer; whether the command arrived is not known. Send the same request again "
                "with the same Idempotency-Key: it acts once."
            ) from error

    async def snapshot(self, account: UUID) -> "Snapshot":
        """The account as the executor knows it now; Problem `executor_unavailable` when it does not say."""
        from smc_agent.execution.client import ExecutorError

        try:
            return await self._client().snapshot(str(account))
        except ExecutorError as error:
            raise away("The executor does not answer; nothing was sent. Try again in a moment.") from error


def away(detail: str) -> Problem:
    return Problem("executor_unavailable", f"{detail} {SAFE}", headers={"Retry-After": "5"})


def raise_refusal(answer: "Answer") -> None:
    """Raise the Problem that a refusal is; nothing for the other answers."""
    if answer.status != "refused":
        return
    code, message = answer.code or "refused", answer.message or "The executor refused without a reason."
    if code == "not_ready":
        raise away(f"The executor is not ready to trade: {message.rstrip('.')}.")
    if code == "expired":
        raise away(
            "The command reached the executor too late and was not carried out: the machine is busy, or its clock is "
            "not the executor's. Send the same request again with the same Idempotency-Key."
        )
    if code == "unknown_order":
        raise Problem("unknown_order", "The executor knows no working order with this id.")
    if code in OUR_FAULT:
        raise Problem("command_not_accepted", f"The executor does not accept the API's command ({code}): {message}")
    raise Problem("order_refused", message, (FieldError("body", code, message),))
