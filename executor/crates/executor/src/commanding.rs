//! What each command does to an account.

use std::sync::Arc;
use std::time::Instant;

use orders::guards::{self, Code, Refusal};
use orders::{Order, Status};
use rust_decimal::Decimal;
use uuid::Uuid;
use venues::{Reason, VenueError};

use crate::account::{Account, Done, Message, Preparation, Waiter};
use crate::answer::Answer;
use crate::clock::now_ms;
use crate::envelope::{Action, Command, Place, check_times};
use crate::fact::{Asked, Fact};
use crate::metrics::METRICS;

impl Account {
    pub fn command(&mut self, command: Box<Command>, waiter: Waiter) {
        if let Some(answer) = self.state.answers.get(&command.id) {
            METRICS.repeated();
            let _ = waiter.reply.send(answer.clone());
            return;
        }
        if let Some(waiters) = self.waiting.get_mut(&command.id) {
            waiters.push(waiter);
            return;
        }
        self.waiting.insert(command.id, vec![waiter]);
        if let Some(tracked) = self.state.orders.get(&command.id) {
            // Sent before a crash that the answer did not survive: what is known now is the first answer.
            let answer = match tracked.status {
                Status::Pending | Status::Unknown => {
                    Answer::unknown(command.id, "sent; the venue is being asked what became of it")
                }
                Status::Rejected => {
                    let message = tracked.message.clone().unwrap_or_default();
                    Answer::refused(Some(command.id), &Refusal::new(Code::VenueRejected, message))
                }
                _ => Answer::accepted(command.id, "sent before a restart"),
            };
            self.answer(answer.with_order(tracked));
            return;
        }
        if let Err(refusal) = check_times(&command, now_ms()) {
            self.dismiss(command.id, &refusal);
            return;
        }
        if self.is_stopping() {
            self.dismiss(
                command.id,
                &Refusal::new(Code::NotReady, "the executor is stopping: send the command again later"),
            );
            return;
        }
        match &command.action {
            Action::Place(place) => {
                let order = place.order(command.id, self.venue.market());
                self.prepare(command, &order);
            }
            Action::Cancel { order_id } => self.cancel_command(&command, *order_id),
            Action::CancelAll { symbol } => {
                let ids = self.working_in(symbol.as_deref(), |order| order.parent.is_none());
                self.record(Fact::Command(command.envelope.clone()));
                for id in &ids {
                    self.cancel(*id, None);
                }
                self.acknowledge(command.id, format!("cancelling {} orders", ids.len()));
            }
            Action::Flatten { symbol } => {
                self.record(Fact::Command(command.envelope.clone()));
                let symbols = self.begin_flatten(command.id, command.issued_at_ms, symbol.as_deref());
                self.acknowledge(
                    command.id,
                    format!("cancelling everything and selling what is held in {symbols} symbols"),
                );
            }
            Action::Pause => self.set_paused(&command, true),
            Action::Resume => {
                if let Some(refusal) = self.kill_stands() {
                    self.refuse(command.id, &refusal);
                    return;
                }
                self.record(Fact::Command(command.envelope.clone()));
                self.record(Fact::Paused(false));
                self.record(Fact::Killed { killed: false, reason: command.reason.clone(), by: None });
                self.acknowledge(command.id, "entries are allowed again".into());
            }
            Action::Kill { flatten } => self.kill(&command, *flatten),
            Action::SetLimits(limits) => {
                self.record(Fact::Command(command.envelope.clone()));
                self.record(Fact::Limits(limits.clone()));
                self.acknowledge(command.id, "the limits hold from now on".into());
            }
        }
    }

    fn set_paused(&mut self, command: &Command, paused: bool) {
        self.record(Fact::Command(command.envelope.clone()));
        self.record(Fact::Paused(paused));
        self.acknowledge(command.id, "no entries until a resume command".into());
    }

    fn kill(&mut self, command: &Command, flatten: bool) {
        self.record(Fact::Command(command.envelope.clone()));
        let flatten = flatten.then_some((command.id, command.issued_at_ms));
        let entries = self.set_killed(command.reason.clone(), None, flatten);
        self.acknowledge(command.id, format!("killed; cancelling {entries} entries, protective stops stay"));
    }

