//! A symbol's filters, as `exchangeInfo` publishes them and as orders are held to them.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::input::SymbolRules;
use super::money::{fixed8, plain};
use super::refusal::Refusal;

const MAX_PRICE: i64 = 100_000_000;
const MAX_QUANTITY: i64 = 100_000_000;
/// A limit price may be this many times the last price at most, and one part in as many at least.
const PRICE_BAND: i64 = 5;
/// Basis points that a trailing stop may keep off.
pub const MIN_TRAILING: i64 = 10;
pub const MAX_TRAILING: i64 = 2000;
const MAX_NUM_ORDERS: usize = 200;
pub(crate) const MAX_NUM_ALGO_ORDERS: usize = 100;
pub(crate) const MAX_NUM_ORDER_LISTS: usize = 100;

impl SymbolRules {
    pub(crate) fn most_open_orders(&self) -> usize {
        self.max_open_orders.unwrap_or(MAX_NUM_ORDERS)
    }

    /// The filters in Binance's JSON.
    #[must_use]
    pub fn filters(&self) -> Value {
        let (tick, step, min_quantity) = (fixed8(self.tick), fixed8(self.step), fixed8(self.min_quantity));
        let (max_price, max_quantity) = (fixed8(MAX_PRICE.into()), fixed8(MAX_QUANTITY.into()));
        let band = (PRICE_BAND.to_string(), (Decimal::ONE / Decimal::from(PRICE_BAND)).normalize().to_string());
        json!([
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": max_price, "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": min_quantity, "maxQty": max_quantity, "stepSize": step},
            {"filterType": "MARKET_LOT_SIZE", "minQty": min_quantity, "maxQty": max_quantity, "stepSize": step},
            {"filterType": "NOTIONAL", "minNotional": fixed8(self.min_notional), "applyMinToMarket": true,
             "maxNotional": fixed8(Decimal::from(MAX_PRICE) * Decimal::from(MAX_QUANTITY)), "applyMaxToMarket": false,
             "avgPriceMins": 0},
            {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": band.0, "bidMultiplierDown": band.1,
             "askMultiplierUp": band.0, "askMultiplierDown": band.1, "avgPriceMins": 0},
            {"filterType": "TRAILING_DELTA", "minTrailingAboveDelta": MIN_TRAILING, "maxTrailingAboveDelta": MAX_TRAILING,
             "minTrailingBelowDelta": MIN_TRAILING, "maxTrailingBelowDelta": MAX_TRAILING},
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": self.most_open_orders()},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": MAX_NUM_ALGO_ORDERS},
            {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": MAX_NUM_ORDER_LISTS},
        ])
    }

    /// The filters in the JSON of Binance's swaps.
    #[must_use]
    pub fn swap_filters(&self) -> Value {
        let (tick, step, min_quantity) = (plain(self.tick), plain(self.step), plain(self.min_quantity));
        let (max_price, max_quantity) = (MAX_PRICE.to_string(), MAX_QUANTITY.to_string());
        let band = (PRICE_BAND.to_string(), plain(Decimal::ONE / Decimal::from(PRICE_BAND)));
        json!([
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": max_price, "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": min_quantity, "maxQty": max_quantity, "stepSize": step},
            {"filterType": "MARKET_LOT_SIZE", "minQty": min_quantity, "maxQty": max_quantity, "stepSize": step},
            {"filterType": "MIN_NOTIONAL", "notional": plain(self.min_notional)},
            {"filterType": "PERCENT_PRICE", "multiplierUp": band.0, "multiplierDown": band.1, "multiplierDecimal": "4"},
            {"filterType": "MAX_NUM_ORDERS", "limit": self.most_open_orders()},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": MAX_NUM_ALGO_ORDERS},
        ])
    }

    pub(crate) fn check_price(&self, price: Decimal) -> Result<(), Refusal> {
        let fits = price >= self.tick && price <= Decimal::from(MAX_PRICE) && price % self.tick == Decimal::ZERO;
        if fits { Ok(()) } else { Err(Refusal::filter("PRICE_FILTER")) }
    }

    pub(crate) fn check_quantity(&self, quantity: Decimal, filter: &str) -> Result<(), Refusal> {
        let fits = quantity >= self.min_quantity
            && quantity <= Decimal::from(MAX_QUANTITY)
            && quantity % self.step == Decimal::ZERO;
        if fits { Ok(()) } else { Err(Refusal::filter(filter)) }
    }

    pub(crate) fn check_notional(&self, notional: Decimal) -> Result<(), Refusal> {
        if notional >= self.min_notional { Ok(()) } else { Err(Refusal::filter("NOTIONAL")) }
    }

    pub(crate) fn check_band(price: Decimal, last: Decimal) -> Result<(), Refusal> {
        let band = Decimal::from(PRICE_BAND);
        if price <= last * band && price * band >= last {
            Ok(())
        } else {
            Err(Refusal::filter("PERCENT_PRICE_BY_SIDE"))
        }
    }
}
