//! Decimal amounts: how they are cut and written.

use rust_decimal::Decimal;

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
