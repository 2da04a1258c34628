//! A bar, worked through in phases. Within a bar the path is unknown, so the adverse order is assumed.
//!
//! 1. open: market orders, and stops and limits that the open has passed, at the open price;
//! 2. stops within [low, high] at their price; 3. limits likewise: both only for orders that rested when the bar began;
//!    then liquidations at their price;
//! 4. orders that came during the bar, on prices that provably came after them: stops, then limits, until none fills;
//!    then trailing stops follow to the bar's best price, and fill where the close proves that the price came back;
//! 5. close.
//!
//! Each fill after the open ends the step, so that what answers it is known to answer it.

use std::collections::VecDeque;

use rust_decimal::Decimal;

use super::bar::{Bar, Interval};
use super::market::{Progress, PublicTrade, Stage};
use super::order::{Approach, Kind, Order, OrderId, Side, Status, Window};
use super::refusal::Refusal;
use super::venue::{BarAnswer, MarketEvent, Outcome, Venue};

impl Venue {
    pub(crate) fn begin_bar(&mut self, market: usize, interval: Interval, bar: &Bar) -> Result<Outcome, Refusal> {
        let symbol = self.symbol_of(market).to_owned();
        if let Some(answer) = self.foresee_bar(&symbol, interval, bar)? {
            return Ok(Outcome::Bar(answer));
        }
        let capacity = self.volume_share().map(|share| share * bar.volume);
        let events = self.user_events.len();
        self.clock_ms = self.clock_ms.max(bar.open_time_ms);
        let at = &mut self.markets[market];
        at.interval = Some(interval);
        at.last_price = Some(bar.open);
        at.progress = Some(Progress {
            bar: *bar,
            stage: Stage::Open,
            queue: at.open.iter().copied().collect(),
            window: Window { low: bar.low, high: bar.high },
            capacity,
            moved: false,
        });
        self.liquidate_at(market, bar.open);
        Ok(Outcome::Bar(BarAnswer { done: self.advance_since(market, events), duplicate: false }))
    }

    /// Goes on until user events happened or the bar is done; tells whether it is done.
    pub(crate) fn advance(&mut self, market: usize) -> bool {
        self.advance_since(market, self.user_events.len())
    }

    fn advance_since(&mut self, market: usize, events: usize) -> bool {
        loop {
            let Some(progress) = &mut self.markets[market].progress else { return true };
            let stage = progress.stage;
            let Some(id) = progress.queue.pop_front() else {
                if stage == Stage::Open && self.user_events.len() > events {
                    return false;
                }
                if !self.next_stage(market) {
                    self.close_bar(market);
                    return true;
                }
                // A liquidation.
                if self.user_events.len() > events {
                    return false;
                }
                continue;
            };
            if self.order(id).is_open() {
                self.try_order(market, id, stage);
            }
            if stage != Stage::Open && self.user_events.len() > events {
                return false;
            }
        }
    }

    fn try_order(&mut self, market: usize, id: OrderId, stage: Stage) {
        self.released.clear();
        let Some(progress) = &self.markets[market].progress else { return };
        let (bar, mut capacity) = (progress.bar, progress.capacity);
        let order = self.order(id);
        let side = order.side;
        let mut seen = order.window.unwrap_or(Window { low: bar.low, high: bar.high });
        let act = match stage {
            Stage::Open => order.at_open(bar.open),
            Stage::Stops | Stage::LaterStops => order.as_stop(seen),
            Stage::Limits | Stage::LaterLimits => order.as_limit(seen),
            Stage::Trail => {
                // The best price was reached on the way up for a sale, down for a buy.
                let (best, approach) =
                    if side == Side::Sell { (seen.high, Approach::Rising) } else { (seen.low, Approach::Falling) };
                self.follow(id, best);
                seen = after(approach, best, bar.close, seen);
                self.order(id).at_close(bar.close)
            }
        };
        let order = self.order(id);
        let approach = order.kind.approach(order.side);
        let account = order.account;
        if let Act::Fill { price, maker: false } | Act::Trigger { price } = act
            && let Some(liquidation) = self.liquidation_before(account, market, price)
        {
            // The account is gone before this price is reached.
            self.liquidate(account, market, if stage == Stage::Open { bar.open } else { liquidation });
            self.narrow(market, approach, liquidation, bar.close, seen);
            return;
        }
        let price = match act {
            Act::None => {
                if stage == Stage::Open {
                    self.follow(id, bar.open);
                }
                return;
            }
            Act::Fill { price, maker } => {
                if !self.fill(id, price, maker, &mut capacity) {
                    // No volume is left for it. A stop is triggered all the same, and waits for the next open.
                    if self.order(id).working {
                        return;
                    }
                    self.trigger(id);
                }
                price
            }
            Act::Trigger { price } => {
                self.markets[market].last_price = Some(price);
                self.trigger(id);
                price
            }
        };
        // An order that expired for lack of money met the price but changed nothing that another could answer.
        let traded = self.order(id).status != Status::Expired;
        let Some(progress) = &mut self.markets[market].progress else { return };
        progress.capacity = capacity;
        progress.moved = true;
        if stage != Stage::Open && traded {
            progress.window = after(approach, price, bar.close, seen);
            let window = progress.window;
            let order = self.order_mut(id);
            if order.is_open() {
                order.window = Some(window);
            }
            for released in std::mem::take(&mut self.released) {
                self.order_mut(released).window = Some(window);
            }
            if let Some(position) = self.accounts[account].positions.get_mut(&market) {
                position.window = Some(window);
            }
        }
    }

