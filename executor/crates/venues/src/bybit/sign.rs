//! Bybit's signature: over timestamp, key, window and what is sent, in hexadecimal.

use hyper::Method;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::params::Params;
use crate::request::{Request, Secret};

/// How old a request may be when it comes, in ms.
pub const RECV_WINDOW: &str = "5000";

/// Holds the account's keys; deliberately neither `Debug` nor `Clone`.
pub struct Signer {
    api_key: Zeroizing<String>,
    secret: Secret,
}

impl Signer {
    pub fn new(api_key: String, secret: String) -> Self {
        Self { api_key: Zeroizing::new(api_key), secret: Secret::new(secret) }
    }

    pub fn get(&self, base: &str, path: &str, params: &Params, timestamp_ms: i64) -> Request {
        let query = params.encoded();
        let headers = self.headers(&query, timestamp_ms);
        Request { method: Method::GET, url: format!("{base}{path}?{query}"), headers, body: None }
    }

    pub fn post(&self, base: &str, path: &str, body: &impl Serialize, timestamp_ms: i64) -> Request {
        let body = serde_json::to_string(body).expect("a request's body is always JSON");
        let headers = self.headers(&body, timestamp_ms);
        Request { method: Method::POST, url: format!("{base}{path}"), headers, body: Some(body) }
    }

    /// The arguments of a WebSocket's `auth`, which may be used until `expires_ms`.
    pub fn login(&self, expires_ms: i64) -> (&str, i64, String) {
        let signature = self.secret.sign(&["GET/realtime", &expires_ms.to_string()]);
        (&self.api_key, expires_ms, hex::encode(signature))
    }

    fn headers(&self, sent: &str, timestamp_ms: i64) -> Vec<(&'static str, String)> {
        let timestamp = timestamp_ms.to_string();
        let signature = self.secret.sign(&[&timestamp, &self.api_key, RECV_WINDOW, sent]);
        vec![
            ("Content-Type", "application/json".into()),
            ("X-BAPI-API-KEY", self.api_key.to_string()),
            ("X-BAPI-TIMESTAMP", timestamp),
            ("X-BAPI-RECV-WINDOW", RECV_WINDOW.into()),
            ("X-BAPI-SIGN", hex::encode(signature)),
        ]
    }
}
