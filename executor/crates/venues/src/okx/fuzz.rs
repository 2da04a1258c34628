//! Messages from anybody: events, an answer, nothing, or why not, but never a panic.

use super::stream::read;
use super::tests::swap_account;

use crate::order_entry::Wire;
use crate::told::outcome;

#[tokio::test]
async fn any_message_is_read_or_refused() {
    let account = swap_account().await;
    let corpus = fuzzing::json_in(include_str!("tests.rs"));
    fuzzing::run("okx messages", &corpus, |bytes| outcome(&read(&String::from_utf8_lossy(bytes), &account)));
}

#[tokio::test]
async fn any_answer_to_an_order_is_read_or_refused() {
    let account = swap_account().await;
    let corpus = fuzzing::json_in(include_str!("order_entry_tests.rs"));
    fuzzing::run("okx order answers", &corpus, |bytes| outcome(&account.hear(&String::from_utf8_lossy(bytes))));
}
