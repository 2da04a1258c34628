//! OKX's names for the markets, and its contracts.

use rust_decimal::Decimal;

use crate::engine::{Market, Product, Venue, plain};

/// Base units in a contract of any swap.
const CONTRACT: Decimal = Decimal::from_parts(1, 0, 0, false, 2);
const SWAP: &str = "-SWAP";

/// Base units that an amount of one stands for.
pub(crate) fn contract(product: Product) -> Decimal {
    match product {
        Product::Spot => Decimal::ONE,
        Product::Swap => CONTRACT,
    }
}

pub(crate) fn kind(product: Product) -> &'static str {
    match product {
        Product::Spot => "SPOT",
        Product::Swap => "SWAP",
    }
}

pub(crate) fn name(market: &Market, product: Product) -> String {
    let suffix = if product == Product::Swap { SWAP } else { "" };
    format!("{}-{}{suffix}", market.rules.base, market.rules.quote)
}

/// What order entry over the WebSocket names an instrument by.
pub(crate) fn code(market: usize, product: Product) -> usize {
    2 * market + 1 + usize::from(product == Product::Swap)
}

pub(crate) fn find(venue: &Venue, inst_id: &str, product: Product) -> Option<usize> {
    venue.markets.iter().position(|market| name(market, product) == inst_id)
}

/// Base units as OKX counts them.
pub(crate) fn size(quantity: Decimal, product: Product) -> String {
    plain(quantity / contract(product))
}
