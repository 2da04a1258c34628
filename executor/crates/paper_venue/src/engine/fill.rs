//! What a fill, an expiry or a trigger does to the order, its account and its list.

use rust_decimal::Decimal;

use super::events::Execution;
use super::market::PublicTrade;
use super::money::{down_to_step, truncated};
use super::order::{Order, OrderId, Side, Status, Trade};
use super::venue::Venue;

impl Venue {
    /// Fills what `capacity` allows of the order at `price`; tells whether anything happened.
    ///
    /// A buy that its account cannot pay at this price expires.
    pub(crate) fn fill(&mut self, id: OrderId, price: Decimal, maker: bool, capacity: &mut Option<Decimal>) -> bool {
        let order = self.order(id);
        let (account, market, side) = (order.account, order.market, order.side);
        if self.is_swap(account) {
            return self.fill_swap(id, price, maker, capacity);
        }
        let rules = self.markets[market].rules.clone();
        let wanted = match order.quote_quantity {
            Some(quote) => down_to_step(quote / price, rules.step),
            None => order.remaining(),
        };
        let quantity = match *capacity {
            Some(left) => wanted.min(down_to_step(left, rules.step)),
            None => wanted,
        };
        if quantity.is_zero() && !wanted.is_zero() {
            return false;
        }
        self.end_sibling(id);
        let order = self.order(id);
        let cost = price * quantity;
        let funds = order.locked + self.accounts[account].balance(&rules.quote).free;
        if quantity.is_zero() || (side == Side::Buy && cost > funds) {
            self.expire(id);
            self.report_account(account, market);
            return true;
        }
        if let Some(left) = capacity {
            *left -= quantity;
        }

        let fees = self.fees();
        let rate = if maker { fees.maker } else { fees.taker };
        let (fee, fee_asset) = match side {
            Side::Buy => (truncated(quantity * rate), rules.base.clone()),
            Side::Sell => (truncated(cost * rate), rules.quote.clone()),
        };
        let (trade_id, clock_ms) = (self.next_trade_id(), self.clock_ms);
        let order = self.order_mut(id);
        if order.quote_quantity.is_some() {
            // Now that the price is known, so is the quantity; a rest within a capacity would wait for the next open.
            order.quantity = wanted;
            order.quote_quantity = None;
            order.lock_price = price;
        }
        order.filled += quantity;
        order.quote_filled += cost;
        order.status = if order.remaining().is_zero() { Status::Filled } else { Status::PartiallyFilled };
        order.updated_ms = clock_ms;
        order.working = true;
        order.working_ms.get_or_insert(clock_ms);
        let lock_before = order.locked;
        order.locked = order.lock_left(lock_before, funds, cost);
        let lock_change = order.locked - lock_before;
        let done = !order.is_open();

        let holder = &mut self.accounts[account];
        match side {
            Side::Buy => {
                let quote = holder.balance_mut(&rules.quote);
                quote.locked += lock_change;
                quote.free -= cost + lock_change;
                holder.balance_mut(&rules.base).free += quantity - fee;
            }
            Side::Sell => {
                holder.balance_mut(&rules.base).locked += lock_change;
                holder.balance_mut(&rules.quote).free += cost - fee;
            }
        }
        let (time_ms, order) = (clock_ms, id);
        holder.trades.push(Trade {
            id: trade_id,
            order,
            market,
            price,
            quantity,
            fee,
            fee_asset,
            time_ms,
            side,
            maker,
            realized: Decimal::ZERO,
        });
        let buyer_is_maker = (side == Side::Buy) == maker;
        let print = PublicTrade { id: trade_id, price, quantity, time_ms, buyer_is_maker };
        self.print_own(market, print);
        if done {
            self.markets[market].open.remove(&id);
        }
        self.report(id, Execution::Trade);
        self.end_list(id);
        self.report_account(account, market);
        true
    }

    /// The stop price is reached but the limit price is not: from now on it rests as a limit order.
    pub(crate) fn trigger(&mut self, id: OrderId) {
        if self.is_swap(self.order(id).account) {
            self.awaken(id);
            return;
        }
        self.end_sibling(id);
        let clock_ms = self.clock_ms;
        let order = self.order_mut(id);
        order.working = true;
        order.working_ms = Some(clock_ms);
        order.updated_ms = clock_ms;
        let (account, market) = (order.account, order.market);
        self.report(id, Execution::New);
        self.report_account(account, market);
    }

    /// Ends an order unfilled; its list, if any, is left to the caller.
    pub(crate) fn expire(&mut self, id: OrderId) {
        self.close(id, Status::Expired);
        self.report(id, Execution::Expired);
        self.end_list(id);
    }

    /// Takes an order off the market and gives back what it held.
    pub(crate) fn close(&mut self, id: OrderId, status: Status) {
        let clock_ms = self.clock_ms;
        let order = self.order_mut(id);
        order.status = status;
        order.updated_ms = clock_ms;
        let lock = std::mem::take(&mut order.locked);
        let (account, market, side) = (order.account, order.market, order.side);
        let at = &mut self.markets[market];
        at.open.remove(&id);
        at.pending.remove(&id);
        let asset = if side == Side::Buy { at.rules.quote.clone() } else { at.rules.base.clone() };
        self.accounts[account].lock(&asset, -lock);
    }
}

impl Order {
    /// What stays locked after a fill that cost `cost`, out of `funds` (locked and free).
    fn lock_left(&self, locked: Decimal, funds: Decimal, cost: Decimal) -> Decimal {
        match self.side {
            Side::Sell => self.remaining(),
            Side::Buy => (self.remaining() * self.lock_price).min(locked).min(funds - cost),
        }
    }
}
