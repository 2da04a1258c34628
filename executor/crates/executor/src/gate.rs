//! Where commands come in, whichever way: verified, and handed to their account's task.

use std::future::Future;
use std::time::Instant;

use orders::guards::{Code, Refusal};
use serde_json::Value;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::account::Handle;
use crate::answer::Answer;
use crate::envelope::Keys;
use crate::message::{Message, Waiter};

pub struct Gate {
    keys: Keys,
    accounts: Vec<Handle>,
}

impl Gate {
    pub fn new(keys: Keys, accounts: Vec<Handle>) -> Self {
        Self { keys, accounts }
    }

    pub fn accounts(&self) -> Vec<Uuid> {
        self.accounts.iter().map(|handle| handle.id).collect()
    }

    pub fn account(&self, id: Uuid) -> Option<&Handle> {
        self.accounts.iter().find(|handle| handle.id == id)
    }

    pub fn handles(&self) -> &[Handle] {
        &self.accounts
    }

    /// Hands a command over at once, and gives the answer when there is one. `expected`: the id under which it was stored.
    pub fn submit(&self, envelope: Value, expected: Option<Uuid>) -> impl Future<Output = Answer> + Send + use<> {
        let handed = self.hand_over(envelope, expected);
        async move {
            match handed {
                Ok((id, reply)) => reply.await.unwrap_or_else(|_| {
                    Answer::refused(
                        Some(id),
                        &Refusal::new(Code::NotReady, "the executor is stopping: send the command again later"),
                    )
                }),
                Err(answer) => *answer,
            }
        }
    }

    fn hand_over(
        &self,
        envelope: Value,
        expected: Option<Uuid>,
    ) -> Result<(Uuid, oneshot::Receiver<Answer>), Box<Answer>> {
        let received = Instant::now();
        let command =
            self.keys.open(envelope).map_err(|(id, refusal)| Box::new(Answer::refused(id.or(expected), &refusal)))?;
        let refuse = |code, message: &str| Box::new(Answer::refused(Some(command.id), &Refusal::new(code, message)));
        if expected.is_some_and(|expected| expected != command.id) {
            return Err(refuse(Code::Malformed, "the envelope's command_id is not the row's"));
        }
        let Some(handle) = self.account(command.account) else {
            return Err(refuse(Code::UnknownAccount, "this executor does not own the account"));
        };
        let (reply, answered) = oneshot::channel();
        let id = command.id;
        let _ = handle.inbox.send(Message::Command(Box::new(command), Waiter { received, reply }));
        Ok((id, answered))
    }
}
