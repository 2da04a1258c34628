//! A request as it is sent: signed, complete, not yet on its way.

use bytes::Bytes;
use hmac::{Hmac, Mac};
use http_body_util::Full;
use hyper::Method;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::VenueError;

/// Its headers carry the account's key: deliberately not `Debug`.
pub struct Request {
    pub method: Method,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<String>,
}

impl Request {
    /// A request that needs no key.
    pub fn public(url: String) -> Self {
        Self { method: Method::GET, url, headers: Vec::new(), body: None }
    }

    pub fn into_http(self) -> Result<hyper::Request<Full<Bytes>>, VenueError> {
        let mut builder = hyper::Request::builder().method(self.method).uri(self.url);
        for (name, value) in self.headers {
            builder = builder.header(name, value);
        }
        // The message names neither URL nor headers: they would be in the logs.
        builder
            .body(Full::new(Bytes::from(self.body.unwrap_or_default())))
            .map_err(|_| VenueError::NotSent("the request cannot be formed".into()))
    }
}

/// An account's secret key; deliberately neither `Debug` nor `Clone`.
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// HMAC-SHA256 over `parts`, one after another.
    pub fn sign(&self, parts: &[&str]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}
