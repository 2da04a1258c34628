//! Where commands come in, whichever way: verified, handed to their account's task, and their answers noted.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use orders::guards::{Code, Refusal};
use serde_json::Value;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::account::Handle;
use crate::answer::{Answer, Verdict};
use crate::clock::now_ms;
use crate::envelope::Keys;
use crate::fact::{Entry, Fact};
use crate::journaling::{Batch, Writer};
use crate::message::{Message, Waiter};
use crate::metrics::{METRICS, Stage};

/// Refused before an account had a say, so that no account's journal tells of it.
const TURNED_AWAY: [&str; 6] = ["malformed", "bad_signature", "unknown_key", "expired", "oversized", "unknown_account"];
/// Whoever can reach the port can be refused; he cannot fill the disk. What is beyond is counted only.
const BURST: f64 = 50.0;
const A_SECOND: f64 = 1.0;
/// Of a message that repeats what was sent.
const LONGEST_MESSAGE: usize = 300;

pub struct Gate {
    keys: Keys,
    accounts: Vec<Handle>,
    journal: Writer,
    allowance: Mutex<Allowance>,
}

/// How many refusals may still be journaled.
struct Allowance {
    left: f64,
    at: Instant,
}

/// A verified command on its way.
struct Handed {
    id: Uuid,
    action: &'static str,
    trace: Option<String>,
    reply: oneshot::Receiver<Answer>,
}

impl Gate {
    pub fn new(keys: Keys, accounts: Vec<Handle>, journal: Writer) -> Self {
        Self { keys, accounts, journal, allowance: Mutex::new(Allowance { left: BURST, at: Instant::now() }) }
    }

    /// Those that this executor may serve now.
    pub fn accounts_held(&self) -> Vec<Uuid> {
        let held = |handle: &&Handle| !handle.lease.is_needed() || handle.lease.epoch().is_some();
        self.accounts.iter().filter(held).map(|handle| handle.id).collect()
    }

    pub fn account(&self, id: Uuid) -> Option<&Handle> {
        self.accounts.iter().find(|handle| handle.id == id)
    }

    pub fn handles(&self) -> &[Handle] {
        &self.accounts
    }

    /// Hands a command over at once, and gives the answer when there is one. `expected`: the id under which it was stored;
    /// `arrived`: when its first byte did.
    pub fn submit(
        self: &Arc<Self>,
        envelope: Value,
        expected: Option<Uuid>,
        arrived: Instant,
    ) -> impl Future<Output = Answer> + Send + use<> {
        METRICS.reached(Stage::Received, arrived, Instant::now());
        let handed = self.hand_over(envelope, expected, arrived);
        let gate = Arc::clone(self);
        async move {
            let handed = match handed {
                Ok(handed) => handed,
                Err(answer) => return gate.refuse(*answer),
            };
            let answer = handed.reply.await.unwrap_or_else(|_| {
                let refusal = Refusal::new(Code::NotReady, "the executor is stopping: send the command again later");
                Answer::refused(Some(handed.id), &refusal)
            });
            gate.note(&answer);
            METRICS.answered(handed.action, &answer.code);
            let order = answer.order.as_ref();
            tracing::info!(
                trace = handed.trace,
                command = %handed.id,
                action = handed.action,
                code = answer.code,
                client_order_id = order.map(|order| order.client_order_id.as_str()),
                external_order_id = order.and_then(|order| order.external_order_id.as_deref()),
                latency_ms = answer.latency_ms,
                "command answered"
            );
            answer
        }
    }

    /// A refusal of what was never a command.
    pub fn refuse(&self, answer: Answer) -> Answer {
        self.note(&answer);
        METRICS.answered("none", &answer.code);
        tracing::warn!(command = ?answer.command_id, code = answer.code, "command turned away");
        answer
    }

    fn hand_over(&self, envelope: Value, expected: Option<Uuid>, arrived: Instant) -> Result<Handed, Box<Answer>> {
        let command =
            self.keys.open(envelope).map_err(|(id, refusal)| Box::new(Answer::refused(id.or(expected), &refusal)))?;
        METRICS.reached(Stage::Verified, arrived, Instant::now());
        let refuse = |code, message: &str| Box::new(Answer::refused(Some(command.id), &Refusal::new(code, message)));
        if expected.is_some_and(|expected| expected != command.id) {
            return Err(refuse(Code::Malformed, "the envelope's command_id is not the row's"));
        }
        let Some(handle) = self.account(command.account) else {
            return Err(refuse(Code::UnknownAccount, "this executor does not own the account"));
        };
        let (reply, answered) = oneshot::channel();
        let (id, action, trace) = (command.id, command.action.name(), command.trace.clone());
        let waiter = Waiter { received: arrived, expires_at_ms: command.expires_at_ms, reply };
        let _ = handle.inbox.send(Message::Command(Box::new(command), waiter));
        Ok(Handed { id, action, trace, reply: answered })
    }

    /// Counts a refusal; journals it where no account has.
    fn note(&self, answer: &Answer) {
        if answer.status != Verdict::Refused {
            return;
        }
        METRICS.refused(&answer.code);
        if !TURNED_AWAY.contains(&answer.code.as_str()) || !self.may_journal() {
            return;
        }
        let fact = Fact::TurnedAway {
            command_id: answer.command_id,
            code: answer.code.clone(),
            message: answer.message.chars().take(LONGEST_MESSAGE).collect(),
        };
        // Of no account: it changes none.
        let entry = Entry { account: Uuid::nil(), at_ms: now_ms(), fact };
        if let Ok(record) = serde_json::to_vec(&entry) {
            self.journal.write(Batch { records: vec![record], ..Batch::default() });
        }
    }

    fn may_journal(&self) -> bool {
        let mut allowance = self.allowance.lock().unwrap_or_else(PoisonError::into_inner);
        let earned = allowance.at.elapsed().max(Duration::ZERO).as_secs_f64() * A_SECOND;
        allowance.left = (allowance.left + earned).min(BURST);
        allowance.at = Instant::now();
        let may = allowance.left >= 1.0;
        if may {
            allowance.left -= 1.0;
        }
        may
    }
}
