//! An account at a glance, as the HTTP contract shows it.

use std::collections::BTreeMap;

use orders::{Kind, Side, Status};
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use crate::account::Account;

#[derive(Clone, Serialize)]
pub struct Snapshot {
    pub account: Uuid,
    pub ready: bool,
    pub killed: bool,
    pub paused: bool,
    balances: BTreeMap<String, Amounts>,
    positions: Vec<PositionView>,
    open_orders: Vec<OrderView>,
    /// Rows not yet in Postgres.
    sink_pending: usize,
    unprotected: Vec<Unprotected>,
}

#[derive(Clone, Serialize)]
struct Amounts {
    free: Decimal,
    locked: Decimal,
}

#[derive(Clone, Serialize)]
struct PositionView {
    symbol: String,
    quantity: Decimal,
    entry_price: Option<Decimal>,
    realized_pnl: Decimal,
}

#[derive(Clone, Serialize)]
struct OrderView {
    order_id: Uuid,
    client_order_id: String,
    parent_id: Option<Uuid>,
    symbol: String,
    side: Side,
    #[serde(rename = "type")]
    kind: Kind,
    quantity: Decimal,
    price: Option<Decimal>,
    stop_price: Option<Decimal>,
    trail: Option<Decimal>,
    reduce_only: bool,
    filled_quantity: Decimal,
    status: Status,
}

#[derive(Clone, Serialize)]
struct Unprotected {
    order_id: Uuid,
    quantity: Decimal,
}

impl Account {
    pub fn snapshot(&mut self) -> Snapshot {
        let unprotected = self.state.unprotected();
        let state = &self.state;
        let balances = state.balances.iter().filter(|(_, balance)| !(balance.free + balance.locked).is_zero());
        Snapshot {
            account: state.account,
            ready: self.ready,
            killed: state.killed,
            paused: state.paused,
            balances: balances
                .map(|(asset, balance)| {
                    (asset.clone(), Amounts { free: balance.free.normalize(), locked: balance.locked.normalize() })
                })
                .collect(),
            positions: state
                .positions
                .iter()
                .map(|(symbol, position)| PositionView {
                    symbol: symbol.clone(),
                    quantity: state.held(symbol).normalize(),
                    entry_price: position.entry_price().map(|price| price.normalize()),
                    realized_pnl: position.realized_pnl.normalize(),
                })
                .collect(),
            open_orders: state
                .working_orders()
                .map(|tracked| OrderView {
                    order_id: tracked.order.id,
                    client_order_id: tracked.order.client_order_id.clone(),
                    parent_id: tracked.order.parent,
                    symbol: tracked.order.symbol.clone(),
                    side: tracked.order.side,
                    kind: tracked.order.kind,
                    quantity: tracked.order.quantity.normalize(),
                    price: tracked.order.price.map(|price| price.normalize()),
                    stop_price: tracked.order.stop_price.map(|price| price.normalize()),
                    trail: tracked.order.trail.map(|trail| trail.normalize()),
                    reduce_only: tracked.order.reduce_only,
                    filled_quantity: tracked.filled.normalize(),
                    status: tracked.status,
                })
                .collect(),
            sink_pending: self.sink_pending(),
            unprotected: unprotected
                .into_iter()
                .map(|(order_id, quantity)| Unprotected { order_id, quantity: quantity.normalize() })
                .collect(),
        }
    }
}

/// Lines of the status page.
impl Snapshot {
    pub fn position_lines(&self) -> impl Iterator<Item = String> {
        self.positions.iter().filter(|position| !position.quantity.is_zero() || !position.realized_pnl.is_zero()).map(
            |position| {
                let at = position.entry_price.map(|price| format!(" at {price}")).unwrap_or_default();
                format!("{} {}{at}, realized {}", position.symbol, position.quantity, position.realized_pnl)
            },
        )
    }

    pub fn balance_lines(&self) -> impl Iterator<Item = String> {
        self.balances.iter().map(|(asset, amounts)| format!("{asset} {} free, {} locked", amounts.free, amounts.locked))
    }

    pub fn order_lines(&self) -> impl Iterator<Item = String> {
        self.open_orders.iter().map(|order| {
            let price =
                |name, price: Option<Decimal>| price.map(|price| format!(" {name} {price}")).unwrap_or_default();
            let (limit, stop) = (price("at", order.price), price("stop", order.stop_price));
            let (side, kind) = (order.side.name(), order.kind.name());
            let (symbol, filled, quantity) = (&order.symbol, order.filled_quantity, order.quantity);
            let (status, id) = (order.status.name(), &order.client_order_id);
            format!("{symbol} {side} {kind} {quantity}{limit}{stop}, {filled} filled, {status} [{id}]")
        })
    }

    pub fn unprotected_lines(&self) -> impl Iterator<Item = String> {
        self.unprotected.iter().map(|found| format!("{} of entry {}", found.quantity, found.order_id))
    }
}
