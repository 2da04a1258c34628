//! Binance, and what speaks its protocol (the paper venue, the testnets): the addresses say which.

mod budget;
mod client;
mod link;
mod order_entry;
mod prices;
pub mod sign;
mod spot;
mod symbols;
pub mod unified;
mod usdm;
mod words;

use std::sync::Arc;

use orders::{Market, SymbolRules};
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::clock::{Clock, now_ms};
use crate::connect::Access;
use crate::http::{AddressError, Http, check_address};
use crate::params::Params;
use crate::{Reason, Venue, VenueError};
use budget::Budget;
use order_entry::OrderEntry;
use sign::Signer;
use symbols::ExchangeInfoBody;

/// # Errors
/// [`AddressError`]: one of the addresses cannot be used.
pub fn connect(market: Market, access: Access) -> Result<Arc<dyn Venue>, AddressError> {
    let account = Arc::new(Account::new(market, access)?);
    Ok(match market {
        Market::Spot => Arc::new(spot::Spot(account)),
        Market::Swap => Arc::new(usdm::Usdm(account)),
    })
}

/// What an account needs to talk to the venue, on either market.
struct Account {
    market: Market,
    http: Http,
    signer: Signer,
    ws_api_url: String,
    market_ws_url: String,
    clock: Clock,
    budget: Budget,
    entry: OrderEntry,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TimeBody {
    server_time: i64,
}

#[derive(Deserialize)]
struct PriceBody {
    price: Decimal,
}

impl Account {
    fn new(market: Market, access: Access) -> Result<Self, AddressError> {
        Ok(Self {
            market,
            http: Http::new(&access.rest_url)?,
            ws_api_url: check_address(&access.ws_api_url, &["ws", "wss"])?,
            market_ws_url: check_address(&access.market_ws_url, &["ws", "wss"])?,
            signer: Signer::new(access.api_key, access.api_secret),
            clock: Clock::default(),
            budget: Budget::default(),
            entry: OrderEntry::default(),
        })
    }

    /// A public path: the same words on both markets, under different roots.
    fn path(&self, name: &str) -> String {
        let root = match self.market {
            Market::Spot => "/api/v3",
            Market::Swap => "/fapi/v1",
        };
        format!("{root}/{name}")
    }

    async fn measure(&self) -> Result<(), VenueError> {
        let asked_ms = now_ms();
        let body: TimeBody = self.public(&self.path("time"), &Params::default()).await?;
        self.clock.measured(asked_ms, body.server_time);
        Ok(())
    }

    async fn rules(&self, symbol: &str) -> Result<SymbolRules, VenueError> {
        let body: ExchangeInfoBody = self.public(&self.path("exchangeInfo"), &symbol_param(symbol)).await?;
        self.budget.learn(&body.rate_limits);
        let found = body.symbols.into_iter().find(|body| body.symbol == symbol);
        found.map(|body| body.into_rules(self.market)).ok_or_else(|| VenueError::Refused {
            reason: Reason::UnknownSymbol,
            code: -1121,
            message: "Invalid symbol.".into(),
        })
    }

    async fn last_price(&self, symbol: &str) -> Result<Decimal, VenueError> {
        let body: PriceBody = self.public(&self.path("ticker/price"), &symbol_param(symbol)).await?;
        Ok(body.price)
    }
}

fn symbol_param(symbol: &str) -> Params {
    let mut params = Params::default();
    params.add("symbol", symbol);
    params
}
