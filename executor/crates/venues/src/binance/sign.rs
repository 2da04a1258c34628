//! HMAC-SHA256 signatures over the exact bytes sent.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// How long a request may be on its way, milliseconds: one that is held up for longer is refused (-1021), so nothing that was given
/// up is carried out later.
const RECV_WINDOW: &str = "5000";
/// Parameters that the WebSocket API takes as JSON numbers.
const NUMBERS: [&str; 3] = ["recvWindow", "timestamp", "trailingDelta"];

/// Holds the account's secret; deliberately neither `Debug` nor `Clone`.
pub struct Signer {
    api_key: Zeroizing<String>,
    secret: Zeroizing<String>,
}

/// Parameters of one request, in the order in which they are sent.
#[derive(Clone, Default)]
pub struct Params(Vec<(&'static str, String)>);

impl Params {
    pub fn add(&mut self, name: &'static str, value: impl Into<String>) -> &mut Self {
        self.0.push((name, value.into()));
        self
    }

    /// `name=value&...`, values percent-encoded.
    pub fn encoded(&self) -> String {
        let mut text = String::with_capacity(384);
        for (name, value) in &self.0 {
            join(&mut text, name);
            percent_encode(value, &mut text);
        }
        text
    }
}

impl Signer {
    pub fn new(api_key: String, secret: String) -> Self {
        Self { api_key: Zeroizing::new(api_key), secret: Zeroizing::new(secret) }
    }

    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// The hex signature of `text`.
    pub fn sign(&self, text: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(text.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }

    /// `params` with timestamp, window and signature: a query string or a form body.
    pub fn signed(&self, mut params: Params, timestamp_ms: i64) -> String {
        params.add("recvWindow", RECV_WINDOW).add("timestamp", timestamp_ms.to_string());
        let mut text = params.encoded();
        let signature = self.sign(&text);
        text.push_str("&signature=");
        text.push_str(&signature);
        text
    }

    /// The same as the WebSocket API wants it: a JSON object, signed over the pairs sorted by name.
    pub fn signed_json(&self, mut params: Params, timestamp_ms: i64) -> String {
        params.add("apiKey", self.api_key()).add("recvWindow", RECV_WINDOW);
        params.add("timestamp", timestamp_ms.to_string());
        params.0.sort_unstable_by_key(|(name, _)| *name);
        let (mut text, mut json) = (String::with_capacity(384), String::with_capacity(512));
        for (name, value) in &params.0 {
            join(&mut text, name);
            text.push_str(value);
            json.push(if json.is_empty() { '{' } else { ',' });
            json.push('"');
            json.push_str(name);
            json.push_str("\":");
            if NUMBERS.contains(name) {
                json.push_str(value);
            } else {
                json.push_str(&serde_json::Value::from(value.as_str()).to_string());
            }
        }
        json.push_str(",\"signature\":\"");
        json.push_str(&self.sign(&text));
        json.push_str("\"}");
        json
    }
}

fn join(text: &mut String, name: &str) {
    if !text.is_empty() {
        text.push('&');
    }
    text.push_str(name);
    text.push('=');
}

fn percent_encode(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
