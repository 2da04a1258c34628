//! Messages from anybody: an event, nothing, or why not, but never a panic.

use super::read;
use crate::told::outcome;

#[test]
fn any_message_is_read_or_refused() {
    let corpus = fuzzing::json_in(include_str!("stream_tests.rs"));
    fuzzing::run("binance usdm messages", &corpus, |bytes| outcome(&read(&String::from_utf8_lossy(bytes))));
}
