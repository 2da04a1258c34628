"""What the official clients cannot show: expiry, slow clients, bad frames, a database that goes away."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import jwt
import pytest
import websockets
from tests.supabase.conftest import JWT_SECRET, Supabase, User
from websockets.asyncio.client import ClientConnection

from smc_agent.local.realtime.frames import BadFrame, Broadcast, decode, encode_broadcast


@asynccontextmanager
async def connected(supabase: Supabase, version: str = "1.0.0") -> AsyncIterator[ClientConnection]:
    url = f"ws{supabase.url.removeprefix('http')}/realtime/v1/websocket?vsn={version}&apikey={supabase.anon_key}"
    async with websockets.connect(url, proxy=None) as socket:
        yield socket


async def ask(socket: ClientConnection, topic: str, event: str, payload: dict[str, Any], ref: str = "1") -> None:
    await socket.send(json.dumps({"topic": topic, "event": event, "payload": payload, "ref": ref, "join_ref": "1"}))


async def hear(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 10))
    return message


async def join(socket: ClientConnection, name: str, token: str | None = None, **config: Any) -> dict[str, Any]:
    await ask(socket, f"realtime:{name}", "phx_join", {"config": config, "access_token": token})
    payload: dict[str, Any] = (await hear(socket))["payload"]
    return payload


def short_lived(user: User, seconds: float) -> str:
    claims = jwt.decode(user.token, JWT_SECRET, algorithms=["HS256"], audience="authenticated")
    return jwt.encode({**claims, "exp": int(time.time() + seconds)}, JWT_SECRET, algorithm="HS256")


async def test_heartbeat_join_and_leave(supabase: Supabase) -> None:
    async with connected(supabase) as socket:
        await ask(socket, "phoenix", "heartbeat", {}, "7")
        ok = {"status": "ok", "response": {}}
        assert await hear(socket) == {
            "topic": "phoenix", "event": "phx_reply", "payload": ok, "ref": "7", "join_ref": "1"
        }  # fmt: skip
        assert await join(socket, "room") == {"status": "ok", "response": {"postgres_changes": []}}
        await ask(socket, "realtime:room", "phx_leave", {}, "3")
        assert (await hear(socket))["payload"] == ok
        assert (await hear(socket))["event"] == "phx_close"
        await ask(socket, "realtime:room", "broadcast", {"event": "x"}, "4")
        assert (await hear(socket))["payload"]["response"] == {"reason": "unmatched topic"}


async def test_an_expired_token_closes_the_channel_with_a_system_error(
    supabase: Supabase, sign_up: Callable[[], User]
) -> None:
    user = sign_up()
    name = f"user:{user.id}"
    async with connected(supabase) as socket:
        assert (await join(socket, name, short_lived(user, 2), private=True))["status"] == "ok"
        said = await hear(socket)
        assert (said["event"], said["ref"], said["payload"]["status"]) == ("system", None, "error")
        assert said["payload"]["message"] == "Token has expired"
        assert (await hear(socket))["event"] == "phx_close"
        reason = (await join(socket, name, short_lived(user, -5), private=True))["response"]["reason"]
        assert reason == "InvalidJWTToken: token is expired"


async def test_a_fresh_token_keeps_the_channel_and_a_foreign_one_closes_it(
    supabase: Supabase, sign_up: Callable[[], User]
) -> None:
    user, other = sign_up(), sign_up()
    topic = f"realtime:user:{user.id}"
    async with connected(supabase) as socket:
        await join(socket, f"user:{user.id}", short_lived(user, 2), private=True)
        await ask(socket, topic, "access_token", {"access_token": user.token})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 2.5)
        await ask(socket, topic, "access_token", {"access_token": other.token})
        said = await hear(socket)
        assert "do not have permissions" in said["payload"]["message"]
        assert (await hear(socket))["event"] == "phx_close"


async def test_a_policy_lets_some_send_on_a_private_topic(supabase: Supabase, sign_up: Callable[[], User]) -> None:
    owner = await asyncpg.connect(supabase.database.owner)
    await owner.execute(
        "create policy desk_reads on realtime.messages for select to authenticated using (realtime.topic() = 'desk');"
        "create policy desk_writes on realtime.messages for insert to authenticated with check"
        f" (realtime.topic() = 'desk' and extension = 'broadcast' and auth.uid() = '{(speaker := sign_up()).id}')"
    )
    listener = sign_up()
    async with connected(supabase) as speaks, connected(supabase) as listens:
        await join(speaks, "desk", speaker.token, private=True, broadcast={"ack": True})
        await join(listens, "desk", listener.token, private=True, broadcast={"ack": True})
        await ask(listens, "realtime:desk", "broadcast", {"event": "e", "payload": {}}, "2")
        assert (await hear(listens))["payload"] == {"status": "error", "response": {"reason": "Unauthorized"}}
        await ask(speaks, "realtime:desk", "broadcast", {"event": "e", "payload": {"n": 1}}, "2")
        assert (await hear(speaks))["payload"]["status"] == "ok"
        assert (await hear(listens))["payload"] == {"type": "broadcast", "event": "e", "payload": {"n": 1}}
        await ask(speaks, "realtime:desk", "presence", {"event": "track", "payload": {}}, "3")
        assert (await hear(speaks))["payload"]["response"] == {"reason": "Unauthorized"}
    await owner.execute("drop policy desk_reads on realtime.messages; drop policy desk_writes on realtime.messages")
    assert (
        await owner.fetchval("select count(*) from realtime.messages where topic = 'desk'") == 0
    )  # all was rolled back
    await owner.close()


async def test_a_bad_key_does_not_get_in(supabase: Supabase) -> None:
    url = f"ws{supabase.url.removeprefix('http')}/realtime/v1/websocket?apikey=nonsense"
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(url, proxy=None)
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("bad", ["not json", "[1,2]", b"\x05nonsense", b"\x03\xff\xff\xff\xff\xff\x01"])
async def test_what_is_no_frame_ends_the_connection_with_a_reason(supabase: Supabase, bad: str | bytes) -> None:
    async with connected(supabase, "2.0.0") as socket:
        await socket.send(bad)
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert closed.value.rcvd.reason


async def test_a_client_that_does_not_read_is_disconnected_and_the_others_go_on(supabase: Supabase) -> None:
    name = f"flood-{uuid4().hex}"
    url = f"ws{supabase.url.removeprefix('http')}/realtime/v1/websocket?vsn=1.0.0&apikey={supabase.anon_key}"
    # A small window and a queue of one: what this end does not read stays at the server.
    slow = await websockets.connect(url, proxy=None, max_queue=1, ping_interval=None)
    await join(slow, name)
    body = {"messages": [{"topic": name, "event": "x", "payload": "y" * 20_000} for _ in range(40)]}
    async with connected(supabase) as quick, httpx.AsyncClient(trust_env=False) as http:
        await join(quick, name)
        heard = 0

        async def listen() -> None:
            nonlocal heard
            async for _ in quick:
                heard += 1

        listening = asyncio.create_task(listen())
        for _ in range(100):
            await http.post(
                f"{supabase.url}/realtime/v1/api/broadcast", json=body, headers={"apikey": supabase.anon_key}
            )
        for _ in range(200):
            if heard == 4000:
                break
            await asyncio.sleep(0.05)
        assert heard == 4000
        listening.cancel()
    got = 0
    try:
        while got < 4000:
            await asyncio.wait_for(slow.recv(), 10)
            got += 1
    except websockets.ConnectionClosed:
        pass
    assert got < 4000


async def test_a_lost_database_disconnects_everybody_so_that_everybody_refetches(supabase: Supabase) -> None:
    superuser = await asyncpg.connect(supabase.database.superuser)
    async with connected(supabase) as socket:
        await join(socket, "room")
        await superuser.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()"
            " and query ilike 'listen%'",
            supabase.database.name,
        )
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await asyncio.wait_for(socket.recv(), 10)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, "refetch" in closed.value.rcvd.reason) == (1012, True)
    name = f"after-{uuid4().hex}"
    for _ in range(50):  # it listens again within seconds
        async with connected(supabase) as socket:
            await join(socket, name)
            await superuser.execute("select realtime.send('{\"n\": 1.10}', 'e', $1, false)", name)
            try:
                text = str(await asyncio.wait_for(socket.recv(), 0.3))
                break
            except TimeoutError:
                continue
    assert '"payload":{"n": 1.10}' in text  # to the last digit
    await superuser.close()


async def test_old_messages_are_removed(database: Any) -> None:
    from smc_agent.local.realtime.hub import Hub
    from smc_agent.local.realtime.listener import MessageListener

    async with asyncpg.create_pool(database.owner, min_size=2, max_size=3) as pool:
        for age in ("2 hours", "1 minute"):
            await pool.execute(
                "insert into realtime.messages (topic, extension, inserted_at) values ($1, 'broadcast',"
                " (now() at time zone 'UTC') - $1::text::interval)",
                age,
            )
        running = asyncio.create_task(MessageListener(pool, Hub(), lambda _: None).run())
        for _ in range(100):
            topics = [row["topic"] for row in await pool.fetch("select topic from realtime.messages")]
            if topics == ["1 minute"]:
                break
            await asyncio.sleep(0.05)
        assert topics == ["1 minute"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_binary_broadcasts_of_version_2() -> None:
    head = bytes([3, 1, 2, 4, 1, 0, 1])
    frame = decode(head + b"1" + b"22" + b"room" + b"e" + '{"n":"Zoë"}'.encode(), "2.0.0")
    assert (frame.join_ref, frame.ref, frame.topic, frame.event) == ("1", "22", "room", "broadcast")
    assert frame.payload == {"type": "broadcast", "event": "e", "payload": {"n": "Zoë"}}
    sent = encode_broadcast(Broadcast("realtime:room", "e", '{"n":1.10}', {"id": "x"}), "2.0.0")
    assert sent == bytes([4, 13, 1, 10, 1]) + b'realtime:roome{"id":"x"}{"n":1.10}'
    assert encode_broadcast(Broadcast("realtime:room", "e", b"\x00"), "1.0.0") is None
    long = encode_broadcast(Broadcast("realtime:" + "x" * 300, "e", "1"), "2.0.0")
    assert isinstance(long, str)
    assert json.loads(long)[4] == {"type": "broadcast", "event": "e", "payload": 1}
    with pytest.raises(BadFrame, match="not JSON"):
        decode('{"topic": "t", "event": "e", "payload": {"n": NaN}}', "1.0.0")
