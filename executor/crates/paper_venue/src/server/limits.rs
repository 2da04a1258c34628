//! Request weight and order counts, and the headers that tell them.
//!
//! The limits are far above Binance's: replayed market time runs much faster than wall time, by which they count.

use std::collections::HashMap;
use std::fmt::Write;

use axum::http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::clock::now_ms;
use super::error::ApiError;

const WEIGHT_PER_MINUTE: u64 = 600_000;
const ORDERS_PER_10S: u64 = 50_000;
const ORDERS_PER_DAY: u64 = 50_000_000;

const MINUTE: i64 = 60_000;
const TEN_SECONDS: i64 = 10_000;
const DAY: i64 = 86_400_000;

/// A count that begins anew with each period.
#[derive(Default)]
struct Counter {
    period: i64,
    count: u64,
}

impl Counter {
    fn add(&mut self, amount: u64, length_ms: i64, now_ms: i64) -> u64 {
        let period = now_ms / length_ms;
        if period != self.period {
            *self = Self { period, count: 0 };
        }
        self.count += amount;
        self.count
    }
}

#[derive(Default)]
pub(crate) struct Limits {
    weight: Counter,
    orders: HashMap<String, (Counter, Counter)>,
}

/// What has been used, the request included.
#[derive(Clone, Copy, Default)]
pub(crate) struct Used {
    weight: u64,
    orders: Option<(u64, u64)>,
}

impl Limits {
    pub fn take_weight(&mut self, weight: u64) -> Result<Used, ApiError> {
        let now_ms = now_ms();
        let used = self.weight.add(weight, MINUTE, now_ms);
        if used > WEIGHT_PER_MINUTE {
            return Err(too_many(
                -1003,
                format!("Too much request weight used; the limit is {WEIGHT_PER_MINUTE} a minute."),
            ));
        }
        Ok(Used { weight: used, orders: None })
    }

    pub fn take_order(&mut self, account: &str, used: &mut Used) -> Result<(), ApiError> {
        let now_ms = now_ms();
        if !self.orders.contains_key(account) {
            self.orders.insert(account.to_owned(), Default::default());
        }
        let Some((seconds, day)) = self.orders.get_mut(account) else { return Ok(()) };
        let counts = (seconds.add(1, TEN_SECONDS, now_ms), day.add(1, DAY, now_ms));
        used.orders = Some(counts);
        if counts.0 > ORDERS_PER_10S || counts.1 > ORDERS_PER_DAY {
            return Err(too_many(-1015, format!("Too many new orders; the limit is {ORDERS_PER_10S} in 10 seconds.")));
        }
        Ok(())
    }
}

impl Used {
    pub fn write(self, headers: &mut HeaderMap) {
        headers.insert("x-mbx-used-weight", HeaderValue::from(self.weight));
        headers.insert("x-mbx-used-weight-1m", HeaderValue::from(self.weight));
        if let Some((seconds, day)) = self.orders {
            headers.insert("x-mbx-order-count-10s", HeaderValue::from(seconds));
            headers.insert("x-mbx-order-count-1d", HeaderValue::from(day));
        }
    }

    /// As WebSocket answers carry it.
    pub fn tell(self, out: &mut String) {
        let (weight, most) = (self.weight, WEIGHT_PER_MINUTE);
        let _ = write!(
            out,
            r#"[{{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":{most},"count":{weight}}}"#
        );
        if let Some((seconds, day)) = self.orders {
            let _ = write!(
                out,
                r#",{{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":{ORDERS_PER_10S},"count":{seconds}}},{{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":{ORDERS_PER_DAY},"count":{day}}}"#
            );
        }
        out.push(']');
    }
}

/// As `exchangeInfo` publishes them.
pub(crate) fn rate_limits() -> Value {
    json!([
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": WEIGHT_PER_MINUTE},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": ORDERS_PER_10S},
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": ORDERS_PER_DAY},
    ])
}

fn too_many(code: i32, msg: String) -> ApiError {
    ApiError::new(axum::http::StatusCode::TOO_MANY_REQUESTS, code, msg)
}
