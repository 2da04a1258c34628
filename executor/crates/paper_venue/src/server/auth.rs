//! API keys, signatures and the recvWindow.

use std::collections::HashMap;

use axum::http::StatusCode;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::clock::now_ms;
use super::error::ApiError;
use super::params::Params;
use crate::config::AccountConfig;
use crate::engine::Refusal;

const DEFAULT_RECV_WINDOW: i64 = 5_000;
const MAX_RECV_WINDOW: i64 = 60_000;
/// How far a timestamp may lie in the future, in ms.
const MAX_AHEAD: i64 = 1_000;

/// Account name and secret by API key. No `Debug`: it holds secrets.
pub(crate) struct Keys(HashMap<String, (String, String)>);

impl Keys {
    pub fn new(accounts: &[AccountConfig]) -> Self {
        let key =
            |account: &AccountConfig| (account.api_key.clone(), (account.name.clone(), account.api_secret.clone()));
        Self(accounts.iter().map(key).collect())
    }

    /// Name and secret of the account with this key.
    pub fn holder(&self, api_key: Option<&str>) -> Result<(&str, &str), ApiError> {
        let Some(api_key) = api_key.filter(|key| !key.is_empty()) else {
            return Err(ApiError::new(StatusCode::UNAUTHORIZED, -2014, "API-key format invalid."));
        };
        let Some((account, secret)) = self.0.get(api_key) else {
            let msg = "Invalid API-key, IP, or permissions for action.";
            return Err(ApiError::new(StatusCode::UNAUTHORIZED, -2015, msg));
        };
        Ok((account, secret))
    }

    /// The name of the account that signed `text`.
    pub fn account(&self, api_key: Option<&str>, text: &[u8], params: &Params) -> Result<&str, ApiError> {
        let (account, secret) = self.holder(api_key)?;
        check_time(params)?;
        let signature = params.needed("signature")?;
        let valid = hex::decode(signature).is_ok_and(|signature| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
            mac.update(text);
            mac.verify_slice(&signature).is_ok()
        });
        if valid { Ok(account) } else { Err(Refusal::new(-1022, "Signature for this request is not valid.").into()) }
    }
}

fn check_time(params: &Params) -> Result<(), Refusal> {
    let timestamp = params.integer("timestamp")?.ok_or_else(|| Refusal::missing("timestamp"))?;
    let window = params.integer("recvWindow")?.unwrap_or(DEFAULT_RECV_WINDOW);
    if !(1..=MAX_RECV_WINDOW).contains(&window) {
        return Err(Refusal::new(-1131, "recvWindow must be less than 60000."));
    }
    let now = now_ms();
    if timestamp >= now.saturating_add(MAX_AHEAD) {
        return Err(Refusal::new(-1021, "Timestamp for this request was 1000ms ahead of the server's time."));
    }
    if now.saturating_sub(timestamp) > window {
        return Err(Refusal::new(-1021, "Timestamp for this request is outside of the recvWindow."));
    }
    Ok(())
}

/// The signed text of a REST request: query string, then body, less the signature.
pub(crate) fn signed_text(query: &str, body: &str) -> String {
    format!("{}{}", without_signature(query), without_signature(body))
}

fn without_signature(encoded: &str) -> String {
    if !encoded.contains("signature=") {
        return encoded.to_owned();
    }
    encoded.split('&').filter(|pair| !pair.starts_with("signature=")).collect::<Vec<_>>().join("&")
}
