//! What is held, what it cost on average, and what closing it has earned. Method: weighted average cost, fees included.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::filters::SymbolRules;
use crate::order::{Fill, Market, Side};

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Position {
    /// Of the base asset, as far as the fills tell; negative when short (swap).
    pub quantity: Decimal,
    /// What `quantity` cost in the quote asset, fees in base or quote included; of a short, the negative of what it brought in.
    pub cost: Decimal,
    pub realized_pnl: Decimal,
    /// Market time at which it was last flat and then opened.
    pub opened_ms: Option<i64>,
}

impl Position {
    /// At which price closing it would earn nothing, its own fees apart.
    pub fn entry_price(&self) -> Option<Decimal> {
        let price = (!self.quantity.is_zero()).then(|| self.cost / self.quantity);
        price.filter(|price| *price > Decimal::ZERO)
    }

    /// Books a fill. Returns what it earned, fees included, as far as it closed something; `None` where it only opened, or closed
    /// what was not bought here. A fee in a third asset is in the execution's row, not in the profit: its worth is not known here.
    pub fn book(&mut self, side: Side, fill: &Fill, rules: &SymbolRules) -> Option<Decimal> {
        match rules.market {
            Market::Spot => self.book_spot(side, fill, rules),
            Market::Swap => self.book_swap(side, fill, rules),
        }
    }

    fn book_spot(&mut self, side: Side, fill: &Fill, rules: &SymbolRules) -> Option<Decimal> {
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
                let cost = self.share_of_cost(closed);
                // Of a sale larger than what was bought here, only that part has a known cost.
                let share = closed / gone;
                let pnl = (fill.quantity * fill.price - quote_fee) * share - cost;
                self.close(-closed, cost, pnl);
                Some(pnl)
            }
        }
    }

    /// A fill against the position closes it first; what is more than it opens one on the other side.
    fn book_swap(&mut self, side: Side, fill: &Fill, rules: &SymbolRules) -> Option<Decimal> {
        let fee = if fill.fee_asset == rules.quote { fill.fee } else { Decimal::ZERO };
        let sign = match side {
            Side::Buy => Decimal::ONE,
            Side::Sell => Decimal::NEGATIVE_ONE,
        };
        let against = sign * self.quantity < Decimal::ZERO;
        let closed = if against { fill.quantity.min(self.quantity.abs()) } else { Decimal::ZERO };
        let opened = fill.quantity - closed;
        let closing_fee = if opened.is_zero() { fee } else { fee * closed / fill.quantity };
        let pnl = (!closed.is_zero()).then(|| {
            let cost = self.share_of_cost(closed);
            let pnl = -sign * closed * fill.price - closing_fee - cost;
            self.close(sign * closed, cost, pnl);
            pnl
        });
        if !opened.is_zero() {
            if self.quantity.is_zero() {
                self.opened_ms = Some(fill.time_ms);
            }
            self.quantity += sign * opened;
            self.cost += sign * opened * fill.price + (fee - closing_fee);
        }
        pnl
    }

    fn share_of_cost(&self, closed: Decimal) -> Decimal {
        let all = self.quantity.abs();
        if closed == all { self.cost } else { self.cost * closed / all }
    }

    fn close(&mut self, change: Decimal, cost: Decimal, pnl: Decimal) {
        self.quantity += change;
        self.cost -= cost;
        self.realized_pnl += pnl;
        if self.quantity.is_zero() {
            self.opened_ms = None;
        }
    }

    /// Takes the venue's total as the truth, and its entry price where it tells one. More than was known came in at an unknown
    /// cost, which is then taken as the average.
    pub fn agree(&mut self, total: Decimal, entry_price: Option<Decimal>) {
        let is_same_side = total * self.quantity > Decimal::ZERO;
        self.cost = match entry_price {
            Some(price) => total * price,
            None if is_same_side => self.cost * total / self.quantity,
            None => Decimal::ZERO,
        };
        if total.is_zero() {
            self.opened_ms = None;
        }
        self.quantity = total;
    }
}

#[cfg(test)]
#[path = "position_tests.rs"]
mod tests;
