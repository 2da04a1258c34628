//! Matching against a recorded or live order book: price-time priority, queue position, partial fills, latency.
//!
//! What the venue's accounts do leaves no trace in the market that is told, except that what they took off a level stays taken until
//! that level is told anew. An order that comes to rest joins its level behind the displayed quantity. Trades at the level take off
//! what is ahead of it, and then fill it; a level that is told smaller than what was ahead leaves only that ahead (cancels are
//! believed to come from behind it as long as they can). A trade beyond its price fills it up to the trade's quantity, and so does a
//! book that is told to cross its price, up to the quantity that crosses. Stops are triggered by trades.

use rust_decimal::Decimal;

use super::depth::{Applied, Depth, Diff};
use super::input::{Tick, TickTrade};
use super::market::PublicTrade;
use super::money::down_to_step;
use super::order::{Kind, OrderId, Side, TimeInForce};
use super::refusal::Refusal;
use super::venue::{MarketEvent, Outcome, Venue};

impl Venue {
    pub(crate) fn tick(&mut self, market: usize, tick: &Tick) -> Result<Outcome, Refusal> {
        let at = &mut self.markets[market];
        if at.newest_open_ms().is_some() {
            return Err(Refusal::new(-1100, "Refused: this symbol goes by bars."));
        }
        if at.depth.is_none() && !matches!(tick, Tick::Snapshot(_) | Tick::Diff(_)) {
            return Err(Refusal::new(-1100, "Refused: a book comes first, then trades."));
        }
        at.depth.get_or_insert_with(Depth::default);
        let time_ms = match tick {
            Tick::Snapshot(_) => None,
            Tick::Diff(diff) => Some(diff.time_ms),
            Tick::Trade(trade) => Some(trade.time_ms),
        };
        if let Some(time_ms) = time_ms {
            self.arrivals(market, time_ms);
            self.clock_ms = self.clock_ms.max(time_ms);
        }
        let gap = match tick {
            Tick::Snapshot(snapshot) => {
                let applied = self.book_changed(market, |depth| depth.begin(snapshot));
                self.arrivals(market, self.clock_ms);
                applied == Applied::Gap
            }
            Tick::Diff(diff) => {
                let before = self.depth(market).map_or(0, |depth| depth.last);
                let applied = self.book_changed(market, |depth| depth.apply(diff));
                if applied == Applied::Yes {
                    // Linked to what this venue told before, whatever the source's form.
                    let diff = Diff { previous: Some(before), ..diff.clone() };
                    self.market_events.push(MarketEvent::Depth { market, diff });
                }
                applied == Applied::Gap
            }
            Tick::Trade(trade) => {
                self.traded(market, trade);
                false
            }
        };
        Ok(Outcome::Tick { gap })
    }

    pub(crate) fn depth(&self, market: usize) -> Option<&Depth> {
        self.markets[market].depth.as_ref()
    }

    fn depth_mut(&mut self, market: usize) -> Option<&mut Depth> {
        self.markets[market].depth.as_mut()
    }

    fn book_changed(&mut self, market: usize, change: impl FnOnce(&mut Depth) -> Applied) -> Applied {
        let Some(depth) = self.depth_mut(market) else { return Applied::Waiting };
        let touch = |depth: &Depth| (depth.best(Side::Buy), depth.best(Side::Sell));
        let before = touch(depth);
        let applied = change(depth);
        if applied != Applied::Yes {
            return applied;
        }
        let after = touch(depth);
        if let (None, Some(bid)) = (self.markets[market].last_price, after.0) {
            self.markets[market].last_price = Some(bid);
        }
        for id in self.resting(market) {
            let displayed = self.displayed(id);
            let order = self.order_mut(id);
            order.ahead = order.ahead.map(|ahead| ahead.min(displayed));
        }
        for id in self.resting(market) {
            // The book has come to it: it was there first, so it trades at its own price.
            self.meet(id, true);
        }
        if before != after {
            self.market_events.push(MarketEvent::Touch { market });
        }
        applied
    }

