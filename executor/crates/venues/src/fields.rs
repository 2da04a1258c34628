//! Numbers as Bybit and OKX write them: as text, and an empty text where there is none.

use std::borrow::Cow;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A number without trailing zeros, never in scientific notation.
pub fn number(value: Decimal) -> String {
    value.normalize().to_string()
}

/// For `deserialize_with`, together with `default`: the number, or `None` where the text is empty.
pub fn maybe<'de, T: FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let text: Option<Cow<'de, str>> = Option::deserialize(deserializer)?;
    match text.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| D::Error::custom(format!("{text:?} is not a number"))),
    }
}

/// For `deserialize_with`, together with `default`: the number, or zero where the text is empty.
pub fn or_zero<'de, T: FromStr + Default, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    maybe(deserializer).map(Option::unwrap_or_default)
}
