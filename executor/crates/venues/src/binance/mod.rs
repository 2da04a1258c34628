//! Binance spot, and what speaks its protocol (the paper venue, the testnet): the base URLs say which.

mod budget;
mod calls;
mod client;
mod sign;
mod stream;
mod wire;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use budget::Budget;
pub use client::AddressError;
use client::Http;
use sign::Signer;

/// An account at Binance spot; cheap to clone.
#[derive(Clone)]
pub struct Binance(Arc<Account>);

struct Account {
    http: Http,
    signer: Signer,
    ws_api_url: String,
    /// The venue's clock less ours, milliseconds.
    clock_offset: AtomicI64,
    budget: Budget,
}

impl Binance {
    /// `rest_url` like `https://api.binance.com`, `ws_api_url` like `wss://ws-api.binance.com/ws-api/v3`. The secret is wiped from
    /// memory when the last clone is dropped.
    ///
    /// # Errors
    /// [`AddressError`]: one of the addresses cannot be used.
    pub fn new(rest_url: &str, ws_api_url: &str, api_key: String, api_secret: String) -> Result<Self, AddressError> {
        // Some other library may have brought a second provider; a choice made here cannot be ambiguous.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self(Arc::new(Account {
            http: Http::new(rest_url)?,
            signer: Signer::new(api_key, api_secret),
            ws_api_url: client::check_address(ws_api_url, &["ws", "wss"])?,
            clock_offset: AtomicI64::new(0),
            budget: Budget::default(),
        })))
    }
}