    /// Something met `price`: what comes now sees the rest of the bar.
    pub(crate) fn narrow(&mut self, market: usize, approach: Approach, price: Decimal, close: Decimal, seen: Window) {
        if let Some(progress) = &mut self.markets[market].progress {
            progress.moved = true;
            if progress.stage != Stage::Open {
                progress.window = after(approach, price, close, seen);
            }
        }
    }

    fn follow(&mut self, id: OrderId, price: Decimal) {
        let tick = self.markets[self.order(id).market].rules.tick;
        self.order_mut(id).follow(price, tick);
    }

    /// Enters the next phase with its orders in time order; false: all phases are done.
    fn next_stage(&mut self, market: usize) -> bool {
        let Some(progress) = &mut self.markets[market].progress else { return false };
        if matches!(progress.stage, Stage::Stops | Stage::LaterStops) {
            let (bar, close) = (Window { low: progress.bar.low, high: progress.bar.high }, progress.bar.close);
            self.liquidate_within(market, bar, close);
        }
        let Some(progress) = &mut self.markets[market].progress else { return false };
        let again = progress.moved;
        progress.stage = match progress.stage {
            Stage::Open => {
                // Inside the bar its course is unknown; its end is the one time that is certainly not too early.
                self.clock_ms = self.clock_ms.max(progress.bar.close_time_ms);
                Stage::Stops
            }
            Stage::Stops => Stage::Limits,
            Stage::Limits => Stage::LaterStops,
            Stage::LaterStops => Stage::LaterLimits,
            Stage::LaterLimits | Stage::Trail if again => Stage::LaterStops,
            Stage::LaterLimits => Stage::Trail,
            Stage::Trail => return false,
        };
        let stage = progress.stage;
        if stage == Stage::LaterStops {
            progress.moved = false;
        }
        let later = matches!(stage, Stage::LaterStops | Stage::LaterLimits);
        let takes_part = |order: &Order| match stage {
            Stage::Trail => order.trailing.is_some() && !order.working,
            _ => order.window.is_some() == later,
        };
        let queue: VecDeque<OrderId> =
            self.markets[market].open.iter().copied().filter(|&id| takes_part(self.order(id))).collect();
        if let Some(progress) = &mut self.markets[market].progress {
            progress.queue = queue;
        }
        true
    }

    fn close_bar(&mut self, market: usize) {
        let Some(progress) = self.markets[market].progress.take() else { return };
        let bar = progress.bar;
        for id in self.markets[market].open.clone() {
            self.order_mut(id).window = None;
        }
        for account in &mut self.accounts {
            if let Some(position) = account.positions.get_mut(&market) {
                position.window = None;
            }
        }
        let at = &mut self.markets[market];
        at.last_price = Some(bar.close);
        at.bars.push(bar);
        if bar.volume > Decimal::ZERO {
            let id = self.next_trade_id();
            let trade = PublicTrade {
                id,
                price: bar.close,
                quantity: bar.volume,
                time_ms: bar.close_time_ms,
                buyer_is_maker: bar.close < bar.open,
            };
            self.print(market, trade);
        }
        self.market_events.push(MarketEvent::Closed { market });
    }
}

/// Prices that provably came after the price was met while rising or falling to it.
fn after(approach: Approach, price: Decimal, close: Decimal, seen: Window) -> Window {
    match approach {
        Approach::Falling => Window { low: seen.low, high: seen.high.min(price.max(close)) },
        Approach::Rising => Window { low: seen.low.max(price.min(close)), high: seen.high },
    }
}

enum Act {
    None,
    Fill { price: Decimal, maker: bool },
    Trigger { price: Decimal },
}

impl Order {
    fn at_open(&self, open: Decimal) -> Act {
        if !self.working {
            return if self.triggers_at(open) { self.triggered(open) } else { Act::None };
        }
        if !self.accepts(open) {
            return Act::None;
        }
        // Whatever the open finds already marketable takes; only a LIMIT_MAKER never does.
        Act::Fill { price: open, maker: self.kind == Kind::LimitMaker }
    }

    fn as_stop(&self, seen: Window) -> Act {
        match self.stop_price {
            Some(stop) if !self.working && self.kind.is_stop_loss() && seen.contains(stop) => self.triggered(stop),
            _ => Act::None,
        }
    }

    /// A trailing stop that followed to the bar's best price: the close came after it.
    fn at_close(&self, close: Decimal) -> Act {
        match self.stop_price {
            Some(stop) if !self.working && self.triggers_at(close) => self.triggered(stop),
            _ => Act::None,
        }
    }

    fn as_limit(&self, seen: Window) -> Act {
        if let (false, true, Some(stop)) = (self.working, self.kind.is_take_profit(), self.stop_price) {
            return if seen.contains(stop) { self.triggered(stop) } else { Act::None };
        }
        match self.price {
            Some(limit) if self.working && seen.contains(limit) => Act::Fill { price: limit, maker: true },
            _ => Act::None,
        }
    }

    fn triggered(&self, price: Decimal) -> Act {
        if self.accepts(price) { Act::Fill { price, maker: false } } else { Act::Trigger { price } }
    }
}
