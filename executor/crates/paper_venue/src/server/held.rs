//! What waits to be written on one connection, and the faults that change its order.
//!
//! An answer is never ahead of an event that came before it: what a fault holds back goes out first. So a `ping` still tells that
//! everything has been heard, late or not.

use std::time::Duration;

use axum::extract::ws::{Message, Utf8Bytes};
use tokio::time::Instant;

use super::faults::Telling;

/// How long an event waits for the one that is to overtake it.
const SWAP_WITHIN: Duration = Duration::from_millis(50);

/// What a connection is told to do, in order.
pub(crate) enum Out {
    Answer(Utf8Bytes),
    Event(Utf8Bytes, Telling),
    /// Whatever is held back goes out now.
    Release,
    /// Ends without a farewell.
    Cut,
}

/// Events that a fault holds back, with the time when they go out at the latest.
#[derive(Default)]
pub(crate) struct Held {
    late: Vec<(Instant, Message)>,
    swapped: Option<(Instant, Message)>,
}

impl Held {
    /// What is to be written now, in order.
    pub fn pass(&mut self, out: Out) -> Vec<Message> {
        match out {
            Out::Answer(text) => {
                let mut messages = self.release();
                messages.push(Message::Text(text));
                messages
            }
            Out::Event(text, telling) => self.event(Message::Text(text), telling),
            Out::Release => self.release(),
            Out::Cut => Vec::new(),
        }
    }

    /// When something held back has to go out.
    pub fn due(&self) -> Option<Instant> {
        self.late.iter().chain(&self.swapped).map(|(due, _)| *due).min()
    }

    /// Everything whose time has come.
    pub fn overdue(&mut self) -> Vec<Message> {
        let now = Instant::now();
        let (due, waiting) = std::mem::take(&mut self.late).into_iter().partition::<Vec<_>, _>(|(due, _)| *due <= now);
        self.late = waiting;
        let swapped = self.swapped.take_if(|(due, _)| *due <= now);
        swapped.into_iter().chain(due).map(|(_, message)| message).collect()
    }

    fn event(&mut self, message: Message, telling: Telling) -> Vec<Message> {
        let now = Instant::now();
        match telling {
            Telling::Late(wait) => {
                self.late.push((now + wait, message));
                Vec::new()
            }
            Telling::Swapped if self.swapped.is_none() => {
                self.swapped = Some((now + SWAP_WITHIN, message));
                Vec::new()
            }
            Telling::Never | Telling::Cut => Vec::new(),
            Telling::Now | Telling::Twice | Telling::Swapped => {
                let mut messages = vec![message];
                if telling == Telling::Twice {
                    messages.extend(messages.first().cloned());
                }
                messages.extend(self.swapped.take().map(|(_, overtaken)| overtaken));
                messages
            }
        }
    }

    fn release(&mut self) -> Vec<Message> {
        let late = std::mem::take(&mut self.late).into_iter();
        self.swapped.take().into_iter().chain(late).map(|(_, message)| message).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(held: &mut Held, name: &str, telling: Telling) -> Vec<String> {
        texts(held.pass(Out::Event(name.to_owned().into(), telling)))
    }

    fn texts(messages: Vec<Message>) -> Vec<String> {
        messages.into_iter().map(|message| message.into_text().unwrap().to_string()).collect()
    }

    #[test]
    fn an_answer_lets_out_what_is_held_back_before_itself() {
        let mut held = Held::default();
        assert!(passed(&mut held, "fill", Telling::Late(Duration::from_secs(60))).is_empty());
        assert!(passed(&mut held, "first", Telling::Swapped).is_empty());
        assert_eq!(passed(&mut held, "second", Telling::Now), ["second", "first"]);
        assert_eq!(passed(&mut held, "twice", Telling::Twice), ["twice", "twice"]);
        assert!(passed(&mut held, "lost", Telling::Never).is_empty());
        assert!(held.due().is_some());
        assert_eq!(texts(held.pass(Out::Answer("pong".into()))), ["fill", "pong"]);
        assert!(held.due().is_none());
    }

    #[test]
    fn what_is_due_goes_out_by_itself() {
        let mut held = Held::default();
        passed(&mut held, "now", Telling::Late(Duration::ZERO));
        passed(&mut held, "later", Telling::Late(Duration::from_secs(60)));
        assert_eq!(texts(held.overdue()), ["now"]);
        assert_eq!(texts(held.pass(Out::Release)), ["later"]);
    }
}
