//! Orders in the words of Binance spot: the requests, the same for the live client and for `executor sign`.

use hyper::Method;
use orders::{Kind, Oco, Order, Side};
use rust_decimal::Decimal;

use crate::VenueError;
use crate::binance::sign::Call;
use crate::binance::words::{above_zero, side_word, time_in_force_word, unreadable};
use crate::fields::number;
use crate::params::Params;

/// `trailingDelta` is in hundredths of a per cent.
pub const BASIS_POINTS: Decimal = Decimal::from_parts(10_000, 0, 0, false, 0);

pub fn place(order: &Order) -> Call {
    place_for(order, None)
}

/// The same; a market order's quantity may be given by its cost instead.
pub fn place_for(order: &Order, cost: Option<String>) -> Call {
    Call { method: Method::POST, path: "/api/v3/order", ws: "order.place", params: order_params(order, cost) }
}

pub fn place_oco(oco: &Oco) -> Call {
    Call { method: Method::POST, path: "/api/v3/orderList/oco", ws: "orderList.place.oco", params: oco_params(oco) }
}

pub fn cancel(symbol: &str, client_order_id: &str) -> Call {
    let mut params = Params::default();
    params.add("symbol", symbol).add("origClientOrderId", client_order_id);
    Call { method: Method::DELETE, path: "/api/v3/order", ws: "order.cancel", params }
}

/// A new order's parameters.
fn order_params(order: &Order, cost: Option<String>) -> Params {
    let mut params = Params::default();
    params.add("symbol", &order.symbol).add("side", side_word(order.side)).add("type", kind_word(order));
    match cost {
        Some(cost) => params.add("quoteOrderQty", cost),
        None => params.add("quantity", number(order.quantity)),
    };
    if let Some(price) = order.price {
        params.add("price", number(price));
    }
    if let Some(stop_price) = order.stop_price {
        params.add("stopPrice", number(stop_price));
    }
    if let Some(trail) = order.trail {
        params.add("trailingDelta", number(trail * BASIS_POINTS));
    }
    if order.price.is_some() && !order.post_only {
        params.add("timeInForce", time_in_force_word(order.time_in_force));
    }
    params.add("newClientOrderId", &order.client_order_id).add("newOrderRespType", "FULL");
    params
}

/// A stop and target: for a sale the target lies above and the stop below, for a purchase the other way round.
fn oco_params(oco: &Oco) -> Params {
    let (stop, target) = (&oco.stop, &oco.target);
    let stop_price = number(stop.stop_price.unwrap_or_default());
    let target_price = number(target.price.unwrap_or_default());
    let mut params = Params::default();
    params.add("symbol", &stop.symbol).add("side", side_word(stop.side)).add("quantity", number(stop.quantity));
    params.add("listClientOrderId", &oco.client_list_id);
    match stop.side {
        Side::Sell => params
            .add("aboveType", "LIMIT_MAKER")
            .add("abovePrice", target_price)
            .add("aboveClientOrderId", &target.client_order_id)
            .add("belowType", "STOP_LOSS")
            .add("belowStopPrice", stop_price)
            .add("belowClientOrderId", &stop.client_order_id),
        Side::Buy => params
            .add("aboveType", "STOP_LOSS")
            .add("aboveStopPrice", stop_price)
            .add("aboveClientOrderId", &stop.client_order_id)
            .add("belowType", "LIMIT_MAKER")
            .add("belowPrice", target_price)
            .add("belowClientOrderId", &target.client_order_id),
    };
    params.add("newOrderRespType", "FULL");
    params
}

fn kind_word(order: &Order) -> &'static str {
    match order.kind {
        Kind::Market => "MARKET",
        Kind::Limit if order.post_only => "LIMIT_MAKER",
        Kind::Limit => "LIMIT",
        Kind::StopLoss => "STOP_LOSS",
        Kind::StopLimit => "STOP_LOSS_LIMIT",
        Kind::TakeProfit if order.price.is_some() => "TAKE_PROFIT_LIMIT",
        Kind::TakeProfit => "TAKE_PROFIT",
        // Binance spot's trailing stop is a stop with a delta.
        Kind::TrailingStop => "STOP_LOSS",
    }
}

pub fn kind(text: &str, trailing_delta: Option<Decimal>) -> Result<Kind, VenueError> {
    match text {
        "STOP_LOSS" if above_zero(trailing_delta).is_some() => Ok(Kind::TrailingStop),
        "MARKET" => Ok(Kind::Market),
        "LIMIT" | "LIMIT_MAKER" => Ok(Kind::Limit),
        "STOP_LOSS" => Ok(Kind::StopLoss),
        "STOP_LOSS_LIMIT" => Ok(Kind::StopLimit),
        "TAKE_PROFIT" | "TAKE_PROFIT_LIMIT" => Ok(Kind::TakeProfit),
        _ => Err(unreadable("order type")),
    }
}
