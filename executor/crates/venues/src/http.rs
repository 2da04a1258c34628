//! HTTP to a venue: warm connections, no retry of anything by the transport, and an honest word on what a failure means.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::http::response::Parts;
use hyper::{Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use thiserror::Error;

use crate::VenueError;

/// How long an answer may take before it counts as lost.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// Larger than the list of all of Binance's symbols; an answer beyond it is not one of ours.
const LARGEST_ANSWER: usize = 64 << 20;
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
    pub base: String,
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

    /// # Errors
    /// [`VenueError::NotSent`] or [`VenueError::Lost`]; every status the venue answers with is left to the caller.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<(Parts, Bytes), VenueError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_must_be_one() {
        assert_eq!(check_address("http://127.0.0.1:1/", &["http"]).unwrap(), "http://127.0.0.1:1");
        assert!(check_address("127.0.0.1:1", &["http", "https"]).is_err());
        assert!(check_address("ws://x", &["http", "https"]).is_err());
    }
}
