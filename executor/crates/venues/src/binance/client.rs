//! HTTP to the venue: warm connections, no retry of anything by the transport, and an honest word on what a failure means.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;
use thiserror::Error;

use super::Account;
use super::sign::Params;
use crate::{Reason, VenueError};

const TIMEOUT: Duration = Duration::from_secs(10);
/// Larger than the list of all of Binance's symbols; an answer beyond it is not one of ours.
const LARGEST_ANSWER: usize = 64 << 20;
/// Where a 429 does not say how long.
const DEFAULT_WAIT: Duration = Duration::from_secs(10);

#[derive(Debug, Error)]
#[error("{url:?} is not an address of the form {form}://host[:port][/path]")]
pub struct AddressError {
    url: String,
    form: String,
}

pub fn check_address(url: &str, schemes: &[&str]) -> Result<String, AddressError> {
    let good = url
        .parse::<Uri>()
        .is_ok_and(|uri| uri.host().is_some() && uri.scheme_str().is_some_and(|s| schemes.contains(&s)));
    if good {
        Ok(url.trim_end_matches('/').to_owned())
    } else {
        Err(AddressError { url: url.into(), form: schemes.join("|") })
    }
}

pub struct Http {
    base: String,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Http {
    pub fn new(base: &str) -> Result<Self, AddressError> {
        let base = check_address(base, &["http", "https"])?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(Duration::from_secs(5)));
        let connector =
            HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(50))
            .pool_max_idle_per_host(8)
            // A request that fails on a stale connection may have arrived; sending it again would be a second order.
            .retry_canceled_requests(false)
            .build(connector);
        Ok(Self { base, client })
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(hyper::http::response::Parts, Bytes), VenueError> {
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| {
                let text = cause(&error);
                if error.is_connect() { VenueError::NotSent(text) } else { VenueError::Lost(text) }
            })?;
            let (parts, body) = response.into_parts();
            let body = http_body_util::Limited::new(body, LARGEST_ANSWER).collect().await;
            let body = body.map_err(|error| VenueError::Lost(format!("the answer broke off: {error}")))?.to_bytes();
            Ok((parts, body))
        };
        tokio::time::timeout(TIMEOUT, exchange)
            .await
            .unwrap_or_else(|_| Err(VenueError::Lost(format!("no answer in {TIMEOUT:?}"))))
    }
}

/// The innermost reason; hyper's own text is only "client error".
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[derive(Deserialize)]
struct ErrorBody {
    code: i64,
    msg: String,
}

impl Account {
    pub async fn public<T: for<'de> Deserialize<'de>>(&self, path: &str, params: &Params) -> Result<T, VenueError> {
        self.exchange(Method::GET, path, params.encoded(), false).await
    }

    /// A signed request. A stale timestamp is refused before anything is acted upon, so after re-measuring it is sent once more.
    pub async fn signed<T: for<'de> Deserialize<'de>>(
        &self,
        method: Method,
        path: &str,
        params: impl Fn() -> Params,
    ) -> Result<T, VenueError> {
        let first = self.exchange(method.clone(), path, self.signer.signed(params(), self.venue_ms()), true).await;
        match first {
            Err(VenueError::Refused { code: -1021, .. }) => {
                self.measure().await?;
                self.exchange(method, path, self.signer.signed(params(), self.venue_ms()), true).await
            }
            other => other,
        }
    }

    async fn exchange<T: for<'de> Deserialize<'de>>(
        &self,
        method: Method,
        path: &str,
        text: String,
        with_key: bool,
    ) -> Result<T, VenueError> {
        if let Some(retry_after) = self.budget.banned_for() {
            return Err(VenueError::Throttled { retry_after, banned: true });
        }
        let in_body = method == Method::POST;
        let url = if in_body || text.is_empty() {
            format!("{}{path}", self.http.base)
        } else {
            format!("{}{path}?{text}", self.http.base)
        };
        let mut request = Request::builder().method(method).uri(url);
        if with_key {
            request = request.header("X-MBX-APIKEY", self.signer.api_key());
        }
        let body = if in_body {
            request = request.header("Content-Type", "application/x-www-form-urlencoded");
            Bytes::from(text)
        } else {
            Bytes::new()
        };
        // The message names no URL: a signed one would be in the logs.
        let request =
            request.body(Full::new(body)).map_err(|_| VenueError::NotSent("the request cannot be formed".into()))?;
        let (parts, body) = self.http.send(request).await?;
        self.budget.read(&parts.headers);
        let status = parts.status.as_u16();
        if status == 429 || status == 418 {
            let seconds = parts
                .headers
                .get("retry-after")
                .and_then(|value| value.to_str().ok())
                .and_then(|text| text.parse().ok());
            let retry_after = seconds.map_or(DEFAULT_WAIT, Duration::from_secs);
            self.budget.block(retry_after, status == 418);
            return Err(VenueError::Throttled { retry_after, banned: status == 418 });
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
        serde_json::from_slice(&body)
            .map_err(|error| VenueError::Lost(format!("the venue's answer is unreadable: {error}")))
    }
}

/// What a Binance error code means. -1006 and -1007 are the two that leave the outcome open.
pub fn classify(code: i64, message: String) -> VenueError {
    let says = |text: &str| message.contains(text);
    let reason = match code {
        -1006 | -1007 => return VenueError::Lost(format!("{message} ({code})")),
        -2013 | -2011 if says("Unknown order") || code == -2013 => Reason::NoSuchOrder,
        -1121 => Reason::UnknownSymbol,
        -1015 | -1003 => Reason::OrderRate,
        -1013 if says("LOT_SIZE") => Reason::FilterLot,
        -1013 if says("NOTIONAL") => Reason::FilterNotional,
        -1013 if says("PRICE") => Reason::FilterPrice,
        -2010 | -1013 | -2021 if WOULD_TRIGGER.iter().any(|text| says(text)) => Reason::WouldTrigger,
        -2010 if says("insufficient balance") => Reason::InsufficientBalance,
        -2010 if says("Duplicate order") => Reason::DuplicateOrder,
        _ => Reason::Other,
    };
    VenueError::Refused { reason, code, message }
}

const WOULD_TRIGGER: [&str; 4] = [
    "would trigger immediately",
    "would immediately match and take",
    "would immediately trigger",
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

    #[test]
    fn an_address_must_be_one() {
        assert_eq!(check_address("http://127.0.0.1:1/", &["http"]).unwrap(), "http://127.0.0.1:1");
        assert!(check_address("127.0.0.1:1", &["http", "https"]).is_err());
        assert!(check_address("ws://x", &["http", "https"]).is_err());
    }
}
