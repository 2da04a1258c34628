//! What follows from the venue's answers and from the user stream.

use std::sync::Arc;
use std::time::{Duration, Instant};

use orders::guards::{Code, Refusal};
use orders::protection::Failure;
use orders::reconcile::{Correction, VenueOrder, observe};
use orders::{Event, Outcome, Status, ids};
use uuid::Uuid;
use venues::{Balance, Reason, Receipt, Report, VenueError};

use crate::account::{Account, Done, Message, Wake};
use crate::answer::Answer;
use crate::fact::{Asked, Fact};
use crate::metrics::{METRICS, Stage};
use crate::rows;

/// Between attempts of something that must happen and could not be sent.
pub const RETRY: Duration = Duration::from_secs(1);

impl Account {
    pub fn done(&mut self, done: Done) {
        match done {
            Done::Placed { order_id, sent, result } => self.placed(order_id, sent, result),
            Done::OcoPlaced { entry, n, sent, result } => self.oco_placed(entry, n, sent, result),
            Done::Cancelled { order_id, command, result } => self.cancelled(order_id, command, result),
            Done::Queried { order_id, attempt, result } => self.queried(order_id, attempt, result),
            Done::Trades { order_id, result } => match result {
                Ok(trades) => {
                    for trade in trades {
                        self.happened(order_id, Event::Fill(trade.fill), None);
                    }
                }
                Err(_) => self.wake_in(RETRY, Wake::Trades { order_id }),
            },
            Done::FlattenBalances { symbol, result } => match result {
                Ok(balances) => {
                    self.balances(balances);
                    self.sell_out(&symbol);
                }
                Err(_) => self.wake_in(RETRY, Wake::Flatten { symbol }),
            },
        }
    }

    pub fn wake(&mut self, wake: Wake) {
        match wake {
            Wake::Query { order_id, attempt } => self.query(order_id, attempt),
            Wake::Cancel { order_id } => self.send_cancel(order_id, None),
            Wake::Trades { order_id } => self.fetch_trades(order_id),
            Wake::Protect { entry } => self.protect(entry, false),
            Wake::Flatten { symbol } => self.continue_flatten(&symbol),
            Wake::Gather => self.start_gathering(),
        }
    }

    /// Books an event and lets everything follow that depends on it.
    pub fn happened(&mut self, order_id: Uuid, event: Event, latency_us: Option<u64>) {
        let Some(before) = self.state.orders.get(&order_id).map(|tracked| tracked.status) else { return };
        let is_fill = matches!(event, Event::Fill(_));
        let repeats = match (&event, self.state.orders.get(&order_id)) {
            (Event::Fill(fill), Some(tracked)) => tracked.trades.contains(&fill.trade_id),
            // The first acknowledgement brings the venue's id and the latency even where a fill has overtaken it.
            (Event::Accepted { .. }, Some(tracked)) => {
                before != Status::Rejected && tracked.external_id.is_some() && latency_us.is_none()
            }
            _ => before.is_terminal(),
        };
        if repeats {
            return;
        }
        let rejected = match &event {
            Event::Rejected { .. } => Some(Failure::Refused),
            Event::Missing => Some(Failure::NotSent),
            _ => None,
        };
        let applied = self.record(Fact::Event { order_id, event, latency_us });
        if applied.outcome == Some(Outcome::Contradicted) {
            tracing::error!(account = %self.state.account, order = %order_id, "the venue contradicts itself about an order; asking it");
            self.query(order_id, 0);
        }
        let Some(tracked) = self.state.orders.get(&order_id) else { return };
        let (status, symbol, is_leg) =
            (tracked.status, tracked.order.symbol.clone(), self.state.legs.contains_key(&order_id));
        let guarded = tracked.order.wants_protection();
        if is_fill {
            self.fills += 1;
            if guarded {
                self.protect(order_id, false);
            }
        }
        if status.is_terminal() && !before.is_terminal() {
            if is_leg {
                match rejected.filter(|_| status == Status::Rejected) {
                    Some(failure) => self.leg_failed(order_id, failure),
                    None => self.warn_of_lost_protection(order_id),
                }
            }
            self.flatten_heard(&symbol, order_id, rejected);
            self.continue_flatten(&symbol);
        } else if status != before {
            self.flatten_heard(&symbol, order_id, None);
        }
    }

