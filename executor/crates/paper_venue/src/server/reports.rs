//! Orders, lists and trades in the shapes of Binance's REST answers.

use serde::Serialize;
use serde_json::{Value, json};

use crate::engine::{Fixed8, Order, OrderList, Trade, Venue, fixed8};

/// What every answer about an order begins with.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Base<'a> {
    symbol: &'a str,
    order_id: u64,
    order_list_id: i64,
    client_order_id: &'a str,
    price: Fixed8,
    orig_qty: Fixed8,
    executed_qty: Fixed8,
    orig_quote_order_qty: Fixed8,
    cummulative_quote_qty: Fixed8,
    status: &'static str,
    time_in_force: &'static str,
    r#type: &'static str,
    side: &'static str,
    self_trade_prevention_mode: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Standing<'a> {
    #[serde(flatten)]
    base: Base<'a>,
    stop_price: Fixed8,
    iceberg_qty: Fixed8,
    time: i64,
    update_time: i64,
    is_working: bool,
    working_time: i64,
}

/// The answer to a new order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Placed<'a> {
    #[serde(flatten)]
    base: Base<'a>,
    transact_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_price: Option<Fixed8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fills: Option<Vec<Filled<'a>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Filled<'a> {
    price: Fixed8,
    qty: Fixed8,
    commission: Fixed8,
    commission_asset: &'a str,
    trade_id: u64,
}

/// As `GET /api/v3/order`.
pub(crate) fn order(venue: &Venue, order: &Order) -> Value {
    json!(Standing {
        base: base(venue, order),
        stop_price: Fixed8(order.stop_price.unwrap_or_default()),
        iceberg_qty: Fixed8(0.into()),
        time: order.created_ms,
        update_time: order.updated_ms,
        is_working: order.working,
        working_time: order.working_ms.unwrap_or(-1),
    })
}

/// As the answer to a cancelled order.
pub(crate) fn result(venue: &Venue, order: &Order) -> Value {
    json!(placed(venue, order))
}

/// As a new order's answer with `newOrderRespType=RESULT`.
pub(crate) fn placed<'a>(venue: &'a Venue, order: &'a Order) -> Placed<'a> {
    Placed {
        base: base(venue, order),
        transact_time: order.updated_ms,
        stop_price: order.stop_price.map(Fixed8),
        working_time: order.working_ms,
        fills: None,
    }
}

/// As a new order's answer with `newOrderRespType=FULL`.
pub(crate) fn full<'a>(venue: &'a Venue, account: usize, order: &'a Order) -> Placed<'a> {
    // It has just come: its trades are the account's last.
    let trades = &venue.accounts[account].trades;
    let own = trades.iter().rev().take_while(|trade| trade.order == order.id).count();
    let fills = trades[trades.len() - own..].iter().map(|trade| Filled {
        price: Fixed8(trade.price),
        qty: Fixed8(trade.quantity),
        commission: Fixed8(trade.fee),
        commission_asset: &trade.fee_asset,
        trade_id: trade.id,
    });
    Placed { fills: Some(fills.collect()), ..placed(venue, order) }
}

/// An answer as it is written.
pub(crate) fn text(placed: &Placed) -> String {
    let mut text = Vec::with_capacity(1024);
    match serde_json::to_writer(&mut text, placed) {
        Ok(()) => String::from_utf8(text).unwrap_or_else(|_| unreachable!("JSON is UTF-8")),
        Err(error) => unreachable!("an answer is always JSON: {error}"),
    }
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

fn base<'a>(venue: &'a Venue, order: &'a Order) -> Base<'a> {
    Base {
        symbol: venue.symbol_of(order.market),
        order_id: order.id,
        order_list_id: list_id(order),
        client_order_id: &order.client_id,
        price: Fixed8(order.price.unwrap_or_default()),
        orig_qty: Fixed8(order.quantity),
        executed_qty: Fixed8(order.filled),
        orig_quote_order_qty: Fixed8(order.quote_quantity.unwrap_or_default()),
        cummulative_quote_qty: Fixed8(order.quote_filled),
        status: order.status.name(),
        time_in_force: order.time_in_force.name(),
        r#type: order.kind.name(),
        side: order.side.name(),
        self_trade_prevention_mode: "EXPIRE_MAKER",
    }
}

fn list_id(order: &Order) -> i64 {
    order.list.map_or(-1, |list| list as i64)
}
