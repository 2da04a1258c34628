//! Orders, lists and trades in the shapes of Binance's REST answers.

use serde_json::{Value, json};

use crate::engine::{Order, OrderList, Trade, Venue, fixed8};

/// As `GET /api/v3/order`.
pub(crate) fn order(venue: &Venue, order: &Order) -> Value {
    let mut report = base(venue, order);
    report["stopPrice"] = json!(fixed8(order.stop_price.unwrap_or_default()));
    report["icebergQty"] = json!(fixed8(0.into()));
    report["time"] = json!(order.created_ms);
    report["updateTime"] = json!(order.updated_ms);
    report["isWorking"] = json!(order.working);
    report["workingTime"] = json!(order.working_ms.unwrap_or(-1));
    report
}

/// As the answer to a new or cancelled order.
pub(crate) fn result(venue: &Venue, order: &Order) -> Value {
    let mut report = base(venue, order);
    report["transactTime"] = json!(order.updated_ms);
    if let Some(stop_price) = order.stop_price {
        report["stopPrice"] = json!(fixed8(stop_price));
    }
    if let Some(working_ms) = order.working_ms {
        report["workingTime"] = json!(working_ms);
    }
    report
}

/// As a new order's answer with `newOrderRespType=FULL`.
pub(crate) fn full(venue: &Venue, account: usize, order: &Order) -> Value {
    let mut report = result(venue, order);
    // It has just come: its trades are the account's last.
    let trades = &venue.accounts[account].trades;
    let own = trades.iter().rev().take_while(|trade| trade.order == order.id).count();
    report["fills"] = trades[trades.len() - own..]
        .iter()
        .map(|trade| {
            json!({
                "price": fixed8(trade.price), "qty": fixed8(trade.quantity), "commission": fixed8(trade.fee),
                "commissionAsset": trade.fee_asset, "tradeId": trade.id,
            })
        })
        .collect();
    report
}

/// As a new order's answer with `newOrderRespType=ACK`.
pub(crate) fn ack(venue: &Venue, order: &Order) -> Value {
    json!({
        "symbol": venue.symbol_of(order.market), "orderId": order.id, "orderListId": list_id(order),
        "clientOrderId": order.client_id, "transactTime": order.created_ms,
    })
}

/// Turns an order's answer into that of its cancel, which has a client id of its own.
pub(crate) fn canceled(mut report: Value, client_id: &str) -> Value {
    report["origClientOrderId"] = report["clientOrderId"].take();
    report["clientOrderId"] = json!(client_id);
    report
}

/// As `GET /api/v3/orderList`.
pub(crate) fn list(venue: &Venue, list: &OrderList) -> Value {
    let orders: Vec<Value> = list
        .orders
        .iter()
        .map(|&leg| {
            json!({
                "symbol": venue.symbol_of(list.market), "orderId": leg, "clientOrderId": venue.order(leg).client_id,
            })
        })
        .collect();
    let (status, order_status) = if list.done { ("ALL_DONE", "ALL_DONE") } else { ("EXEC_STARTED", "EXECUTING") };
    json!({
        "orderListId": list.id, "contingencyType": list.kind.name(), "listStatusType": status, "listOrderStatus": order_status,
        "listClientOrderId": list.client_id, "transactionTime": list.created_ms,
        "symbol": venue.symbol_of(list.market), "orders": orders,
    })
}

/// As the answer to a new or cancelled list.
pub(crate) fn list_result(venue: &Venue, of: &OrderList) -> Value {
    let mut report = list(venue, of);
    let reports: Vec<Value> = of
        .orders
        .iter()
        .map(|&leg| {
            let result = result(venue, venue.order(leg));
            if of.done { canceled(result, &format!("paper-cancel-{leg}")) } else { result }
        })
        .collect();
    report["orderReports"] = json!(reports);
    report
}

/// As `GET /api/v3/myTrades`.
pub(crate) fn trade(venue: &Venue, trade: &Trade) -> Value {
    let order = venue.order(trade.order);
    json!({
        "symbol": venue.symbol_of(trade.market), "id": trade.id, "orderId": trade.order, "orderListId": list_id(order),
        "price": fixed8(trade.price), "qty": fixed8(trade.quantity), "quoteQty": fixed8(trade.price * trade.quantity),
        "commission": fixed8(trade.fee), "commissionAsset": trade.fee_asset, "time": trade.time_ms,
        "isBuyer": trade.side.name() == "BUY", "isMaker": trade.maker, "isBestMatch": true,
    })
}

/// At most `limit` of them, oldest first: the oldest, or else the newest.
pub(crate) fn page<T>(matching: impl DoubleEndedIterator<Item = T>, limit: usize, from_oldest: bool) -> Vec<T> {
    if from_oldest {
        return matching.take(limit).collect();
    }
    let mut newest: Vec<T> = matching.rev().take(limit).collect();
    newest.reverse();
    newest
}

fn base(venue: &Venue, order: &Order) -> Value {
    json!({
        "symbol": venue.symbol_of(order.market), "orderId": order.id, "orderListId": list_id(order),
        "clientOrderId": order.client_id, "price": fixed8(order.price.unwrap_or_default()),
        "origQty": fixed8(order.quantity), "executedQty": fixed8(order.filled),
        "origQuoteOrderQty": fixed8(order.quote_quantity.unwrap_or_default()),
        "cummulativeQuoteQty": fixed8(order.quote_filled), "status": order.status.name(),
        "timeInForce": order.time_in_force.name(), "type": order.kind.name(), "side": order.side.name(),
        "selfTradePreventionMode": "EXPIRE_MAKER",
    })
}

fn list_id(order: &Order) -> i64 {
    order.list.map_or(-1, |list| list as i64)
}
