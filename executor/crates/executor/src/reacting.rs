//! What follows from the venue's answers and from the user stream.

use std::sync::Arc;
use std::time::Duration;

use orders::protection::Failure;
use orders::reconcile::{Correction, VenueOrder, observe};
use orders::{Event, Outcome, Status, ids};
use uuid::Uuid;
use venues::{Balance, Report, StreamEvent, Withdrawal};

use crate::account::Account;
use crate::cancelling::tell_tick;
use crate::fact::{Asked, Fact};
use crate::message::{Done, Message, Wake};

/// Between attempts of something that must happen and could not be sent.
pub const RETRY: Duration = Duration::from_secs(1);

/// A fill and the position that it makes are told one after the other: so long they may differ.
const COMPARE_AFTER: Duration = Duration::from_secs(2);

impl Account {
    pub fn stream(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Up => {
                self.stream_up = true;
                self.controls.stream_ups += 1;
                self.start_gathering();
            }
            StreamEvent::Down(reason) => {
                if self.stream_up || !self.ready {
                    tracing::warn!(account = %self.state.account, %reason, "the user stream is down; no entries until it is back");
                }
                self.controls.stream_gaps += u64::from(self.stream_up);
                self.stream_up = false;
                self.ready = false;
                self.gathering = false;
                self.generation += 1;
                for drain in &mut self.drains {
                    drain.pinged = None;
                }
            }
            StreamEvent::Report(report) => {
                self.activity += 1;
                self.report(*report);
            }
            StreamEvent::Balances(balances) => {
                self.activity += 1;
                self.balances(balances);
            }
            StreamEvent::Positions(positions) => {
                self.activity += 1;
                self.state.venue_positions.extend(positions.into_iter().map(|held| (held.symbol.clone(), held)));
                self.wake_in(COMPARE_AFTER, Wake::ComparePositions);
            }
            StreamEvent::Pong(number) => self.ponged(number),
        }
    }

    pub fn done(&mut self, done: Done) {
        match done {
            Done::Placed { order_id, sent, result } => self.placed(order_id, sent, result),
            Done::PairPlaced { stop, target, sent, result } => self.pair_placed(stop, target, sent, result),
            Done::Cancelled { order_id, command, times, result } => {
                if let Ok(Withdrawal { written, .. }) = &result {
                    tell_tick(order_id, &times, *written);
                }
                self.cancelled(order_id, command, result.map(|withdrawal| withdrawal.orders));
            }
            Done::Queried { order_id, attempt, result } => self.queried(order_id, attempt, result),
            Done::Trades { order_id, result } => match result {
                Ok(trades) => {
                    for trade in trades {
                        self.happened(order_id, Event::Fill(trade.fill), None);
                    }
                }
                Err(_) => self.wake_in(RETRY, Wake::Trades { order_id }),
            },
            Done::FreeBalances { entry, refused, result } => self.protect_what_is_free(entry, refused, result),
            Done::FlattenBalances { symbol, result } => match result {
                Ok(balances) => {
                    self.balances(balances);
                    self.sell_out(&symbol);
                }
                Err(_) => self.wake_in(RETRY, Wake::Flatten { symbol }),
            },
            Done::FlattenPositions { symbol, result } => match result {
                Ok(positions) => {
                    self.state.venue_positions =
                        positions.into_iter().map(|position| (position.symbol.clone(), position)).collect();
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
            Wake::Audit => self.audit(),
            Wake::Trail { order_id } => self.place_adrift(order_id),
            Wake::ComparePositions => self.compare_positions(),
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
        let held = self.state.orders.get(&order_id).map(|tracked| self.state.booked(&tracked.order.symbol));
        let applied = self.record(Fact::Event { order_id, event, latency_us });
        if applied.outcome == Some(Outcome::Contradicted) {
            tracing::error!(account = %self.state.account, order = %order_id, "the venue contradicts itself about an order; asking it");
            self.query(order_id, 0);
        }
        let Some(tracked) = self.state.orders.get(&order_id) else { return };
        let (status, symbol, is_leg) =
            (tracked.status, tracked.order.symbol.clone(), self.state.legs.contains_key(&order_id));
        let guarded = tracked.order.wants_protection();
        if is_fill || (status.is_terminal() && !before.is_terminal()) {
            self.log_order(order_id);
        }
        if is_fill {
            self.fills += 1;
            if !self.is_short(tracked) {
                self.told_executed.remove(&order_id);
            }
            if let Some((entry, _)) = self.state.legs.get(&order_id).filter(|_| status.is_terminal()) {
                self.unguarded.push(*entry);
            }
            if guarded {
                self.unguarded.push(order_id);
            }
            if is_leg {
                self.leg_filled(order_id);
            }
            self.net_out(order_id, held.unwrap_or_default());
            self.half_happened(order_id);
        }
        if status.is_terminal() && !before.is_terminal() {
            if is_leg {
                self.leg_ended(order_id, status);
                match rejected.filter(|_| status == Status::Rejected) {
                    Some(failure) => self.leg_failed(order_id, failure),
                    None => self.warn_of_lost_protection(order_id),
                }
            }
            self.half_happened(order_id);
            self.flatten_heard(&symbol, order_id, rejected);
            self.continue_flatten(&symbol);
        } else if status != before {
            self.flatten_heard(&symbol, order_id, None);
        }
        self.went_adrift(order_id);
        self.continue_replacement(order_id);
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

    pub fn report(&mut self, report: Report) {
        let order_id = self.identify(&report.order);
        if self.state.is_old_news(order_id, &report.order) {
            return;
        }
        if !self.state.orders.contains_key(&order_id) {
            self.adopt(order_id, &report.order);
        }
        self.executed(order_id, report.order.executed);
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

    pub fn identify(&self, order: &VenueOrder) -> Uuid {
        ids::order_id(&order.client_order_id)
            .or_else(|| self.state.by_external.get(&(order.symbol.clone(), order.external_id.clone())).copied())
            .unwrap_or_else(|| ids::foreign_order(self.state.account, &order.symbol, &order.external_id))
    }

    /// Takes on an order that somebody else placed in the account.
    pub fn adopt(&mut self, id: Uuid, order: &VenueOrder) {
        tracing::warn!(account = %self.state.account, symbol = %order.symbol, client_order_id = %order.client_order_id, "adopting an order from the venue");
        let was_finished = self.state.finished.contains_key(&id);
        let reason = if was_finished { "it had been finished and forgotten" } else { "found at the venue" };
        let asked = Asked { issued_at_ms: order.time_ms, reason: Some(reason.into()), ..Asked::default() };
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
        if was_finished {
            // What is left of it must not trade; what it has traded is booked.
            self.cancel_stray(id);
        }
    }

    pub fn balances(&mut self, balances: Vec<(String, Balance)>) {
        for (asset, balance) in balances {
            *self.balance_changes.entry(asset.clone()).or_default() += 1;
            self.state.balances.insert(asset, balance);
        }
        self.are_holdings_new = true;
    }

    /// Takes over an order's state at the venue, and asks for trades that it implies.
    pub fn look(&mut self, order_id: Uuid, order: &VenueOrder) {
        self.executed(order_id, order.executed);
        if self.state.orders.get(&order_id).is_some_and(|tracked| !tracked.status.is_terminal()) {
            self.observed(order_id, order, "");
        }
        if self.state.orders.get(&order_id).is_some_and(|tracked| tracked.filled < order.executed) {
            self.fetch_trades(order_id);
        }
    }

    pub fn fetch_trades(&mut self, order_id: Uuid) {
        let Some(tracked) = self.state.orders.get(&order_id) else { return };
        let Some(external_id) = tracked.external_id.clone() else { return };
        let (venue, symbol) = (Arc::clone(&self.venue), tracked.order.symbol.clone());
        self.ask(async move {
            Message::Done(Done::Trades { order_id, result: venue.order_trades(&symbol, &external_id).await })
        });
    }
}
