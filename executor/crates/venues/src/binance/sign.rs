//! Signed requests: HMAC-SHA256 over the exact bytes sent.

use hyper::Method;
use zeroize::Zeroizing;

use crate::params::Params;
use crate::request::{Request, Secret};

/// How long a request may be on its way, milliseconds: one that is held up for longer is refused (-1021), so nothing that was given
/// up is carried out later.
const RECV_WINDOW: &str = "5000";
/// Parameters that the WebSocket API takes as JSON numbers.
const NUMBERS: [&str; 3] = ["recvWindow", "timestamp", "trailingDelta"];

/// One call: where it goes over REST and, where `ws` is not empty, over the WebSocket API.
pub struct Call {
    pub method: Method,
    pub path: &'static str,
    pub ws: &'static str,
    pub params: Params,
}

impl Call {
    pub fn get(path: &'static str, params: Params) -> Self {
        Self { method: Method::GET, path, ws: "", params }
    }
}

/// Deliberately neither `Debug` nor `Clone`: it holds the account's keys.
pub struct Signer {
    api_key: Zeroizing<String>,
    secret: Secret,
}

impl Signer {
    pub fn new(api_key: String, secret: String) -> Self {
        Self { api_key: Zeroizing::new(api_key), secret: Secret::new(secret) }
    }

    pub fn key_header(&self) -> (&'static str, String) {
        ("X-MBX-APIKEY", self.api_key.to_string())
    }

    fn sign(&self, text: &str) -> String {
        hex::encode(self.secret.sign(&[text]))
    }

    /// A request over REST, stamped and signed: what changes something carries its parameters in the body, but for a DELETE.
    pub fn request(&self, base: &str, method: &Method, path: &str, mut params: Params, timestamp_ms: i64) -> Request {
        params.add("recvWindow", RECV_WINDOW).add("timestamp", timestamp_ms.to_string());
        let mut text = params.encoded();
        let signature = self.sign(&text);
        text.push_str("&signature=");
        text.push_str(&signature);
        let mut headers = vec![self.key_header()];
        let (url, body) = if matches!(*method, Method::POST | Method::PUT) {
            headers.push(("Content-Type", "application/x-www-form-urlencoded".into()));
            (format!("{base}{path}"), Some(text))
        } else {
            (format!("{base}{path}?{text}"), None)
        };
        Request { method: method.clone(), url, headers, body }
    }

    /// `params` as the WebSocket API wants them: a JSON object, signed over the pairs sorted by name.
    pub fn signed_json(&self, mut params: Params, timestamp_ms: i64) -> String {
        params.add("apiKey", self.api_key.as_str()).add("recvWindow", RECV_WINDOW);
        params.add("timestamp", timestamp_ms.to_string());
        let (mut text, mut json) = (String::with_capacity(384), String::with_capacity(512));
        for (name, value) in params.sorted() {
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(name);
            text.push('=');
            text.push_str(&value);
            json.push(if json.is_empty() { '{' } else { ',' });
            json.push('"');
            json.push_str(name);
            json.push_str("\":");
            let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
            if NUMBERS.contains(&name) {
                json.push_str(&value);
            } else if is_plain {
                json.push('"');
                json.push_str(&value);
                json.push('"');
            } else {
                json.push_str(&serde_json::Value::from(value).to_string());
            }
        }
        json.push_str(",\"signature\":\"");
        json.push_str(&self.sign(&text));
        json.push_str("\"}");
        json
    }
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
