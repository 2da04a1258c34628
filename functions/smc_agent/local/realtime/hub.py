"""Who has joined which topic, and the delivery of broadcasts and presence to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from smc_agent.local.realtime.authorize import Permissions
from smc_agent.local.realtime.frames import Broadcast, Frame, Version, encode, encode_broadcast

Name = tuple[bool, str]  # (private, name): a private topic and a public one of the same name are two


@dataclass(eq=False)
class Channel:
    """A topic that one socket has joined."""

    topic: str  # "realtime:" + name
    private: bool
    join_ref: str | None
    version: Version
    push: Callable[[str | bytes], None]
    claims: dict[str, Any]
    permissions: Permissions
    ack: bool = False
    echo: bool = False  # the sender hears his own broadcasts
    presence_key: str = ""
    presence_enabled: bool = False
    metas: dict[str, dict[str, Any]] = field(default_factory=dict)  # what it tracks, by phx_ref

    @property
    def name(self) -> Name:
        return self.private, self.topic.removeprefix("realtime:")

    def send(self, event: str, payload: dict[str, Any], ref: str | None = None) -> None:
        """Push a message of this topic."""
        join_ref = self.join_ref if self.version == "2.0.0" or ref is not None else None
        self.push(encode(Frame(self.topic, event, payload, ref, join_ref), self.version))


class Hub:
    """The joined channels by name; single-threaded, as the event loop is."""

    def __init__(self) -> None:
        self._channels: dict[Name, set[Channel]] = {}
        self._refs = count(1)

    def __bool__(self) -> bool:
        """Whether anybody has joined anything."""
        return bool(self._channels)

    def join(self, channel: Channel) -> None:
        """Add a channel; it is told who is present."""
        members = self._channels.setdefault(channel.name, set())
        members.add(channel)
        if channel.presence_enabled and "presence" in channel.permissions.read:
            state: dict[str, Any] = {}
            for member in members:
                if member.metas:
                    state.setdefault(member.presence_key, {"metas": []})["metas"] += member.metas.values()
            channel.send("presence_state", state)

    def leave(self, channel: Channel) -> None:
        """Take a channel out; the others see its presence go."""
        members = self._channels.get(channel.name, set())
        members.discard(channel)
        if not members:
            self._channels.pop(channel.name, None)
        self.untrack(channel)

    def broadcast(self, name: Name, event: str, body: str | bytes, sender: Channel | None = None,
                  meta: dict[str, str] | None = None) -> None:  # fmt: skip
        """Deliver a broadcast to all who may read it; to its sender only if he asked to hear himself."""
        message = Broadcast(f"realtime:{name[1]}", event, body, meta)
        encoded: dict[str, str | bytes | None] = {}
        for channel in tuple(self._channels.get(name, ())):
            if (channel is sender and not channel.echo) or "broadcast" not in channel.permissions.read:
                continue
            if channel.version not in encoded:
                encoded[channel.version] = encode_broadcast(message, channel.version)
            data = encoded[channel.version]
            if data is not None:
                channel.push(data)

    def track(self, channel: Channel, meta: dict[str, Any]) -> None:
        """Show `meta` as the channel's presence, in place of what it showed before."""
        left, ref = dict(channel.metas), f"{next(self._refs):x}"
        channel.metas = {ref: {**meta, "phx_ref": ref}}
        self._tell(channel, channel.metas, left)

    def untrack(self, channel: Channel) -> None:
        """Show nothing for the channel any more."""
        if channel.metas:
            left, channel.metas = channel.metas, {}
            self._tell(channel, {}, left)

    def _tell(self, channel: Channel, joins: dict[str, Any], leaves: dict[str, Any]) -> None:
        diff = {
            "joins": {channel.presence_key: {"metas": list(joins.values())}} if joins else {},
            "leaves": {channel.presence_key: {"metas": list(leaves.values())}} if leaves else {},
        }
        for member in tuple(self._channels.get(channel.name, ())):
            if member.presence_enabled and "presence" in member.permissions.read:
                member.send("presence_diff", diff)
