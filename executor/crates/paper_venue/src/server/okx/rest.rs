//! REST: checks the signature over what was sent, finds the operation, wraps the answer in OKX's frame.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::refusals::Bad;
use super::{account, market, orders, questions};
use crate::engine::{Product, Venue};
use crate::server::clock::now_ms;
use crate::server::params::Params;
use crate::server::shared::Shared;
use crate::server::store::Store;

const WINDOW_MS: i64 = 30_000;

/// One request; signed where it needs to be.
pub(crate) struct Call<'a> {
    pub store: &'a mut Store,
    pub params: &'a Params,
    pub account: usize,
    pub name: &'a str,
    pub product: Product,
}

/// What stands in the frame's `data`.
pub(crate) type Answer = Result<Vec<Value>, Bad>;
type Public = fn(&Venue, &Params) -> Answer;
type Private = fn(&mut Call) -> Answer;

fn public(path: &str) -> Option<Public> {
    Some(match path {
        "/api/v5/public/time" => market::time,
        "/api/v5/public/instruments" => market::instruments,
        "/api/v5/market/ticker" => market::ticker,
        "/api/v5/market/books" => market::book,
        "/api/v5/market/trades" => market::trades,
        _ => return None,
    })
}

fn signed(method: &Method, path: &str) -> Option<Private> {
    Some(match (method.as_str(), path) {
        ("POST", "/api/v5/trade/order" | "/api/v5/trade/batch-orders") => orders::place,
        ("POST", "/api/v5/trade/order-algo") => orders::place_algo,
        ("POST", "/api/v5/trade/cancel-order") => orders::cancel,
        ("POST", "/api/v5/trade/cancel-algos") => orders::cancel_algo,
        ("GET", "/api/v5/trade/order") => questions::order,
        ("GET", "/api/v5/trade/order-algo") => questions::algo,
        ("GET", "/api/v5/trade/orders-pending") => questions::open,
        ("GET", "/api/v5/trade/orders-algo-pending") => questions::open_algos,
        ("GET", "/api/v5/trade/orders-history" | "/api/v5/trade/orders-history-archive") => questions::history,
        ("GET", "/api/v5/trade/fills" | "/api/v5/trade/fills-history") => questions::fills,
        ("GET", "/api/v5/account/balance") => account::balance,
        ("GET", "/api/v5/account/positions") => account::positions,
        ("GET", "/api/v5/account/config") => account::config,
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
    let (code, message, data) = match run(&shared, &method, &uri, &headers, &body) {
        Ok(data) => ("0".into(), String::new(), data),
        Err(bad) => {
            tracing::debug!(method = %method, path = uri.path(), code = bad.code, "refused");
            refused(bad)
        }
    };
    let frame = json!({"code": code, "msg": message, "data": data});
    Json(frame).into_response()
}

/// Code, message and data of a refusal's frame. An entry has its own code; the frame says only that there is one.
pub(super) fn refused(bad: Bad) -> (String, String, Vec<Value>) {
    let code = bad.code.to_string();
    if bad.is_entry {
        let entry = json!({"ordId": "", "clOrdId": "", "algoId": "", "sCode": code, "sMsg": bad.message});
        ("1".into(), String::new(), vec![entry])
    } else {
        (code, bad.message, Vec::new())
    }
}

fn run(shared: &Shared, method: &Method, uri: &Uri, headers: &HeaderMap, body: &str) -> Answer {
    let params = read(uri.query().unwrap_or(""), body)?;
    if let Some(operation) = public(uri.path()) {
        return operation(&shared.store().venue, &params);
    }
    let operation = signed(method, uri.path())
        .ok_or_else(|| Bad::new(50_115, format!("The paper venue does not have {method} {}", uri.path())))?;
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    let name = signer(shared, headers, &format!("{method}{target}{body}"))?;
    let mut store = shared.store();
    let account = store.venue.account_id(name)?;
    let product = store.venue.accounts[account].product;
    let result = operation(&mut Call { store: &mut store, params: &params, account, name, product });
    store.dispatch();
    result
}

/// A body is one entry, or a list of one.
fn read(query: &str, body: &str) -> Result<Params, Bad> {
    if body.is_empty() {
        let mut params = Params::default();
        params.read(query)?;
        return Ok(params);
    }
    let not_json = |_| Bad::new(50_002, "JSON syntax error");
    let fields = match serde_json::from_str::<Value>(body).map_err(not_json)? {
        Value::Array(mut entries) if entries.len() == 1 => entries.remove(0),
        Value::Array(_) => return Err(Bad::new(51_111, "The paper venue takes one entry at a time")),
        entry => entry,
    };
    match fields {
        Value::Object(fields) => Ok(Params::of_json(fields)?),
        _ => Err(Bad::new(50_002, "JSON syntax error")),
    }
}

fn signer<'a>(shared: &'a Shared, headers: &HeaderMap, sent: &str) -> Result<&'a str, Bad> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (key, timestamp) = (header("ok-access-key"), header("ok-access-timestamp"));
    let (name, secret) = shared.keys.holder(Some(key)).map_err(|_| Bad::new(50_111, "Invalid OK-ACCESS-KEY"))?;
    let at = epoch_ms(timestamp).ok_or_else(|| Bad::new(50_112, "Invalid OK-ACCESS-TIMESTAMP"))?;
    if (now_ms() - at).abs() > WINDOW_MS {
        return Err(Bad::new(50_102, "Timestamp request expired"));
    }
    if verified(secret, &format!("{timestamp}{sent}"), header("ok-access-sign")) {
        Ok(name)
    } else {
        Err(Bad::new(50_113, "Invalid Sign"))
    }
}

pub(super) fn verified(secret: &str, text: &str, signature: &str) -> bool {
    STANDARD.decode(signature).is_ok_and(|signature| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(text.as_bytes());
        mac.verify_slice(&signature).is_ok()
    })
}

/// Of `2023-11-14T22:13:20.000Z`. Years are counted from March, so that a leap day is a year's last.
fn epoch_ms(text: &str) -> Option<i64> {
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    let seconds = ((days * 24 + part(11, 13)?) * 60 + part(14, 16)?) * 60 + part(17, 19)?;
    Some(seconds * 1000 + part(20, 23)?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn timestamps_are_read() {
        assert_eq!(super::epoch_ms("1970-01-01T00:00:00.000Z"), Some(0));
        assert_eq!(super::epoch_ms("2023-11-14T22:13:20.000Z"), Some(1_700_000_000_000));
        assert_eq!(super::epoch_ms("2024-02-29T23:59:59.999Z"), Some(1_709_251_199_999));
        assert_eq!(super::epoch_ms("yesterday"), None);
    }
}
