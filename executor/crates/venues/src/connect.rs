//! Which venue speaks for an account.

use std::sync::Arc;

use orders::Market;
use serde::Deserialize;

use crate::Venue;
use crate::binance;
use crate::bybit::Bybit;
pub use crate::http::AddressError;
use crate::okx::Okx;

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
    /// Where orders and the user stream go: like `wss://ws-api.binance.com/ws-api/v3`, `wss://stream.bybit.com/v5`,
    /// `wss://ws.okx.com:8443/ws/v5`.
    pub ws_api_url: String,
    /// Public market streams: like `wss://stream.binance.com:9443`, `wss://stream.bybit.com/v5/public/spot`,
    /// `wss://ws.okx.com:8443/ws/v5/public`.
    pub market_ws_url: String,
    pub api_key: String,
    pub api_secret: String,
    /// Beside the keys, at OKX; empty elsewhere.
    pub passphrase: String,
    /// Play money. OKX's demo has the REST address of the real one: only a header tells them apart.
    pub testnet: bool,
}

/// # Errors
/// [`AddressError`]: one of the addresses cannot be used.
pub fn connect(protocol: Protocol, market: Market, access: Access) -> Result<Arc<dyn Venue>, AddressError> {
    // Some other library may have brought a second provider; a choice made here cannot be ambiguous.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match (protocol, market) {
        (Protocol::Binance, _) => binance::connect(market, access),
        (Protocol::Bybit, market) => Ok(Arc::new(Bybit::new(market, access)?)),
        (Protocol::Okx, market) => Ok(Arc::new(Okx::new(market, access)?)),
    }
}
