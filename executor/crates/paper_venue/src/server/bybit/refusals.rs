//! The engine's "no" in Bybit's codes.

use crate::engine::{Product, Refusal};

/// Code and message of a `retCode` that is not 0.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    pub code: i64,
    pub message: String,
}

impl Bad {
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A parameter that cannot be used.
    pub fn parameter(message: impl Into<String>) -> Self {
        Self::new(10_001, message)
    }
}

/// Spot and linear have codes of their own for the same things.
pub(crate) fn translated(refusal: Refusal, product: Product) -> Bad {
    let of = |spot: i64, linear: i64| if product == Product::Spot { spot } else { linear };
    let has = |text: &str| refusal.msg.contains(text);
    let code = match refusal.code {
        -2019 => 110_007,
        -2022 => 110_017,
        -2011 | -2013 => of(170_213, 110_001),
        -2010 if has("insufficient balance") => of(170_131, 110_007),
        -2010 if has("Duplicate order") => of(170_141, 110_072),
        -2010 if has("immediately match") => of(170_218, 110_003),
        _ if has("Duplicate") => of(170_141, 110_072),
        _ if has("trigger immediately") => 110_092,
        _ if has("NOTIONAL") => of(170_140, 110_094),
        _ if has("LOT_SIZE") => of(170_137, 10_001),
        _ if has("PRICE") => of(170_134, 110_003),
        _ => 10_001,
    };
    let message = if refusal.code == -1121 { "Not supported symbols".to_owned() } else { refusal.msg };
    Bad { code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_the_codes_of_their_book() {
        let code = |refusal: Refusal, product| translated(refusal, product).code;
        assert_eq!(code(Refusal::insufficient_balance(), Product::Spot), 170_131);
        assert_eq!(code(Refusal::margin(), Product::Swap), 110_007);
        assert_eq!(code(Refusal::filter("LOT_SIZE"), Product::Spot), 170_137);
        assert_eq!(code(Refusal::filter("NOTIONAL"), Product::Swap), 110_094);
        assert_eq!(code(Refusal::no_such_order(), Product::Swap), 110_001);
        assert_eq!(code(Refusal::reduce_only(), Product::Swap), 110_017);
        assert_eq!(code(Refusal::new(-2010, "Stop price would trigger immediately."), Product::Spot), 110_092);
    }
}
