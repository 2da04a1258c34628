//! A symbol's rules, as Bybit lists them.

use orders::{Market, SymbolRules};
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::fields::or_zero;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstrumentBody {
    pub symbol: String,
    base_coin: String,
    quote_coin: String,
    lot_size_filter: LotBody,
    price_filter: PriceFilterBody,
}

/// Spot and swap name the same things differently.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LotBody {
    #[serde(alias = "basePrecision")]
    qty_step: Decimal,
    #[serde(default, deserialize_with = "or_zero")]
    min_order_qty: Decimal,
    #[serde(default, alias = "maxLimitOrderQty", deserialize_with = "or_zero")]
    max_order_qty: Decimal,
    #[serde(default, alias = "maxMktOrderQty", deserialize_with = "or_zero")]
    max_market_order_qty: Decimal,
    #[serde(default, alias = "minOrderAmt", deserialize_with = "or_zero")]
    min_notional_value: Decimal,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PriceFilterBody {
    tick_size: Decimal,
    #[serde(default, deserialize_with = "or_zero")]
    min_price: Decimal,
    #[serde(default, deserialize_with = "or_zero")]
    max_price: Decimal,
}

impl InstrumentBody {
    pub fn into_rules(self, market: Market) -> SymbolRules {
        let (lot, price) = (self.lot_size_filter, self.price_filter);
        SymbolRules {
            symbol: self.symbol,
            market,
            base: self.base_coin,
            quote: self.quote_coin,
            tick: price.tick_size,
            min_price: price.min_price,
            max_price: price.max_price,
            step: lot.qty_step,
            min_quantity: lot.min_order_qty,
            max_quantity: lot.max_order_qty,
            market_max_quantity: lot.max_market_order_qty,
            min_notional: lot.min_notional_value,
        }
    }
}
