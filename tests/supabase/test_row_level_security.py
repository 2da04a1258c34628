"""The proof that users see their own rows and no others: every table of `public`, by REST and by realtime."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import websockets
from tests.supabase.conftest import Supabase, User

from smc_agent.local.postgres import Postgres

# Whose rows a table holds. A new table fails test_every_table_has_a_case until it is named here.
OWN = {  # each user's; the statement makes a row of user $1 with portfolio $2
    "users": "select $1::uuid, $2::uuid",  # made by the sign-up
    "api_keys": """insert into api_keys (user_id, label, key_hash, last_four, expires_at)
        values ($1, 'k', encode(sha256($2::uuid::text::bytea), 'hex'), 'abcd', now() + interval '1 day')""",
    "trading_sessions": """insert into trading_sessions (user_id, session_name, strategy_config)
        values ($1, 's', jsonb_build_object('portfolio_id', $2::uuid))""",
    "portfolios": """insert into portfolios (id, user_id, name, exchange, initial_balance)
        values ($2, $1, 'p', 'paper', 1)""",
    "orders": """insert into orders (portfolio_id, symbol, side, order_type, quantity, exchange, client_order_id)
        select $2, 'BTCUSDT', 'buy', 'market', 1, 'paper', 'c' from users where id = $1""",
    "executions": """insert into executions (id, order_id, portfolio_id, symbol, side, trade_id, quantity, price, fee,
          fee_asset, is_maker, executed_at)
        select gen_random_uuid(), gen_random_uuid(), $2, 'BTCUSDT', 'buy', '1', 1, 1, 0, 'BTC', true, now()
        from users where id = $1""",
    "positions": """insert into positions (portfolio_id, symbol, quantity)
        select $2, 'BTCUSDT', 1 from users where id = $1""",
    "risk_metrics": """insert into risk_metrics (portfolio_id, measured_at, equity, exposure, daily_pnl, drawdown)
        select $2, now(), 1, 0, 0, 0 from users where id = $1""",
    "executor_commands": """insert into executor_commands (command_id, portfolio_id, envelope)
        select gen_random_uuid(), $2, '{}' from users where id = $1""",
    "order_events": """insert into order_events (portfolio_id, event_key, event_type, actor, version, reason)
        select $2, 'k', 'signal', 'risk', '0', 'r' from users where id = $1""",
}
SHARED = {"order_book_data", "smc_patterns", "pattern_detections"}  # every signed-in user reads them, nobody writes
PUBLIC = {"market_data"}  # anon reads it too
PROGRAM = {"agent_checkpoints"}  # no client sees it

# All that a client may write, by column. "Users can update own profile" would let anyone make himself admin.
WRITABLE = {
    ("trading_sessions", "INSERT"): {"id", "user_id", "session_name", "strategy_config"},
    ("trading_sessions", "UPDATE"): {"session_name", "strategy_config", "end_time"},
    ("portfolios", "UPDATE"): {"kill_switch"},
}
TABLES = (
    "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')"
    " and not relispartition"
)


@dataclass(frozen=True)
class People:
    """User A, who has a row in every table; user B, who would like to have them; an administrator."""

    a: User
    b: User
    admin: User
    portfolio: UUID  # A's


@dataclass(frozen=True)
class Scene:
    """The people, the way in that they have, and the owner's, to see what is there."""

    people: People
    owner: asyncpg.Connection
    http: httpx.AsyncClient
    supabase: Supabase

    def user(self, who: str) -> User | None:
        return {"another user": self.people.b, "an administrator": self.people.admin, "anon": None}[who]

    async def ask(self, user: User | None, method: str, table: str, **options: Any) -> httpx.Response:
        headers = {"apikey": self.supabase.anon_key, "Prefer": "return=representation"}
        if user:
            headers["Authorization"] = f"Bearer {user.token}"
        return await self.http.request(method, f"/rest/v1/{table}", headers=headers, **options)

    async def row(self, table: str) -> dict[str, Any]:
        """A's row of the table, its columns in their order."""
        of = {"users": "id", "api_keys": "user_id", "trading_sessions": "user_id", "portfolios": "user_id"}
        value = self.people.a.id if table in of else self.people.portfolio
        column = of.get(table, "portfolio_id")
        text = await self.owner.fetchval(f"select to_json(t)::text from public.{table} t where {column} = $1", value)
        row: dict[str, Any] = json.loads(text)
        return row


@pytest.fixture(scope="module")
def people(supabase: Supabase, sign_up: Callable[[], User]) -> People:
    people = People(sign_up(), sign_up(), sign_up(), uuid4())

    async def fill() -> None:
        owner = await asyncpg.connect(supabase.database.owner)
        for table in ("portfolios", *(table for table in OWN if table != "portfolios")):
            await owner.execute(OWN[table], people.a.id, people.portfolio)
        await owner.execute("select private.set_user_role($1, 'admin')", people.admin.id)
        await owner.close()

    asyncio.run(fill())
    return people


