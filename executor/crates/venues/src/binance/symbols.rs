//! `exchangeInfo`: a symbol's filters, and the venue's rate limits.

use orders::{Market, SymbolRules};
use rust_decimal::Decimal;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExchangeInfoBody {
    #[serde(default)]
    pub rate_limits: Vec<RateLimitBody>,
    pub symbols: Vec<SymbolBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitBody {
    #[serde(rename = "rateLimitType")]
    pub kind: RateLimitKind,
    pub interval: Interval,
    pub interval_num: u32,
    pub limit: u32,
    /// Used up; in answers over the WebSocket.
    pub count: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RateLimitKind {
    RequestWeight,
    Orders,
    #[serde(other)]
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Interval {
    Second,
    Minute,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SymbolBody {
    pub symbol: String,
    base_asset: String,
    quote_asset: String,
    filters: Vec<FilterBody>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct FilterBody {
    filter_type: String,
    tick_size: Option<Decimal>,
    min_price: Option<Decimal>,
    max_price: Option<Decimal>,
    step_size: Option<Decimal>,
    min_qty: Option<Decimal>,
    max_qty: Option<Decimal>,
    /// The futures book calls it `notional`.
    #[serde(alias = "notional")]
    min_notional: Option<Decimal>,
}

impl SymbolBody {
    pub fn into_rules(self, market: Market) -> SymbolRules {
        let body = self;
        let filter = |names: &[&str]| body.filters.iter().find(|filter| names.contains(&filter.filter_type.as_str()));
        let or_zero = |value: Option<Decimal>| value.unwrap_or_default();
        let (price, lot) = (filter(&["PRICE_FILTER"]), filter(&["LOT_SIZE"]));
        SymbolRules {
            tick: or_zero(price.and_then(|filter| filter.tick_size)),
            min_price: or_zero(price.and_then(|filter| filter.min_price)),
            max_price: or_zero(price.and_then(|filter| filter.max_price)),
            step: or_zero(lot.and_then(|filter| filter.step_size)),
            min_quantity: or_zero(lot.and_then(|filter| filter.min_qty)),
            max_quantity: or_zero(lot.and_then(|filter| filter.max_qty)),
            market_max_quantity: or_zero(filter(&["MARKET_LOT_SIZE"]).and_then(|filter| filter.max_qty)),
            min_notional: or_zero(filter(&["NOTIONAL", "MIN_NOTIONAL"]).and_then(|filter| filter.min_notional)),
            symbol: body.symbol,
            base: body.base_asset,
            quote: body.quote_asset,
            market,
        }
    }
}
