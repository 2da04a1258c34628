//! Bybit v5: spot and linear swaps of a unified account in one-way mode. `requests` and `answers` are its words, `client` sends,
//! `calls` is the `Venue`, `order_entry`, `stream` and `prices` are its WebSockets.

mod answers;
mod calls;
mod client;
mod codes;
mod instruments;
mod limits;
mod order_entry;
mod prices;
mod requests;
pub mod sign;
mod stream;
pub mod unified;

use std::sync::Arc;

use orders::Market;

use crate::clock::Clock;
use crate::connect::Access;
use crate::http::{AddressError, Http, check_address};
use crate::order_entry::OrderEntry;
use limits::Limits;
use sign::Signer;

/// An account at Bybit; cheap to clone.
#[derive(Clone)]
pub struct Bybit(Arc<Account>);

struct Account {
    market: Market,
    http: Http,
    signer: Signer,
    private_url: String,
    trade_url: String,
    public_url: String,
    clock: Clock,
    limits: Limits,
    entry: OrderEntry,
}

impl Bybit {
    /// # Errors
    /// [`AddressError`]: one of the addresses cannot be used.
    pub fn new(market: Market, access: Access) -> Result<Self, AddressError> {
        let socket = |url: &str| check_address(url, &["ws", "wss"]);
        Ok(Self(Arc::new(Account {
            market,
            http: Http::new(&access.rest_url)?,
            signer: Signer::new(access.api_key, access.api_secret),
            private_url: format!("{}/private", socket(&access.ws_api_url)?),
            trade_url: format!("{}/trade", socket(&access.ws_api_url)?),
            public_url: socket(&access.market_ws_url)?,
            clock: Clock::default(),
            limits: Limits::default(),
            entry: OrderEntry::default(),
        })))
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
#[path = "tests.rs"]
mod tests;
