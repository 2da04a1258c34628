//! The same venue in OKX's words: v5 REST, the two private streams, order entry over one of them, and public trades. Orders, balances and positions are one with those
//! of the other dialects; spot accounts trade `BTC-USDT`, swap accounts `BTC-USDT-SWAP` in contracts. Orders that wait for a trigger
//! are algo orders with an id of their own; triggered, they become a plain order with another. Passphrases are not looked at.

mod account;
mod answers;
mod events;
mod instruments;
mod market;
mod orders;
mod questions;
mod refusals;
mod rest;
mod stream;
mod trade;

pub(crate) use events::{Side, events};
pub(crate) use rest::answer;
pub(crate) use stream::{business, private, public, stream_message};

/// Before the names of market streams that are told as OKX tells them.
pub(crate) const OKX: &str = "okx/";
