//! Decimal amounts: how they are cut, written and read.

use std::fmt;

use rust_decimal::Decimal;
use serde::de::{Deserializer, Error, Visitor};
use serde::ser::Serializer;

/// Decimals of every amount the venue books, as at Binance.
const PLACES: u32 = 8;

/// Cuts an amount to 8 decimals, towards zero.
pub(crate) fn truncated(amount: Decimal) -> Decimal {
    amount.trunc_with_scale(PLACES)
}

/// The largest multiple of `step` that is not above `quantity`.
pub(crate) fn down_to_step(quantity: Decimal, step: Decimal) -> Decimal {
    quantity - quantity % step
}

/// The smallest multiple of `step` that is not below `quantity`.
pub(crate) fn up_to_step(quantity: Decimal, step: Decimal) -> Decimal {
    let below = down_to_step(quantity, step);
    if below == quantity { below } else { below + step }
}

/// Writes an amount as Binance does, with 8 decimals; more only where it has more, so no digit is lost.
#[must_use]
pub fn fixed8(amount: Decimal) -> String {
    let amount = amount.normalize();
    if amount.scale() > PLACES {
        return amount.to_string();
    }
    format!("{amount:.8}")
}

/// Writes an amount with the digits it has and no trailing zeros.
#[must_use]
pub fn plain(amount: Decimal) -> String {
    amount.normalize().to_string()
}

/// For `#[serde(with)]`: an amount as a string, every digit kept. A JSON number would pass through a float.
pub mod text {
    use super::*;

    pub fn serialize<S: Serializer>(amount: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(amount)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
        deserializer.deserialize_str(Amount)
    }

    struct Amount;

    impl Visitor<'_> for Amount {
        type Value = Decimal;

        fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
            formatter.write_str("a decimal in a string, such as \"0.01\"")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Decimal, E> {
            Decimal::from_str_exact(text)
                .map_err(|_| E::custom(format!("{text:?} is not a decimal of at most 28 digits")))
        }
    }
}
