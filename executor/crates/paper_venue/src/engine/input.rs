//! Everything that changes the venue's state: what the journal holds.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::account::Product;
use super::bar::{Bar, Interval};
use super::depth::{Diff, Snapshot};
use super::order::{Kind, OrderId, Side, TimeInForce};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "snake_case")]
pub enum Input {
    Setup(Setup),
    Bar { symbol: String, interval: Interval, bar: Bar },
    Continue { symbol: String },
    Place { account: String, order: NewOrder },
    PlaceOco { account: String, list: NewOco },
    PlaceOto { account: String, list: NewOto },
    Cancel { account: String, symbol: String, order: Target, new_client_id: Option<String> },
    CancelList { account: String, symbol: String, list: Target },
    Leverage { account: String, symbol: String, leverage: u32 },
    Tick { symbol: String, tick: Tick },
    Funding { symbol: String, rate: Decimal, time_ms: i64 },
}

/// The part of the configuration that fills depend on. Journaled whenever it changes, so that what was traded under
/// the old one replays under the old one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    pub fees: Fees,
    pub volume_share: Option<Decimal>,
    pub symbols: Vec<SymbolRules>,
    pub accounts: Vec<SetupAccount>,
    #[serde(default)]
    pub swap: SwapRules,
    /// Market time between an order's sending and its arrival, where a market goes by its order book.
    #[serde(default)]
    pub latency_ms: i64,
}

/// What swap accounts trade under; the same for every symbol. Unless told otherwise, Binance's for BTCUSDT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SwapRules {
    /// Fractions of the notional, paid in the margin asset.
    pub fees: Fees,
    /// Fraction of a position's notional under which the margin must not fall.
    #[serde(with = "super::money::text")]
    pub maintenance_margin: Decimal,
    /// Fraction of the notional that a liquidation costs.
    #[serde(with = "super::money::text")]
    pub liquidation_fee: Decimal,
    /// Until an account sets another.
    pub leverage: u32,
    pub max_leverage: u32,
}

impl Default for SwapRules {
    fn default() -> Self {
        Self {
            fees: Fees { maker: Decimal::new(2, 4), taker: Decimal::new(5, 4) },
            maintenance_margin: Decimal::new(4, 3),
            liquidation_fee: Decimal::new(125, 4),
            leverage: 20,
            max_leverage: 125,
        }
    }
}

/// Fractions of the amount received: 0.001 is 10 basis points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fees {
    #[serde(with = "super::money::text")]
    pub maker: Decimal,
    #[serde(with = "super::money::text")]
    pub taker: Decimal,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SymbolRules {
    pub symbol: String,
    pub base: String,
    pub quote: String,
    #[serde(with = "super::money::text")]
    pub tick: Decimal,
    #[serde(with = "super::money::text")]
    pub step: Decimal,
    #[serde(with = "super::money::text")]
    pub min_quantity: Decimal,
    #[serde(with = "super::money::text")]
    pub min_notional: Decimal,
    /// Of one account; Binance's 200 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_open_orders: Option<usize>,
}

/// An account's balances count when it is first seen; later they are what its trades made of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupAccount {
    pub name: String,
    #[serde(default)]
    pub market: Product,
    pub balances: BTreeMap<String, Decimal>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewOrder {
    pub symbol: String,
    pub side: Side,
    pub kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_in_force: Option<TimeInForce>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote_quantity: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_price: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailing: Option<NewTrailing>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub reduce_only: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub close_position: bool,
}

impl NewOrder {
    /// A market order, to be completed.
    #[must_use]
    pub fn market(symbol: &str, side: Side) -> Self {
        Self {
            symbol: symbol.to_owned(),
            side,
            kind: Kind::Market,
            time_in_force: None,
            quantity: None,
            quote_quantity: None,
            price: None,
            stop_price: None,
            client_id: None,
            trailing: None,
            reduce_only: false,
            close_position: false,
        }
    }
}

/// A stop that follows the price at a distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTrailing {
    /// A fraction of the best price.
    pub callback: Decimal,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Decimal>,
}

// serde hands over a reference.
#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Both legs carry the same symbol, side and quantity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewOco {
    pub client_id: Option<String>,
    pub above: NewOrder,
    pub below: NewOrder,
}

/// One thing that a market tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tick {
    Snapshot(Snapshot),
    Diff(Diff),
    Trade(TickTrade),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickTrade {
    pub id: u64,
    pub time_ms: i64,
    pub price: Decimal,
    pub quantity: Decimal,
    pub buyer_is_maker: bool,
}

/// A working order, and what is placed when it has filled: `below` alone, or an OCO.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewOto {
    pub client_id: Option<String>,
    pub working: NewOrder,
    pub below: NewOrder,
    pub above: Option<NewOrder>,
}

/// An order or a list, named by either of its ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Id(OrderId),
    ClientId(String),
}
