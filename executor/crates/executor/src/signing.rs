//! `executor sign`: the request that a venue's client would send for one recorded call, for comparison with another client's.

use std::path::Path;

use orders::Market;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use venues::{Keys, Protocol};

/// One case of the recorded requests; further fields are its own affair.
#[derive(Deserialize)]
struct Case {
    exchange: Protocol,
    /// The clock, milliseconds.
    timestamp: i64,
    credentials: Keys,
    method: String,
    input: Vec<Value>,
}

/// Prints `{method, url, headers, body}` of the case in the file.
///
/// # Errors
/// A text naming what cannot be read or signed.
pub fn sign(venue: &str, market: &str, path: &Path) -> Result<(), String> {
    let word = |name: &str, text: &str| format!("--{name} {text}: not among those of --help");
    let protocol: Protocol = serde_json::from_value(venue.into()).map_err(|_| word("venue", venue))?;
    let market: Market = serde_json::from_value(market.into()).map_err(|_| word("market", market))?;
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let case: Case = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    if case.exchange != protocol {
        return Err(format!("{}: it is a case of another venue than {venue}", path.display()));
    }
    let request = venues::sign(protocol, market, case.credentials, case.timestamp, &case.method, &case.input)?;
    let headers: Map<String, Value> =
        request.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let shown =
        json!({"method": request.method.as_str(), "url": request.url, "headers": headers, "body": request.body});
    println!("{shown}");
    Ok(())
}
