//! Which venue speaks for an account.

use std::sync::Arc;

use orders::Market;
use serde::Deserialize;

use crate::Venue;
use crate::binance::Binance;
pub use crate::http::AddressError;

/// The protocol that a venue speaks; the paper venue speaks Binance's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    #[default]
    Binance,
    Bybit,
    Okx,
}

/// Where an account is, and its keys. They are wiped from memory when the venue is dropped.
pub struct Access {
    /// Like `https://api.binance.com`.
    pub rest_url: String,
    /// Where orders and the user stream go: like `wss://ws-api.binance.com/ws-api/v3`.
    pub ws_api_url: String,
    /// Public market streams: like `wss://stream.binance.com:9443`.
    pub market_ws_url: String,
    /// Play money: the venue's test network or demo trading, to which the addresses lead.
    pub testnet: bool,
    pub api_key: String,
    pub api_secret: String,
    /// OKX's third secret; empty elsewhere.
    pub passphrase: String,
}

/// # Errors
/// [`AddressError`]: one of the addresses cannot be used.
pub fn connect(protocol: Protocol, market: Market, access: Access) -> Result<Arc<dyn Venue>, AddressError> {
    // Some other library may have brought a second provider; a choice made here cannot be ambiguous.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match (protocol, market) {
        (Protocol::Binance, _) => Ok(Arc::new(Binance::new(access)?)),
        (Protocol::Bybit | Protocol::Okx, _) => unreachable!("no account can name it before its client is here"),
    }
}
