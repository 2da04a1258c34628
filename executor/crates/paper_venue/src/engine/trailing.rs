//! Trailing stops: a stop price that follows the best price seen.

use rust_decimal::Decimal;

use super::money::{down_to_step, up_to_step};
use super::order::{Order, Side};

/// A stop that keeps a distance from the best price since it was activated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailing {
    /// The distance, as a fraction of the best price.
    pub callback: Decimal,
    /// Follows from this price on; none: from the first.
    pub activation: Option<Decimal>,
    /// None: not activated yet.
    pub(crate) best: Option<Decimal>,
}

impl Trailing {
    /// The distance as spot's `trailingDelta` has it.
    #[must_use]
    pub fn basis_points(&self) -> Decimal {
        (self.callback * Decimal::from(10_000)).normalize()
    }
}

impl Order {
    /// A trailing stop takes notice of a price. Once it is triggered it follows no more.
    pub(crate) fn follow(&mut self, price: Decimal, tick: Decimal) {
        let (side, working) = (self.side, self.working);
        let Some(trailing) = self.trailing.as_mut().filter(|_| !working) else { return };
        let beyond = |level: Decimal| if side == Side::Sell { price >= level } else { price <= level };
        if trailing.best.is_none() && trailing.activation.is_some_and(|level| !beyond(level)) {
            return;
        }
        if trailing.best.is_some_and(|best| !beyond(best)) {
            return;
        }
        trailing.best = Some(price);
        // To the tick on the far side, so that the distance is never less than what was asked for.
        let stop = match side {
            Side::Sell => down_to_step(price * (Decimal::ONE - trailing.callback), tick),
            Side::Buy => up_to_step(price * (Decimal::ONE + trailing.callback), tick),
        };
        self.stop_price = Some(stop.max(tick));
    }
}
