//! A swap account's position in one symbol, and what its positions and orders ask of its wallet.

use rust_decimal::Decimal;

use super::order::{Side, Window};
use super::venue::Venue;

/// One-way mode: one signed position a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Base units: above zero long, below zero short.
    pub quantity: Decimal,
    /// Quote units that the quantity was entered for, with its sign. Kept instead of a price, so that no digit is lost.
    pub(crate) cost: Decimal,
    /// Profit taken since the account began, before fees.
    pub realized: Decimal,
    pub leverage: u32,
    pub updated_ms: i64,
    /// What a position that changed during a bar may still see of it; none: all.
    pub(crate) window: Option<Window>,
}

impl Position {
    pub(crate) fn new(leverage: u32) -> Self {
        Self {
            quantity: Decimal::ZERO,
            cost: Decimal::ZERO,
            realized: Decimal::ZERO,
            leverage,
            updated_ms: 0,
            window: None,
        }
    }

    /// Average price of entry; zero without a position.
    #[must_use]
    pub fn entry_price(&self) -> Decimal {
        if self.quantity.is_zero() { Decimal::ZERO } else { (self.cost / self.quantity).round_dp(8) }
    }

    #[must_use]
    pub fn unrealized(&self, mark: Decimal) -> Decimal {
        self.quantity * mark - self.cost
    }

    /// How much an order of this side can take off the position.
    pub(crate) fn reducible(&self, side: Side) -> Decimal {
        let reduces = match side {
            Side::Buy => self.quantity < Decimal::ZERO,
            Side::Sell => self.quantity > Decimal::ZERO,
        };
        if reduces { self.quantity.abs() } else { Decimal::ZERO }
    }

    /// Books a trade and gives the profit that it realized. A trade beyond the position turns it round.
    pub(crate) fn trade(&mut self, side: Side, quantity: Decimal, price: Decimal) -> Decimal {
        let closing = self.reducible(side).min(quantity);
        let mut realized = Decimal::ZERO;
        if !closing.is_zero() {
            let held = self.quantity.abs();
            let part = if closing == held { self.cost } else { (self.cost * closing / held).round_dp(8) };
            realized = -side.signed(closing) * price - part;
            self.quantity += side.signed(closing);
            self.cost -= part;
            self.realized += realized;
        }
        let opening = side.signed(quantity - closing);
        self.quantity += opening;
        self.cost += opening * price;
        realized
    }
}

/// A swap account in quote units, at the last prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Margin {
    /// Deposits, realized profit, fees and funding.
    pub wallet: Decimal,
    pub unrealized: Decimal,
    pub positions: Decimal,
    pub open_orders: Decimal,
    pub maintenance: Decimal,
}

impl Margin {
    /// What new positions may use.
    #[must_use]
    pub fn available(&self) -> Decimal {
        (self.wallet + self.unrealized - self.initial()).max(Decimal::ZERO)
    }

    #[must_use]
    pub fn initial(&self) -> Decimal {
        self.positions + self.open_orders
    }
}

/// An order that is not in the book yet, as far as margin is concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planned {
    pub market: usize,
    pub side: Side,
    pub notional: Decimal,
}

impl Venue {
    /// The account's margin; zero where it trades spot.
    #[must_use]
    pub fn margin(&self, account: usize) -> Margin {
        self.margin_with(account, None)
    }

    pub(crate) fn margin_with(&self, account: usize, planned: Option<Planned>) -> Margin {
        let holder = &self.accounts[account];
        let mut sum = Margin {
            wallet: self.wallet(account),
            unrealized: Decimal::ZERO,
            positions: Decimal::ZERO,
            open_orders: Decimal::ZERO,
            maintenance: Decimal::ZERO,
        };
        for market in 0..self.markets.len() {
            let position = holder.positions.get(&market).copied();
            let leverage = Decimal::from(self.leverage(account, market));
            let mark = self.markets[market].last_price.unwrap_or_default();
            let held = position.map_or(Decimal::ZERO, |position| position.quantity * mark);
            sum.unrealized += position.map_or(Decimal::ZERO, |position| position.unrealized(mark));
            sum.positions += held.abs() / leverage;
            sum.maintenance += held.abs() * self.swap_rules().maintenance_margin;
            let (buys, sells) = self.working_notional(account, market, planned);
            // As Binance counts: the dearer of what all buys, or all sells, would make of the position.
            let worst = (held + buys).abs().max((held - sells).abs());
            sum.open_orders += (worst - held.abs()).max(Decimal::ZERO) / leverage;
        }
        sum
    }

    /// Notionals of the buys and of the sells that could enlarge a position: no conditional ones, no reduce-only ones.
    fn working_notional(&self, account: usize, market: usize, planned: Option<Planned>) -> (Decimal, Decimal) {
        let (mut buys, mut sells) = (Decimal::ZERO, Decimal::ZERO);
        let mut add = |side, notional| match side {
            Side::Buy => buys += notional,
            Side::Sell => sells += notional,
        };
        let at = &self.markets[market];
        for order in at.open.iter().map(|&id| self.order(id)) {
            if order.account == account && order.working && !order.reduce_only {
                add(order.side, order.remaining() * order.price.or(at.last_price).unwrap_or_default());
            }
        }
        if let Some(planned) = planned.filter(|planned| planned.market == market) {
            add(planned.side, planned.notional);
        }
        (buys, sells)
    }

    /// The price of this symbol at which the account's margin falls to the maintenance margin, the others' standing still.
    #[must_use]
    pub fn liquidation_price(&self, account: usize, market: usize) -> Option<Decimal> {
        let position = self.accounts[account].positions.get(&market).filter(|held| !held.quantity.is_zero())?;
        let mark = self.markets[market].last_price?;
        let rate = self.swap_rules().maintenance_margin;
        let all = self.margin(account);
        let (quantity, size) = (position.quantity, position.quantity.abs());
        // wallet + other profit + q * p - cost = other maintenance + |q| * p * rate, solved for p.
        let others = all.wallet + all.unrealized - position.unrealized(mark);
        let maintenance = all.maintenance - size * mark * rate;
        let price = (maintenance - others + position.cost) / (quantity - size * rate);
        (price > Decimal::ZERO).then(|| price.round_dp(8))
    }
}
