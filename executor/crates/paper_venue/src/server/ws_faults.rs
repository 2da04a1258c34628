//! What a fault makes of a request over a WebSocket and of its answer; each dialect has its own words for it.

use super::faults::{After, Before, Strike};
use super::hub::Outbox;
use super::shared::Shared;
use super::store::Store;

/// A failure that a fault asks for.
#[derive(Clone, Copy)]
pub(crate) enum Failure {
    /// Nothing is done.
    Unavailable,
    /// Status 429 or 418, and the seconds to wait; nothing is done.
    Refused(u16, u64),
    /// It is done; which of the forms that leave the outcome open.
    Unknown(u64),
}

/// Answers one request. What it caused is told by the next who looks at the state: mostly the connection, behind the answer.
pub(crate) fn answer(
    shared: &Shared,
    outbox: &Outbox,
    name: &str,
    failed: impl Fn(Failure) -> String,
    act: impl FnOnce(&mut Store) -> String,
) {
    let strike =
        if shared.faults.is_on() { shared.faults.on_request(&format!("ws {name}")) } else { Strike::default() };
    match strike.before {
        Some(Before::Drop) => return outbox.cut(),
        Some(Before::Fail) => return outbox.send(failed(Failure::Unavailable)),
        Some(Before::Refuse(status, seconds)) => return outbox.send(failed(Failure::Refused(status, seconds))),
        None => {}
    }
    let mut store = shared.store();
    let answer = act(&mut store);
    match strike.after {
        Some(After::Drop) => outbox.cut(),
        Some(After::Restart) => {
            outbox.cut();
            shared.faults.ask_for_restart();
        }
        Some(After::Fail(form)) => outbox.send(failed(Failure::Unknown(form))),
        Some(After::Garble) => outbox.send(answer.chars().take(answer.len() / 2).collect::<String>()),
        None | Some(After::Disconnect) => outbox.send(answer),
    }
    if strike.after == Some(After::Disconnect) {
        store.dispatch();
        outbox.cut();
    }
}
