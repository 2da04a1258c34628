//! Orders in the words of USD-M futures: the requests, the same for the live client and for `executor sign`.

use hyper::Method;
use orders::{Kind, Order};
use rust_decimal::Decimal;

use crate::VenueError;
use crate::binance::sign::Call;
use crate::binance::words::{side_word, time_in_force_word, unreadable};
use crate::fields::number;
use crate::params::Params;

pub const ORDER: &str = "/fapi/v1/order";
/// Conditional orders are kept apart until they trigger; what they become carries their client order id.
pub const ALGO_ORDER: &str = "/fapi/v1/algoOrder";

pub fn place(order: &Order) -> Call {
    let mut params = Params::default();
    params.add("symbol", &order.symbol).add("side", side_word(order.side)).add("type", kind_word(order));
    params.add("quantity", number(order.quantity));
    if let Some(price) = order.price {
        params.add("price", number(price));
    }
    // A conditional order is good till cancelled unless it says otherwise.
    if order.kind == Kind::Limit || (order.price.is_some() && order.time_in_force.is_some()) {
        params.add("timeInForce", if order.post_only { "GTX" } else { time_in_force_word(order.time_in_force) });
    }
    if order.reduce_only {
        params.add("reduceOnly", "true");
    }
    params.add("newOrderRespType", "RESULT");
    if matches!(order.kind, Kind::Market | Kind::Limit) {
        params.add("newClientOrderId", &order.client_order_id);
        return Call { method: Method::POST, path: ORDER, ws: "order.place", params };
    }
    let trigger = if order.kind == Kind::TrailingStop { "activatePrice" } else { "triggerPrice" };
    if let Some(stop_price) = order.stop_price {
        params.add(trigger, number(stop_price));
    }
    if let Some(trail) = order.trail {
        params.add("callbackRate", number(trail * Decimal::ONE_HUNDRED));
    }
    params.add("algoType", "CONDITIONAL").add("clientAlgoId", &order.client_order_id);
    Call { method: Method::POST, path: ALGO_ORDER, ws: "algoOrder.place", params }
}

pub fn cancel(symbol: &str, client_order_id: &str) -> Call {
    let params = by(symbol, "origClientOrderId", client_order_id);
    Call { method: Method::DELETE, path: ORDER, ws: "order.cancel", params }
}

pub fn cancel_algo(client_order_id: &str) -> Call {
    let mut params = Params::default();
    params.add("clientAlgoId", client_order_id);
    Call { method: Method::DELETE, path: ALGO_ORDER, ws: "algoOrder.cancel", params }
}

/// `symbol` and one more.
pub fn by(symbol: &str, name: &'static str, value: &str) -> Params {
    let mut params = Params::default();
    params.add("symbol", symbol).add(name, value);
    params
}

fn kind_word(order: &Order) -> &'static str {
    match order.kind {
        Kind::Market => "MARKET",
        Kind::Limit => "LIMIT",
        Kind::StopLoss => "STOP_MARKET",
        Kind::StopLimit => "STOP",
        Kind::TakeProfit if order.price.is_some() => "TAKE_PROFIT",
        Kind::TakeProfit => "TAKE_PROFIT_MARKET",
        Kind::TrailingStop => "TRAILING_STOP_MARKET",
    }
}

pub fn kind(text: &str) -> Result<Kind, VenueError> {
    match text {
        // A liquidation is the venue's own order.
        "MARKET" | "LIQUIDATION" => Ok(Kind::Market),
        "LIMIT" => Ok(Kind::Limit),
        "STOP_MARKET" => Ok(Kind::StopLoss),
        "STOP" => Ok(Kind::StopLimit),
        "TAKE_PROFIT_MARKET" | "TAKE_PROFIT" => Ok(Kind::TakeProfit),
        "TRAILING_STOP_MARKET" => Ok(Kind::TrailingStop),
        _ => Err(unreadable("order type")),
    }
}
