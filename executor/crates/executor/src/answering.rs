//! Answers to commands: each command gets one, and every repetition the same.

use orders::guards::Refusal;
use uuid::Uuid;

use crate::account::Account;
use crate::answer::Answer;
use crate::fact::Fact;
use crate::message::Waiter;

impl Account {
    /// Accepted, and told so once it is on the disk.
    pub fn acknowledge(&mut self, command_id: Uuid, message: String) {
        let answer = self.stamped(Answer::accepted(command_id, message));
        self.record_answer(&answer);
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
        self.record_answer(&answer);
        let waiters = answer.command_id.and_then(|id| self.waiting.remove(&id)).unwrap_or_default();
        self.when_written(Box::new(move || tell(waiters, &answer)));
    }

    fn record_answer(&mut self, answer: &Answer) {
        let waiters = answer.command_id.and_then(|id| self.waiting.get(&id)).into_iter().flatten();
        let expires_at_ms = waiters.map(|waiter| waiter.expires_at_ms).max();
        self.record(Fact::Answered { answer: answer.clone(), expires_at_ms });
    }

    fn stamped(&self, answer: Answer) -> Answer {
        let first = answer.command_id.and_then(|id| self.waiting.get(&id)).and_then(|waiters| waiters.first());
        let latency_ms = first.map_or(0.0, |waiter| (waiter.received.elapsed().as_secs_f64() * 1e6).round() / 1e3);
        Answer { latency_ms, ..answer }
    }
}

pub fn tell(waiters: Vec<Waiter>, answer: &Answer) {
    for waiter in waiters {
        let _ = waiter.reply.send(answer.clone());
    }
}
