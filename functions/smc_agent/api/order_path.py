"""An order by hand, from the form to the executor's answer: risk, the record, the signed command. Never past risk."""

import json
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from uuid import UUID

import asyncpg
from fastapi import Response

from smc_agent import __version__
from smc_agent.api.bars import Series, read_series
from smc_agent.api.commands import Executor, raise_refusal
from smc_agent.api.decimal_json import answer as json_answer
from smc_agent.api.decimal_json import plain
from smc_agent.api.deps import Parts, read_portfolio
from smc_agent.api.order_forms import OrderAnswer, OrderDetail, OrderForm, PreviewForm
from smc_agent.platform.auth import Principal
from smc_agent.platform.problems import FieldError, Problem

if TYPE_CHECKING:
    from smc_agent.execution.client import Answer
    from smc_agent.market.symbols import SymbolRules
    from smc_agent.risk import AccountView, Book, OrderRequest, RiskLimits

ZERO = Decimal(0)
# A repeat this soon after the first attempt is that attempt, whatever became of it; later, risk is asked again unless
# the order is known to exist.
REPEAT_WINDOW = timedelta(minutes=1)


@dataclass(frozen=True)
class Gate:
    """What risk judges an order by, of one portfolio and symbol, now."""

    portfolio: asyncpg.Record
    account: "AccountView"
    book: "Book"
    limits: "RiskLimits"
    rules: "SymbolRules"
    price: Decimal
    market_time_ms: int


async def open_gate(
    parts: Parts, executor: Executor, principal: Principal, portfolio_id: UUID | None, symbol: str
) -> Gate:
    """Account, limits, breakers, rules and last price. Raises Problem where one cannot be had: no order then."""
    from smc_agent.risk import RiskLimits

    async with parts.database.as_user(principal.user_id) as connection:
        portfolio = await read_portfolio(connection, portfolio_id)
        every = await read_series(connection)
        breakers = await connection.fetchval(
            "select breakers from public.risk_metrics where portfolio_id = $1 order by measured_at desc limit 1",
            portfolio["id"],
        )
    series = max((s for s in every if s.symbol == symbol), key=lambda s: s.closed_until_ms, default=None)
    rules = await parts.symbols.rules(parts.database, series, symbol)
    if rules is None:
        raise Problem("unknown_symbol", f"{symbol} is not traded here; GET /api/v1/market/symbols lists what is.")
    if series is None:
        raise Problem("no_price", f"No bar of {symbol} has closed yet; try again after the first one.")
    account = (await executor.snapshot(portfolio["id"])).view()
    limits = RiskLimits.model_validate(json.loads(portfolio["risk_limits"]))
    book = _book(portfolio, account, limits, every, json.loads(breakers or "{}"))
    return Gate(portfolio, account, book, limits, rules, series.close, series.closed_until_ms)


def _book(
    portfolio: asyncpg.Record,
    account: "AccountView",
    limits: "RiskLimits",
    every: list[Series],
    marked: dict[str, str],
) -> "Book":
    """The whole account as one book: equity and exposure at the last closes, breakers as marked and as of now."""
    from smc_agent.risk import Book, breakers

    quote = portfolio["quote_asset"]
    newest: dict[str, Series] = {}
    for series in sorted(every, key=lambda s: s.closed_until_ms):
        newest[series.symbol] = series
    exposure = sum(
        (
            balance.total * newest[asset + quote].close
            for asset, balance in account.balances.items()
            if asset != quote and asset + quote in newest
        ),
        ZERO,
    )
    equity = account.balance(quote).total + exposure
    tripped = {name: state.removeprefix("tripped: ") for name, state in marked.items() if state.startswith("tripped: ")}
    start = portfolio["day_start_equity"] or portfolio["initial_balance"]
    peak = portfolio["peak_equity"] or portfolio["initial_balance"]
    for name, reason in (
        ("daily_loss", breakers.daily_loss(equity, start, limits)),
        ("drawdown", breakers.drawdown(equity, peak, limits)),
    ):
        if reason is not None:
            tripped.setdefault(name, reason)
    return Book(equity=equity, exposure=exposure, tripped=tripped)


def request_of(form: OrderForm | PreviewForm) -> "OrderRequest":
    from smc_agent.risk import OrderRequest

    return OrderRequest(
        symbol=form.symbol,
        side=form.side,
        type=form.type,
        quantity=form.quantity,
        risk_percent=form.risk_percent if isinstance(form, PreviewForm) else None,
        price=form.limit_price,
        stop_price=form.trigger,
        stop_loss=form.stop_loss,
        take_profit=form.take_profit,
        reduce_only=form.reduce_only,
    )


