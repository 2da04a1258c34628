"""The executor as the agent needs it: it waits until it gets an answer, and says so."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from smc_agent.execution import (
    Answer,
    ExecutorAway,
    ExecutorClient,
    ExecutorError,
    Snapshot,
    UnknownAccount,
    WrongToken,
    sign,
)
from smc_agent.local.agent_venue import VenueAway

log = logging.getLogger(__name__)

_TTL = timedelta(seconds=30)
_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 2.0
_BEAT_S = 1.0

T = TypeVar("T")


class Stopped(Exception):
    """The agent was told to stop while it waited."""


@dataclass(frozen=True)
class Command:
    """A command as it was decided, before it is signed."""

    command_id: str
    account: str
    action: str
    payload: dict[str, Any]


class PatientExecutor:
    """Signs commands and gets answers, however long the executor is away; until then nothing else happens.

    UnknownAccount and WrongToken, which time does not mend, are raised.
    """

    def __init__(self, client: ExecutorClient, seed: bytes, key_id: str, stop: asyncio.Event) -> None:
        self._client, self._seed, self._key_id, self._stop = client, seed, key_id, stop

    async def submit(self, command: Command) -> Answer:
        """The executor's answer to `command`. Sending it again is safe: its id gets the first answer."""

        async def once() -> Answer:
            envelope = sign(
                self._seed, self._key_id, command.command_id, command.account, command.action, command.payload,
                datetime.now(UTC), _TTL,
            )  # fmt: skip
            answer = await self._client.submit(envelope)
            if answer.code == "not_ready":
                raise ExecutorAway("the executor is not ready: it is reconciling with the venue")
            return answer

        answer = await self.until_answered(once)
        if answer.status == "refused":
            log.warning(
                "executor: refused %s %s: %s %s", command.action, command.command_id, answer.code, answer.message
            )
        return answer

    async def drain(self, account: str) -> Snapshot:
        """The account once the executor has reacted to everything that the venue told it."""

        async def once() -> Snapshot:
            snapshot = await self._client.drain(account)
            if not snapshot.ready:
                raise ExecutorAway("the executor is not ready: it is reconciling with the venue")
            return snapshot

        return await self.until_answered(once)

    async def drain_known(self, account: str) -> None:
        """As `drain`, for an account of no session; one that the executor does not have is passed over."""
        try:
            await self.until_answered(lambda: self._client.drain(account))
        except UnknownAccount as error:
            log.debug("executor: %s", error)

    async def keep_beating(self) -> None:
        """Tells the executor every second that this agent lives, until it is cancelled; for its dead man's switch."""
        while True:
            with contextlib.suppress(ExecutorError):
                await self._client.heartbeat()
            await asyncio.sleep(_BEAT_S)

    async def until_answered(self, ask: Callable[[], Awaitable[T]], whom: str = "executor") -> T:
        """What `ask` gives, asked again with growing pauses while the one who is asked is away."""
        wait, said = _FIRST_WAIT_S, False
        while True:
            try:
                answer = await ask()
            except (UnknownAccount, WrongToken):
                raise
            except (ExecutorError, VenueAway) as error:
                if not said:
                    log.warning("%s: %s; the market waits until it is back", whom, error)
                    said = True
                if await stopped_within(self._stop, wait):
                    raise Stopped from None
                wait = min(2 * wait, _LONGEST_WAIT_S)
            else:
                if said:
                    log.warning("%s: is back, going on", whom)
                return answer


async def stopped_within(stop: asyncio.Event, seconds: float) -> bool:
    """Whether `stop` was set within `seconds`."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