@pytest.fixture
async def scene(supabase: Supabase, people: People) -> AsyncIterator[Scene]:
    owner = await asyncpg.connect(supabase.database.owner)
    async with httpx.AsyncClient(base_url=supabase.url, trust_env=False) as http:
        yield Scene(people, owner, http, supabase)
    await owner.close()


async def test_every_table_has_a_case(scene: Scene) -> None:
    tables = {record["relname"] for record in await scene.owner.fetch(TABLES)}
    assert tables == set(OWN) | SHARED | PUBLIC | PROGRAM


async def test_every_table_but_the_candles_has_row_level_security_on(scene: Scene) -> None:
    off = await scene.owner.fetch(TABLES + " and not relrowsecurity")
    assert {record["relname"] for record in off} == PUBLIC


async def test_clients_can_write_what_is_listed_and_nothing_else(scene: Scene) -> None:
    granted: dict[tuple[str, str], set[str]] = {}
    for row in await scene.owner.fetch(
        "select c.table_name, c.privilege_type, c.column_name from information_schema.column_privileges c"
        " where c.grantee in ('anon', 'authenticated', 'PUBLIC') and c.table_schema in ('public', 'private', 'auth')"
        " and c.privilege_type <> 'SELECT'"
    ):
        granted.setdefault((row["table_name"], row["privilege_type"]), set()).add(row["column_name"])
    whole = await scene.owner.fetch(
        "select table_name, privilege_type from information_schema.table_privileges"
        " where grantee in ('anon', 'authenticated', 'PUBLIC') and table_schema in ('public', 'private', 'auth')"
        " and privilege_type <> 'SELECT'"
    )
    assert (granted, whole) == (WRITABLE, [])


async def test_clients_can_call_no_function_but_the_one_that_policies_need(scene: Scene) -> None:
    rows = await scene.owner.fetch(
        "select proname from pg_proc p, (values ('anon'), ('authenticated')) as client (role)"
        " where pronamespace in ('public'::regnamespace, 'private'::regnamespace)"
        " and has_function_privilege(role, p.oid, 'execute')"
    )
    assert {row["proname"] for row in rows} == {"owns_portfolio"}


@pytest.mark.parametrize("table", sorted(OWN))
async def test_the_owner_reads_his_rows(scene: Scene, table: str) -> None:
    columns = await scene.owner.fetch(
        "select column_name from information_schema.column_privileges"
        " where grantee = 'authenticated' and table_schema = 'public' and table_name = $1"
        " and privilege_type = 'SELECT'",
        table,
    )
    select = ",".join(record["column_name"] for record in columns)
    answer = await scene.ask(scene.people.a, "GET", table, params={"select": select})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()) == 1


@pytest.mark.parametrize("table", sorted(OWN))
@pytest.mark.parametrize("who", ["another user", "an administrator", "anon"])
async def test_nobody_else_reads_or_changes_them(scene: Scene, table: str, who: str) -> None:
    user = scene.user(who)
    before = await scene.row(table)
    key = next(iter(before))  # the first column is the key, or part of it, in every table
    target = {key: f"eq.{before[key]}"}
    for column, value in before.items():
        answer = await scene.ask(user, "GET", table, params={"select": column})
        seen = answer.json() if answer.status_code == 200 else []
        assert len(seen) <= (1 if table == "users" and user else 0), seen  # at most his own profile
        assert seen == [] or column not in ("id", "email") or seen[0][column] != value
        answer = await scene.ask(user, "PATCH", table, params=target, json={column: value})
        assert _refused(answer) or answer.json() == [], (column, answer.text)
    answer = await scene.ask(user, "DELETE", table, params=target)
    assert _refused(answer) or answer.json() == [], answer.text

    forged = before if key == "portfolio_id" else {**before, key: str(uuid4())}
    columns = WRITABLE.get((table, "INSERT"), set(before))
    for body in (forged, {name: value for name, value in forged.items() if name in columns}):
        answer = await scene.ask(user, "POST", table, json=body)
        assert _refused(answer), answer.text
    assert await scene.row(table) == before


async def test_a_user_cannot_make_himself_admin(scene: Scene) -> None:
    target = {"id": f"eq.{scene.people.b.id}"}
    changes: list[dict[str, Any]] = [
        {"role": "admin"},
        {"risk_limits": {}},
        {"is_active": True},
        {"email": "x@x.example"},
    ]
    for change in changes:
        answer = await scene.ask(scene.people.b, "PATCH", "users", params=target, json=change)
        assert _refused(answer), answer.text
    assert await scene.owner.fetchval("select role from users where id = $1", scene.people.b.id) == "trader"


def _refused(answer: httpx.Response) -> bool:
    # 42501: by a grant or a policy; 428C9: nobody writes that column. Any other error would have hidden the answer.
    return answer.status_code >= 400 and answer.json()["code"] in ("42501", "428C9")


