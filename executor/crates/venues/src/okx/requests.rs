//! What is asked of OKX, in its words. Swap quantities are contracts there and base units here.

use orders::{Kind, Market, Order, Side, TimeInForce};
use rust_decimal::Decimal;
use serde::Serialize;

use super::ids;
use crate::fields::number;
use crate::params::Params;

/// One order in a batch of one: the same fields as `/trade/order`, and a larger budget.
pub const PLACE: &str = "/api/v5/trade/batch-orders";
pub const PLACE_ALGO: &str = "/api/v5/trade/order-algo";
pub const CANCEL: &str = "/api/v5/trade/cancel-order";
pub const ORDER: &str = "/api/v5/trade/order";
pub const OPEN_ORDERS: &str = "/api/v5/trade/orders-pending";
pub const FILLS_OF_MONTHS: &str = "/api/v5/trade/fills-history";
pub const BALANCE: &str = "/api/v5/account/balance";

/// OKX's word for a book.
pub fn instrument_type(market: Market) -> &'static str {
    match market {
        Market::Spot => "SPOT",
        Market::Swap => "SWAP",
    }
}

/// How a trade is paid for: with what is there, or on margin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TradeMode {
    Cash,
    Cross,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceOrder {
    pub inst_id: String,
    pub td_mode: TradeMode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cl_ord_id: Option<String>,
    pub side: &'static str,
    pub ord_type: &'static str,
    pub sz: String,
    /// Of spot: what `sz` counts. Without it a purchase at market counts the quote currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tgt_ccy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub px: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reduce_only: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attach_algo_ords: Vec<Triggers>,
}

impl PlaceOrder {
    /// `contract`: base units in a contract; one on spot.
    pub fn new(order: &Order, contract: Decimal) -> Self {
        let is_spot = order.market == Market::Spot;
        Self {
            inst_id: order.symbol.clone(),
            td_mode: if is_spot { TradeMode::Cash } else { TradeMode::Cross },
            cl_ord_id: Some(ids::theirs(&order.client_order_id).to_owned()),
            side: side(order.side),
            ord_type: match (order.kind, order.time_in_force) {
                (Kind::Market, _) => "market",
                _ if order.post_only => "post_only",
                (_, Some(TimeInForce::Ioc)) => "ioc",
                (_, Some(TimeInForce::Fok)) => "fok",
                (_, Some(TimeInForce::Gtc) | None) => "limit",
            },
            sz: number(order.quantity / contract),
            tgt_ccy: is_spot.then_some("base_ccy"),
            px: order.price.map(number),
            reduce_only: order.reduce_only.then_some(true),
            attach_algo_ords: Vec::new(),
        }
    }
}

/// A stop, a target or both; -1 stands for "at market".
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Triggers {
    #[serde(skip_serializing_if = "Option::is_none")]
    sl_trigger_px: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sl_ord_px: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sl_trigger_px_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tp_trigger_px: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tp_ord_px: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tp_trigger_px_type: Option<&'static str>,
}

const AT_MARKET: &str = "-1";

impl Triggers {
    pub fn stop(&mut self, at: Decimal, price: Option<Decimal>) {
        self.sl_trigger_px = Some(number(at));
        self.sl_ord_px = Some(price.map_or(AT_MARKET.into(), number));
        self.sl_trigger_px_type = Some("last");
    }

    pub fn target(&mut self, at: Decimal, price: Option<Decimal>) {
        self.tp_trigger_px = Some(number(at));
        self.tp_ord_px = Some(price.map_or(AT_MARKET.into(), number));
        self.tp_trigger_px_type = Some("last");
    }
}

/// An order that waits for its trigger.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceAlgo {
    pub inst_id: String,
    pub td_mode: TradeMode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algo_cl_ord_id: Option<String>,
    /// The older name of `algo_cl_ord_id`, which ccxt still uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cl_ord_id: Option<String>,
    pub side: &'static str,
    pub ord_type: &'static str,
    pub sz: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tgt_ccy: Option<&'static str>,
    #[serde(flatten)]
    pub triggers: Triggers,
    /// Of a trailing stop: its distance, as a fraction.
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_ratio: Option<String>,
    /// Of a trailing stop: where it begins to follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    active_px: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reduce_only: Option<bool>,
}

impl PlaceAlgo {
    /// `contract`: base units in a contract; one on spot.
    pub fn new(order: &Order, contract: Decimal, td_mode: TradeMode) -> Self {
        let mut triggers = Triggers::default();
        let is_trailing = order.kind == Kind::TrailingStop;
        match (order.kind, order.stop_price) {
            (Kind::TakeProfit, Some(at)) => triggers.target(at, order.price),
            (Kind::StopLoss | Kind::StopLimit, Some(at)) => triggers.stop(at, order.price),
            _ => {}
        }
        Self {
            inst_id: order.symbol.clone(),
            td_mode,
            algo_cl_ord_id: Some(ids::theirs(&order.client_order_id).to_owned()),
            cl_ord_id: None,
            side: side(order.side),
            ord_type: if is_trailing { "move_order_stop" } else { "conditional" },
            sz: number(order.quantity / contract),
            // A sale always counts the base currency.
            tgt_ccy: (order.market == Market::Spot && order.side == Side::Buy).then_some("base_ccy"),
            triggers,
            callback_ratio: order.trail.filter(|_| is_trailing).map(number),
            active_px: order.stop_price.filter(|_| is_trailing).map(number),
            reduce_only: order.reduce_only.then_some(true),
        }
    }
}

/// Whether OKX keeps such an order among its algo orders until it triggers.
pub fn is_algo(kind: Kind) -> bool {
    matches!(kind, Kind::StopLoss | Kind::StopLimit | Kind::TakeProfit | Kind::TrailingStop)
}

pub fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

/// Names one order; by either id.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRef<'a> {
    pub inst_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ord_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cl_ord_id: Option<&'a str>,
}

impl OrderRef<'_> {
    pub fn params(&self) -> Params {
        let mut params = Params::default();
        params.add("instId", self.inst_id);
        if let Some(id) = self.ord_id {
            params.add("ordId", id);
        }
        if let Some(id) = self.cl_ord_id {
            params.add("clOrdId", id);
        }
        params
    }
}