    fn cancel_command(&mut self, command: &Command, order_id: Uuid) {
        let refusal = match self.state.orders.get(&order_id) {
            None => Some("no order of this account has this id".to_owned()),
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

    /// Finds out what the guards need to know of the market; mostly that is already there.
    fn prepare(&mut self, command: Box<Command>, order: &Order) {
        let needs_rules = !self.state.rules.contains_key(&order.symbol);
        let needs_last = self.state.limits.needs_last_price(order);
        let waits = if order.is_entry() { self.entries_wait() } else { None };
        if let Some(refusal) = waits.or_else(|| self.may_be_done(&command)) {
            self.dismiss(command.id, &refusal);
            return;
        }
        if !needs_rules && !needs_last {
            self.place(&command, None);
            return;
        }
        let (venue, symbol) = (Arc::clone(&self.venue), order.symbol.clone());
        self.ask(async move {
            let rules = if needs_rules { venue.rules(&symbol).await.map(Some) } else { Ok(None) };
            let last = if needs_last { venue.last_price(&symbol).await.map(Some) } else { Ok(None) };
            Message::Prepared(command, Preparation { rules, last })
        });
    }

    pub fn prepared(&mut self, command: Box<Command>, preparation: Preparation) {
        let refusal = |error: VenueError| match error {
            VenueError::Refused { reason: Reason::UnknownSymbol, message, .. } => {
                Refusal::new(Code::UnknownSymbol, message)
            }
            error => Refusal::new(Code::NotReady, error.to_string()),
        };
        let last = match (preparation.rules, preparation.last) {
            (Err(error), _) | (_, Err(error)) => {
                let refusal = refusal(error);
                if refusal.code == Code::NotReady {
                    self.dismiss(command.id, &refusal);
                } else {
                    self.refuse(command.id, &refusal);
                }
                return;
            }
            (Ok(rules), Ok(last)) => {
                if let Some(rules) = rules {
                    self.record(Fact::Rules(rules));
                }
                last
            }
        };
        self.place(&command, last);
    }

    fn place(&mut self, command: &Command, last: Option<Decimal>) {
        let Action::Place(place) = &command.action else { return };
        let order = place.order(command.id, self.venue.market());
        // Again: looking at the market may have taken a while.
        if let Some(refusal) = self.entries_wait().filter(|_| order.is_entry()) {
            self.dismiss(command.id, &refusal);
            return;
        }
        let asked = asked(command, place);
        if order.is_entry()
            && let Some(why) = self.venue.entries_throttled()
        {
            self.refuse(command.id, &Refusal::new(Code::OrderRate, why));
            return;
        }
        let exposure = self.state.exposure(&order.symbol, now_ms(), last);
        let Some(rules) = self.state.rules.get(&order.symbol) else {
            self.dismiss(command.id, &Refusal::new(Code::NotReady, "the symbol's rules are not known yet"));
            return;
        };
        match guards::approve(order.clone(), &exposure, &self.state.limits, rules) {
            Ok(approved) => {
                self.record(Fact::Command(command.envelope.clone()));
                self.record(Fact::Placed { order, asked });
                self.time_the_journal(command.id);
                let (venue, order_id) = (Arc::clone(&self.venue), command.id);
                self.send_when_durable(async move {
                    let sent = Instant::now();
                    Done::Placed { order_id, sent, result: venue.place(&approved).await }
                });
            }
            Err(refusal) => {
                self.record(Fact::Command(command.envelope.clone()));
                self.record(Fact::Refused { order, asked, message: refusal.message.clone() });
                self.refuse(command.id, &refusal);
            }
        }
    }

    pub fn working_in(&self, symbol: Option<&str>, wanted: impl Fn(&Order) -> bool) -> Vec<Uuid> {
        let orders = self.state.working_orders().map(|tracked| &tracked.order);
        orders
            .filter(|order| symbol.is_none_or(|symbol| order.symbol == symbol) && wanted(order))
            .map(|order| order.id)
            .collect()
    }

    /// Accepted, and told so once it is on the disk.
    fn acknowledge(&mut self, command_id: Uuid, message: String) {
        let answer = self.stamped(Answer::accepted(command_id, message));
        self.record(Fact::Answered(answer.clone()));
        let waiters = self.waiting.remove(&command_id).unwrap_or_default();
        self.when_durable(Box::new(move || tell(waiters, &answer)));
    }

    /// Refused for good: a repetition gets the same answer.
    pub fn refuse(&mut self, command_id: Uuid, refusal: &Refusal) {
        self.answer(Answer::refused(Some(command_id), refusal));
    }

    /// Refused for now: nothing is kept, and the same command may be sent again.
    pub fn dismiss(&mut self, command_id: Uuid, refusal: &Refusal) {
        let answer = self.stamped(Answer::refused(Some(command_id), refusal));
        tell(self.waiting.remove(&command_id).unwrap_or_default(), &answer);
    }

    /// The first answer to a command, which every repetition gets.
    pub fn answer(&mut self, answer: Answer) {
        let answer = self.stamped(answer);
        self.record(Fact::Answered(answer.clone()));
        let waiters = answer.command_id.and_then(|id| self.waiting.remove(&id)).unwrap_or_default();
        self.when_written(Box::new(move || tell(waiters, &answer)));
    }

    fn stamped(&self, answer: Answer) -> Answer {
        let first = answer.command_id.and_then(|id| self.waiting.get(&id)).and_then(|waiters| waiters.first());
        let latency_ms = first.map_or(0.0, |waiter| (waiter.received.elapsed().as_secs_f64() * 1e6).round() / 1e3);
        Answer { latency_ms, ..answer }
    }
}

fn tell(waiters: Vec<Waiter>, answer: &Answer) {
    for waiter in waiters {
        let _ = waiter.reply.send(answer.clone());
    }
}

fn asked(command: &Command, place: &Place) -> Asked {
    Asked {
        issued_at_ms: command.issued_at_ms,
        market_time_ms: place.market_time_ms,
        session_id: place.session_id,
        reason: place.reason.clone(),
        trace: command.trace.clone(),
        version: place.version.clone(),
    }
}