    /// Orders that rest in the book: the best price first, among equals the oldest.
    fn resting(&self, market: usize) -> Vec<OrderId> {
        let open = self.markets[market].open.iter().copied();
        let mut resting: Vec<OrderId> = open.filter(|&id| self.order(id).ahead.is_some()).collect();
        resting.sort_by_key(|&id| {
            let order = self.order(id);
            let price = order.price.unwrap_or_default();
            (order.side == Side::Sell, if order.side == Side::Buy { -price } else { price }, id)
        });
        resting
    }

    /// The quantity displayed at the order's own price; endless where nothing is told of it.
    fn displayed(&self, id: OrderId) -> Decimal {
        let order = self.order(id);
        let (side, price) = (order.side, order.price.unwrap_or_default());
        let depth = self.depth(order.market).filter(|depth| depth.knows(side, price));
        depth.map_or(Decimal::MAX, |depth| depth.level(side, price).quantity)
    }

    /// An order leaves its sender: it arrives at once, or after the latency. No order meets a void book: it waits.
    pub(crate) fn send(&mut self, id: OrderId) {
        let market = self.order(id).market;
        let latency_ms = self.latency_ms();
        if latency_ms == 0 && self.depth(market).is_some_and(|depth| depth.whole) {
            self.arrive(id);
        } else {
            let at_ms = self.clock_ms + latency_ms;
            self.markets[market].arriving.push_back((at_ms, id));
        }
    }

    fn arrivals(&mut self, market: usize, time_ms: i64) {
        while let Some(&(at_ms, id)) = self.markets[market].arriving.front() {
            let whole = self.depth(market).is_some_and(|depth| depth.whole);
            if at_ms > time_ms || !whole {
                break;
            }
            self.markets[market].arriving.pop_front();
            self.clock_ms = self.clock_ms.max(at_ms);
            if self.order(id).is_open() {
                self.arrive(id);
            }
        }
    }

    /// An order meets the book: it takes what it may, and rests or ends with the remainder.
    pub(crate) fn arrive(&mut self, id: OrderId) {
        let market = self.order(id).market;
        let last = self.markets[market].last_price;
        if !self.order(id).working {
            if last.is_some_and(|last| self.order(id).triggers_at(last)) {
                self.trigger(id);
            }
            if !self.order(id).working || !self.order(id).is_open() {
                return;
            }
        }
        self.in_units_of_the_book(id);
        let order = self.order(id);
        let (kind, time_in_force) = (order.kind, order.time_in_force);
        let crosses = self.reachable(id) > Decimal::ZERO;
        let refused = (kind == Kind::LimitMaker && crosses)
            || (time_in_force == TimeInForce::Fok && self.reachable(id) < order.remaining());
        if !refused {
            self.meet(id, false);
        }
        let order = self.order(id);
        if !order.is_open() {
            return;
        }
        let rests = order.price.is_some() && time_in_force == TimeInForce::Gtc && !refused;
        if rests {
            self.order_mut(id).ahead = Some(self.displayed(id));
        } else {
            let account = self.order(id).account;
            self.expire(id);
            self.report_account(account, market);
        }
    }

    /// A market purchase in quote units becomes one in base units, by what the book asks for them.
    fn in_units_of_the_book(&mut self, id: OrderId) {
        let order = self.order(id);
        let Some(quote) = order.quote_quantity else { return };
        let market = order.market;
        let (mut left, mut quantity, mut worst) = (quote, Decimal::ZERO, Decimal::ZERO);
        if let Some(depth) = self.depth(market) {
            for (price, level) in depth.levels(Side::Sell) {
                let part = level.available().min(left / price);
                if part.is_zero() {
                    continue;
                }
                quantity += part;
                left -= part * price;
                worst = price;
            }
        }
        let step = self.markets[market].rules.step;
        let order = self.order_mut(id);
        order.quote_quantity = None;
        order.quantity = down_to_step(quantity, step);
        order.lock_price = worst;
    }

