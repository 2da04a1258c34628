"""The bus: what the agent tells the API as it happens. What is lost on it can be read from the database."""

import asyncio
import json
import logging
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol

import asyncpg
import redis.asyncio
import redis.exceptions

log = logging.getLogger(__name__)

CHANNEL = "smc_bus"
# NOTIFY takes less than 8,000 bytes; a piece's own header needs some of them.
_LIMIT = 7_900
_RECONNECT_S = 1.0

Message = dict[str, Any]


class Bus(Protocol):
    """Carries messages (dicts that JSON can hold) from publishers to all who are subscribed at the time."""

    async def publish(self, messages: list[Message]) -> None:
        """Sends `messages` in order; while the connection is lost they are lost, and the log says so."""
        ...

    def subscribe(self) -> AsyncIterator[Message]:
        """Messages as they come; after a lost connection first a `{"type": "gap"}`, for some may be missing."""
        ...

    async def close(self) -> None: ...


def open_bus(database_url: str, redis_url: str | None = None) -> Bus:
    """Redis pub/sub where there is a Redis, else Postgres LISTEN/NOTIFY."""
    return RedisBus(redis_url) if redis_url else PostgresBus(database_url)


def pack(messages: list[Message]) -> Iterator[str]:
    """`messages` as payloads of at most 7,900 bytes: JSON arrays of whole messages, pieces of longer ones."""
    batch: list[str] = []
    size = 2
    for message in messages:
        text = json.dumps(message, separators=(",", ":"))  # ASCII, so that characters are bytes
        if batch and size + len(text) + 1 > _LIMIT:
            yield f"[{','.join(batch)}]"
            batch, size = [], 2
        if len(text) + 2 > _LIMIT:
            width = _LIMIT - 60
            pieces = [text[i : i + width] for i in range(0, len(text), width)]
            name = uuid.uuid4().hex
            yield from (f"{name}:{i}:{len(pieces)}:{piece}" for i, piece in enumerate(pieces))
            continue
        batch.append(text)
        size += len(text) + 1
    if batch:
        yield f"[{','.join(batch)}]"


class Unpacker:
    """Makes messages of payloads, in the order of `pack`."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[str]] = defaultdict(list)

    def messages(self, payload: str) -> list[Message]:
        if payload.startswith("["):
            whole: list[Message] = json.loads(payload)
            return whole
        name, index, count, piece = payload.split(":", 3)
        pieces = self._pieces[name]
        if len(pieces) != int(index):
            # The first pieces went by before we listened.
            del self._pieces[name]
            return []
        pieces.append(piece)
        if len(pieces) < int(count):
            return []
        return [json.loads("".join(self._pieces.pop(name)))]


class PostgresBus:
    """LISTEN/NOTIFY on channel `smc_bus`, each side on a connection of its own."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def publish(self, messages: list[Message]) -> None:
        if not messages:
            return
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(self._url)
            payloads = list(pack(messages))
            await self._connection.execute("select pg_notify($1, p) from unnest($2::text[]) p", CHANNEL, payloads)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("bus: %d messages lost (%s)", len(messages), type(error).__name__)

    async def subscribe(self) -> AsyncIterator[Message]:
        first, said = True, False
        while True:
            payloads: asyncio.Queue[str | None] = asyncio.Queue()
            try:
                connection = await asyncpg.connect(self._url)
                connection.add_termination_listener(lambda _, queue=payloads: queue.put_nowait(None))
                await connection.add_listener(CHANNEL, lambda *a, queue=payloads: queue.put_nowait(a[3]))
            except (OSError, asyncpg.PostgresError) as error:
                if not said:
                    log.warning("bus: no connection to Postgres (%s), trying again", type(error).__name__)
                said = True
                await asyncio.sleep(_RECONNECT_S)
                continue
            if said:
                log.warning("bus: connected to Postgres again")
            said = False
            if not first:
                yield {"type": "gap"}
            first = False
            unpacker = Unpacker()
            try:
                while (payload := await payloads.get()) is not None:
                    for message in unpacker.messages(payload):
                        yield message
            finally:
                connection.terminate()
            await asyncio.sleep(_RECONNECT_S)

    async def close(self) -> None:
        if self._connection is not None and not self._connection.is_closed():
            await self._connection.close()


class RedisBus:
    """Redis pub/sub on channel `smc_bus`."""

    def __init__(self, redis_url: str) -> None:
        self._redis = redis.asyncio.Redis.from_url(redis_url)

    async def publish(self, messages: list[Message]) -> None:
        try:
            for payload in pack(messages):
                await self._redis.publish(CHANNEL, payload)
        except (OSError, redis.exceptions.RedisError) as error:
            log.warning("bus: %d messages lost (%s)", len(messages), type(error).__name__)

    async def subscribe(self) -> AsyncIterator[Message]:
        first, said = True, False
        while True:
            unpacker = Unpacker()
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(CHANNEL)
                    if said:
                        log.warning("bus: connected to Redis again")
                    said = False
                    if not first:
                        yield {"type": "gap"}
                    first = False
                    async for item in pubsub.listen():
                        if item["type"] == "message":
                            for message in unpacker.messages(item["data"].decode()):
                                yield message
            except (OSError, redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
                if not said:
                    log.warning("bus: no connection to Redis (%s), trying again", type(error).__name__)
                said = True
            first = False
            await asyncio.sleep(_RECONNECT_S)

    async def close(self) -> None:
        await self._redis.aclose()
