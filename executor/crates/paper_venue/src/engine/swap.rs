//! Perpetual swaps: taking an order, and what its fills do to the position and the wallet.

use rust_decimal::Decimal;

use super::account::Product;
use super::events::Execution;
use super::input::{NewOrder, SwapRules};
use super::market::PublicTrade;
use super::money::{down_to_step, truncated};
use super::order::{OrderId, Status, TimeInForce, Trade};
use super::position::{Planned, Position};
use super::refusal::Refusal;
use super::venue::{MarketEvent, Outcome, Venue};

/// What cross margin is counted in.
pub const MARGIN_ASSET: &str = "USDT";

impl Venue {
    pub(crate) fn is_swap(&self, account: usize) -> bool {
        self.accounts[account].product == Product::Swap
    }

    pub fn swap_rules(&self) -> SwapRules {
        self.setup.as_ref().map(|setup| setup.swap).unwrap_or_default()
    }

    pub(crate) fn wallet(&self, account: usize) -> Decimal {
        self.accounts[account].balance(MARGIN_ASSET).free
    }

    pub fn leverage(&self, account: usize, market: usize) -> u32 {
        self.accounts[account].positions.get(&market).map_or(self.swap_rules().leverage, |held| held.leverage)
    }

    /// The account's position in a symbol, if it ever had one or set its leverage.
    #[must_use]
    pub fn position(&self, account: usize, market: usize) -> Option<&Position> {
        self.accounts[account].positions.get(&market)
    }

    pub(crate) fn position_mut(&mut self, account: usize, market: usize) -> &mut Position {
        let leverage = self.leverage(account, market);
        self.accounts[account].positions.entry(market).or_insert_with(|| Position::new(leverage))
    }

    pub(crate) fn place_swap(&mut self, account: usize, market: usize, new: &NewOrder) -> Result<Outcome, Refusal> {
        if self.markets[market].rules.quote != MARGIN_ASSET {
            return Err(Refusal::invalid_symbol());
        }
        self.check(account, market, new).map_err(Refusal::into_swap)?;
        let algo = new.kind.has_trigger();
        // As at Binance, a conditional order meets these two when it is triggered.
        if !algo {
            if new.reduce_only && self.reducible(account, market, new.side).is_zero() {
                return Err(Refusal::reduce_only());
            }
            self.check_margin(account, market, new)?;
        }
        self.check_room(account, market, 1, usize::from(algo)).map_err(Refusal::into_swap)?;

        let id = self.insert(account, market, new, None, Decimal::ZERO);
        self.report(id, Execution::New);
        if self.depth(market).is_some() {
            self.send(id);
        } else if new.time_in_force.is_some_and(|tif| tif != TimeInForce::Gtc) {
            self.fill_or_expire(id);
        }
        Ok(Outcome::Placed(id))
    }

    pub(crate) fn reducible(&self, account: usize, market: usize, side: super::order::Side) -> Decimal {
        self.position(account, market).map_or(Decimal::ZERO, |held| held.reducible(side))
    }

    /// An order that only takes off what is held always passes.
    fn check_margin(&self, account: usize, market: usize, new: &NewOrder) -> Result<(), Refusal> {
        if new.reduce_only {
            return Ok(());
        }
        let price = new.price.or(self.markets[market].last_price).unwrap_or_default();
        let notional = new.quantity.unwrap_or_default() * price;
        let planned = Planned { market, side: new.side, notional };
        let (before, after) = (self.margin(account), self.margin_with(account, Some(planned)));
        let covered = after.initial() <= after.wallet + after.unrealized;
        if covered || after.initial() <= before.initial() { Ok(()) } else { Err(Refusal::margin()) }
    }

    /// A conditional order's trigger is reached: it becomes an order, or is rejected. Tells whether it works now.
    pub(crate) fn awaken(&mut self, id: OrderId) -> bool {
        let order = self.order(id);
        let (account, market, side) = (order.account, order.market, order.side);
        let reducible = self.reducible(account, market, side);
        let clock_ms = self.clock_ms;
        let reduces = order.reduce_only || order.close_position;
        let refused = if reduces {
            reducible.is_zero()
        } else {
            let price = order.price.or(self.markets[market].last_price).unwrap_or_default();
            let planned = Planned { market, side, notional: order.remaining() * price };
            let (before, after) = (self.margin(account), self.margin_with(account, Some(planned)));
            after.initial() > after.wallet + after.unrealized && after.initial() > before.initial()
        };
        let order = self.order_mut(id);
        order.updated_ms = clock_ms;
        if refused {
            self.close(id, Status::Rejected);
            self.report(id, Execution::Rejected);
            return false;
        }
        order.working = true;
        order.working_ms = Some(clock_ms);
        if order.close_position {
            order.quantity = reducible;
            order.reduce_only = true;
        }
        self.report(id, Execution::New);
        true
    }

