//! Orders, algo orders and fills in OKX's JSON.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::instruments::{kind, name, size};
use crate::engine::{Kind, Order, Product, Side, Status, TimeInForce, Trade, Venue, plain};

pub(crate) fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

/// An order in the book: plain, or what an algo order has become.
pub(crate) fn order(venue: &Venue, order: &Order) -> Value {
    let product = venue.accounts[order.account].product;
    let is_child = order.kind.has_trigger();
    let of = |text: String| if is_child { text } else { String::new() };
    json!({
        "instType": kind(product), "instId": name(&venue.markets[order.market], product), "ordId": order.id.to_string(),
        "clOrdId": if is_child { "" } else { &order.client_id }, "algoId": of(order.algo_id().to_string()),
        "algoClOrdId": of(order.client_id.clone()), "side": side(order.side), "posSide": "net",
        "tdMode": if product == Product::Spot { "cash" } else { "cross" }, "ordType": word(order),
        "state": state(order.status), "px": order.price.map(plain).unwrap_or_default(),
        "sz": size(order.quantity, product), "tgtCcy": if product == Product::Spot { "base_ccy" } else { "" },
        "accFillSz": size(order.filled, product), "avgPx": average(order), "reduceOnly": order.reduce_only.to_string(),
        "cTime": order.created_ms.to_string(), "uTime": order.updated_ms.to_string(), "category": "normal", "lever": "",
    })
}

fn average(order: &Order) -> String {
    if order.filled.is_zero() { String::new() } else { plain((order.quote_filled / order.filled).round_dp(8)) }
}

fn word(order: &Order) -> &'static str {
    match (order.price, order.kind, order.time_in_force) {
        (None, ..) => "market",
        (_, Kind::LimitMaker, _) => "post_only",
        (_, _, TimeInForce::Ioc) => "ioc",
        (_, _, TimeInForce::Fok) => "fok",
        (_, _, TimeInForce::Gtc) => "limit",
    }
}

pub(crate) fn state(status: Status) -> &'static str {
    match status {
        Status::New | Status::PendingNew => "live",
        Status::PartiallyFilled => "partially_filled",
        Status::Filled => "filled",
        Status::Canceled | Status::Expired | Status::Rejected => "canceled",
    }
}

/// An order that waits for its trigger, or has had it.
pub(crate) fn algo(venue: &Venue, order: &Order) -> Value {
    let product = venue.accounts[order.account].product;
    let child = if order.working { order.id.to_string() } else { String::new() };
    let state = match (order.working, order.status) {
        (true, _) => "effective",
        (false, Status::New | Status::PartiallyFilled | Status::PendingNew) => "live",
        (false, Status::Rejected) => "order_failed",
        (false, _) => "canceled",
    };
    let mut told = json!({
        "instType": kind(product), "instId": name(&venue.markets[order.market], product),
        "algoId": order.algo_id().to_string(), "algoClOrdId": order.client_id, "clOrdId": "", "ordId": child,
        "ordIdList": if order.working { vec![&child] } else { Vec::new() }, "side": side(order.side), "posSide": "net",
        "ordType": if order.trailing.is_some() { "move_order_stop" } else { "conditional" }, "state": state,
        "sz": size(order.quantity, product), "reduceOnly": order.reduce_only.to_string(), "failCode": "",
        "slTriggerPx": "", "slOrdPx": "", "tpTriggerPx": "", "tpOrdPx": "", "callbackRatio": "", "activePx": "",
        "cTime": order.created_ms.to_string(), "uTime": order.updated_ms.to_string(),
    });
    set_triggers(&mut told, order);
    told
}

fn set_triggers(told: &mut Value, order: &Order) {
    if let Some(trailing) = order.trailing {
        told["callbackRatio"] = json!(plain(trailing.callback));
        told["activePx"] = json!(trailing.activation.map(plain).unwrap_or_default());
        return;
    }
    let (trigger, price) = match order.kind {
        Kind::TakeProfit | Kind::TakeProfitLimit => ("tpTriggerPx", "tpOrdPx"),
        _ => ("slTriggerPx", "slOrdPx"),
    };
    told[trigger] = json!(order.stop_price.map(plain).unwrap_or_default());
    told[price] = json!(plain(order.price.unwrap_or(Decimal::NEGATIVE_ONE)));
}

pub(crate) fn fill(venue: &Venue, trade: &Trade) -> Value {
    let order = venue.order(trade.order);
    let product = venue.accounts[order.account].product;
    json!({
        "instType": kind(product), "instId": name(&venue.markets[trade.market], product),
        "ordId": trade.order.to_string(), "clOrdId": if order.kind.has_trigger() { "" } else { &order.client_id },
        "billId": trade.id.to_string(), "tradeId": trade.id.to_string(), "side": side(trade.side), "posSide": "net",
        "fillPx": plain(trade.price), "fillSz": size(trade.quantity, product), "fee": plain(-trade.fee),
        "feeCcy": trade.fee_asset, "execType": if trade.maker { "M" } else { "T" }, "ts": trade.time_ms.to_string(),
        "fillTime": trade.time_ms.to_string(),
    })
}
