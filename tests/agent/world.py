"""A venue and an executor in this process, for tests of the agent: the backtest's matcher and brackets behind the
agent's two seams. What it does outlives an agent that is stopped, as the real ones do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from smc_agent.backtest.brackets import Brackets
from smc_agent.backtest.venue import Fees, Fill, Rejected, SimulatedVenue, VenueOrder
from smc_agent.execution import Answer, ExecutorAway, ExecutorClient, Snapshot, UnknownAccount
from smc_agent.local.agent import follow
from smc_agent.local.agent_executor import PatientExecutor
from smc_agent.local.agent_loop import Agent
from smc_agent.local.agent_progress import Progress
from smc_agent.local.agent_store import AgentStore
from smc_agent.local.agent_venue import VenueAnswer
from smc_agent.market import Bar, Bars, Market, SymbolRules, decimal_of, milliseconds
from smc_agent.market.source import ReplaySource
from smc_agent.risk import OrderIntent
from smc_agent.risk.intent import _APPROVAL

FEES = Fees(Decimal("0.001"), Decimal("0.001"))
USER = UUID("11111111-1111-4111-8111-111111111111")
PORTFOLIO = UUID("22222222-2222-4222-8222-222222222222")
SESSION = UUID("33333333-3333-4333-8333-333333333333")
RULES = SymbolRules(
    symbol="BTCUSDT", base="BTC", quote="USDT", tick=Decimal("0.01"), step=Decimal("0.00001"),
    min_quantity=Decimal("0.00001"), min_notional=Decimal(5),
)  # fmt: skip


@dataclass
class World:
    """Both ends: `bar`/`go_on` are the venue's, `submit`/`drain` the executor's."""

    away: int = 0  # the executor does not answer so many times
    unknown: set[str] = field(default_factory=set)  # accounts that the executor does not have
    commands: list[dict[str, Any]] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    repeats: int = 0

    def __post_init__(self) -> None:
        self.venue = SimulatedVenue(RULES, FEES, {"USDT": Decimal(100_000)})
        self.brackets = Brackets(self.venue)
        self._answers: dict[str, Answer] = {}
        self._last = -1
        self._clock = 0
        self._events = 0
        self._index = 0

    async def bar(self, symbol: str, timeframe: str, bar: Bar) -> VenueAnswer:
        if bar.time <= self._last:
            return VenueAnswer(True, True, 0, self._clock)
        self._last, self._clock = bar.time, bar.time + milliseconds(timeframe)
        o, h, lo, c = (decimal_of(x) for x in bar[1:5])
        for fill in self.venue.bar(self._index, o, h, lo, c):
            self.fills.append(fill)
            self.brackets.on_fill(fill)
            self._events += 1
        self._index += 1
        events, self._events = self._events, 0
        return VenueAnswer(True, False, events, self._clock)

    async def go_on(self, symbol: str) -> VenueAnswer:
        raise AssertionError("every bar of this venue is done at once")

    async def submit(self, envelope: dict[str, Any]) -> Answer:
        if self.away > 0:
            self.away -= 1
            raise ExecutorAway("away")
        command_id = envelope["command_id"]
        if command_id in self._answers:
            self.repeats += 1
            return self._answers[command_id]
        self.commands.append(envelope)
        answer = Answer(command_id=command_id, status="accepted")
        payload = envelope["payload"]
        if envelope["action"] == "cancel":
            self._events += self.venue.cancel(payload["order_id"])
        else:
            intent = OrderIntent(
                order_id=command_id, symbol=payload["symbol"], side=payload["side"], type=payload["type"],
                reason=payload["reason"], approval=_APPROVAL, quantity=Decimal(payload["quantity"]),
                price=Decimal(payload["price"]), stop_loss=Decimal(payload["stop_loss"]),
                take_profit=Decimal(payload["take_profit"]),
            )  # fmt: skip
            try:
                self.venue.place(VenueOrder(command_id, "buy", "limit", intent.quantity, price=intent.price))
                self.brackets.follow(intent)
                self._events += 1
            except Rejected as rejected:
                answer = Answer(command_id=command_id, status="refused", code="venue_rejected", message=str(rejected))
        self._answers[command_id] = answer
        return answer

    async def drain(self, account: str) -> Snapshot:
        if self.away > 0:
            self.away -= 1
            raise ExecutorAway("away")
        if account in self.unknown:
            raise UnknownAccount(account)
        orders = [
            {
                "order_id": order.id, "parent_id": self.brackets.parents.get(order.id), "symbol": "BTCUSDT",
                "side": order.side, "type": order.kind, "quantity": str(order.quantity),
                "price": order.price, "stop_price": order.stop_price, "status": "open",
            }
            for order in self.venue.orders.values()
        ]  # fmt: skip
        balances = {a: {"free": b.free, "locked": b.locked} for a, b in self.venue.balances().items()}
        return Snapshot.model_validate(
            {"account": account, "ready": True, "killed": False, "paused": False, "balances": balances,
             "positions": [], "open_orders": orders}
        )  # fmt: skip


class SilentBus:
    """A bus that keeps what it was told."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    async def publish(self, messages: list[dict[str, Any]]) -> None:
        self.messages += messages

    async def subscribe(self) -> AsyncIterator[dict[str, Any]]:
        raise NotImplementedError
        yield {}

    async def close(self) -> None: ...


class Client(ExecutorClient):
    """The agent's client, with the world in the place of HTTP."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def submit(self, envelope: dict[str, Any]) -> Answer:
        return await self._world.submit(envelope)

    async def drain(self, account: str) -> Snapshot:
        return await self._world.drain(account)


async def run_agent(
    database_url: str, state_dir: Path, world: World, bars: Bars, stop: asyncio.Event | None = None
) -> SilentBus:
    """One life of the agent over `bars`, until they end or `stop` is set."""
    stop = stop or asyncio.Event()
    source = ReplaySource(bars, None)
    market = Market(source.exchange, source.symbol, source.timeframe)
    store, bus = AgentStore(database_url, market, stop), SilentBus()
    executor = PatientExecutor(Client(world), bytes(32), "test", stop)
    agent = Agent(market, RULES, store, world, executor, bus, Progress(source, market, state_dir))
    try:
        await agent.start()
        await follow(agent, source, stop)
    finally:
        await store.close()
    return bus


async def settle(owner_url: str, config: dict[str, Any]) -> None:
    """A user with a paper account of 100,000 USDT and one session."""
    connection = await asyncpg.connect(owner_url)
    try:
        await connection.execute("insert into auth.users (id, email) values ($1, 'a@example.org')", USER)
        await connection.execute(
            "insert into portfolios (id, user_id, name, exchange, initial_balance)"
            " values ($1, $2, 'Paper', 'paper', 100000)",
            PORTFOLIO,
            USER,
        )
        await connection.execute(
            "insert into trading_sessions (id, user_id, session_name, strategy_config) values ($1, $2, 'First', $3)",
            SESSION,
            USER,
            json.dumps({"portfolio_id": str(PORTFOLIO), **config}),
        )
    finally:
        await connection.close()