async def place(parts: Parts, principal: Principal, command_id: UUID, form: OrderForm) -> "Answer":
    """Place an order once for each `command_id`; a repeat gets the executor's first answer."""
    from smc_agent.execution import place_payload
    from smc_agent.risk import Refusal, assess_order

    executor = Executor(parts.settings, parts.http)
    body = form.model_dump(mode="json", exclude_none=True)
    body |= {
        name: plain(value) for name, value in form.model_dump(exclude_none=True).items() if isinstance(value, Decimal)
    }
    if (earlier := await _earlier(parts, principal, command_id, body)) is not None:
        return await executor.submit(executor.envelope(command_id, earlier.portfolio_id, "place", earlier.payload))
    gate = await open_gate(parts, executor, principal, form.portfolio_id, form.symbol)
    verdict = assess_order(
        request_of(form),
        gate.account,
        gate.book,
        gate.limits,
        gate.rules,
        gate.price,
        str(command_id),
        gate.market_time_ms,
    )
    portfolio_id: UUID = gate.portfolio["id"]
    if isinstance(verdict, Refusal):
        details = {"body": body, "code": verdict.code}
        refusal = Fact("refusal", f"{command_id}:refusal", "risk", verdict.reason, details, gate.market_time_ms)
        await record(parts, portfolio_id, command_id, refusal)
        raise Problem("order_refused", verdict.reason, (FieldError("body", verdict.code, verdict.reason),))
    payload = place_payload(verdict)
    details = {"body": body, "payload": payload}
    envelope = executor.envelope(command_id, portfolio_id, "place", payload)
    intent = Fact("intent", f"{command_id}:intent", "user", verdict.reason, details, gate.market_time_ms)
    if not await record(parts, portfolio_id, command_id, intent):
        # Another request with this key came between: whoever recorded the order first decides what it is.
        await _earlier(parts, principal, command_id, body)
    return await executor.submit(envelope)


@dataclass(frozen=True)
class Earlier:
    """An order that was already let through under this command id."""

    portfolio_id: UUID
    payload: dict[str, Any]


async def _earlier(parts: Parts, principal: Principal, command_id: UUID, body: dict[str, Any]) -> Earlier | None:
    """What an earlier request with this command id sent; None when risk has to be asked (again).

    Raises Problem `idempotency_conflict` when that request was a different one.
    """
    async with parts.database.as_user(principal.user_id) as connection:
        row = await connection.fetchrow(
            "select e.portfolio_id, e.event_type, e.details,"
            " e.created_at > now() - $2::interval"
            "   or exists (select from public.orders o where o.id = e.order_id) as settled"
            " from public.order_events e where e.order_id = $1 and e.event_type in ('intent', 'refusal')"
            " and e.actor in ('user', 'risk') order by e.event_type limit 1",
            command_id,
            REPEAT_WINDOW,
        )
    if row is None:
        return None
    details = json.loads(row["details"])
    if details.get("body") != body:
        raise Problem(
            "idempotency_conflict",
            "This Idempotency-Key was used for another order; use a new key for a new order.",
        )
    if row["event_type"] == "refusal" or not row["settled"]:
        return None
    return Earlier(row["portfolio_id"], details["payload"])


class Fact(NamedTuple):
    """A row of the audit trail: what happened, who or what decided it, and why.

    event_key names it: told twice, kept once.
    """

    event_type: str
    event_key: str
    actor: str
    reason: str
    details: dict[str, Any]
    market_time_ms: int | None = None


async def record(parts: Parts, portfolio_id: UUID, order_id: UUID | None, fact: Fact) -> bool:
    """Write a fact to the audit trail of a portfolio; False where it is there already."""
    async with parts.database.as_functions() as connection:
        written = await connection.fetchval(
            "insert into public.order_events"
            " (portfolio_id, order_id, event_type, event_key, actor, reason, details, market_time, version)"
            " values ($1, $2, $3, $4, $5, $6, $7, to_timestamp($8::float8 / 1000), $9)"
            " on conflict (portfolio_id, event_key) do nothing returning true",
            portfolio_id,
            order_id,
            *fact._replace(details=json.dumps(fact.details)),  # type: ignore[arg-type]  # asyncpg takes jsonb as text
            __version__,
        )
    return written is not None


def order_response(order_id: UUID, answer: "Answer") -> Response:
    """The executor's answer as the API's: 200, or 202 while the outcome is unknown. Raises the Problem of a refusal."""
    raise_refusal(answer)
    order = answer.order
    detail = None
    if order is not None:
        detail = OrderDetail.model_validate(
            {
                **order.model_dump(),
                "client_order_id": order.client_order_id or f"smc{UUID(order.order_id).hex}",
            }
        )
    ended: dict[str, Literal["filled", "cancelled"]] = {
        "filled": "filled",
        "cancelled": "cancelled",
        "expired": "cancelled",
    }
    body = OrderAnswer(
        order_id=order_id,
        status=ended.get(detail.status, "pending") if detail else "pending",
        execution_time_ms=Decimal(repr(answer.latency_ms or 0.0)),
        fill_price=detail.average_price if detail else None,
        code=answer.code or answer.status,
        message=answer.message or "",
        order=detail,
    )
    return json_answer(body, 202 if answer.status == "unknown" else 200)
