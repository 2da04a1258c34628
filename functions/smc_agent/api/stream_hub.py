"""One subscription to the bus for the process, fanned out to bounded queues, one for each WebSocket."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

if TYPE_CHECKING:
    from smc_agent.market.bus import Bus

log = logging.getLogger("smc_agent.api.stream")

Message = dict[str, Any]
QUEUE_SIZE = 500


DataType = Literal["kline", "smc_patterns"]
"""What can be subscribed to: all that the bus carries."""


def data_type_of(message: Message) -> DataType:
    """The data type that a bus message comes with. Signals come with the patterns that they are made of."""
    return "smc_patterns" if message.get("type") in ("smc_pattern", "trade_signal") else "kline"


class Client:
    """What one WebSocket wants and what waits for it.

    Trade signals of other users than `user_id` never reach it. A client that reads too slowly loses what waits and is
    told by one `gap` message how many messages that were; nothing is kept for it without bound.
    """

    def __init__(self, user_id: UUID, size: int = QUEUE_SIZE) -> None:
        self._user_id = str(user_id)
        self.wanted: dict[str, set[str]] = {}  # symbol -> data types
        self._size = size
        self._waiting: deque[Message] = deque()
        self._missed = 0
        self._missed_elsewhere = False
        self._seq = 0
        self._wake = asyncio.Event()

    def wants(self, message: Message) -> bool:
        symbol = message.get("symbol")
        if data_type_of(message) not in self.wanted.get(str(symbol), ()):
            return False
        if message.get("type") == "trade_signal":
            return str(message.get("data", {}).get("user_id")) == self._user_id
        return True

    def offer(self, message: Message) -> None:
        """Queue a message; when the queue is full, drop all of it and remember how many."""
        self._seq += 1
        if len(self._waiting) >= self._size:
            self._missed += len(self._waiting)
            self._waiting.clear()
        self._waiting.append({**message, "seq": self._seq})
        self._wake.set()

    def tell(self, kind: str, data: Message) -> None:
        """Queue a message of this connection's own: subscribed, error, heartbeat."""
        self.offer({"type": kind, "symbol": None, "data": data, "timestamp": int(time.time() * 1000)})

    def change(self, action: str, symbols: list[str], data_types: Sequence[str], max_symbols: int) -> bool:
        """Subscribe to or unsubscribe from these; False, and nothing changed, when there would be too many."""
        if action == "unsubscribe":
            for symbol in symbols:
                left = self.wanted.get(symbol, set()) - set(data_types)
                if left:
                    self.wanted[symbol] = left
                else:
                    self.wanted.pop(symbol, None)
            return True
        if len(self.wanted.keys() | set(symbols)) > max_symbols:
            return False
        for symbol in symbols:
            self.wanted.setdefault(symbol, set()).update(data_types)
        return True

    def mark_gap(self) -> None:
        """Messages were lost before they reached this process; nobody knows how many."""
        self._missed_elsewhere = True
        self._wake.set()

    async def take(self) -> Message:
        """The next message to send; the gap first, if there was one."""
        while not (self._waiting or self._missed or self._missed_elsewhere):
            self._wake.clear()
            await self._wake.wait()
        if self._missed or self._missed_elsewhere:
            missed = None if self._missed_elsewhere else self._missed
            self._missed, self._missed_elsewhere = 0, False
            before = self._waiting[0]["seq"] - 1 if self._waiting else self._seq
            return {
                "type": "gap",
                "symbol": None,
                "data": {"missed": missed},
                "timestamp": int(time.time() * 1000),
                "seq": before,
            }
        return self._waiting.popleft()


class StreamHub:
    """Listens to the bus from `start` to `close`; `feeds` is {symbol: (open time of its newest bar, heard at)}."""

    def __init__(self, database_url: str, redis_url: str | None) -> None:
        self._urls = (database_url, redis_url)
        self._clients: set[Client] = set()
        self._task: asyncio.Task[None] | None = None
        self.feeds: dict[str, tuple[int, float]] = {}
        self.state: Literal["ok", "down", "not_configured"] = "not_configured"
        self.detail = "this process serves no stream"

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._listen())

    def add(self, client: Client) -> None:
        self._clients.add(client)

    def remove(self, client: Client) -> None:
        self._clients.discard(client)

    async def _listen(self) -> None:
        from smc_agent.market.bus import open_bus

        bus: Bus = open_bus(*self._urls)
        self.state, self.detail = "ok", "listening"
        try:
            async for message in bus.subscribe():
                self._fan_out(message)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("the stream ended")
            self.state, self.detail = "down", f"ended by {type(error).__name__}"
            for client in self._clients:
                client.mark_gap()
        finally:
            await bus.close()

    def _fan_out(self, message: Message) -> None:
        if message.get("type") == "gap":
            for client in self._clients:
                client.mark_gap()
            return
        data = message.get("data", {})
        if message.get("type") == "market_data" and "time_ms" in data:
            self.feeds[str(message.get("symbol"))] = (int(data["time_ms"]), time.time())
        for client in self._clients:
            if client.wants(message):
                client.offer(message)

    async def close(self) -> None:
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
