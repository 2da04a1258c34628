//! Orders whose outcome is unknown: they are asked for by their client order id, never sent again.

use std::sync::Arc;
use std::time::Duration;

use orders::reconcile::VenueOrder;
use orders::{Event, Status};
use uuid::Uuid;
use venues::{Reason, VenueError};

use crate::account::Account;
use crate::clock::now_ms;
use crate::message::{Done, Message, Wake};
use crate::reacting::RETRY;

/// When to ask, counted from the last question. Finding the order settles it at any time. The last is the targeted query whose
/// "no such order" is believed.
const CHECKS: [Duration; 6] = [
    Duration::from_millis(250),
    Duration::from_millis(1750),
    Duration::from_secs(1),
    Duration::from_secs(1),
    Duration::from_secs(1),
    Duration::from_secs(1),
];
/// The venue's own consistency delay: a "no such order" before it means nothing.
pub const BELIEVE_MISSING_AFTER_MS: i64 = 5_000;

impl Account {
    /// The answer to something sent was lost.
    pub fn lost(&mut self, order_id: Uuid, error: &VenueError) {
        tracing::warn!(account = %self.state.account, order = %order_id, %error, "outcome unknown; asking the venue");
        self.happened(order_id, Event::Unknown { message: error.to_string() }, None);
        self.wake_in(CHECKS[0], Wake::Query { order_id, attempt: 1 });
    }

    /// Asks what became of an order. `attempt` 0: out of turn.
    pub fn query(&mut self, order_id: Uuid, attempt: usize) {
        let Some(tracked) = self.state.orders.get(&order_id) else { return };
        let is_settled = !matches!(tracked.status, Status::Pending | Status::Unknown);
        if attempt > 0 && is_settled {
            return;
        }
        let (venue, symbol) = (Arc::clone(&self.venue), tracked.order.symbol.clone());
        let client_order_id = tracked.order.client_order_id.clone();
        self.ask(async move {
            Message::Done(Done::Queried { order_id, attempt, result: venue.query(&symbol, &client_order_id).await })
        });
    }

    pub fn queried(&mut self, order_id: Uuid, attempt: usize, result: Result<VenueOrder, VenueError>) {
        match result {
            Ok(order) => {
                if attempt == 0 {
                    self.observed(order_id, &order, "");
                }
                self.look(order_id, &order);
            }
            Err(VenueError::Refused { reason: Reason::NoSuchOrder, .. }) if attempt > 0 => {
                let placed_ms = self.state.kept.get(&order_id).map_or(0, |kept| kept.placed_ms);
                let is_late_enough = now_ms() - placed_ms >= BELIEVE_MISSING_AFTER_MS;
                if attempt >= CHECKS.len() && is_late_enough {
                    tracing::warn!(account = %self.state.account, order = %order_id, "the venue does not know it: it never arrived");
                    self.happened(order_id, Event::Missing, None);
                } else {
                    let wait = CHECKS.get(attempt).copied().unwrap_or(RETRY);
                    self.wake_in(wait, Wake::Query { order_id, attempt: attempt + 1 });
                }
            }
            // Nothing was learnt: the same question again.
            Err(_) if attempt > 0 => self.wake_in(RETRY, Wake::Query { order_id, attempt }),
            Err(_) => {}
        }
    }
}