@pytest.mark.parametrize("table", sorted(SHARED | PUBLIC | PROGRAM))
async def test_tables_without_an_owner_are_read_by_whom_they_are_for_and_written_by_no_client(
    scene: Scene, table: str
) -> None:
    reads = {"user": table in SHARED | PUBLIC, "anon": table in PUBLIC}
    for who, user in (("user", scene.people.b), ("anon", None)):
        answer = await scene.ask(user, "GET", table, params={"limit": "1"})
        assert (answer.status_code == 200) == reads[who], answer.text
        column = await scene.owner.fetchval(
            "select attname from pg_attribute where attrelid = $1::text::regclass and attnum = 1", f"public.{table}"
        )
        for method in ("POST", "PATCH", "DELETE"):
            options = {} if method == "DELETE" else {"json": {column: None}}
            answer = await scene.ask(user, method, table, params={column: "not.is.null"}, **options)
            assert answer.status_code in (401, 403), (method, answer.text)


async def test_a_user_cannot_open_a_session_on_anothers_portfolio(scene: Scene) -> None:
    portfolio = str(scene.people.portfolio)
    row = {"user_id": str(scene.people.b.id), "session_name": "theft", "strategy_config": {"portfolio_id": portfolio}}
    answer = await scene.ask(scene.people.b, "POST", "trading_sessions", json=row)
    assert (answer.status_code, answer.json()["code"]) == (403, "42501")
    answer = await scene.ask(
        scene.people.a, "POST", "trading_sessions", json={**row, "user_id": str(scene.people.a.id)}
    )
    assert answer.status_code == 201, answer.text


async def test_a_token_of_another_secret_is_refused(scene: Scene) -> None:
    head, body, _ = scene.people.a.token.split(".")
    forged = {"access_token": f"{head}.{body}.{'A' * 43}"}
    answer = await scene.ask(User(scene.people.a.id, "", forged), "GET", "portfolios")
    assert answer.status_code == 401


async def _join(supabase: Supabase, topic: str, token: str | None, private: bool) -> tuple[dict[str, Any], Any]:
    """Joins in version 1.0.0; the reply, and the open connection."""
    url = f"ws{supabase.url.removeprefix('http')}/realtime/v1/websocket?vsn=1.0.0&apikey={supabase.anon_key}"
    connection = await websockets.connect(url, proxy=None)
    payload = {"config": {"private": private, "broadcast": {"ack": True}}, "access_token": token}
    message = {"topic": f"realtime:{topic}", "event": "phx_join", "payload": payload, "ref": "1", "join_ref": "1"}
    await connection.send(json.dumps(message))
    reply = json.loads(await connection.recv())
    return reply["payload"], connection


@pytest.mark.parametrize("who", ["another user", "an administrator", "anon"])
async def test_nobody_else_joins_a_users_private_topic(scene: Scene, who: str) -> None:
    user = scene.user(who)
    topic = f"user:{scene.people.a.id}"
    reply, connection = await _join(scene.supabase, topic, user.token if user else None, private=True)
    await connection.close()
    assert reply["status"] == "error"
    assert "do not have permissions" in reply["response"]["reason"]


async def test_the_public_topic_of_the_same_name_hears_nothing_of_it(scene: Scene) -> None:
    topic = f"user:{scene.people.a.id}"
    _, spy = await _join(scene.supabase, topic, scene.people.b.token, private=False)
    reply, own = await _join(scene.supabase, topic, scene.people.a.token, private=True)
    assert reply["status"] == "ok"
    await scene.owner.execute("update portfolios set equity = 2 where user_id = $1", scene.people.a.id)
    heard = json.loads(await asyncio.wait_for(own.recv(), 10))
    assert heard["payload"]["payload"]["row"]["equity"] == "2.00000000"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(spy.recv(), 0.5)
    await spy.close()
    await own.close()


async def test_a_refusal_leaves_no_error_in_the_databases_log(scene: Scene, postgres: Postgres) -> None:
    log = postgres.data / "server.log"
    before = log.read_text().count("ERROR")
    for who in (scene.people.a, scene.people.b):
        _, socket = await _join(scene.supabase, f"user:{scene.people.a.id}", who.token, private=True)
        await socket.close()
    assert log.read_text().count("ERROR") == before


async def test_not_even_the_user_can_send_on_his_own_topic(scene: Scene) -> None:
    topic = f"user:{scene.people.a.id}"
    _, own = await _join(scene.supabase, topic, scene.people.a.token, private=True)
    payload = {"type": "broadcast", "event": "orders", "payload": {"seq": 1}}
    message = {"topic": f"realtime:{topic}", "event": "broadcast", "payload": payload, "ref": "2", "join_ref": "1"}
    await own.send(json.dumps(message))
    assert json.loads(await own.recv())["payload"] == {"status": "error", "response": {"reason": "Unauthorized"}}
    body = {"messages": [{"topic": topic, "event": "orders", "payload": {}, "private": True}]}
    headers = {"apikey": scene.supabase.anon_key, "Authorization": f"Bearer {scene.people.a.token}"}
    answer = await scene.http.post("/realtime/v1/api/broadcast", json=body, headers=headers)
    assert answer.status_code == 202
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(own.recv(), 0.5)
    await own.close()
