//! REST: checks the signature over what was sent, finds the operation, wraps the answer in Bybit's frame.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::refusals::{Bad, translated};
use super::{account, market, orders};
use crate::engine::{Product, Venue};
use crate::server::clock::now_ms;
use crate::server::params::Params;
use crate::server::shared::Shared;
use crate::server::store::Store;

const DEFAULT_WINDOW: i64 = 5_000;
/// How far a timestamp may lie in the future, in ms.
const MAX_AHEAD: i64 = 1_000;

/// One request; signed where it needs to be.
pub(crate) struct Call<'a> {
    pub store: &'a mut Store,
    pub params: &'a Params,
    pub account: usize,
    pub name: &'a str,
}

type Public = fn(&Venue, &Params) -> Result<Value, Bad>;
type Private = fn(&mut Call) -> Result<Value, Bad>;

fn public(path: &str) -> Option<Public> {
    Some(match path {
        "/v5/market/time" => market::time,
        "/v5/market/instruments-info" => market::instruments,
        "/v5/market/tickers" => market::tickers,
        "/v5/market/orderbook" => market::book,
        "/v5/market/recent-trade" => market::trades,
        _ => return None,
    })
}

fn signed(method: &Method, path: &str) -> Option<Private> {
    Some(match (method.as_str(), path) {
        ("POST", "/v5/order/create") => orders::create,
        ("POST", "/v5/order/cancel") => orders::cancel,
        ("POST", "/v5/order/cancel-all") => orders::cancel_all,
        ("GET", "/v5/order/realtime") => orders::open_and_recent,
        ("GET", "/v5/order/history") => orders::history,
        ("GET", "/v5/execution/list") => orders::executions,
        ("GET", "/v5/account/wallet-balance") => account::wallet,
        ("GET", "/v5/position/list") => account::positions,
        ("GET", "/v5/account/info") => account::info,
        ("GET", "/v5/user/query-api") => account::key,
        _ => return None,
    })
}

pub(crate) async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let result = run(&shared, &method, &uri, &headers, &body);
    let (code, message, result) = match result {
        Ok(result) => (0, "OK".to_owned(), result),
        Err(bad) => {
            tracing::debug!(method = %method, path = uri.path(), code = bad.code, "refused");
            (bad.code, bad.message, json!({}))
        }
    };
    let frame = json!({"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": now_ms()});
    Json(frame).into_response()
}

fn run(shared: &Shared, method: &Method, uri: &Uri, headers: &HeaderMap, body: &str) -> Result<Value, Bad> {
    let query = uri.query().unwrap_or("");
    let params = read(query, body)?;
    if let Some(operation) = public(uri.path()) {
        return operation(&shared.store().venue, &params);
    }
    let operation = signed(method, uri.path())
        .ok_or_else(|| Bad::new(10_017, format!("The paper venue does not have {method} {}", uri.path())))?;
    let sent = if method == Method::POST { body } else { query };
    let name = signer(shared, headers, sent)?;
    let mut store = shared.store();
    let account = store.venue.account_id(name).map_err(|refusal| translated(refusal, Product::Spot))?;
    let result = operation(&mut Call { store: &mut store, params: &params, account, name });
    store.dispatch();
    result
}

fn read(query: &str, body: &str) -> Result<Params, Bad> {
    let bad = |refusal: crate::engine::Refusal| Bad::parameter(refusal.msg);
    if body.is_empty() {
        let mut params = Params::default();
        params.read(query).map_err(bad)?;
        return Ok(params);
    }
    let fields = serde_json::from_str(body).map_err(|error| Bad::parameter(format!("not JSON: {error}")))?;
    Params::of_json(fields).map_err(bad)
}

/// The name of the account whose key the headers name and whose secret has signed `sent`.
fn signer<'a>(shared: &'a Shared, headers: &HeaderMap, sent: &str) -> Result<&'a str, Bad> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (key, window) = (header("x-bapi-api-key"), header("x-bapi-recv-window"));
    let timestamp = header("x-bapi-timestamp");
    let (name, secret) = shared.keys.holder(Some(key)).map_err(|_| Bad::new(10_003, "API key is invalid."))?;
    check_fresh(timestamp, window)?;
    if verified(secret, &format!("{timestamp}{key}{window}{sent}"), header("x-bapi-sign")) {
        Ok(name)
    } else {
        Err(Bad::new(10_004, "error sign! please check your signature generation algorithm."))
    }
}

/// Whether a request comes within its window, in ms.
pub(super) fn check_fresh(timestamp: &str, window: &str) -> Result<(), Bad> {
    let now = now_ms();
    let is_fresh = timestamp.parse::<i64>().is_ok_and(|at| {
        let window = window.parse().unwrap_or(DEFAULT_WINDOW);
        at < now + MAX_AHEAD && now - at <= window
    });
    let msg = || {
        format!(
            "invalid request, please check your server timestamp or recv_window param. \
             req_timestamp[{timestamp}],server_timestamp[{now}],recv_window[{window}]"
        )
    };
    if is_fresh { Ok(()) } else { Err(Bad::new(10_002, msg())) }
}

pub(super) fn verified(secret: &str, text: &str, signature: &str) -> bool {
    hex::decode(signature).is_ok_and(|signature| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(text.as_bytes());
        mac.verify_slice(&signature).is_ok()
    })
}
