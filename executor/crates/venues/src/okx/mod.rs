//! OKX v5: spot and linear swaps of an account in net mode. `requests` and `answers` are its words, `client` sends, `finding` knows
//! where an order is kept, `calls` is the `Venue`, `order_entry`, `stream` and `prices` are its WebSockets.
//!
//! Stops and trailing stops are algo orders there: each has an id of its own, and places a plain order when it triggers. To the rest
//! of the program both are the one order that was placed: its client order id is ours, its external id the algo order's.

mod answers;
mod calls;
mod client;
mod codes;
mod contracts;
mod finding;
mod ids;
mod limits;
mod order_entry;
mod prices;
mod requests;
pub mod sign;
mod stream;
pub mod unified;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use orders::Market;
use tokio::sync::OnceCell;

use crate::clock::Clock;
use crate::connect::Access;
use crate::http::{AddressError, Http, check_address};
use crate::order_entry::OrderEntry;
use contracts::Contracts;
use limits::Limits;
use requests::TradeMode;
use sign::Signer;

/// An account at OKX; cheap to clone.
#[derive(Clone)]
pub struct Okx(Arc<Account>);

struct Account {
    market: Market,
    http: Http,
    signer: Signer,
    private_url: String,
    business_url: String,
    public_url: String,
    clock: Clock,
    limits: Limits,
    entry: OrderEntry,
    contracts: Contracts,
    /// The mode that spot's algo orders want of this account.
    algo_mode: OnceCell<TradeMode>,
    /// The plain orders that algo orders have placed: order id to algo id.
    children: Mutex<HashMap<String, String>>,
}

impl Okx {
    /// # Errors
    /// [`AddressError`]: one of the addresses cannot be used.
    pub fn new(market: Market, access: Access) -> Result<Self, AddressError> {
        let socket = |url: &str| check_address(url, &["ws", "wss"]);
        Ok(Self(Arc::new(Account {
            market,
            http: Http::new(&access.rest_url)?,
            signer: Signer::new(access.api_key, access.api_secret, access.passphrase, access.testnet),
            private_url: format!("{}/private", socket(&access.ws_api_url)?),
            business_url: format!("{}/business", socket(&access.ws_api_url)?),
            public_url: socket(&access.market_ws_url)?,
            clock: Clock::default(),
            limits: Limits::default(),
            entry: OrderEntry::default(),
            contracts: Contracts::default(),
            algo_mode: OnceCell::new(),
            children: Mutex::default(),
        })))
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
#[path = "tests.rs"]
mod tests;
