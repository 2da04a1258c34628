//! Everything that changes the venue's state: what the journal holds.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::bar::{Bar, Interval};
use super::order::{Kind, OrderId, Side, TimeInForce};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "snake_case")]
pub enum Input {
    Setup(Setup),
    Bar { symbol: String, interval: Interval, bar: Bar },
    Continue { symbol: String },
    Place { account: String, order: NewOrder },
    PlaceOco { account: String, list: NewOco },
    Cancel { account: String, symbol: String, order: Target, new_client_id: Option<String> },
    CancelList { account: String, symbol: String, list: Target },
}

/// The part of the configuration that fills depend on. Journaled whenever it changes, so that what was traded under
/// the old one replays under the old one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    pub fees: Fees,
    pub volume_share: Option<Decimal>,
    pub symbols: Vec<SymbolRules>,
    pub accounts: Vec<SetupAccount>,
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
}

/// An account's balances count when it is first seen; later they are what its trades made of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupAccount {
    pub name: String,
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
}

/// Both legs carry the same symbol, side and quantity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewOco {
    pub client_id: Option<String>,
    pub above: NewOrder,
    pub below: NewOrder,
}

/// An order or a list, named by either of its ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Id(OrderId),
    ClientId(String),
}
