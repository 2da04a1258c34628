//! Orders and trades in Bybit's JSON.

use serde_json::{Value, json};

use crate::engine::{Kind, Order, Product, Side, Status, TimeInForce, Trade, Venue, plain};

/// Bybit's word for what an account trades.
pub(crate) fn category(product: Product) -> &'static str {
    match product {
        Product::Spot => "spot",
        Product::Swap => "linear",
    }
}

pub(crate) fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "Buy",
        Side::Sell => "Sell",
    }
}

pub(crate) fn order(venue: &Venue, order: &Order) -> Value {
    let is_market = order.price.is_none();
    let product = venue.accounts[order.account].product;
    json!({
        "symbol": venue.symbol_of(order.market), "category": category(product), "orderId": order.id.to_string(),
        "orderLinkId": order.client_id, "side": side(order.side),
        "orderType": if is_market { "Market" } else { "Limit" }, "orderStatus": status(order),
        "timeInForce": time_in_force(order.kind, order.time_in_force, is_market),
        "price": plain(order.price.unwrap_or_default()), "qty": plain(order.quantity),
        "cumExecQty": plain(order.filled), "cumExecValue": plain(order.quote_filled),
        "leavesQty": plain(order.remaining()), "avgPrice": average(order),
        "triggerPrice": order.stop_price.map(plain).unwrap_or_default(),
        "triggerDirection": direction(order.kind, order.side, product), "orderFilter": filter(order.kind, product),
        "stopOrderType": if order.kind.has_trigger() { filter(order.kind, product) } else { "" },
        "reduceOnly": order.reduce_only, "positionIdx": 0, "rejectReason": "EC_NoError", "cancelType": "UNKNOWN",
        "marketUnit": "baseCoin", "createdTime": order.created_ms.to_string(),
        "updatedTime": order.updated_ms.to_string(),
    })
}

fn average(order: &Order) -> String {
    if order.filled.is_zero() { String::new() } else { plain((order.quote_filled / order.filled).round_dp(8)) }
}

fn status(order: &Order) -> &'static str {
    match order.status {
        Status::New if order.kind.has_trigger() && !order.working => "Untriggered",
        Status::New => "New",
        Status::PendingNew => "Untriggered",
        Status::PartiallyFilled => "PartiallyFilled",
        Status::Filled => "Filled",
        Status::Canceled | Status::Expired if order.kind.has_trigger() && !order.working => "Deactivated",
        Status::Canceled | Status::Expired if order.filled.is_zero() => "Cancelled",
        Status::Canceled | Status::Expired => "PartiallyFilledCanceled",
        Status::Rejected => "Rejected",
    }
}

fn time_in_force(kind: Kind, time_in_force: TimeInForce, is_market: bool) -> &'static str {
    match kind {
        Kind::LimitMaker => "PostOnly",
        _ if is_market => "IOC",
        _ => time_in_force.name(),
    }
}

/// 1: the price must rise to the trigger; 2: fall. Spot orders do not tell it.
fn direction(kind: Kind, side: Side, product: Product) -> u8 {
    let stop = matches!(kind, Kind::StopLoss | Kind::StopLossLimit);
    match product {
        Product::Swap if kind.has_trigger() => 1 + u8::from(stop == (side == Side::Sell)),
        Product::Swap | Product::Spot => 0,
    }
}

fn filter(kind: Kind, product: Product) -> &'static str {
    match (kind.has_trigger(), product) {
        (false, _) => "Order",
        (true, Product::Spot) => "tpslOrder",
        (true, Product::Swap) => "StopOrder",
    }
}

pub(crate) fn execution(venue: &Venue, trade: &Trade) -> Value {
    let order = venue.order(trade.order);
    let product = venue.accounts[order.account].product;
    json!({
        "symbol": venue.symbol_of(trade.market), "category": category(product), "orderId": order.id.to_string(),
        "orderLinkId": order.client_id, "side": side(trade.side),
        "orderType": if order.price.is_none() { "Market" } else { "Limit" }, "orderQty": plain(order.quantity),
        "orderPrice": plain(order.price.unwrap_or_default()), "leavesQty": plain(order.remaining()),
        "execId": trade.id.to_string(), "execPrice": plain(trade.price), "execQty": plain(trade.quantity),
        "execValue": plain(trade.price * trade.quantity), "execType": "Trade", "execFee": plain(trade.fee),
        "feeCurrency": trade.fee_asset, "isMaker": trade.maker, "execTime": trade.time_ms.to_string(),
        "stopOrderType": "", "seq": trade.id,
    })
}
