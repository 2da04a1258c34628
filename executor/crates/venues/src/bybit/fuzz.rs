//! Messages from anybody: events, an answer, nothing, or why not, but never a panic.

use orders::Market;

use super::stream::{Heard, read};
use super::tests::account;
use crate::VenueError;
use crate::order_entry::Wire;
use crate::told::outcome;

#[test]
fn any_message_is_read_or_refused() {
    let account = account(Market::Swap);
    let corpus = fuzzing::json_in(include_str!("tests.rs"));
    fuzzing::run("bybit messages", &corpus, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        match read(&text, &account) {
            Ok(Heard::Events(events)) => outcome(&Ok::<_, VenueError>(events)),
            Ok(Heard::Pong) => "pong".into(),
            Err(error) => outcome(&Err::<(), _>(error)),
        }
    });
}

#[test]
fn any_answer_to_an_order_is_read_or_refused() {
    let account = account(Market::Spot);
    let corpus = fuzzing::json_in(include_str!("order_entry_tests.rs"));
    fuzzing::run("bybit order answers", &corpus, |bytes| outcome(&account.hear(&String::from_utf8_lossy(bytes))));
}
