//! The rows of Postgres that a fact changes.

use orders::{Event, ids};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::system_time;
use crate::fact::{Entry, Fact};
use crate::row::{EventRow, ExecutionRow, OrderRow, PortfolioRow, PositionRow, Row};
use crate::state::{Applied, State};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What `entry`, which has been applied to `state`, changes in Postgres. The state may be further on by now: a row of an order or a
/// position is its newest, and an event's says what was true when it happened.
pub fn rows_of(state: &State, exchange: &'static str, entry: &Entry, applied: &Applied) -> Vec<Row> {
    let mut rows = Vec::new();
    let account_event = |event_type: &'static str, reason: &str, details: Value| {
        Row::Event(Box::new(EventRow {
            session_id: None,
            order_id: None,
            event_key: format!("{}:{event_type}:{}", state.account, applied.facts),
            event_type,
            actor: "executor",
            version: VERSION,
            reason: reason.to_owned(),
            details,
            market_time: None,
        }))
    };
    match &entry.fact {
        Fact::Placed { order, .. } | Fact::Adopted { order, .. } => {
            rows.extend(order_row(state, exchange, order.id));
            let adopted = matches!(entry.fact, Fact::Adopted { .. });
            let reason = state.kept.get(&order.id).and_then(|kept| kept.asked.reason.clone()).unwrap_or_default();
            rows.extend(order_event(
                state,
                order.id,
                if adopted { "adopted" } else { "pending" },
                None,
                "executor",
                &reason,
                json!({}),
            ));
        }
        Fact::Refused { order, message, .. } => {
            rows.extend(order_row(state, exchange, order.id));
            rows.extend(order_event(state, order.id, "rejected", None, "executor", message, json!({})));
        }
        Fact::Event { order_id, event, .. } => {
            rows.extend(order_row(state, exchange, *order_id));
            rows.extend(life_rows(state, *order_id, event, applied));
        }
        Fact::GroupFailed { entry, n, failure } => {
            let details = json!({"group": n, "failure": failure});
            let reason = "a protective order was not taken";
            rows.extend(order_event(
                state,
                *entry,
                "protection_failed",
                Some(&n.to_string()),
                "executor",
                reason,
                details,
            ));
        }
        Fact::CancelAsked { order_id } => {
            rows.extend(order_event(state, *order_id, "cancel_asked", None, "executor", "cancel", json!({})));
        }
        Fact::Position { symbol, quantity, .. } => {
            rows.push(account_event(
                "position_corrected",
                "the venue is right about what is held",
                json!({"symbol": symbol, "quantity": quantity}),
            ));
        }
        Fact::Limits(limits) => rows.push(account_event("limits", "set by command", json!(limits))),
        Fact::Paused(paused) => {
            rows.push(account_event(if *paused { "paused" } else { "resumed" }, "by command", json!({})))
        }
        Fact::Killed { killed, reason, .. } => {
            if *killed {
                rows.push(account_event("killed", reason.as_deref().unwrap_or("by command"), json!({})));
            }
            rows.push(portfolio_row(state));
        }
        Fact::Flatten { symbol, .. } => rows.push(account_event("flatten", "by command", json!({"symbol": symbol}))),
        Fact::Reconciled { differences } => {
            if !differences.is_empty() {
                rows.push(account_event(
                    "reconciled",
                    "differences between journal and venue",
                    json!({"differences": differences}),
                ));
            }
            rows.push(portfolio_row(state));
        }
        Fact::Lease { epoch, taken_over, .. } => {
            if *taken_over {
                rows.push(account_event("taken_over", "from another executor", json!({"epoch": epoch})));
            }
        }
        Fact::Command(_)
        | Fact::TurnedAway { .. }
        | Fact::Group { .. }
        | Fact::GroupReleased { .. }
        | Fact::GroupClosing { .. }
        | Fact::Pair { .. }
        | Fact::Replacing { .. }
        | Fact::Replaced { .. }
        | Fact::Moved { .. }
        | Fact::Rules(_)
        | Fact::FlattenSelling { .. }
        | Fact::FlattenUnsold { .. }
        | Fact::FlattenDone { .. }
        | Fact::Answered { .. }
        | Fact::Forgotten { .. }
        | Fact::Written { .. } => {}
    }
    rows
}

/// Balances and positions, as the venue has just told them.
pub fn holdings(state: &State) -> Vec<Row> {
    let mut rows: Vec<Row> = state.positions.keys().filter_map(|symbol| position_row(state, symbol)).collect();
    rows.push(portfolio_row(state));
    rows
}

