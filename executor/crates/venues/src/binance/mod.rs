//! Binance spot, and what speaks its protocol (the paper venue, the testnet): the base URLs say which.

mod budget;
mod calls;
mod client;
mod prices;
mod sign;
mod stream;
mod wire;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use budget::Budget;
use sign::Signer;

use crate::connect::Access;
use crate::http::{AddressError, Http, check_address};

/// An account at Binance spot; cheap to clone.
#[derive(Clone)]
pub struct Binance(Arc<Account>);

struct Account {
    http: Http,
    signer: Signer,
    ws_api_url: String,
    market_ws_url: String,
    /// The venue's clock less ours, milliseconds.
    clock_offset: AtomicI64,
    budget: Budget,
}

impl Binance {
    /// # Errors
    /// [`AddressError`]: one of the addresses cannot be used.
    pub fn new(access: Access) -> Result<Self, AddressError> {
        Ok(Self(Arc::new(Account {
            http: Http::new(&access.rest_url)?,
            ws_api_url: check_address(&access.ws_api_url, &["ws", "wss"])?,
            market_ws_url: check_address(&access.market_ws_url, &["ws", "wss"])?,
            signer: Signer::new(access.api_key, access.api_secret),
            clock_offset: AtomicI64::new(0),
            budget: Budget::default(),
        })))
    }
}
