"""One client's WebSocket: joins, broadcasts, presence, token refresh and expiry."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable
from typing import Any

import asyncpg
from starlette.websockets import WebSocket, WebSocketDisconnect

from smc_agent.local.auth.throttle import Throttle
from smc_agent.local.auth.tokens import InvalidToken, verify
from smc_agent.local.realtime.authorize import EVERYTHING, permissions
from smc_agent.local.realtime.frames import BadFrame, Frame, Version, decode, dump_json, encode
from smc_agent.local.realtime.hub import Channel, Hub

_QUEUED = 1000  # messages that wait for a client before it counts as too slow
_CHANNELS = 100
_POLICY, _TRY_LATER = 1008, 1013  # WebSocket close codes


class Refused(Exception):
    """A join or a message that is not allowed; the message is the reason the client is told."""


class RealtimeSocket:
    """Serves one connection until it ends."""

    def __init__(
        self, socket: WebSocket, version: Version, apikey: str, secret: str, pool: asyncpg.Pool, hub: Hub
    ) -> None:
        self._socket, self._version, self._apikey = socket, version, apikey
        self._secret, self._pool, self._hub = secret, pool, hub
        self._channels: dict[str, Channel] = {}
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        self._out: asyncio.Queue[str | bytes] = asyncio.Queue(_QUEUED)
        self._closing: tuple[int, str] | None = None
        self._closed = asyncio.Event()
        self._rate = Throttle(burst=200, seconds=0.01)

    async def serve(self) -> None:
        """Read, write, and clean up; returns when the connection is over."""
        tasks = [asyncio.create_task(step) for step in (self._read(), self._write(), self._closed.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for topic in list(self._channels):
                self._leave(topic)
            code, reason = self._closing or (1000, "")
            with contextlib.suppress(RuntimeError, WebSocketDisconnect, OSError):
                await asyncio.wait_for(self._socket.close(code, reason), timeout=5)

    def disconnect(self, code: int, reason: str) -> None:
        """End the connection; the client is told why."""
        self._closing = self._closing or (code, reason)
        self._closed.set()

    def push(self, data: str | bytes) -> None:
        """Queue a message; a client that does not keep up is disconnected and will refetch."""
        try:
            self._out.put_nowait(data)
        except asyncio.QueueFull:
            self.disconnect(_TRY_LATER, f"too slow: {_QUEUED} messages are waiting")

    async def _write(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
            while True:
                data = await self._out.get()
                await (self._socket.send_text(data) if isinstance(data, str) else self._socket.send_bytes(data))

    async def _read(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while True:
                message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                if self._rate.wait(""):
                    return self.disconnect(_POLICY, "too many messages")
                try:
                    frame = decode(
                        message["text"] if message.get("text") is not None else message["bytes"], self._version
                    )
                except BadFrame as error:
                    return self.disconnect(_POLICY, str(error))
                await self._handle(frame)

    async def _handle(self, frame: Frame) -> None:
        if frame.topic == "phoenix" and frame.event == "heartbeat":
            return self._reply(frame, "ok", {})
        if frame.event == "phx_join":
            return await self._join(frame)
        channel = self._channels.get(frame.topic)
        if channel is None or (frame.join_ref and channel.join_ref and frame.join_ref != channel.join_ref):
            return self._reply(frame, "error", {"reason": "unmatched topic"})
        if frame.event == "phx_leave":
            self._leave(frame.topic)
            self._reply(frame, "ok", {})
            return channel.send("phx_close", {}, channel.join_ref)
        if frame.event == "access_token":
            return await self._new_token(channel, frame.payload.get("access_token"))
        if frame.event == "broadcast":
            return self._broadcast(channel, frame)
        if frame.event == "presence":
            return self._presence(channel, frame)
        return self._reply(frame, "error", {"reason": f"unknown event {frame.event[:50]}"})

    async def _join(self, frame: Frame) -> None:
        try:
            channel = await self._admitted(frame)
        except Refused as refusal:
            return self._reply(frame, "error", {"reason": str(refusal)})
        self._leave(frame.topic)  # a second join of a topic takes the place of the first
        self._channels[frame.topic] = channel
        self._reply(frame, "ok", {"postgres_changes": []})
        self._hub.join(channel)
        self._watch_expiry(channel)

    async def _admitted(self, frame: Frame) -> Channel:
        if not frame.topic.startswith("realtime:") or frame.topic == "realtime:":
            raise Refused('a topic is "realtime:" and a name')
        if frame.topic not in self._channels and len(self._channels) >= _CHANNELS:
            raise Refused(f"ChannelRateLimitReached: at most {_CHANNELS} topics on a connection")
        config = _object(frame.payload, "config")
        if config.get("postgres_changes"):
            raise Refused(
                "postgres_changes are not served here: no table is in the publication supabase_realtime; "
                "a user's rows come as broadcasts on the private channel user:{id}"
            )
        broadcast, presence = _object(config, "broadcast"), _object(config, "presence")
        claims = self._claims(frame.payload.get("access_token") or self._apikey)
        channel = Channel(
            topic=frame.topic, private=bool(config.get("private")), join_ref=frame.join_ref or frame.ref,
            version=self._version, push=self.push, claims=claims, permissions=EVERYTHING,
            ack=bool(broadcast.get("ack")), echo=bool(broadcast.get("self")),
            presence_key=str(presence.get("key") or uuid.uuid4()), presence_enabled=bool(presence.get("enabled")),
        )  # fmt: skip
        await self._authorize(channel)
        return channel

    async def _authorize(self, channel: Channel) -> None:
        if not channel.private:
            return
        name = channel.name[1]
        try:
            channel.permissions = await permissions(self._pool, channel.claims, name)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            raise Refused("the database is away; try again") from None
        if not channel.permissions.read:
            raise Refused(f"Unauthorized: You do not have permissions to read from this Channel topic: {name}")

    async def _new_token(self, channel: Channel, token: object) -> None:
        if not token:
            return
        try:
            channel.claims = self._claims(token)
            await self._authorize(channel)
        except Refused as refusal:
            return self._expel(channel, str(refusal))
        if self._channels.get(channel.topic) is channel:
            self._watch_expiry(channel)

    def _claims(self, token: object) -> dict[str, Any]:
        try:
            return verify(str(token), self._secret)
        except InvalidToken as error:
            raise Refused(f"InvalidJWTToken: {error}") from None

    def _watch_expiry(self, channel: Channel) -> None:
        self._forget_expiry(channel.topic)
        seconds = max(0.0, channel.claims["exp"] - time.time())
        expire: Callable[[], None] = lambda: self._expel(channel, "Token has expired")  # noqa: E731 - typed for call_later
        self._expiries[channel.topic] = asyncio.get_running_loop().call_later(seconds, expire)

    def _forget_expiry(self, topic: str) -> None:
        timer = self._expiries.pop(topic, None)
        if timer:
            timer.cancel()

    def _expel(self, channel: Channel, why: str) -> None:
        if self._channels.get(channel.topic) is channel:
            self._leave(channel.topic)
            payload = {"extension": "system", "status": "error", "message": why, "channel": channel.name[1]}
            channel.send("system", payload)
            channel.send("phx_close", {}, channel.join_ref)

    def _leave(self, topic: str) -> None:
        channel = self._channels.pop(topic, None)
        self._forget_expiry(topic)
        if channel:
            self._hub.leave(channel)

    def _broadcast(self, channel: Channel, frame: Frame) -> None:
        event, body = frame.payload.get("event"), frame.payload.get("payload")
        if not isinstance(event, str):
            return self._reply(frame, "error", {"reason": "a broadcast is {type, event, payload}"})
        if "broadcast" not in channel.permissions.write:
            # As hosted: silence, unless the sender asked to know.
            return self._reply(frame, "error", {"reason": "Unauthorized"}) if channel.ack else None
        self._hub.broadcast(channel.name, event, body if isinstance(body, bytes) else dump_json(body), sender=channel)
        return self._reply(frame, "ok", {}) if channel.ack else None

    def _presence(self, channel: Channel, frame: Frame) -> None:
        if "presence" not in channel.permissions.write:
            return self._reply(frame, "error", {"reason": "Unauthorized"})
        event = str(frame.payload.get("event")).lower()
        if event == "track":
            self._hub.track(channel, _object(frame.payload, "payload"))
        elif event == "untrack":
            self._hub.untrack(channel)
        else:
            return self._reply(frame, "error", {"reason": "a presence event is track or untrack"})
        return self._reply(frame, "ok", {})

    def _reply(self, frame: Frame, status: str, response: dict[str, Any]) -> None:
        answer = Frame(frame.topic, "phx_reply", {"status": status, "response": response}, frame.ref, frame.join_ref)
        self.push(encode(answer, self._version))


def _object(payload: dict[str, Any], name: str) -> dict[str, Any]:
    value = payload.get(name)
    return value if isinstance(value, dict) else {}
