//! A stop and a target by command, of which one fills. Where the venue holds no such pair they are two orders of a swap account that
//! only reduce, and the one left over is cancelled here.

use std::sync::Arc;
use std::time::Instant;

use orders::guards::{self, Approved, Code, Refusal, approve_exit};
use orders::{Kind, Market, Oco, Status, Tracked};
use rust_decimal::Decimal;
use uuid::Uuid;
use venues::{Receipt, VenueError};

use crate::account::Account;
use crate::action::PlaceOco;
use crate::answer::Answer;
use crate::clock::now_ms;
use crate::envelope::Command;
use crate::fact::Fact;
use crate::failing::{failure_of, is_open, refusal_of, refused_event};
use crate::message::Done;

impl Account {
    /// Judges a commanded stop and target, of which one fills, and sends them.
    pub fn place_pair(&mut self, command: &Command, pair: &PlaceOco, last: Option<Decimal>) {
        let holds_pairs = self.venue.holds().oco;
        let mut oco = pair.oco(command.id, self.venue.market());
        if let Some(why) = why_not_two(&oco).filter(|_| !holds_pairs) {
            return self.refuse(command.id, &Refusal::new(Code::VenueRejected, why));
        }
        // One that stands by itself may take what is there already: the price is only better.
        oco.target.post_only = holds_pairs;
        if !self.may_enter(command, &oco.target) {
            return;
        }
        let exposure = self.state.exposure(&oco.target, now_ms(), last);
        let Some(rules) = self.state.rules.get(&oco.target.symbol).cloned() else { return self.lacks_rules(command) };
        let verdict = guards::approve_pair(oco.clone(), &exposure, &self.state.limits, &rules);
        self.record(Fact::Command(command.envelope.clone()));
        let asked = pair.origin.asked(command);
        let place = |account: &mut Self| {
            account.record(Fact::Pair { stop: oco.stop.id, target: oco.target.id });
            for order in [&oco.target, &oco.stop] {
                account.record(Fact::Placed { order: order.clone(), asked: asked.clone() });
            }
        };
        let halves = || Ok((approve_exit(oco.stop.clone(), &rules)?, approve_exit(oco.target.clone(), &rules)?));
        let sent = verdict.and_then(|approved| {
            if holds_pairs {
                place(self);
                self.send_pair(approved);
            } else {
                let (stop, target) = halves()?;
                place(self);
                self.send_order(stop);
                self.send_order(target);
            }
            Ok(())
        });
        if let Err(refusal) = sent {
            self.record(Fact::Refused { order: oco.target, asked, message: refusal.message.clone() });
            self.refuse(command.id, &refusal);
        }
    }

    pub fn send_pair(&mut self, pair: Approved<Oco>) {
        let (venue, stop, target) = (Arc::clone(&self.venue), pair.get().stop.id, pair.get().target.id);
        self.send_when_durable(async move {
            let sent = Instant::now();
            Done::PairPlaced { stop, target, sent, result: venue.place_oco(&pair).await }
        });
    }

    pub fn pair_placed(&mut self, stop: Uuid, target: Uuid, sent: Instant, result: Result<Vec<Receipt>, VenueError>) {
        let written = result.as_ref().ok().and_then(|receipts| receipts.first()).and_then(|receipt| receipt.written);
        self.tell_time(target, sent, written);
        let answer = match result {
            Ok(receipts) => {
                for receipt in receipts {
                    let leg = self.identify(&receipt.order);
                    let latency_us = self.latency_us(leg, sent);
                    self.received(leg, receipt, latency_us);
                }
                // A leg that the answer did not name is asked for like a lost one.
                for leg in [stop, target] {
                    if self.is_status(leg, Status::Pending) {
                        self.lost(leg, &VenueError::Lost("the answer names no such leg".into()));
                    }
                }
                Answer::accepted(target, "both at the venue")
            }
            Err(error) if is_open(&error) => {
                [stop, target].into_iter().for_each(|leg| self.lost(leg, &error));
                Answer::unknown(target, format!("{error}; both are being asked for"))
            }
            Err(error) => {
                if let Some((entry, n)) = self.state.legs.get(&stop).copied() {
                    // Noted before the legs are rejected, so that the reason is known when the next form is chosen.
                    self.group_failed(entry, n, failure_of(&error));
                }
                for leg in [stop, target] {
                    self.happened(leg, refused_event(&error), None);
                }
                self.after_refused_leg(stop, &error);
                Answer::refused(Some(target), &refusal_of(&error))
            }
        };
        self.answer_for_order(target, answer);
    }

    /// Of a half of a commanded pair that the venue does not hold as one: the command.
    pub fn pair_of(&self, half: Uuid) -> Option<Uuid> {
        let other = self.state.siblings.get(&half).filter(|_| !self.venue.holds().oco)?;
        let is_stop = self.state.orders.get(&half)?.order.parent == Some(*other);
        let is_target = self.state.orders.get(other)?.order.parent == Some(half);
        if is_stop { Some(*other) } else { is_target.then_some(half) }
    }

    /// The command is answered once both are at the venue.
    pub fn waits_for_other_half(&self, half: Uuid) -> bool {
        self.pair_of(half).is_some()
            && self.state.siblings.get(&half).is_some_and(|other| self.is_status(*other, Status::Pending))
    }

    /// A half that has ended, in whatever way, or a stop that has been reached, leaves nothing to do for the other one.
    pub fn half_happened(&mut self, half: Uuid) {
        let is_over = |tracked: &Tracked| {
            tracked.status.is_terminal() || (tracked.order.kind != Kind::Limit && !tracked.filled.is_zero())
        };
        if self.pair_of(half).is_some()
            && self.state.orders.get(&half).is_some_and(is_over)
            && let Some(other) = self.state.siblings.get(&half).copied()
        {
            self.take_back_if_working(other);
        }
    }
}

/// Two orders of which the executor cancels the one left over: for a moment both could fill, so neither may open anything.
fn why_not_two(oco: &Oco) -> Option<&'static str> {
    match oco.target.market {
        Market::Spot => Some(
            "this venue holds no pair of which one fills, and one balance cannot be sold twice: place a bracket, or a stop and a target by themselves",
        ),
        Market::Swap => (!oco.target.reduce_only).then_some(
            "this venue holds no pair of which one fills, so both halves must be reduce_only: set it, or place the two entries by themselves",
        ),
    }
}
