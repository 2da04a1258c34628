//! What happens to a position whose account cannot carry it any more.

use rust_decimal::Decimal;

use super::events::Execution;
use super::input::NewOrder;
use super::order::{Approach, OrderId, Side, Status, Window};
use super::swap::MARGIN_ASSET;
use super::venue::Venue;

/// Client order ids of liquidations begin with it, as at Binance.
pub const AUTOCLOSE: &str = "autoclose-";

impl Venue {
    /// Liquidates, at `price`, every position of the symbol that its account cannot carry there.
    pub(crate) fn liquidate_at(&mut self, market: usize, price: Decimal) {
        for account in 0..self.accounts.len() {
            if self.liquidation_before(account, market, price).is_some() {
                self.liquidate(account, market, price);
            }
        }
    }

    /// Liquidates, at its own price, every position whose liquidation price lies within what it can see of the bar.
    pub(crate) fn liquidate_within(&mut self, market: usize, bar: Window, close: Decimal) {
        for account in 0..self.accounts.len() {
            let Some(position) = self.position(account, market) else { continue };
            let seen = position.window.unwrap_or(bar);
            let (worst, approach) = if position.quantity > Decimal::ZERO {
                (seen.low, Approach::Falling)
            } else {
                (seen.high, Approach::Rising)
            };
            let Some(price) = self.liquidation_before(account, market, worst) else { continue };
            // A position that was entered beyond its liquidation price goes at the nearest price that it saw.
            let price = price.clamp(seen.low, seen.high);
            self.liquidate(account, market, price);
            self.narrow(market, approach, price, close, seen);
        }
    }

    /// The account's liquidation price, where a move to `price` would pass it.
    pub(crate) fn liquidation_before(&self, account: usize, market: usize, price: Decimal) -> Option<Decimal> {
        if !self.is_swap(account) {
            return None;
        }
        let long = self.position(account, market)?.quantity > Decimal::ZERO;
        let liquidation = self.liquidation_price(account, market)?;
        let passed = if long { price <= liquidation } else { price >= liquidation };
        passed.then_some(liquidation)
    }

    pub(crate) fn liquidate(&mut self, account: usize, market: usize, price: Decimal) {
        for id in self.markets[market].open.clone() {
            if self.order(id).account != account {
                continue;
            }
            let client_id = self.order(id).client_id.clone();
            self.close(id, Status::Canceled);
            self.report(id, Execution::Canceled { client_id });
        }
        let Some(quantity) = self.position(account, market).map(|held| held.quantity) else { return };
        let next: OrderId = self.orders.len() as OrderId + 1;
        let order = NewOrder {
            quantity: Some(quantity.abs()),
            client_id: Some(format!("{AUTOCLOSE}{next}")),
            reduce_only: true,
            ..NewOrder::market(self.symbol_of(market), if quantity > Decimal::ZERO { Side::Sell } else { Side::Buy })
        };
        let id = self.insert(account, market, &order, None, Decimal::ZERO);
        self.report(id, Execution::New);
        let rate = self.swap_rules().liquidation_fee;
        self.trade_swap(id, price, quantity.abs(), false, rate);
        let flat = self.accounts[account].positions.values().all(|held| held.quantity.is_zero());
        let wallet = self.wallet(account);
        if flat && wallet < Decimal::ZERO {
            // Nobody loses more than the wallet: the insurance fund pays the rest.
            let holder = &mut self.accounts[account];
            holder.insured -= wallet;
            holder.balance_mut(MARGIN_ASSET).free = Decimal::ZERO;
            self.report_swap_account(account, &[market], "INSURANCE_CLEAR", -wallet);
        }
    }
}
