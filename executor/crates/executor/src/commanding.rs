//! What each command does to an account.

use orders::Status;
use orders::guards::{Code, Refusal};

use crate::account::Account;
use crate::action::Action;
use crate::answer::Answer;
use crate::answering::tell;
use crate::clock::now_ms;
use crate::envelope::{Command, check_times};
use crate::fact::Fact;
use crate::message::Waiter;
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
        if self.state.replacing.values().any(|replacement| replacement.order.id == command.id) {
            // Begun before a restart, which goes on with it and then answers.
            return;
        }
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
        if let Some(status) = self.state.finished.get(&command.id) {
            let answer = match status {
                Status::Rejected => {
                    Answer::refused(Some(command.id), &Refusal::new(Code::VenueRejected, "it was refused long ago"))
                }
                status => Answer::accepted(command.id, format!("carried out long ago; its order is {}", status.name())),
            };
            tell(self.waiting.remove(&command.id).unwrap_or_default(), &answer);
            return;
        }
        if let Err(refusal) = check_times(&command, now_ms()) {
            self.dismiss(command.id, &refusal);
            return;
        }
        if self.state.is_past(command.expires_at_ms) {
            let why = "the command has expired by the journal, if not by the clock: compare the clocks, sign a new one";
            self.dismiss(command.id, &Refusal::new(Code::Expired, why));
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
            Action::PlaceOco(pair) => {
                let target = pair.oco(command.id, self.venue.market()).target;
                self.prepare(command, &target);
            }
            Action::Replace(change) => match self.replacement(&command, change) {
                Ok(order) => self.prepare(command, &order),
                Err(refusal) => self.refuse(command.id, &refusal),
            },
            Action::Cancel { order_id } => self.cancel_command(&command, *order_id),
            Action::CancelAll { symbol } => {
                let ids = self.state.working_in(symbol.as_deref(), |order| order.parent.is_none());
                self.record(Fact::Command(command.envelope.clone()));
                self.drop_replacements(symbol.as_deref());
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
}
