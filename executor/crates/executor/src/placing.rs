//! Orders on their way to the venue, and what it answers to them.

use std::sync::Arc;
use std::time::Instant;

use orders::guards::{self, Approved, Code, Refusal};
use orders::{Event, Kind, Order, Status};
use rust_decimal::Decimal;
use uuid::Uuid;
use venues::{Receipt, VenueError};

use crate::account::Account;
use crate::action::Place;
use crate::answer::Answer;
use crate::clock::now_ms;
use crate::envelope::Command;
use crate::fact::{Asked, Fact};
use crate::failing::{failure_of, is_open, refusal_of, refused_event};
use crate::message::Done;
use crate::metrics::{METRICS, Stage};

impl Account {
    /// Judges a commanded order and sends it.
    pub fn place(&mut self, command: &Command, place: &Place, last: Option<Decimal>) {
        let mut order = place.order(command.id, self.venue.market());
        if self.must_follow(&order) {
            match self.followed(order, last) {
                Ok(stop) => order = stop,
                Err(refusal) => return self.refuse(command.id, &refusal),
            }
        }
        if !self.may_enter(command, &order) {
            return;
        }
        let exposure = self.state.exposure(&order, now_ms(), last);
        let Some(rules) = self.state.rules.get(&order.symbol) else { return self.lacks_rules(command) };
        let trail = order.trail.filter(|_| order.kind == Kind::TrailingStop);
        let verdict = guards::approve(Order { trail, ..order.clone() }, &exposure, &self.state.limits, rules);
        self.record(Fact::Command(command.envelope.clone()));
        let asked = place.origin.asked(command);
        match verdict {
            Ok(approved) => {
                self.record(Fact::Placed { order, asked });
                self.send_order(approved);
            }
            Err(refusal) => {
                self.record(Fact::Refused { order, asked, message: refusal.message.clone() });
                self.refuse(command.id, &refusal);
            }
        }
    }

    /// Entries wait for agreement with the venue and for the lease, and leave the venue's rate reserve to cancels and protection.
    pub fn may_enter(&mut self, command: &Command, order: &Order) -> bool {
        let waits = if order.is_entry() { self.entries_wait() } else { None };
        if let Some(refusal) = waits.or_else(|| self.may_be_done(command)) {
            self.dismiss(command.id, &refusal);
            return false;
        }
        let Some(why) = self.venue.entries_throttled().filter(|_| order.is_entry()) else { return true };
        self.refuse(command.id, &Refusal::new(Code::OrderRate, why));
        false
    }

    pub fn lacks_rules(&mut self, command: &Command) {
        self.dismiss(command.id, &Refusal::new(Code::NotReady, "the symbol's rules are not known yet"));
    }

    pub fn send_order(&mut self, order: Approved<Order>) {
        let (venue, order_id) = (Arc::clone(&self.venue), order.get().id);
        self.time_the_journal(order_id);
        self.send_when_durable(async move {
            let sent = Instant::now();
            Done::Placed { order_id, sent, result: venue.place(&order).await }
        });
    }

    pub fn placed(&mut self, order_id: Uuid, sent: Instant, result: Result<Receipt, VenueError>) {
        if !self.state.orders.contains_key(&order_id) {
            return;
        }
        let command = self.pair_of(order_id).unwrap_or(order_id);
        let latency_us = self.latency_us(command, sent);
        self.tell_time(command, sent, result.as_ref().ok().and_then(|receipt| receipt.written));
        let answer = match result {
            Ok(receipt) => {
                self.received(order_id, receipt, latency_us);
                if self.waits_for_other_half(order_id) {
                    return;
                }
                Answer::accepted(command, "at the venue")
            }
            Err(error) if is_open(&error) => {
                self.lost(order_id, &error);
                Answer::unknown(command, format!("{error}; it is being asked for"))
            }
            Err(error) => {
                self.leg_refused(order_id, failure_of(&error));
                self.happened(order_id, refused_event(&error), None);
                self.after_refused_leg(order_id, &error);
                self.trail_refused(order_id, failure_of(&error));
                Answer::refused(Some(command), &refusal_of(&error))
            }
        };
        self.answer_for_order(command, answer);
    }

    /// Answers the command that placed an order, if it still waits.
    pub fn answer_for_order(&mut self, order_id: Uuid, answer: Answer) {
        if !self.waiting.contains_key(&order_id) {
            return;
        }
        let answer = match self.state.orders.get(&order_id) {
            Some(tracked) => answer.with_order(tracked),
            None => answer,
        };
        self.answer(answer);
    }

    pub fn tell_time(&self, order_id: Uuid, sent: Instant, written: Option<Instant>) {
        if let Some(waiter) = self.waiting.get(&order_id).and_then(|waiters| waiters.first()) {
            let since = |moment: Instant| moment.saturating_duration_since(waiter.received).as_micros();
            tracing::debug!(order = %order_id, journaled_us = since(sent), written_us = written.map(since), acknowledged_us = since(Instant::now()), "placed");
            METRICS.reached(Stage::Written, waiter.received, written.unwrap_or(sent));
            METRICS.reached(Stage::Acknowledged, waiter.received, Instant::now());
        }
    }

    pub fn received(&mut self, order_id: Uuid, receipt: Receipt, latency_us: Option<u64>) {
        let accepted = Event::Accepted { external_id: receipt.order.external_id.clone() };
        self.happened(order_id, accepted, latency_us);
        for fill in receipt.fills {
            self.happened(order_id, Event::Fill(fill), None);
        }
        self.look(order_id, &receipt.order);
    }

    pub fn latency_us(&self, order_id: Uuid, sent: Instant) -> Option<u64> {
        let since =
            self.waiting.get(&order_id).and_then(|waiters| waiters.first()).map_or(sent, |waiter| waiter.received);
        u64::try_from(since.elapsed().as_micros()).ok()
    }

    pub fn is_status(&self, order_id: Uuid, status: Status) -> bool {
        self.state.orders.get(&order_id).is_some_and(|tracked| tracked.status == status)
    }
}

impl crate::action::Origin {
    pub fn asked(&self, command: &Command) -> Asked {
        Asked {
            issued_at_ms: command.issued_at_ms,
            market_time_ms: self.market_time_ms,
            session_id: self.session_id,
            reason: self.reason.clone(),
            trace: command.trace.clone(),
            version: self.version.clone(),
        }
    }
}
