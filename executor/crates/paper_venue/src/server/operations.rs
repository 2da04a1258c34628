//! Every operation, under its REST and WebSocket names: one table, so that both sides do the same.

use axum::http::Method;
use serde_json::{Value, json};

use super::clock::now_ms;
use super::error::ApiError;
use super::params::Params;
use super::store::Store;
use super::{futures, market_data, order_lists, trading};
use crate::engine::{Product, Refusal, Venue};

/// One request, authenticated where the operation asks for it.
pub(crate) struct Call<'a> {
    pub store: &'a mut Store,
    pub params: &'a Params,
    /// The signer; empty for a public operation.
    pub account: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Public,
    /// The API key alone, as for a listenKey.
    Key,
    Signed,
    /// Signed, and counts against the order rate.
    Order,
}

pub(crate) struct Operation {
    pub method: Method,
    pub path: &'static str,
    /// Empty: REST only.
    pub ws: &'static str,
    pub access: Access,
    pub weight: u64,
    pub run: Run,
}

/// What an operation does, and the form of its answer.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    Value(Answering),
    /// JSON as it is written.
    Text(fn(&mut Call) -> Result<String, ApiError>),
}

pub(crate) type Answering = fn(&mut Call) -> Result<Value, ApiError>;

const fn get(path: &'static str, ws: &'static str, access: Access, weight: u64, run: Answering) -> Operation {
    Operation { method: Method::GET, path, ws, access, weight, run: Run::Value(run) }
}

const fn post(path: &'static str, ws: &'static str, run: Run) -> Operation {
    Operation { method: Method::POST, path, ws, access: Access::Order, weight: 1, run }
}

const fn delete(path: &'static str, ws: &'static str, run: Answering) -> Operation {
    Operation { method: Method::DELETE, path, ws, access: Access::Signed, weight: 1, run: Run::Value(run) }
}

const OPERATIONS: &[Operation] = &[
    get("/api/v3/ping", "ping", Access::Public, 1, |_| Ok(json!({}))),
    get("/api/v3/time", "time", Access::Public, 1, |_| Ok(json!({"serverTime": now_ms()}))),
    get("/api/v3/exchangeInfo", "exchangeInfo", Access::Public, 20, market_data::exchange_info),
    get("/api/v3/depth", "depth", Access::Public, 5, market_data::depth),
    get("/api/v3/trades", "trades.recent", Access::Public, 25, market_data::trades),
    get("/api/v3/aggTrades", "trades.aggregate", Access::Public, 4, market_data::agg_trades),
    get("/api/v3/klines", "klines", Access::Public, 2, market_data::klines),
    get("/api/v3/ticker/price", "ticker.price", Access::Public, 2, market_data::ticker_price),
    get("/api/v3/ticker/24hr", "ticker.24hr", Access::Public, 2, market_data::ticker_24hr),
    get("/api/v3/ticker/bookTicker", "ticker.book", Access::Public, 2, market_data::ticker_book),
    get("/api/v3/account", "account.status", Access::Signed, 20, trading::account),
    get("/api/v3/order", "order.status", Access::Signed, 4, trading::order),
    get("/api/v3/openOrders", "openOrders.status", Access::Signed, 6, trading::open_orders),
    get("/api/v3/allOrders", "allOrders", Access::Signed, 20, trading::all_orders),
    get("/api/v3/myTrades", "myTrades", Access::Signed, 20, trading::my_trades),
    get("/api/v3/orderList", "orderList.status", Access::Signed, 4, trading::order_list),
    get("/api/v3/openOrderList", "openOrderLists.status", Access::Signed, 6, trading::open_order_lists),
    post("/api/v3/order", "order.place", Run::Text(trading::place)),
    post("/api/v3/orderList/oco", "orderList.place.oco", Run::Value(order_lists::oco)),
    post("/api/v3/orderList/oto", "orderList.place.oto", Run::Value(order_lists::oto)),
    post("/api/v3/orderList/otoco", "orderList.place.otoco", Run::Value(order_lists::otoco)),
    delete("/api/v3/order", "order.cancel", trading::cancel),
    delete("/api/v3/openOrders", "openOrders.cancelAll", trading::cancel_all),
    delete("/api/v3/orderList", "orderList.cancel", trading::cancel_list),
    get("/sapi/v1/capital/config/getall", "", Access::Signed, 10, trading::coins),
    get("/sapi/v1/asset/tradeFee", "", Access::Signed, 1, trading::trade_fee),
    // What ccxt asks before it trades: a spot venue has no margin pairs.
    get("/sapi/v1/margin/allPairs", "", Access::Public, 1, |_| Ok(json!([]))),
    get("/sapi/v1/margin/isolated/allPairs", "", Access::Public, 10, |_| Ok(json!([]))),
];

pub(crate) fn by_path(method: &Method, path: &str) -> Option<&'static Operation> {
    all().find(|operation| operation.path == path && operation.method == *method)
}

pub(crate) fn is_known_path(path: &str) -> bool {
    all().any(|operation| operation.path == path)
}

/// Spot and futures use the same names, each on its own connection.
pub(crate) fn by_ws_name(name: &str, futures: bool) -> Option<&'static Operation> {
    let operations = if futures { futures::OPERATIONS } else { OPERATIONS };
    operations.iter().find(|operation| !operation.ws.is_empty() && operation.ws == name)
}

fn all() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter().chain(futures::OPERATIONS)
}

impl Operation {
    /// Does it; the answer is JSON.
    pub fn run(&self, call: &mut Call) -> Result<String, ApiError> {
        match self.run {
            Run::Value(run) => run(call).map(|answer| answer.to_string()),
            Run::Text(run) => run(call),
        }
    }

    /// A spot account has no futures, nor a swap account spot.
    pub fn admit(&self, venue: &Venue, account: &str) -> Result<(), Refusal> {
        if self.access == Access::Public {
            return Ok(());
        }
        let product = if self.path.starts_with("/fapi/") { Product::Swap } else { Product::Spot };
        if venue.accounts[venue.account_id(account)?].product == product {
            return Ok(());
        }
        Err(Refusal::new(-2015, "Invalid API-key, IP, or permissions for action."))
    }
}
