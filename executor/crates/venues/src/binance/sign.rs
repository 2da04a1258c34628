//! HMAC-SHA256 signatures over the exact bytes sent.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Holds the account's secret; deliberately neither `Debug` nor `Clone`.
pub struct Signer {
    api_key: Zeroizing<String>,
    secret: Zeroizing<String>,
}

/// Parameters of one request, in the order in which they are sent.
#[derive(Default)]
pub struct Params(Vec<(&'static str, String)>);

impl Params {
    pub fn add(&mut self, name: &'static str, value: impl Into<String>) -> &mut Self {
        self.0.push((name, value.into()));
        self
    }

    /// `name=value&...`, values percent-encoded.
    pub fn encoded(&self) -> String {
        let mut text = String::with_capacity(256);
        for (name, value) in &self.0 {
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(name);
            text.push('=');
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
        params.add("recvWindow", "5000").add("timestamp", timestamp_ms.to_string());
        let mut text = params.encoded();
        let signature = self.sign(&text);
        text.push_str("&signature=");
        text.push_str(&signature);
        text
    }
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
