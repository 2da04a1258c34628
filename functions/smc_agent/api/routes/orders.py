"""Orders by hand: judge, place, cancel."""

import uuid
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from smc_agent.api.commands import Executor
from smc_agent.api.decimal_json import DecimalRoute, answer
from smc_agent.api.deps import SIGNED_IN, CommandId, PartsDep, Reader, Trader
from smc_agent.api.errors import responses
from smc_agent.api.order_forms import OrderAnswer, OrderForm, Preview, PreviewForm, Reason
from smc_agent.api.order_path import Fact, open_gate, order_response, place, record, request_of
from smc_agent.platform.problems import Problem

router = APIRouter(prefix="/api/v1/orders", tags=["orders"], route_class=DecimalRoute)

_GATE = ("invalid_json", "body_too_large", "unknown_portfolio", "portfolio_required", "unknown_symbol", "no_price")
_SENT = ("order_refused", "idempotency_conflict", "executor_unavailable", "command_not_accepted")
_UNKNOWN: dict[int | str, dict[str, Any]] = {
    202: {"model": OrderAnswer, "description": "Sent; the executor is asking the venue what became of it"}
}


@router.post(
    "/preview",
    response_model=Preview,
    responses=responses(*SIGNED_IN, *_GATE, "executor_unavailable"),
    summary="Judge an order",
    operation_id="preview_order",
)
async def preview_order(parts: PartsDep, reader: Reader, body: PreviewForm) -> Response:
    """What the order would cost and win at the last close, and every reason for which it would be refused now."""
    from smc_agent.risk import preview_order as judge

    gate = await open_gate(parts, Executor(parts.settings, parts.http), reader, body.portfolio_id, body.symbol)
    shown = judge(request_of(body), gate.account, gate.book, gate.limits, gate.rules, gate.price)
    return answer(
        Preview(
            quantity=shown.quantity,
            notional=shown.notional,
            fee=shown.fee,
            risk=shown.risk,
            reward=shown.reward,
            risk_reward=None if shown.risk_reward is None else round(shown.risk_reward, 4),
            refusals=[Reason(code=refusal.code, reason=refusal.reason) for refusal in shown.refusals],
        )
    )


@router.post(
    "/create",
    response_model=OrderAnswer,
    responses=responses(*SIGNED_IN, *_GATE, *_SENT) | _UNKNOWN,
    summary="Place an order",
    operation_id="create_order",
)
async def create_order(parts: PartsDep, trader: Trader, command_id: CommandId, body: OrderForm) -> Response:
    """Passes risk, is recorded, signed, and sent by the executor; answers what the venue said. Repeats under one
    Idempotency-Key place one order and get the first answer."""
    return order_response(command_id, await place(parts, trader, command_id, body))


class CancelBody(BaseModel):
    """Nothing has to be said."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[str, Field(max_length=200)] = "Cancelled by hand."


@router.post(
    "/{order_id}/cancel",
    response_model=OrderAnswer,
    responses=responses(*SIGNED_IN, *_SENT, "invalid_json", "body_too_large", "unknown_order") | _UNKNOWN,
    summary="Cancel an order",
    operation_id="cancel_order",
)
async def cancel_order(
    parts: PartsDep, trader: Trader, command_id: CommandId, order_id: UUID, body: CancelBody | None = None
) -> Response:
    """Takes back what is left of a working order. What was filled stays, and stays protected."""
    from smc_agent.execution import cancel_payload

    async with parts.database.as_user(trader.user_id) as connection:
        # The order's row may still be on its way; the intent was written before the order was sent.
        portfolio_id = await connection.fetchval(
            "select portfolio_id from public.orders where id = $1"
            " union all select portfolio_id from public.order_events where order_id = $1 limit 1",
            order_id,
        )
    if portfolio_id is None:
        raise Problem("unknown_order", "You have no order with this id.")
    reason = (body or CancelBody()).reason
    # The order is part of the command's id: one key for two cancels means two cancels.
    cancel_id = uuid.uuid5(command_id, f"cancel:{order_id}")
    executor = Executor(parts.settings, parts.http)
    envelope = executor.envelope(cancel_id, portfolio_id, "cancel", cancel_payload(str(order_id), reason))
    await record(parts, portfolio_id, order_id, Fact("cancel", f"{order_id}:cancel:{cancel_id}", "user", reason, {}))
    return order_response(order_id, await executor.submit(envelope))
