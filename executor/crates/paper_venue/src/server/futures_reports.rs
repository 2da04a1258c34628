//! Orders, conditional orders and trades of swap accounts in the shapes of Binance's answers.

use serde_json::{Value, json};

use crate::engine::{Order, Side, Trade, Venue, plain};

/// As `GET /fapi/v1/order`, and as the answer to a new or cancelled one.
pub(crate) fn order(venue: &Venue, order: &Order) -> Value {
    let name = if order.is_liquidation() { "LIQUIDATION" } else { order.engine_type() };
    json!({
        "orderId": order.id, "symbol": venue.symbol_of(order.market), "status": order.status.name(),
        "clientOrderId": order.client_id, "price": plain(order.price.unwrap_or_default()),
        "avgPrice": plain(order.average_price()), "origQty": plain(order.quantity), "executedQty": plain(order.filled),
        "cumQty": plain(order.filled), "cumQuote": plain(order.quote_filled),
        "timeInForce": order.swap_time_in_force(), "type": name, "origType": order.swap_type(),
        "reduceOnly": order.reduce_only, "closePosition": order.close_position, "side": order.side.name(),
        "positionSide": "BOTH", "stopPrice": plain(order.stop_price.unwrap_or_default()),
        "workingType": "CONTRACT_PRICE", "priceProtect": false, "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER", "goodTillDate": 0,
        "time": order.working_ms.unwrap_or(order.created_ms), "updateTime": order.updated_ms,
    })
}

/// As `GET /fapi/v1/algoOrder`, and as the answer to a new one.
pub(crate) fn algo(venue: &Venue, order: &Order) -> Value {
    let mut report = json!({
        "algoId": order.algo_id(), "clientAlgoId": order.client_id, "algoType": "CONDITIONAL",
        "orderType": order.swap_type(), "symbol": venue.symbol_of(order.market), "side": order.side.name(),
        "positionSide": "BOTH", "timeInForce": order.swap_time_in_force(), "quantity": plain(order.quantity),
        "algoStatus": order.algo_status(), "actualOrderId": "", "actualPrice": "0",
        "triggerPrice": plain(order.stop_price.unwrap_or_default()), "price": plain(order.price.unwrap_or_default()),
        "icebergQuantity": null, "selfTradePreventionMode": "EXPIRE_MAKER", "workingType": "CONTRACT_PRICE",
        "priceMatch": "NONE", "closePosition": order.close_position, "priceProtect": false,
        "reduceOnly": order.reduce_only, "createTime": order.created_ms, "updateTime": order.updated_ms,
        "triggerTime": order.working_ms.unwrap_or(0), "goodTillDate": 0,
    });
    if order.is_in_engine() {
        report["actualOrderId"] = json!(order.id.to_string());
        report["actualPrice"] = json!(plain(order.average_price()));
    }
    if let Some(trailing) = order.trailing {
        report["callbackRate"] = json!(plain(trailing.callback * rust_decimal::Decimal::ONE_HUNDRED));
        report["activatePrice"] = json!(plain(trailing.activation.unwrap_or_default()));
    }
    report
}

/// As `GET /fapi/v1/userTrades`.
pub(crate) fn trade(venue: &Venue, trade: &Trade) -> Value {
    json!({
        "symbol": venue.symbol_of(trade.market), "id": trade.id, "orderId": trade.order, "side": trade.side.name(),
        "price": plain(trade.price), "qty": plain(trade.quantity), "realizedPnl": plain(trade.realized),
        "quoteQty": plain(trade.price * trade.quantity), "commission": plain(trade.fee),
        "commissionAsset": trade.fee_asset, "time": trade.time_ms, "positionSide": "BOTH",
        "maker": trade.maker, "buyer": trade.side == Side::Buy,
    })
}