    /// An order as the venue has it, from whatever source.
    pub fn observed(&mut self, order_id: Uuid, order: &VenueOrder, message: &str) {
        let Some(tracked) = self.state.orders.get(&order_id) else { return };
        for correction in observe(order_id, tracked.status, order) {
            match correction {
                Correction::Apply { id, event: Event::Rejected { .. } } if !message.is_empty() => {
                    self.happened(id, Event::Rejected { message: message.to_owned() }, None);
                }
                Correction::Apply { id, event } => self.happened(id, event, None),
                Correction::CancelStray { id } => self.cancel_stray(id),
                Correction::Adopt { .. } | Correction::FetchTrades { .. } => {}
            }
        }
    }

    /// It works at the venue though the journal has it finished: it must not trade.
    pub fn cancel_stray(&mut self, order_id: Uuid) {
        tracing::error!(account = %self.state.account, order = %order_id, "finished in the journal, and works at the venue: cancelling it there");
        self.send_cancel(order_id, None);
    }

    pub fn report(&mut self, report: Report) {
        let order_id = self.identify(&report.order);
        if !self.state.orders.contains_key(&order_id) {
            self.adopt(order_id, &report.order);
        }
        let Some(tracked) = self.state.orders.get(&order_id) else { return };
        // A stream's order report describes its own moment: an old one must not look like a stray order.
        let is_over = tracked.status.is_terminal();
        if tracked.external_id.is_none() && report.order.status != Status::Rejected {
            self.happened(order_id, Event::Accepted { external_id: report.order.external_id.clone() }, None);
        }
        if let Some(fill) = report.fill {
            self.happened(order_id, Event::Fill(fill), None);
        }
        if !is_over {
            let message = if report.message == "NONE" { String::new() } else { report.message };
            self.observed(order_id, &report.order, &message);
        }
        let short = self.state.orders.get(&order_id).is_some_and(|tracked| tracked.filled < report.order.executed);
        if short {
            self.fetch_trades(order_id);
        }
    }

    fn identify(&self, order: &VenueOrder) -> Uuid {
        ids::order_id(&order.client_order_id)
            .or_else(|| self.state.by_external.get(&(order.symbol.clone(), order.external_id.clone())).copied())
            .unwrap_or_else(|| ids::foreign_order(self.state.account, &order.symbol, &order.external_id))
    }

    /// Takes on an order that somebody else placed in the account.
    pub fn adopt(&mut self, id: Uuid, order: &VenueOrder) {
        tracing::warn!(account = %self.state.account, symbol = %order.symbol, client_order_id = %order.client_order_id, "adopting an order from the venue");
        let asked =
            Asked { issued_at_ms: order.time_ms, reason: Some("found at the venue".into()), ..Asked::default() };
        let order = orders::Order {
            id,
            client_order_id: order.client_order_id.clone(),
            parent: None,
            market: self.venue.market(),
            symbol: order.symbol.clone(),
            side: order.side,
            kind: order.kind,
            quantity: order.quantity,
            price: order.price,
            stop_price: order.stop_price,
            trail: order.trail,
            time_in_force: order.time_in_force,
            stop_loss: None,
            take_profit: None,
            reduce_only: order.reduce_only,
            post_only: order.post_only,
        };
        self.record(Fact::Adopted { order, asked });
    }

    pub fn balances(&mut self, balances: Vec<(String, Balance)>) {
        for (asset, balance) in balances {
            *self.balance_changes.entry(asset.clone()).or_default() += 1;
            self.state.balances.insert(asset, balance);
        }
        self.also(rows::holdings(&self.state));
    }

