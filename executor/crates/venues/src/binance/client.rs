//! Binance's signed requests: where the parameters go, what the headers say, what an error code means.

use std::time::Duration;

use hyper::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Account;
use super::order_entry::Entered;
use super::sign::Call;
use crate::params::Params;
use crate::request::Request;
use crate::{Reason, VenueError};

/// Where a 429 does not say how long.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct ErrorBody {
    code: i64,
    msg: String,
}

/// The code of a refused timestamp.
const STALE: i64 = -1021;

impl Account {
    pub async fn public<T: DeserializeOwned>(&self, path: &str, params: &Params) -> Result<T, VenueError> {
        let query = params.encoded();
        let mark = if query.is_empty() { "" } else { "?" };
        self.exchange(Request::public(format!("{}{path}{mark}{query}", self.http.base))).await
    }

    /// A request that carries the account's key and no signature.
    pub async fn with_key<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T, VenueError> {
        let headers = vec![self.signer.key_header()];
        self.exchange(Request { method, url: format!("{}{path}", self.http.base), headers, body: None }).await
    }

    /// A signed request over REST. A stale timestamp is refused before anything is acted upon, so after re-measuring it is sent once
    /// more.
    pub async fn signed<T: DeserializeOwned>(&self, call: &Call) -> Result<T, VenueError> {
        let send = || {
            let (params, at) = (call.params.clone(), self.clock.venue_ms());
            self.exchange(self.signer.request(&self.http.base, &call.method, call.path, params, at))
        };
        match send().await {
            Err(VenueError::Refused { code: STALE, .. }) => {
                self.measure_again().await?;
                send().await.map_err(untaken)
            }
            other => other,
        }
    }

    /// After a refused timestamp. What was refused for it has not been acted upon, however this ends.
    async fn measure_again(&self) -> Result<(), VenueError> {
        let measured = self.measure().await;
        measured.map_err(|error| VenueError::NotSent(format!("the venue's clock could not be measured: {error}")))
    }

    /// A signed request of order entry: over the WebSocket where it is up, else over REST. Only what certainly never left is sent
    /// the other way.
    pub async fn entered<T: DeserializeOwned>(&self, call: &Call) -> Result<Entered<T>, VenueError> {
        if let Some(retry_after) = self.budget.banned_for() {
            return Err(VenueError::Throttled { retry_after, banned: true });
        }
        let send = || self.entry.send(call.ws, self.signer.signed_json(call.params.clone(), self.clock.venue_ms()));
        let mut answer = send().await;
        if matches!(answer, Err(VenueError::Refused { code: STALE, .. })) {
            self.measure_again().await?;
            answer = send().await.map_err(untaken);
        }
        match answer {
            Ok(answer) => {
                let body = serde_json::from_str(answer.result.get()).map_err(|error| unreadable_answer(&error))?;
                Ok(Entered { body, written: Some(answer.written) })
            }
            Err(VenueError::NotSent(_)) => Ok(Entered { body: self.signed(call).await?, written: None }),
            Err(error) => Err(error),
        }
    }

    async fn exchange<T: DeserializeOwned>(&self, request: Request) -> Result<T, VenueError> {
        if let Some(retry_after) = self.budget.banned_for() {
            return Err(VenueError::Throttled { retry_after, banned: true });
        }
        let (parts, body) = self.http.send(request.into_http()?).await?;
        self.budget.read(&parts.headers);
        let status = parts.status.as_u16();
        if status == 429 || status == 418 {
            let seconds = parts
                .headers
                .get("retry-after")
                .and_then(|value| value.to_str().ok())
                .and_then(|text| text.parse().ok());
            let retry_after = seconds.map_or(DEFAULT_WAIT, Duration::from_secs);
            return Err(self.budget.block(retry_after, status == 418));
        }
        if status >= 500 {
            return Err(VenueError::Lost(format!("the venue answered {status}")));
        }
        if status >= 400 {
            return Err(match serde_json::from_slice::<ErrorBody>(&body) {
                Ok(error) => classify(error.code, error.msg),
                Err(_) => VenueError::Lost(format!("the venue answered {status} without a reason")),
            });
        }
        serde_json::from_slice(&body).map_err(|error| unreadable_answer(&error))
    }
}

