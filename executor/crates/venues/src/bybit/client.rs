//! Sends a request and tells what its answer means.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::Account;
use super::codes::{BAN_WAIT, RATE_WAIT, STALE_TIMESTAMP, classify};
use super::limits::number;
use super::requests::CREATE;
use crate::VenueError;
use crate::clock::{in_time, now_ms};
use crate::order_entry::Entered;
use crate::params::Params;
use crate::request::Request;

/// Every answer's frame.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    ret_code: i64,
    #[serde(default)]
    ret_msg: String,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

/// A page of a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: DeserializeOwned")]
pub struct Page<T> {
    #[serde(default)]
    pub list: Vec<T>,
    #[serde(default)]
    next_page_cursor: String,
}

/// What an answer says of the order rate.
pub const LIMIT: &str = "x-bapi-limit";
pub const LEFT: &str = "x-bapi-limit-status";
pub const RESET: &str = "x-bapi-limit-reset-timestamp";

impl Account {
    pub async fn public<T: DeserializeOwned>(&self, path: &str, params: &Params) -> Result<T, VenueError> {
        self.exchange(Request::public(format!("{}{path}?{}", self.http.base, params.encoded()))).await
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str, params: &Params) -> Result<T, VenueError> {
        self.signed(|| self.signer.get(&self.http.base, path, params, self.clock.venue_ms())).await
    }

    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl serde::Serialize) -> Result<T, VenueError> {
        self.signed(|| self.signer.post(&self.http.base, path, body, self.clock.venue_ms())).await
    }

    /// All pages of a list.
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        params: impl Fn() -> Params,
    ) -> Result<Vec<T>, VenueError> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let mut params = params();
            if !cursor.is_empty() {
                params.add("cursor", cursor);
            }
            let page: Page<T> = self.get(path, &params).await?;
            let is_last = page.list.is_empty() || page.next_page_cursor.is_empty();
            all.extend(page.list);
            if is_last {
                return Ok(all);
            }
            // It comes percent-encoded, and is encoded again on its way out.
            cursor = decoded(&page.next_page_cursor);
        }
    }

    /// A new order or a cancel: over the WebSocket where it is up, else over REST. Only what certainly was not taken is sent the other
    /// way.
    pub async fn enter<T: DeserializeOwned>(
        &self,
        (operation, path): (&'static str, &str),
        body: &impl serde::Serialize,
    ) -> Result<Entered<T>, VenueError> {
        self.check_ban()?;
        let text = serde_json::to_string(body).expect("a request's body is always JSON");
        let send = || self.entry.send(operation, text.clone());
        match in_time(STALE_TIMESTAMP, send, self.measure()).await {
            Ok(answer) => Ok(Entered { body: answer.read()?, written: Some(answer.written) }),
            Err(VenueError::NotSent(_)) => Ok(Entered { body: self.post(path, body).await?, written: None }),
            Err(error) => Err(error),
        }
    }

    async fn signed<T: DeserializeOwned>(&self, request: impl Fn() -> Request) -> Result<T, VenueError> {
        in_time(STALE_TIMESTAMP, || self.exchange(request()), self.measure()).await
    }

    fn check_ban(&self) -> Result<(), VenueError> {
        let left = self.limits.pause.banned_for();
        left.map_or(Ok(()), |retry_after| Err(VenueError::Throttled { retry_after, banned: true }))
    }

    async fn exchange<T: DeserializeOwned>(&self, request: Request) -> Result<T, VenueError> {
        self.check_ban()?;
        let is_new_order = request.url.ends_with(CREATE);
        let (parts, body) = self.http.send(request.into_http()?).await?;
        if is_new_order {
            self.limits.note(number(&parts.headers, LEFT), number(&parts.headers, LIMIT));
        }
        let status = parts.status.as_u16();
        if status >= 500 {
            return Err(VenueError::Lost(format!("the venue answered {status}")));
        }
        let reset_ms = number(&parts.headers, RESET);
        if status == 429 {
            return Err(self.throttled(until(reset_ms).unwrap_or(RATE_WAIT), false));
        }
        if status == 403 {
            // The address has been refused before anything was read; either for its rate, or for where it is.
            if String::from_utf8_lossy(&body).contains("too frequent") {
                return Err(self.throttled(BAN_WAIT, true));
            }
            return Err(classify(403, "the venue refuses this address".into()));
        }
        let unreadable =
            |error: serde_json::Error| VenueError::Lost(format!("the venue's answer is unreadable: {error}"));
        let envelope: Envelope<'_> = serde_json::from_slice(&body).map_err(unreadable)?;
        if envelope.ret_code != 0 {
            return Err(self.refused(envelope.ret_code, envelope.ret_msg, reset_ms));
        }
        serde_json::from_str(envelope.result.map_or("{}", RawValue::get)).map_err(unreadable)
    }

    /// A code other than 0. `reset_ms`: when the venue's clock shows this, the rate is free again.
    pub fn refused(&self, code: i64, message: String, reset_ms: Option<i64>) -> VenueError {
        match classify(code, message) {
            VenueError::Throttled { retry_after, banned } => {
                self.throttled(until(reset_ms).unwrap_or(retry_after), banned)
            }
            error => error,
        }
    }

    fn throttled(&self, retry_after: std::time::Duration, banned: bool) -> VenueError {
        self.limits.pause.take(retry_after, banned);
        VenueError::Throttled { retry_after, banned }
    }
}

fn until(reset_ms: Option<i64>) -> Option<std::time::Duration> {
    u64::try_from(reset_ms? - now_ms()).ok().map(std::time::Duration::from_millis)
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        let pair = tail.get(..2).filter(|_| *first == b'%').and_then(|pair| hex::decode(pair).ok());
        match pair {
            Some(byte) => {
                bytes.extend(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