    fn placed(&mut self, order_id: Uuid, sent: Instant, result: Result<Receipt, VenueError>) {
        let Some(tracked) = self.state.orders.get(&order_id) else { return };
        let command = self.waiting.contains_key(&order_id).then_some(order_id);
        let latency_us = self.latency_us(order_id, sent);
        if let Some(waiter) = self.waiting.get(&order_id).and_then(|waiters| waiters.first()) {
            let us = sent.duration_since(waiter.received).as_micros();
            tracing::debug!(order = %order_id, us, "journaled and handed to the connection");
            METRICS.reached(Stage::Written, waiter.received, sent);
            if !matches!(result, Err(VenueError::NotSent(_))) {
                METRICS.reached(Stage::Acknowledged, waiter.received, Instant::now());
            }
        }
        let id = tracked.order.id;
        let answer = match result {
            Ok(receipt) => {
                self.received(order_id, receipt, latency_us);
                Answer::accepted(id, "at the venue")
            }
            Err(error) if is_open(&error) => {
                self.lost(order_id, &error);
                Answer::unknown(id, format!("{error}; it is being asked for"))
            }
            Err(error) => {
                let group = self.state.legs.get(&order_id).copied();
                // Noted before the leg is rejected, so that the reason is known when the next form is chosen.
                if let Some((entry, n)) = group {
                    self.group_failed(entry, n, failure_of(&error));
                }
                self.happened(order_id, refused_event(&error), None);
                if let Some((entry, _)) = group {
                    self.protect_after(entry, &error);
                }
                Answer::refused(Some(id), &refusal_of(&error))
            }
        };
        if command.is_some() {
            let answer = match self.state.orders.get(&order_id) {
                Some(tracked) => answer.with_order(tracked),
                None => answer,
            };
            self.answer(answer);
        }
    }

    fn oco_placed(&mut self, entry: Uuid, n: u32, sent: Instant, result: Result<Vec<Receipt>, VenueError>) {
        let legs = [ids::stop_leg(entry, n), ids::target_leg(entry, n)];
        match result {
            Ok(receipts) => {
                for receipt in receipts {
                    let leg = self.identify(&receipt.order);
                    let latency_us = self.latency_us(leg, sent);
                    self.received(leg, receipt, latency_us);
                }
                // A leg that the answer did not name is asked for like a lost one.
                for leg in legs {
                    if self.is_status(leg, Status::Pending) {
                        self.lost(leg, &VenueError::Lost("the answer names no such leg".into()));
                    }
                }
            }
            Err(error) if is_open(&error) => legs.into_iter().for_each(|leg| self.lost(leg, &error)),
            Err(error) => {
                // Noted before the legs are rejected, so that the reason is known when the next form is chosen.
                self.group_failed(entry, n, failure_of(&error));
                for leg in legs {
                    self.happened(leg, refused_event(&error), None);
                }
                self.protect_after(entry, &error);
            }
        }
    }

    fn received(&mut self, order_id: Uuid, receipt: Receipt, latency_us: Option<u64>) {
        let accepted = Event::Accepted { external_id: receipt.order.external_id.clone() };
        self.happened(order_id, accepted, latency_us);
        for fill in receipt.fills {
            self.happened(order_id, Event::Fill(fill), None);
        }
        self.look(order_id, &receipt.order);
    }

    /// Takes over an order's state at the venue, and asks for trades that it implies.
    pub fn look(&mut self, order_id: Uuid, order: &VenueOrder) {
        if self.state.orders.get(&order_id).is_some_and(|tracked| !tracked.status.is_terminal()) {
            self.observed(order_id, order, "");
        }
        if self.state.orders.get(&order_id).is_some_and(|tracked| tracked.filled < order.executed) {
            self.fetch_trades(order_id);
        }
    }

