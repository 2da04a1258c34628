//! The same venue in Bybit's words: v5 REST, order entry over a WebSocket, the private stream and public trades. Orders, balances and positions are one with those
//! of the other dialects; spot accounts are `spot`, swap accounts `linear`.

mod account;
mod answers;
mod market;
mod orders;
mod refusals;
mod rest;
mod stream;
mod trade;

pub(crate) use rest::answer;
pub(crate) use stream::{events, private, public, stream_message};
pub(crate) use trade::trade;

/// Before the names of market streams that are told as Bybit tells them.
pub(crate) const BYBIT: &str = "bybit/";
