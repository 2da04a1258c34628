//! What an account's owner allows.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::order::Order;

/// What the account's owner allows; an absent limit is no limit.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Quote asset, one order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_order_notional: Option<Decimal>,
    /// Quote asset, of one symbol: what is held (long or short), what working entries would add, and this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_position_notional: Option<Decimal>,
    /// Working orders, protective legs not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_open_orders: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_orders_per_minute: Option<u32>,
    /// How far past the last price an order may be willing to trade, as a fraction of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_collar: Option<Decimal>,
}

impl Limits {
    /// These limits with those that `change` names replaced.
    pub fn with(&self, change: &Limits) -> Limits {
        Limits {
            max_order_notional: change.max_order_notional.or(self.max_order_notional),
            max_position_notional: change.max_position_notional.or(self.max_position_notional),
            max_open_orders: change.max_open_orders.or(self.max_open_orders),
            max_orders_per_minute: change.max_orders_per_minute.or(self.max_orders_per_minute),
            price_collar: change.price_collar.or(self.price_collar),
        }
    }

    /// Whether this order can only be judged with the venue's last price at hand.
    pub fn needs_last_price(&self, order: &Order) -> bool {
        let unpriced = order.reference_price(None).is_none();
        self.price_collar.is_some()
            || (unpriced
                && order.is_entry()
                && (self.max_order_notional.is_some() || self.max_position_notional.is_some()))
    }
}