    fn latency_us(&self, order_id: Uuid, sent: Instant) -> Option<u64> {
        let since =
            self.waiting.get(&order_id).and_then(|waiters| waiters.first()).map_or(sent, |waiter| waiter.received);
        u64::try_from(since.elapsed().as_micros()).ok()
    }

    fn is_status(&self, order_id: Uuid, status: Status) -> bool {
        self.state.orders.get(&order_id).is_some_and(|tracked| tracked.status == status)
    }

    pub fn fetch_trades(&mut self, order_id: Uuid) {
        let Some(tracked) = self.state.orders.get(&order_id) else { return };
        let Some(external_id) = tracked.external_id.clone() else { return };
        let (venue, symbol) = (Arc::clone(&self.venue), tracked.order.symbol.clone());
        self.ask(async move {
            Message::Done(Done::Trades { order_id, result: venue.order_trades(&symbol, &external_id).await })
        });
    }

    /// Cancels a working order and keeps at it until it is finished.
    pub fn cancel(&mut self, order_id: Uuid, command: Option<Uuid>) {
        if let Some((entry, n)) = self.state.legs.get(&order_id).copied() {
            self.record(Fact::GroupReleased { entry, n });
        }
        if !self.state.cancelling.contains(&order_id) {
            self.record(Fact::CancelAsked { order_id });
        }
        self.send_cancel(order_id, command);
    }

    pub fn send_cancel(&mut self, order_id: Uuid, command: Option<Uuid>) {
        let Some(tracked) = self.state.orders.get(&order_id) else { return };
        let (venue, symbol) = (Arc::clone(&self.venue), tracked.order.symbol.clone());
        let client_order_id = tracked.order.client_order_id.clone();
        self.send_when_durable(async move {
            let mut result = venue.cancel(&symbol, &client_order_id).await;
            if matches!(result, Err(VenueError::Refused { reason: Reason::NoSuchOrder, .. })) {
                result = venue.query(&symbol, &client_order_id).await.map(|order| vec![order]);
            }
            Done::Cancelled { order_id, command, result }
        });
    }

    fn cancelled(&mut self, order_id: Uuid, command: Option<Uuid>, result: Result<Vec<VenueOrder>, VenueError>) {
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
}

/// Whether the order may be at the venue all the same.
fn is_open(error: &VenueError) -> bool {
    matches!(error, VenueError::Lost(_) | VenueError::Refused { reason: Reason::DuplicateOrder, .. })
}

fn refused_event(error: &VenueError) -> Event {
    match failure_of(error) {
        Failure::NotSent => Event::Missing,
        Failure::Refused | Failure::WouldTrigger => Event::Rejected { message: error.to_string() },
    }
}

fn failure_of(error: &VenueError) -> Failure {
    match error {
        VenueError::Refused { reason: Reason::WouldTrigger, .. } => Failure::WouldTrigger,
        VenueError::NotSent(_) | VenueError::Throttled { .. } => Failure::NotSent,
        _ => Failure::Refused,
    }
}

fn refusal_of(error: &VenueError) -> Refusal {
    let code = match error {
        // Not `not_ready`: this id is used up, and asking again under it would get this answer for ever.
        VenueError::NotSent(_) | VenueError::Lost(_) => Code::VenueRejected,
        VenueError::Throttled { .. } => Code::OrderRate,
        VenueError::Refused { reason, .. } => match reason {
            Reason::InsufficientBalance => Code::InsufficientBalance,
            Reason::UnknownSymbol => Code::UnknownSymbol,
            Reason::FilterPrice => Code::FilterPrice,
            Reason::FilterLot => Code::FilterLot,
            Reason::FilterNotional => Code::FilterNotional,
            Reason::OrderRate => Code::OrderRate,
            Reason::NoSuchOrder
            | Reason::DuplicateOrder
            | Reason::WouldTrigger
            | Reason::Unsupported
            | Reason::Other => Code::VenueRejected,
        },
    };
    Refusal::new(code, error.to_string())
}
