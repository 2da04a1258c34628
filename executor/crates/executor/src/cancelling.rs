//! Cancels: repeated until the venue says that the order is finished.

use std::sync::Arc;
use std::time::Instant;

use orders::guards::{Code, Refusal};
use orders::reconcile::VenueOrder;
use orders::{Status, Tracked};
use uuid::Uuid;
use venues::{Reason, VenueError, Withdrawal};

use crate::account::Account;
use crate::answer::Answer;
use crate::envelope::Command;
use crate::fact::Fact;
use crate::message::{CancelTimes, Done, Wake};
use crate::metrics::{METRICS, TickStage};
use crate::reacting::RETRY;

impl Account {
    pub fn cancel_command(&mut self, command: &Command, mut order_id: Uuid) {
        while let Some(next) = self.state.moved.get(&order_id) {
            order_id = *next;
        }
        if self.state.adrift.contains(&order_id) {
            self.record(Fact::Command(command.envelope.clone()));
            self.give_up_adrift(order_id);
            self.acknowledge(command.id, "cancelled before it could be placed again".into());
            return;
        }
        let refusal = match self.state.orders.get(&order_id) {
            None => Some(match self.state.finished.get(&order_id) {
                Some(status) => format!("the order is already {}", status.name()),
                None => "no order of this account has this id".to_owned(),
            }),
            Some(tracked) if !tracked.is_working() => Some(format!("the order is already {}", tracked.status.name())),
            Some(_) => None,
        };
        if let Some(message) = refusal {
            self.refuse(command.id, &Refusal::new(Code::UnknownOrder, message));
            return;
        }
        self.record(Fact::Command(command.envelope.clone()));
        self.cancel(order_id, Some(command.id));
    }

    /// Cancels a working order and keeps at it until it is finished. A protective leg takes the other of its group with it.
    pub fn cancel(&mut self, order_id: Uuid, command: Option<Uuid>) {
        self.drop_replacement(order_id);
        if let Some((entry, n)) = self.state.legs.get(&order_id).copied() {
            self.record(Fact::GroupReleased { entry, n });
        }
        self.take_back(order_id, command);
        if !self.venue.holds().oco
            && let Some(other) = self.state.siblings.get(&order_id).copied()
        {
            self.take_back_if_working(other);
        }
    }

    pub fn take_back_if_working(&mut self, order_id: Uuid) {
        let works = self.state.orders.get(&order_id).is_some_and(Tracked::is_working);
        if works && !self.state.cancelling.contains(&order_id) {
            self.take_back(order_id, None);
        }
    }

    fn take_back(&mut self, order_id: Uuid, command: Option<Uuid>) {
        if !self.state.cancelling.contains(&order_id) {
            self.record(Fact::CancelAsked { order_id });
        }
        self.send_cancel(order_id, command);
    }

    pub fn send_cancel(&mut self, order_id: Uuid, command: Option<Uuid>) {
        let Some(tracked) = self.state.orders.get(&order_id) else { return };
        let (venue, symbol) = (Arc::clone(&self.venue), tracked.order.symbol.clone());
        let client_order_id = tracked.order.client_order_id.clone();
        let tick = self.tick;
        self.send_when_durable(async move {
            let times = CancelTimes { tick, sent: Instant::now() };
            let mut result = venue.cancel(&symbol, &client_order_id).await;
            if matches!(result, Err(VenueError::Refused { reason: Reason::NoSuchOrder, .. })) {
                let order = venue.query(&symbol, &client_order_id).await;
                result = order.map(|order| Withdrawal { orders: vec![order], written: None });
            }
            Done::Cancelled { order_id, command, times, result }
        });
    }

    pub fn cancelled(&mut self, order_id: Uuid, command: Option<Uuid>, result: Result<Vec<VenueOrder>, VenueError>) {
        let error = match result {
            Ok(orders) => {
                for order in orders {
                    let id = self.identify(&order);
                    self.look(id, &order);
                }
                None
            }
            Err(error) => Some(error),
        };
        let Some(tracked) = self.state.orders.get(&order_id) else { return };
        let (status, filled) = (tracked.status, tracked.filled);
        if !status.is_terminal() && self.state.cancelling.contains(&order_id) {
            self.wake_in(RETRY, Wake::Cancel { order_id });
        }
        let Some(command) = command else { return };
        let answer = match (status, error) {
            (Status::Cancelled, _) => Answer::accepted(command, "cancelled"),
            (status, _) if status.is_terminal() => {
                let message = format!("the order is already {}, {filled} of it filled", status.name());
                Answer::refused(Some(command), &Refusal::new(Code::UnknownOrder, message))
            }
            (_, Some(error)) => {
                Answer::unknown(command, format!("{error}; the cancel is repeated until the order is finished"))
            }
            (_, None) => Answer::unknown(command, "the order still works; the cancel is repeated until it is finished"),
        };
        let answer = match self.state.orders.get(&order_id) {
            Some(tracked) => answer.with_order(tracked),
            None => answer,
        };
        self.answer(answer);
    }

    /// It works at the venue though the journal has it finished: it must not trade.
    pub fn cancel_stray(&mut self, order_id: Uuid) {
        tracing::error!(account = %self.state.account, order = %order_id, "finished in the journal, and works at the venue: cancelling it there");
        self.send_cancel(order_id, None);
    }
}

/// How long a tick took to become a cancel.
pub fn tell_tick(order_id: Uuid, times: &CancelTimes, written: Option<Instant>) {
    let Some(tick) = times.tick else { return };
    let since = |moment: Instant| moment.saturating_duration_since(tick).as_micros();
    tracing::debug!(order = %order_id, journaled_us = since(times.sent), written_us = written.map(since), "taken back after a tick");
    METRICS.tick_reached(TickStage::Journaled, tick, times.sent);
    METRICS.tick_reached(TickStage::Written, tick, written.unwrap_or(times.sent));
}
