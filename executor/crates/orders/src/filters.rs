//! A symbol's trading rules, and the check that an order keeps them. Nothing is rounded here: an order that is too precise is refused,
//! because a price or quantity that differs from what was decided is a different decision.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::guards::{Code, Refusal};
use crate::order::{Kind, Market, Order};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SymbolRules {
    pub symbol: String,
    #[serde(default)]
    pub market: Market,
    pub base: String,
    pub quote: String,
    /// Zero where the venue has no such rule. Quantities are of the base asset, also where a venue counts in contracts.
    pub tick: Decimal,
    pub min_price: Decimal,
    pub max_price: Decimal,
    pub step: Decimal,
    pub min_quantity: Decimal,
    pub max_quantity: Decimal,
    pub market_max_quantity: Decimal,
    pub min_notional: Decimal,
}

impl SymbolRules {
    /// The largest tradable quantity that is not above `quantity`.
    pub fn floor_quantity(&self, quantity: Decimal) -> Decimal {
        if self.step.is_zero() { quantity } else { (quantity / self.step).floor() * self.step }
    }

    /// Whether an exit of this size could be placed at all.
    pub fn is_tradable(&self, quantity: Decimal, price: Decimal) -> bool {
        let is_worth_it = self.market == Market::Swap || quantity * price >= self.min_notional;
        quantity > Decimal::ZERO && quantity >= self.min_quantity && is_worth_it
    }

    /// Refuses what the venue would refuse. `last` values a market order; without it the notional is left to the venue.
    pub fn check(&self, order: &Order, last: Option<Decimal>) -> Result<(), Refusal> {
        let prices = [
            ("price", order.price),
            ("stop_price", order.stop_price),
            ("stop_loss", order.stop_loss),
            ("take_profit", order.take_profit),
        ];
        for (name, price) in prices.into_iter().filter_map(|(name, price)| price.map(|p| (name, p))) {
            self.check_price(name, price)?;
        }
        self.check_lot(order)?;
        // What reduces a swap position may be as small as what is left of it.
        let is_exempt = self.market == Market::Swap && order.reduce_only;
        if let Some(price) = order.reference_price(last).filter(|_| !is_exempt) {
            let notional = order.quantity * price;
            if notional < self.min_notional {
                return Err(Refusal::new(
                    Code::FilterNotional,
                    format!("{notional} {} is below the smallest order of {}", self.quote, self.min_notional),
                ));
            }
        }
        Ok(())
    }

    fn check_price(&self, name: &str, price: Decimal) -> Result<(), Refusal> {
        let refuse = |why: String| Err(Refusal::new(Code::FilterPrice, format!("{name} {price} {why}")));
        if price <= Decimal::ZERO {
            return refuse("must be above zero".into());
        }
        if price < self.min_price {
            return refuse(format!("is below the lowest price {}", self.min_price));
        }
        if !self.max_price.is_zero() && price > self.max_price {
            return refuse(format!("is above the highest price {}", self.max_price));
        }
        if !is_multiple(price, self.tick) {
            return refuse(format!("is not a multiple of the tick {}", self.tick));
        }
        Ok(())
    }

    fn check_lot(&self, order: &Order) -> Result<(), Refusal> {
        let quantity = order.quantity;
        let refuse = |why: String| Err(Refusal::new(Code::FilterLot, format!("quantity {quantity} {why}")));
        if quantity <= Decimal::ZERO {
            return refuse("must be above zero".into());
        }
        if quantity < self.min_quantity {
            return refuse(format!("is below the smallest quantity {}", self.min_quantity));
        }
        let most = if order.kind == Kind::Market && !self.market_max_quantity.is_zero() {
            self.market_max_quantity
        } else {
            self.max_quantity
        };
        if !most.is_zero() && quantity > most {
            return refuse(format!("is above the largest quantity {most}"));
        }
        if !is_multiple(quantity, self.step) {
            return refuse(format!("is not a multiple of the step {}", self.step));
        }
        Ok(())
    }
}

fn is_multiple(value: Decimal, unit: Decimal) -> bool {
    unit.is_zero() || (value % unit).is_zero()
}
