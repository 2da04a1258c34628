//! OKX's signature: over timestamp, method, path and body, in base64; and the passphrase beside it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::params::Params;
use crate::request::{Request, Secret};

/// Holds the account's keys; deliberately neither `Debug` nor `Clone`.
pub struct Signer {
    api_key: Zeroizing<String>,
    secret: Secret,
    passphrase: Zeroizing<String>,
    /// For demo trading, which lives at the same address.
    is_demo: bool,
}

impl Signer {
    pub fn new(api_key: String, secret: String, passphrase: String, is_demo: bool) -> Self {
        Self {
            api_key: Zeroizing::new(api_key),
            secret: Secret::new(secret),
            passphrase: Zeroizing::new(passphrase),
            is_demo,
        }
    }

    pub fn get(&self, base: &str, path: &str, params: &Params, timestamp_ms: i64) -> Request {
        let query = params.encoded();
        let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let headers = self.headers("GET", &target, "", timestamp_ms);
        Request { method: Method::GET, url: format!("{base}{target}"), headers, body: None }
    }

    pub fn post(&self, base: &str, path: &str, body: &impl Serialize, timestamp_ms: i64) -> Request {
        let body = serde_json::to_string(body).expect("a request's body is always JSON");
        let mut headers = self.headers("POST", path, &body, timestamp_ms);
        headers.push(("Content-Type", "application/json".into()));
        Request { method: Method::POST, url: format!("{base}{path}"), headers, body: Some(body) }
    }

    /// The arguments of a WebSocket's `login`.
    pub fn login(&self, timestamp_ms: i64) -> serde_json::Value {
        let timestamp = (timestamp_ms / 1000).to_string();
        let signature = STANDARD.encode(self.secret.sign(&[&timestamp, "GET/users/self/verify"]));
        serde_json::json!({"apiKey": *self.api_key, "passphrase": *self.passphrase, "timestamp": timestamp,
            "sign": signature})
    }

    fn headers(&self, method: &str, target: &str, body: &str, timestamp_ms: i64) -> Vec<(&'static str, String)> {
        let timestamp = iso8601(timestamp_ms);
        let signature = self.secret.sign(&[&timestamp, method, target, body]);
        let mut headers = vec![
            ("OK-ACCESS-KEY", self.api_key.to_string()),
            ("OK-ACCESS-PASSPHRASE", self.passphrase.to_string()),
            ("OK-ACCESS-TIMESTAMP", timestamp),
            ("OK-ACCESS-SIGN", STANDARD.encode(signature)),
        ];
        if self.is_demo {
            headers.push(("x-simulated-trading", "1".into()));
        }
        headers
    }
}

/// `2023-11-14T22:13:20.000Z`. The date by counting in years that begin in March, so that a leap day is a year's last.
fn iso8601(timestamp_ms: i64) -> String {
    let (days, ms) = (timestamp_ms.div_euclid(86_400_000), timestamp_ms.rem_euclid(86_400_000));
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    let since_0000_03_01 = days + 719_468;
    let era = since_0000_03_01.div_euclid(146_097);
    let day_of_era = since_0000_03_01.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::iso8601;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(iso8601(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso8601(1_700_000_000_000), "2023-11-14T22:13:20.000Z");
        assert_eq!(iso8601(1_709_251_199_999), "2024-02-29T23:59:59.999Z");
        assert_eq!(iso8601(1_709_251_200_000), "2024-03-01T00:00:00.000Z");
        assert_eq!(iso8601(1_798_761_600_001), "2027-01-01T00:00:00.001Z");
        assert_eq!(iso8601(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }
}