    /// Fills what `capacity` allows of a swap account's order at `price`; tells whether anything happened.
    pub(crate) fn fill_swap(
        &mut self,
        id: OrderId,
        price: Decimal,
        maker: bool,
        capacity: &mut Option<Decimal>,
    ) -> bool {
        let (account, market, side) = {
            let order = self.order(id);
            (order.account, order.market, order.side)
        };
        let step = self.markets[market].rules.step;
        let room = capacity.map(|left| down_to_step(left, step));
        if room.is_some_and(|room| room.is_zero()) {
            return false;
        }
        if !self.order(id).working && !self.awaken(id) {
            return true;
        }
        let mut wanted = self.order(id).remaining();
        if self.order(id).reduce_only {
            wanted = wanted.min(self.reducible(account, market, side));
        }
        if wanted.is_zero() {
            self.expire(id);
            return true;
        }
        let quantity = room.map_or(wanted, |room| wanted.min(room));
        if let Some(left) = capacity {
            *left -= quantity;
        }
        let fees = self.swap_rules().fees;
        self.trade_swap(id, price, quantity, maker, if maker { fees.maker } else { fees.taker });
        true
    }

    /// Books one trade of a swap account: position, wallet, order, streams.
    pub(crate) fn trade_swap(&mut self, id: OrderId, price: Decimal, quantity: Decimal, maker: bool, rate: Decimal) {
        let (trade_id, clock_ms) = (self.next_trade_id(), self.clock_ms);
        let order = self.order_mut(id);
        let (account, market, side) = (order.account, order.market, order.side);
        order.filled += quantity;
        order.quote_filled += quantity * price;
        order.updated_ms = clock_ms;
        order.status = if order.remaining().is_zero() { Status::Filled } else { Status::PartiallyFilled };
        let done = !order.is_open();

        let fee = truncated(price * quantity * rate);
        let position = self.position_mut(account, market);
        let realized = position.trade(side, quantity, price);
        position.updated_ms = clock_ms;
        let holder = &mut self.accounts[account];
        holder.balance_mut(MARGIN_ASSET).free += realized - fee;
        holder.updated_ms = clock_ms;
        let fee_asset = MARGIN_ASSET.to_owned();
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
            realized,
        });
        self.print_own(
            market,
            PublicTrade {
                id: trade_id,
                price,
                quantity,
                time_ms,
                buyer_is_maker: (side == super::order::Side::Buy) == maker,
            },
        );
        if done {
            self.markets[market].open.remove(&id);
        }
        self.report_swap_account(account, &[market], "ORDER", Decimal::ZERO);
        self.report(id, Execution::Trade);
        self.expire_idle(account, market);
    }

    /// A trade of this venue's accounts; where the market is told from outside, it leaves no trace there.
    pub(crate) fn print_own(&mut self, market: usize, trade: PublicTrade) {
        if self.depth(market).is_none() {
            self.print(market, trade);
        }
    }

    /// A trade's place in the market: the last price, the public trades, the streams.
    pub(crate) fn print(&mut self, market: usize, trade: PublicTrade) {
        self.markets[market].last_price = Some(trade.price);
        self.markets[market].print(trade.clone());
        self.market_events.push(MarketEvent::Trade { market, trade });
    }

    /// Reduce-only orders that nothing is left for end with the position.
    fn expire_idle(&mut self, account: usize, market: usize) {
        let idle: Vec<OrderId> = self.markets[market]
            .open
            .iter()
            .copied()
            .filter(|&id| {
                let order = self.order(id);
                order.account == account
                    && order.working
                    && order.reduce_only
                    && self.reducible(account, market, order.side).is_zero()
            })
            .collect();
        for id in idle {
            self.expire(id);
        }
    }

    pub(crate) fn set_leverage(&mut self, account: usize, market: usize, leverage: u32) -> Result<Outcome, Refusal> {
        let max = self.swap_rules().max_leverage;
        if leverage == 0 || leverage > max {
            return Err(Refusal::new(-4028, format!("Leverage {leverage} is not valid")));
        }
        let before = (self.leverage(account, market), self.position(account, market).copied());
        self.position_mut(account, market).leverage = leverage;
        let margin = self.margin(account);
        if leverage < before.0 && margin.initial() > margin.wallet + margin.unrealized {
            let positions = &mut self.accounts[account].positions;
            match before.1 {
                Some(position) => positions.insert(market, position),
                None => positions.remove(&market),
            };
            let msg = "Leverage is smaller than permitted: insufficient margin balance.";
            return Err(Refusal::new(-2028, msg));
        }
        Ok(Outcome::Leverage(leverage))
    }
}