fn life_rows(state: &State, order_id: Uuid, event: &Event, applied: &Applied) -> Vec<Row> {
    let Some(tracked) = state.orders.get(&order_id) else { return Vec::new() };
    let mut rows = Vec::new();
    let status = applied.status.unwrap_or(tracked.status);
    let is_working = !status.is_terminal();
    let status = status.name();
    let of_venue = |event_type, trade: Option<&str>, reason: &str, details| {
        order_event(state, order_id, event_type, trade, "venue", reason, details)
    };
    match event {
        Event::Fill(fill) => {
            rows.push(Row::Execution(Box::new(ExecutionRow {
                id: ids::execution(state.account, &tracked.order.symbol, &fill.trade_id),
                order_id,
                symbol: tracked.order.symbol.clone(),
                side: tracked.order.side.name(),
                trade_id: fill.trade_id.clone(),
                quantity: fill.quantity,
                price: fill.price,
                fee: fill.fee,
                fee_asset: fill.fee_asset.clone(),
                is_maker: fill.is_maker,
                realized_pnl: applied.realized_pnl.map(|pnl| pnl.round_dp(8)),
                executed_at: system_time(fill.time_ms),
            })));
            rows.extend(position_row(state, &tracked.order.symbol));
            let details =
                json!({"quantity": fill.quantity, "price": fill.price, "fee": fill.fee, "fee_asset": fill.fee_asset});
            rows.extend(of_venue(
                if is_working { "partially_filled" } else { status },
                Some(&fill.trade_id),
                "trade",
                details,
            ));
        }
        Event::Accepted { external_id } => {
            rows.extend(of_venue("open", None, "accepted by the venue", json!({"external_order_id": external_id})))
        }
        Event::Cancelled | Event::Expired => rows.extend(of_venue(status, None, status, json!({}))),
        Event::Rejected { message } => rows.extend(of_venue(status, None, message, json!({}))),
        Event::Unknown { message } => rows.extend(of_venue("unknown", None, message, json!({}))),
        Event::Missing => rows.extend(of_venue(status, None, "it never reached the venue", json!({}))),
    }
    rows
}

fn order_event(
    state: &State,
    order_id: Uuid,
    event_type: &'static str,
    detail: Option<&str>,
    actor: &'static str,
    reason: &str,
    details: Value,
) -> Option<Row> {
    let (tracked, kept) = (state.orders.get(&order_id)?, state.kept.get(&order_id)?);
    let detail = detail.map(|detail| format!(":{detail}")).unwrap_or_default();
    Some(Row::Event(Box::new(EventRow {
        session_id: kept.asked.session_id,
        order_id: Some(order_id),
        event_key: format!("{order_id}:{event_type}{detail}"),
        event_type,
        actor,
        version: VERSION,
        reason: reason.to_owned(),
        details,
        market_time: tracked.last_fill_ms.or(kept.asked.market_time_ms).map(system_time),
    })))
}

/// `None` for an order whose quantity no table would take: the guards refused it for that.
fn order_row(state: &State, exchange: &'static str, id: Uuid) -> Option<Row> {
    let (tracked, kept) = (state.orders.get(&id)?, state.kept.get(&id)?);
    let order = &tracked.order;
    if order.quantity.round_dp(8) <= Decimal::ZERO {
        return None;
    }
    let reason = match (&kept.asked.reason, &tracked.message) {
        (Some(reason), Some(message)) => Some(format!("{reason}; {message}")),
        (reason, message) => reason.clone().or_else(|| message.clone()),
    };
    Some(Row::Order(Box::new(OrderRow {
        id,
        session_id: kept.asked.session_id,
        parent_id: order.parent,
        symbol: order.symbol.clone(),
        side: order.side.name(),
        order_type: order.kind.name(),
        quantity: order.quantity,
        price: order.price,
        stop_price: order.stop_price,
        trail: order.trail,
        reduce_only: order.reduce_only,
        stop_loss: order.stop_loss,
        take_profit: order.take_profit,
        filled_quantity: tracked.filled,
        filled_price: tracked.average_price().map(|price| price.round_dp(8)),
        status: tracked.status.name(),
        reason,
        created_at: system_time(kept.asked.issued_at_ms),
        market_time: kept.asked.market_time_ms.map(system_time),
        filled_at: tracked.last_fill_ms.map(system_time),
        updated_at: system_time(kept.updated_ms),
        execution_latency_ms: kept.latency_us.map(|us| Decimal::from(us) / Decimal::from(1000)),
        exchange,
        client_order_id: order.client_order_id.clone(),
        external_order_id: tracked.external_id.clone(),
        fees: kept.fees.round_dp(8),
    })))
}

fn position_row(state: &State, symbol: &str) -> Option<Row> {
    let position = state.positions.get(symbol)?;
    let quantity = state.held(symbol);
    Some(Row::Position(PositionRow {
        symbol: symbol.to_owned(),
        quantity,
        entry_price: position.entry_price().filter(|_| !quantity.is_zero()).map(|price| price.round_dp(8)),
        realized_pnl: position.realized_pnl.round_dp(8),
        opened_at: position.opened_ms.map(system_time),
    }))
}

fn portfolio_row(state: &State) -> Row {
    let balances = state.balances.iter().filter(|(_, balance)| !(balance.free + balance.locked).is_zero());
    let balances: serde_json::Map<String, Value> = balances
        .map(|(asset, balance)| {
            (asset.clone(), json!({"free": balance.free.normalize(), "locked": balance.locked.normalize()}))
        })
        .collect();
    let balances = (!state.balances.is_empty()).then(|| Value::Object(balances));
    Row::Portfolio(PortfolioRow { balances, killed: state.killed })
}
