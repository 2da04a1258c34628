//! Decimal amounts: how they are cut, written and read.

use std::fmt;

use rust_decimal::Decimal;
use serde::de::{Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

/// Decimals of every amount the venue books, as at Binance.
const PLACES: u32 = 8;
const UNIT: u64 = 10_u64.pow(PLACES);

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
    Fixed8(amount).to_string()
}

/// An amount written as [`fixed8`] does.
pub struct Fixed8(pub Decimal);

impl fmt::Display for Fixed8 {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let Self(amount) = self;
        // Nearly every amount: few digits, so that no wide division is needed.
        if let (Some(shift), Ok(digits)) = (PLACES.checked_sub(amount.scale()), i64::try_from(amount.mantissa()))
            && let Some(units) = digits.checked_mul(10_i64.pow(shift))
        {
            let sign = if units < 0 { "-" } else { "" };
            let (whole, part) = (units.unsigned_abs() / UNIT, units.unsigned_abs() % UNIT);
            return write!(formatter, "{sign}{whole}.{part:08}");
        }
        let amount = amount.normalize();
        if amount.scale() > PLACES { write!(formatter, "{amount}") } else { write!(formatter, "{amount:.8}") }
    }
}

impl Serialize for Fixed8 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_amount_is_written_with_eight_decimals_and_no_digit_is_lost(digits in any::<i64>(), scale in 0_u32..=12) {
            let amount = Decimal::new(digits, scale);
            let text = fixed8(amount);
            prop_assert_eq!(text.parse::<Decimal>().unwrap(), amount);
            let decimals = text.split_once('.').unwrap().1.len();
            prop_assert!(decimals == 8 || (decimals > 8 && !text.ends_with('0')), "{}", text);
        }
    }

    #[test]
    fn amounts_are_written_as_binance_writes_them() {
        for (amount, text) in [
            ("0", "0.00000000"),
            ("45000", "45000.00000000"),
            ("-0.5", "-0.50000000"),
            ("0.000000001", "0.000000001"),
            ("0.010000000000", "0.01000000"),
            ("922337203685477580700", "922337203685477580700.00000000"),
        ] {
            assert_eq!(fixed8(amount.parse().unwrap()), text);
        }
    }
}