fn unreadable_answer(error: &serde_json::Error) -> VenueError {
    VenueError::Lost(format!("the venue's answer is unreadable: {error}"))
}

/// A timestamp that is refused again, right after the clock was measured: the clock jumps, and the request was not taken. It is no
/// word on the order itself, so a protective one is tried again.
fn untaken(error: VenueError) -> VenueError {
    match error {
        VenueError::Refused { code: STALE, message, .. } => VenueError::NotSent(message),
        error => error,
    }
}

/// What a Binance error code means. -1006 and -1007 are the two that leave the outcome open.
pub fn classify(code: i64, message: String) -> VenueError {
    let says = |text: &str| message.contains(text);
    let reason = match code {
        -1006 | -1007 => return VenueError::Lost(format!("{message} ({code})")),
        -2013 | -2011 if says("Unknown order") || code == -2013 => Reason::NoSuchOrder,
        -1121 => Reason::UnknownSymbol,
        -2018 | -2019 => Reason::InsufficientBalance,
        // Futures: past the trigger; a post-only order that would take.
        -2021 | -5022 => Reason::WouldTrigger,
        -4116 => Reason::DuplicateOrder,
        -4120 | -1116 => Reason::Unsupported,
        -4164 => Reason::FilterNotional,
        -4014 => Reason::FilterPrice,
        -1111 | -4003 | -4005 | -4023 => Reason::FilterLot,
        -1015 | -1003 => Reason::OrderRate,
        -1013 if says("LOT_SIZE") => Reason::FilterLot,
        -1013 if says("NOTIONAL") => Reason::FilterNotional,
        -1013 if says("PRICE") => Reason::FilterPrice,
        -2010 | -1013 if WOULD_TRIGGER.iter().any(|text| says(text)) => Reason::WouldTrigger,
        -2010 if says("insufficient balance") => Reason::InsufficientBalance,
        -2010 if says("Duplicate order") => Reason::DuplicateOrder,
        _ => Reason::Other,
    };
    VenueError::Refused { reason, code, message }
}

const WOULD_TRIGGER: [&str; 3] = [
    "would trigger immediately",
    "would immediately match and take",
    "relationship of the prices for the orders is not correct",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(code: i64, message: &str) -> Option<Reason> {
        match classify(code, message.into()) {
            VenueError::Refused { reason, .. } => Some(reason),
            _ => None,
        }
    }

    #[test]
    fn a_timestamp_refused_twice_is_an_order_that_was_never_taken() {
        let stale = classify(-1021, "Timestamp for this request is outside of the recvWindow.".into());
        assert!(matches!(untaken(stale), VenueError::NotSent(_)));
        let refused = classify(-2010, "Account has insufficient balance for requested action.".into());
        assert!(matches!(untaken(refused), VenueError::Refused { code: -2010, .. }));
        assert!(matches!(untaken(VenueError::Lost("closed".into())), VenueError::Lost(_)));
    }

    #[test]
    fn codes_tell_a_definite_refusal_from_an_open_outcome() {
        assert_eq!(reason(-1007, "Timeout waiting for response from backend server."), None);
        assert_eq!(reason(-1006, "An unexpected response was received from the message bus."), None);
        assert_eq!(reason(-2013, "Order does not exist."), Some(Reason::NoSuchOrder));
        assert_eq!(reason(-2011, "Unknown order sent."), Some(Reason::NoSuchOrder));
        assert_eq!(
            reason(-2010, "Account has insufficient balance for requested action."),
            Some(Reason::InsufficientBalance)
        );
        assert_eq!(reason(-2010, "Duplicate order sent."), Some(Reason::DuplicateOrder));
        assert_eq!(reason(-2010, "Stop price would trigger immediately."), Some(Reason::WouldTrigger));
        assert_eq!(reason(-1013, "Filter failure: LOT_SIZE"), Some(Reason::FilterLot));
        assert_eq!(reason(-1013, "Filter failure: PRICE_FILTER"), Some(Reason::FilterPrice));
        assert_eq!(reason(-1013, "Filter failure: NOTIONAL"), Some(Reason::FilterNotional));
        assert_eq!(reason(-1022, "Signature for this request is not valid."), Some(Reason::Other));
    }
}
