//! What is held, what it cost on average, and what closing it has earned. Method: weighted average cost.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::filters::SymbolRules;
use crate::order::{Fill, Side};

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Position {
    /// Of the base asset, as far as the fills tell; the venue's balance is the truth about the total.
    pub quantity: Decimal,
    /// What `quantity` cost in the quote asset, fees in base or quote included.
    pub cost: Decimal,
    pub realized_pnl: Decimal,
    /// Market time at which it was last flat and then opened.
    pub opened_ms: Option<i64>,
}

impl Position {
    pub fn entry_price(&self) -> Option<Decimal> {
        (self.quantity > Decimal::ZERO && self.cost > Decimal::ZERO).then(|| self.cost / self.quantity)
    }

    /// Books a fill. Returns what a sale earned, fees included; `None` for a buy and for a sale of what was not bought here.
    /// A fee in a third asset is in the execution's row, not in the profit: its worth is not known here.
    pub fn book(&mut self, side: Side, fill: &Fill, rules: &SymbolRules) -> Option<Decimal> {
        let base_fee = if fill.fee_asset == rules.base { fill.fee } else { Decimal::ZERO };
        let quote_fee = if fill.fee_asset == rules.quote { fill.fee } else { Decimal::ZERO };
        match side {
            Side::Buy => {
                if self.quantity.is_zero() {
                    self.opened_ms = Some(fill.time_ms);
                }
                self.quantity += fill.quantity - base_fee;
                self.cost += fill.quantity * fill.price + quote_fee;
                None
            }
            Side::Sell => {
                if self.quantity <= Decimal::ZERO {
                    return None;
                }
                let gone = fill.quantity + base_fee;
                let closed = gone.min(self.quantity);
                let cost = if closed == self.quantity { self.cost } else { self.cost * closed / self.quantity };
                // Of a sale larger than what was bought here, only that part has a known cost.
                let share = closed / gone;
                let pnl = (fill.quantity * fill.price - quote_fee) * share - cost;
                self.quantity -= closed;
                self.cost -= cost;
                self.realized_pnl += pnl;
                if self.quantity.is_zero() {
                    self.opened_ms = None;
                }
                Some(pnl)
            }
        }
    }

    /// Takes the venue's total as the truth. More than was known came in at an unknown cost, which is taken as the average.
    pub fn agree(&mut self, total: Decimal) {
        if total <= Decimal::ZERO {
            self.cost = Decimal::ZERO;
            self.opened_ms = None;
        } else if self.quantity > Decimal::ZERO {
            self.cost = self.cost * total / self.quantity;
        }
        self.quantity = total;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> SymbolRules {
        crate::guards::tests::rules()
    }

    fn fill(quantity: &str, price: &str, fee: &str, fee_asset: &str) -> Fill {
        Fill {
            trade_id: "1".into(),
            quantity: quantity.parse().unwrap(),
            price: price.parse().unwrap(),
            fee: fee.parse().unwrap(),
            fee_asset: fee_asset.into(),
            is_maker: false,
            time_ms: 7,
        }
    }

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn a_round_trip_earns_the_difference_less_both_fees() {
        let mut position = Position::default();
        assert_eq!(position.book(Side::Buy, &fill("0.1", "100", "0.0001", "BTC"), &rules()), None);
        assert_eq!(position.quantity, decimal("0.0999"));
        assert_eq!(position.opened_ms, Some(7));
        let pnl = position.book(Side::Sell, &fill("0.0999", "110", "0.010989", "USDT"), &rules()).unwrap();
        assert_eq!(pnl, decimal("10.989") - decimal("0.010989") - decimal("10"));
        assert_eq!(position, Position { realized_pnl: pnl, ..Position::default() });
    }

    #[test]
    fn the_entry_price_is_the_weighted_average() {
        let mut position = Position::default();
        position.book(Side::Buy, &fill("1", "100", "0", "BNB"), &rules());
        position.book(Side::Buy, &fill("3", "200", "0", "BNB"), &rules());
        assert_eq!(position.entry_price(), Some(decimal("175")));
        position.book(Side::Sell, &fill("2", "175", "0", "BNB"), &rules());
        assert_eq!(position.entry_price(), Some(decimal("175")));
        assert_eq!(position.realized_pnl, Decimal::ZERO);
    }

    #[test]
    fn a_sale_of_what_was_not_bought_here_has_no_profit_and_never_goes_negative() {
        let mut position = Position::default();
        assert_eq!(position.book(Side::Sell, &fill("1", "100", "0", "USDT"), &rules()), None);
        assert_eq!(position.quantity, Decimal::ZERO);
        position.book(Side::Buy, &fill("1", "100", "0", "USDT"), &rules());
        assert_eq!(position.book(Side::Sell, &fill("2", "120", "0", "USDT"), &rules()), Some(decimal("20")));
        assert_eq!(position.quantity, Decimal::ZERO);
    }
}
