"""Delivers new rows of realtime.messages, and removes old ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import asyncpg

from smc_agent.local.realtime.hub import Hub

KEPT = timedelta(hours=1)  # delivery needs a row for an instant; hosted keeps three days
_PRUNE_SECONDS = 300
_BATCH, _BEHIND = 500, 50_000
_log = logging.getLogger(__name__)


class MessageListener:
    """Listens to the database while `run` runs; after a gap everybody is disconnected, so that everybody refetches."""

    def __init__(self, pool: asyncpg.Pool, hub: Hub, disconnect_all: Callable[[str], None]) -> None:
        self._pool, self._hub, self._disconnect_all = pool, hub, disconnect_all
        self._ids: asyncio.Queue[UUID | None] = asyncio.Queue()  # None: the connection is lost
        self.listening = asyncio.Event()
        self._away = False  # and it was said

    async def run(self) -> None:
        """Until cancelled; comes back by itself when the database went away."""
        pruning = asyncio.create_task(self._prune())
        try:
            while True:
                try:
                    await self._listen()
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                    if not self._away:
                        _log.warning("realtime lost the database (%s) and tries again", type(error).__name__)
                    self._away = True
                self.listening.clear()
                self._disconnect_all("the database went away; refetch after joining again")
                await asyncio.sleep(1)
        finally:
            pruning.cancel()

    async def _listen(self) -> None:
        async with self._pool.acquire() as connection:
            self._ids = asyncio.Queue()
            connection.add_termination_listener(self._terminated)
            await connection.add_listener("realtime_messages", self._announced)
            self.listening.set()
            if self._away:
                _log.warning("realtime has the database again")
            self._away = False
            try:
                while True:
                    await self._deliver(await self._next_ids())
            finally:
                if not connection.is_closed():
                    connection.remove_termination_listener(self._terminated)
                    await connection.remove_listener("realtime_messages", self._announced)

    def _announced(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        # With nobody joined there is nobody to miss it.
        if self._hub:
            self._ids.put_nowait(UUID(str(payload)))

    def _terminated(self, _connection: object) -> None:
        self._ids.put_nowait(None)

    async def _next_ids(self) -> list[UUID]:
        ids = [await self._ids.get()]
        if self._ids.qsize() > _BEHIND:
            raise asyncpg.InterfaceError("too far behind")
        while len(ids) < _BATCH and not self._ids.empty():
            ids.append(self._ids.get_nowait())
        found = [one for one in ids if one is not None]
        if len(found) < len(ids):
            raise asyncpg.InterfaceError("the listening connection was closed")
        return found

    async def _deliver(self, ids: list[UUID]) -> None:
        # On another connection: this one must not be busy when notifications come. In the order of their commits.
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(
                "select id, topic, event, payload::text as payload, coalesce(private, false) as private"
                " from realtime.messages where id = any($1) and extension = 'broadcast'",
                ids,
            )
        by_id = {row["id"]: row for row in rows}
        for row in (by_id[one] for one in ids if one in by_id):
            name, meta = (row["private"], row["topic"]), {"id": str(row["id"])}
            self._hub.broadcast(name, row["event"] or "", row["payload"] or "null", meta=meta)

    async def _prune(self) -> None:
        while True:
            try:
                async with self._pool.acquire() as connection:
                    await connection.execute(
                        "delete from realtime.messages where inserted_at < (now() at time zone 'UTC') - $1::interval",
                        KEPT,
                    )
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if not self._away:
                    _log.warning("old realtime messages were not removed: %s", type(error).__name__)
            await asyncio.sleep(_PRUNE_SECONDS)
