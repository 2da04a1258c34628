//! What is asked of Bybit, in its words.

use orders::{Kind, Market, Order, Side, TimeInForce};
use serde::Serialize;

use crate::fields::number;
use crate::params::Params;

pub const CREATE: &str = "/v5/order/create";
pub const CANCEL: &str = "/v5/order/cancel";
pub const ORDERS: &str = "/v5/order/realtime";
pub const ORDER_HISTORY: &str = "/v5/order/history";
pub const EXECUTIONS: &str = "/v5/execution/list";
pub const WALLET: &str = "/v5/account/wallet-balance";

/// Bybit's word for a book.
pub fn category(market: Market) -> &'static str {
    match market {
        Market::Spot => "spot",
        Market::Swap => "linear",
    }
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct CreateOrder {
    pub category: &'static str,
    pub symbol: String,
    pub side: &'static str,
    pub order_type: &'static str,
    pub qty: String,
    /// Of a spot market order: what `qty` counts. Without it a purchase counts the quote coin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub market_unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    /// Good till cancelled, where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_in_force: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_link_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_filter: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_direction: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_price: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reduce_only: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_loss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub take_profit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sl_order_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tp_order_type: Option<&'static str>,
}

/// Of a spot order that waits for its trigger; its balance is locked from the start.
pub const TRIGGERED: &str = "tpslOrder";
pub const PLAIN: &str = "Order";

const RISES: u8 = 1;
const FALLS: u8 = 2;

impl CreateOrder {
    /// A trailing stop is none of Bybit's orders: see `holds`.
    pub fn new(order: &Order) -> Self {
        let is_spot = order.market == Market::Spot;
        let is_market = !order.kind.needs_price() && order.price.is_none();
        let trigger = order.stop_price.filter(|_| order.kind.needs_stop_price());
        Self {
            category: category(order.market),
            symbol: order.symbol.clone(),
            side: side(order.side),
            order_type: if is_market { "Market" } else { "Limit" },
            qty: number(order.quantity),
            market_unit: (is_spot && is_market).then_some("baseCoin"),
            price: order.price.map(number),
            time_in_force: match order.time_in_force {
                _ if order.post_only => Some("PostOnly"),
                Some(TimeInForce::Ioc) => Some("IOC"),
                Some(TimeInForce::Fok) => Some("FOK"),
                Some(TimeInForce::Gtc) => Some("GTC"),
                None => None,
            },
            order_link_id: Some(order.client_order_id.clone()),
            order_filter: (is_spot && trigger.is_some()).then_some(TRIGGERED),
            trigger_direction: trigger.map(|_| direction(order.kind, order.side)),
            trigger_price: trigger.map(number),
            // On spot it says nothing that a stop does not say already.
            reduce_only: (order.reduce_only || (is_spot && trigger.is_some())).then_some(true),
            ..Self::default()
        }
    }
}

pub fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "Buy",
        Side::Sell => "Sell",
    }
}

/// Whether the price must rise or fall to the trigger.
fn direction(kind: Kind, side: Side) -> u8 {
    match (kind, side) {
        (Kind::TakeProfit, Side::Buy) => FALLS,
        (Kind::TakeProfit, Side::Sell) => RISES,
        (_, Side::Buy) => RISES,
        (_, Side::Sell) => FALLS,
    }
}

/// An order that waits for its trigger: does it go with its holder's favour, or against him?
pub fn kind_of_triggered(direction: u8, side: Side, is_market: bool) -> Kind {
    match (direction, side) {
        (RISES, Side::Sell) | (FALLS, Side::Buy) => Kind::TakeProfit,
        _ if is_market => Kind::StopLoss,
        _ => Kind::StopLimit,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelOrder<'a> {
    pub category: &'static str,
    pub symbol: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_link_id: Option<&'a str>,
    /// On spot, plain orders and triggered ones are cancelled apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_filter: Option<&'static str>,
}

pub fn orders_of(market: Market, symbol: &str) -> Params {
    let mut params = Params::default();
    params.add("category", category(market)).add("symbol", symbol);
    params
}

pub fn wallet() -> Params {
    let mut params = Params::default();
    params.add("accountType", "UNIFIED");
    params
}
