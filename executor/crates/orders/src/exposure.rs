//! What an account has at stake in one symbol, as the guards see it. The sums over working orders are kept up to date order by
//! order: with ten thousand of them open, judging the next one must not mean looking at each.

use std::collections::HashMap;

use rust_decimal::Decimal;

use crate::lifecycle::Tracked;
use crate::order::Side;

/// The account before one order, which is of one side of one symbol.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Exposure {
    pub killed: bool,
    pub paused: bool,
    /// Orders are being cleared out and what is held closed.
    pub flattening: bool,
    /// Spot: base asset, free and locked. Swap: the position, negative when short.
    pub held: Decimal,
    /// Base asset that working exits of the order's side would take (not the protective legs).
    pub closing: Decimal,
    /// Quote value of what working entries of the order's side would still add.
    pub opening_value: Decimal,
    /// Of the account, protective legs not counted.
    pub open_orders: u32,
    pub orders_last_minute: u32,
    /// The symbol's last price, where it is known.
    pub last: Option<Decimal>,
}

/// Working orders of one side of one symbol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Flow {
    /// Base asset that exits would still take.
    closing: Decimal,
    /// Quote value of what entries with a price would still add.
    opening_value: Decimal,
    /// Base asset that entries without a price would still add.
    opening_unpriced: Decimal,
}

/// Sums over an account's working orders, protective legs apart.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Workload {
    open_orders: u32,
    symbols: HashMap<String, [Flow; 2]>,
}

impl Workload {
    /// Counts an order in, as it is now. A finished order or a protective leg counts nothing.
    pub fn add(&mut self, tracked: &Tracked) {
        if counts(tracked) {
            self.open_orders += 1;
            self.change(tracked, Decimal::ONE);
        }
    }

    /// Takes out what [`Workload::add`] counted; the order must not have changed since.
    pub fn remove(&mut self, tracked: &Tracked) {
        if counts(tracked) {
            self.open_orders -= 1;
            self.change(tracked, Decimal::NEGATIVE_ONE);
        }
    }

    fn change(&mut self, tracked: &Tracked, sign: Decimal) {
        let order = &tracked.order;
        if !self.symbols.contains_key(&order.symbol) {
            self.symbols.insert(order.symbol.clone(), [Flow::default(); 2]);
        }
        let Some(flows) = self.symbols.get_mut(&order.symbol) else { return };
        let (flow, remaining) = (&mut flows[index(order.side)], sign * tracked.remaining());
        match (order.is_entry(), order.reference_price(None)) {
            (false, _) => flow.closing += remaining,
            (true, Some(price)) => flow.opening_value += remaining * price,
            (true, None) => flow.opening_unpriced += remaining,
        }
    }

    pub fn open_orders(&self) -> u32 {
        self.open_orders
    }

    /// Base asset that working exits of this side would take.
    pub fn closing(&self, symbol: &str, side: Side) -> Decimal {
        self.symbols.get(symbol).map(|flows| flows[index(side)].closing).unwrap_or_default()
    }

    /// Quote value of what working entries of this side would add; those without a price are valued at `last`.
    pub fn opening_value(&self, symbol: &str, side: Side, last: Option<Decimal>) -> Decimal {
        let Some(flow) = self.symbols.get(symbol).map(|flows| flows[index(side)]) else { return Decimal::ZERO };
        flow.opening_value + flow.opening_unpriced * last.unwrap_or_default()
    }
}

fn counts(tracked: &Tracked) -> bool {
    tracked.is_working() && tracked.order.parent.is_none()
}

fn index(side: Side) -> usize {
    match side {
        Side::Buy => 0,
        Side::Sell => 1,
    }
}
