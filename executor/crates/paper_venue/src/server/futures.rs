//! The operations of Binance USD-M futures, `/fapi`, and the frame that they share.

use axum::http::Method;
use serde_json::{Value, json};

use super::clock::now_ms;
use super::error::ApiError;
use super::operations::{Access, Answering, Call, Operation, Run};
use super::params::Params;
use super::{futures_account as account, futures_market as market, futures_trading as trading, market_data};
use crate::engine::{Refusal, Venue};

pub(crate) type Answer = Result<Value, ApiError>;

const fn public(path: &'static str, weight: u64, run: Answering) -> Operation {
    Operation { method: Method::GET, path, ws: "", access: Access::Public, weight, run: Run::Value(run) }
}

const fn signed(method: Method, path: &'static str, ws: &'static str, weight: u64, run: Answering) -> Operation {
    Operation { method, path, ws, access: Access::Signed, weight, run: Run::Value(run) }
}

const fn order(path: &'static str, ws: &'static str, run: Answering) -> Operation {
    Operation { method: Method::POST, path, ws, access: Access::Order, weight: 1, run: Run::Value(run) }
}

const fn listen_key(method: Method, run: Answering) -> Operation {
    Operation { method, path: "/fapi/v1/listenKey", ws: "", access: Access::Key, weight: 1, run: Run::Value(run) }
}

pub(crate) const OPERATIONS: &[Operation] = &[
    public("/fapi/v1/ping", 1, |_| Ok(json!({}))),
    public("/fapi/v1/time", 1, |_| Ok(json!({"serverTime": now_ms()}))),
    public("/fapi/v1/exchangeInfo", 1, market::exchange_info),
    public("/fapi/v1/depth", 5, market::depth),
    public("/fapi/v1/trades", 5, market_data::trades),
    public("/fapi/v1/aggTrades", 20, market_data::agg_trades),
    public("/fapi/v1/klines", 2, market_data::klines),
    public("/fapi/v1/ticker/price", 1, market_data::ticker_price),
    public("/fapi/v2/ticker/price", 1, market_data::ticker_price),
    public("/fapi/v1/ticker/24hr", 1, market_data::ticker_24hr),
    public("/fapi/v1/ticker/bookTicker", 2, market_data::ticker_book),
    public("/fapi/v1/premiumIndex", 1, market::premium_index),
    public("/fapi/v1/fundingRate", 1, market::funding_rate),
    public("/fapi/v1/fundingInfo", 1, |_| Ok(json!([]))),
    order("/fapi/v1/order", "order.place", trading::place),
    signed(Method::DELETE, "/fapi/v1/order", "order.cancel", 1, trading::cancel),
    signed(Method::GET, "/fapi/v1/order", "order.status", 1, trading::order),
    signed(Method::GET, "/fapi/v1/openOrder", "", 1, trading::open_order),
    signed(Method::GET, "/fapi/v1/openOrders", "", 1, trading::open_orders),
    signed(Method::GET, "/fapi/v1/allOrders", "", 5, trading::all_orders),
    signed(Method::DELETE, "/fapi/v1/allOpenOrders", "", 1, trading::cancel_all),
    signed(Method::GET, "/fapi/v1/userTrades", "", 5, trading::user_trades),
    order("/fapi/v1/algoOrder", "algoOrder.place", trading::place_algo),
    signed(Method::DELETE, "/fapi/v1/algoOrder", "algoOrder.cancel", 1, trading::cancel_algo),
    signed(Method::GET, "/fapi/v1/algoOrder", "", 1, trading::algo_order),
    signed(Method::GET, "/fapi/v1/openAlgoOrders", "", 1, trading::open_algo_orders),
    signed(Method::GET, "/fapi/v1/allAlgoOrders", "", 5, trading::all_algo_orders),
    signed(Method::DELETE, "/fapi/v1/algoOpenOrders", "", 1, trading::cancel_all_algo),
    signed(Method::GET, "/fapi/v2/balance", "", 5, account::balance),
    signed(Method::GET, "/fapi/v3/balance", "v2/account.balance", 5, account::balance),
    signed(Method::GET, "/fapi/v2/account", "", 5, account::account),
    signed(Method::GET, "/fapi/v3/account", "v2/account.status", 5, account::account),
    signed(Method::GET, "/fapi/v1/positionRisk", "", 5, account::position_risk),
    signed(Method::GET, "/fapi/v2/positionRisk", "", 5, account::position_risk),
    signed(Method::GET, "/fapi/v3/positionRisk", "v2/account.position", 5, account::position_risk),
    signed(Method::GET, "/fapi/v1/accountConfig", "", 5, account::account_config),
    signed(Method::GET, "/fapi/v1/symbolConfig", "", 5, account::symbol_config),
    signed(Method::GET, "/fapi/v1/leverageBracket", "", 1, account::leverage_bracket),
    signed(Method::GET, "/fapi/v1/commissionRate", "", 20, account::commission_rate),
    signed(Method::GET, "/fapi/v1/income", "", 30, account::income),
    signed(Method::GET, "/fapi/v1/positionSide/dual", "", 30, |_| Ok(json!({"dualSidePosition": false}))),
    signed(Method::GET, "/fapi/v1/multiAssetsMargin", "", 30, |_| Ok(json!({"multiAssetsMargin": false}))),
    signed(Method::POST, "/fapi/v1/positionSide/dual", "", 1, account::position_mode),
    signed(Method::POST, "/fapi/v1/marginType", "", 1, account::margin_type),
    signed(Method::POST, "/fapi/v1/leverage", "", 1, account::leverage),
    listen_key(Method::POST, account::new_listen_key),
    listen_key(Method::PUT, account::keep_listen_key),
    listen_key(Method::DELETE, account::end_listen_key),
];

/// The symbol's market.
pub(crate) fn market_of(call: &Call) -> Result<usize, Refusal> {
    call.store.venue.market_id(call.params.needed("symbol")?)
}

/// The symbol's market, where one is named.
pub(crate) fn market_asked(call: &Call) -> Result<Option<usize>, Refusal> {
    if call.params.text("symbol").is_some() { market_of(call).map(Some) } else { Ok(None) }
}

pub(crate) fn account_of(call: &Call) -> Result<usize, Refusal> {
    call.store.venue.account_id(call.account)
}

pub(crate) fn venue<'a>(call: &'a Call) -> &'a Venue {
    &call.store.venue
}

pub(crate) fn flag(params: &Params, name: &str) -> Result<bool, Refusal> {
    match params.text(name).map(str::to_ascii_lowercase).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Refusal::new(-1130, format!("Data sent for parameter '{name}' is not valid."))),
    }
}
