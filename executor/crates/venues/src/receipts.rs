//! Answers that say no more than that a request was taken up: what becomes of it, the user stream tells.

use orders::reconcile::VenueOrder;
use orders::{Order, Status};
use rust_decimal::Decimal;

use crate::{Reason, Receipt, VenueError};

/// Two requests of which at most one can find its order: the one that did, else what leaves the most open.
pub fn either<T>(one: Result<T, VenueError>, other: Result<T, VenueError>) -> Result<T, VenueError> {
    match (one, other) {
        (Ok(found), _) | (_, Ok(found)) => Ok(found),
        (Err(VenueError::Refused { reason: Reason::NoSuchOrder, .. }), error) => error,
        (error, _) => error,
    }
}

pub fn acknowledged(order: &Order, external_id: String, time_ms: i64) -> Receipt {
    let order = VenueOrder {
        client_order_id: order.client_order_id.clone(),
        external_id,
        symbol: order.symbol.clone(),
        side: order.side,
        kind: order.kind,
        quantity: order.quantity,
        price: order.price,
        stop_price: order.stop_price,
        trail: order.trail,
        reduce_only: order.reduce_only,
        time_in_force: order.time_in_force,
        post_only: order.post_only,
        status: Status::Open,
        executed: Decimal::ZERO,
        time_ms,
    };
    Receipt { order, fills: Vec::new(), written: None }
}