    /// What of the opposite side an order could take now.
    fn reachable(&self, id: OrderId) -> Decimal {
        let order = self.order(id);
        let Some(depth) = self.depth(order.market).filter(|depth| depth.whole) else { return Decimal::ZERO };
        let levels = depth.levels(order.side.opposite());
        levels.take_while(|(price, _)| order.accepts(*price)).map(|(_, level)| level.available()).sum()
    }

    /// Takes what the opposite side offers within the order's limit: at its levels' prices, or as one that was there first.
    fn meet(&mut self, id: OrderId, maker: bool) {
        let (market, side) = (self.order(id).market, self.order(id).side);
        loop {
            let order = self.order(id);
            if !order.is_open() || order.remaining().is_zero() {
                return;
            }
            let Some(depth) = self.depth(market).filter(|depth| depth.whole) else { return };
            let levels = depth.levels(side.opposite()).take_while(|(price, _)| order.accepts(*price));
            let step = self.markets[market].rules.step;
            let Some((level, available)) = levels
                .map(|(price, level)| (price, down_to_step(level.available(), step)))
                .find(|(_, available)| !available.is_zero())
            else {
                return;
            };
            let price = if maker { order.price.unwrap_or(level) } else { level };
            let mut capacity = Some(available);
            if !self.fill(id, price, maker, &mut capacity) {
                return;
            }
            let taken = available - capacity.unwrap_or_default();
            if taken.is_zero() {
                return;
            }
            if let Some(depth) = self.depth_mut(market) {
                depth.take(side.opposite(), level, taken);
            }
        }
    }

    fn traded(&mut self, market: usize, trade: &TickTrade) {
        let TickTrade { id, time_ms, price, quantity, buyer_is_maker } = *trade;
        self.print(market, PublicTrade { id, price, quantity, time_ms, buyer_is_maker });
        self.fill_makers(market, trade);
        for id in self.markets[market].open.clone() {
            if self.order(id).working || !self.order(id).is_open() || self.is_on_its_way(market, id) {
                continue;
            }
            if self.order(id).triggers_at(price) {
                self.trigger(id);
                if self.order(id).is_open() {
                    self.arrive(id);
                }
            } else {
                let tick = self.markets[market].rules.tick;
                self.order_mut(id).follow(price, tick);
            }
        }
        self.liquidate_at(market, price);
    }

    fn is_on_its_way(&self, market: usize, id: OrderId) -> bool {
        self.markets[market].arriving.iter().any(|&(_, waiting)| waiting == id)
    }

    /// The trade's taker meets the venue's resting orders, as far as its quantity goes.
    fn fill_makers(&mut self, market: usize, trade: &TickTrade) {
        let side = if trade.buyer_is_maker { Side::Buy } else { Side::Sell };
        let mut left = trade.quantity;
        // Of the trade at its own price; what went to better prices is gone.
        let mut reached: Option<(Decimal, Decimal)> = None;
        for id in self.resting(market) {
            let order = self.order(id);
            let Some(limit) = order.price.filter(|_| order.side == side && order.is_open()) else { continue };
            let beyond = if side == Side::Buy { limit > trade.price } else { limit < trade.price };
            if beyond {
                left -= self.fill_maker(id, limit, left);
            } else if limit == trade.price {
                let (volume, own) = *reached.get_or_insert((left, Decimal::ZERO));
                let ahead = order.ahead.unwrap_or_default();
                let reach = volume - own - ahead;
                self.order_mut(id).ahead = Some((ahead - (volume - own)).max(Decimal::ZERO));
                if reach > Decimal::ZERO {
                    let filled = self.fill_maker(id, limit, reach.min(left));
                    left -= filled;
                    reached = Some((volume, own + filled));
                }
            }
        }
    }

    fn fill_maker(&mut self, id: OrderId, price: Decimal, room: Decimal) -> Decimal {
        let mut capacity = Some(room);
        self.fill(id, price, true, &mut capacity);
        room - capacity.unwrap_or_default()
    }
}
