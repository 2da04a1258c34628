//! Order lists: OCO, OTO and OTOCO.
//!
//! OCO: one order is done as soon as the other trades or triggers. OTO: a working order, and a pending one that goes live when the
//! working one has filled **completely**, not before. OTOCO: the pending orders are an OCO. As at Binance.

use rust_decimal::Decimal;

use super::events::{Execution, ListEvent};
use super::filters::MAX_NUM_ORDER_LISTS;
use super::input::{NewOco, NewOrder, NewOto};
use super::order::{Kind, ListId, ListKind, OrderId, OrderList, Side, Status, TimeInForce};
use super::refusal::Refusal;
use super::venue::{Outcome, Venue};

impl Venue {
    pub(crate) fn place_oco(&mut self, account: usize, new: &NewOco) -> Result<Outcome, Refusal> {
        let market = self.market_id(&new.above.symbol)?;
        let last = self.markets[market].last_price;
        check_oco(&new.above, &new.below, last)?;
        for leg in [&new.above, &new.below] {
            self.check(account, market, leg)?;
        }
        self.check_list(account, market, new.client_id.as_ref(), &[&new.above, &new.below])?;
        // One quantity trades once, so it is held back once, by the dearer leg.
        let lock = new.above.lock(last).max(new.below.lock(last));
        self.check_lock(account, market, new.above.side, lock)?;

        let list: ListId = self.lists.len() as ListId + 1;
        let below = self.insert(account, market, &new.below, Some(list), lock);
        let above = self.insert(account, market, &new.above, Some(list), Decimal::ZERO);
        let outcome = self.begin_list(account, market, ListKind::Oco, new.client_id.clone(), vec![below, above]);
        if self.depth(market).is_some() {
            self.send(below);
            self.send(above);
        }
        Ok(outcome)
    }

    /// With one pending order an OTO, with two an OTOCO.
    pub(crate) fn place_oto(&mut self, account: usize, new: &NewOto) -> Result<Outcome, Refusal> {
        let market = self.market_id(&new.working.symbol)?;
        let last = self.markets[market].last_price;
        if !matches!(new.working.kind, Kind::Limit | Kind::LimitMaker) {
            return Err(Refusal::new(-1100, "Illegal value for parameter 'workingType': LIMIT or LIMIT_MAKER."));
        }
        self.check(account, market, &new.working)?;
        if let Some(above) = &new.above {
            check_oco(above, &new.below, None)?;
        }
        let pending: Vec<&NewOrder> = [&new.below].into_iter().chain(&new.above).collect();
        for leg in &pending {
            // Against the last price they are judged when they go live.
            self.check_shape(account, market, leg)?;
        }
        let all: Vec<&NewOrder> = [&new.working].into_iter().chain(pending.iter().copied()).collect();
        self.check_list(account, market, new.client_id.as_ref(), &all)?;
        let lock = new.working.lock(last);
        self.check_lock(account, market, new.working.side, lock)?;

        let list: ListId = self.lists.len() as ListId + 1;
        let mut orders = vec![self.insert(account, market, &new.working, Some(list), lock)];
        for leg in pending {
            let id = self.insert(account, market, leg, Some(list), Decimal::ZERO);
            let order = self.order_mut(id);
            (order.status, order.working, order.working_ms) = (Status::PendingNew, false, None);
            (order.stop_price, order.window) = (leg.stop_price, None);
            if let Some(trailing) = &mut order.trailing {
                trailing.best = None;
            }
            self.markets[market].open.remove(&id);
            self.markets[market].pending.insert(id);
            orders.push(id);
        }
        let working = orders[0];
        let outcome = self.begin_list(account, market, ListKind::Oto, new.client_id.clone(), orders);
        if self.depth(market).is_some() {
            self.send(working);
        } else if new.working.time_in_force.is_some_and(|tif| tif != TimeInForce::Gtc) {
            self.fill_or_expire(working);
        }
        Ok(outcome)
    }

    fn begin_list(
        &mut self,
        account: usize,
        market: usize,
        kind: ListKind,
        client_id: Option<String>,
        orders: Vec<OrderId>,
    ) -> Outcome {
        let id: ListId = self.lists.len() as ListId + 1;
        let client_id = client_id.unwrap_or_else(|| format!("paper-list-{id}"));
        let (created_ms, done) = (self.clock_ms, false);
        self.lists.push(OrderList { id, account, market, kind, client_id, orders: orders.clone(), created_ms, done });
        self.report_list(id, ListEvent::Started);
        for order in orders {
            self.report(order, Execution::New);
        }
        self.report_account(account, market);
        Outcome::PlacedList(id)
    }

    fn check_list(
        &self,
        account: usize,
        market: usize,
        client_id: Option<&String>,
        legs: &[&NewOrder],
    ) -> Result<(), Refusal> {
        let mut names: Vec<&String> = legs.iter().filter_map(|leg| leg.client_id.as_ref()).collect();
        names.sort();
        let twice = names.windows(2).any(|pair| pair[0] == pair[1]);
        if twice || client_id.is_some_and(|id| self.open_lists(account).any(|list| list.client_id == *id)) {
            return Err(Refusal::duplicate());
        }
        if self.open_lists(account).filter(|list| list.market == market).count() >= MAX_NUM_ORDER_LISTS {
            return Err(Refusal::filter("MAX_NUM_ORDER_LISTS"));
        }
        let algo = legs.iter().filter(|leg| leg.kind.has_trigger()).count();
        self.check_room(account, market, legs.len(), algo)
    }

    /// The other leg of an OCO expires as soon as this one trades or triggers; what it held back is this one's now.
    pub(crate) fn end_sibling(&mut self, id: OrderId) {
        let Some(list) = self.order(id).list else { return };
        let Some(sibling) = self.list(list).sibling(id) else { return };
        if !self.order(sibling).is_open() {
            return;
        }
        let lock = std::mem::take(&mut self.order_mut(sibling).locked);
        self.order_mut(id).locked += lock;
        self.close(sibling, Status::Expired);
        self.report(sibling, Execution::Expired);
    }

    /// After an order has filled or ended: pending orders go live or end with it; a list without an open order is done.
    pub(crate) fn end_list(&mut self, id: OrderId) {
        let Some(list) = self.order(id).list else { return };
        let OrderList { kind, orders, .. } = self.list(list).clone();
        if kind == ListKind::Oto && id == orders[0] && !self.order(id).is_open() {
            if self.order(id).status == Status::Filled {
                self.release(list, &orders[1..]);
            } else {
                self.end_pending(&orders[1..], Status::Expired);
            }
        }
        let open = orders.iter().any(|&leg| self.order(leg).is_open());
        if !open && !self.list(list).done {
            self.lists[(list - 1) as usize].done = true;
            self.report_list(list, ListEvent::Done);
        }
    }

    /// The working order has filled: the pending ones are placed now, all or none.
    fn release(&mut self, list: ListId, pending: &[OrderId]) {
        let (account, market) = (self.list(list).account, self.list(list).market);
        let last = self.markets[market].last_price;
        let orders: Vec<NewOrder> = pending.iter().map(|&id| self.order(id).as_new(self.symbol_of(market))).collect();
        let lock = orders.iter().map(|order| order.lock(last)).max().unwrap_or_default();
        let side = self.order(pending[0]).side;
        let placeable = orders.iter().all(|order| order.check_against_last(last).is_ok())
            && self.check_lock(account, market, side, lock).is_ok();
        if !placeable {
            return self.end_pending(pending, Status::Rejected);
        }
        self.report_list(list, ListEvent::Updated);
        for (index, (&id, new)) in pending.iter().zip(&orders).enumerate() {
            self.markets[market].pending.remove(&id);
            self.go_live(id, new.lock_price(last), if index == 0 { lock } else { Decimal::ZERO });
        }
    }

    fn end_pending(&mut self, pending: &[OrderId], status: Status) {
        for &id in pending {
            if self.order(id).status == Status::PendingNew {
                self.close(id, status);
                self.report(id, if status == Status::Rejected { Execution::Rejected } else { Execution::Expired });
            }
        }
    }
}

impl OrderList {
    /// The order that ends with this one.
    fn sibling(&self, id: OrderId) -> Option<OrderId> {
        let pair = match self.kind {
            ListKind::Oco => &self.orders[..],
            ListKind::Oto => &self.orders[1..],
        };
        pair.iter().copied().find(|&leg| leg != id).filter(|_| pair.len() == 2 && pair.contains(&id))
    }
}

/// One leg stops a loss and the other takes a profit, on the right sides of the last price.
fn check_oco(above: &NewOrder, below: &NewOrder, last: Option<Decimal>) -> Result<(), Refusal> {
    let allowed = |leg: &NewOrder, stops: bool| {
        if stops { leg.kind.is_stop_loss() } else { leg.kind == Kind::LimitMaker || leg.kind.is_take_profit() }
    };
    let buys = above.side == Side::Buy;
    if !allowed(above, buys) {
        return Err(Refusal::new(-1100, "Illegal value for parameter 'aboveType' of this side."));
    }
    if !allowed(below, !buys) {
        return Err(Refusal::new(-1100, "Illegal value for parameter 'belowType' of this side."));
    }
    for leg in [above, below] {
        leg.check_parameters()?;
        if leg.time_in_force.is_some_and(|tif| tif != TimeInForce::Gtc) {
            return Err(Refusal::new(-1115, "Invalid timeInForce: the legs of an OCO are GTC here."));
        }
    }
    // A trailing leg stands off the last price on its own side, whatever that is.
    let level = |leg: &NewOrder| leg.stop_price.or(leg.price);
    let ordered = level(above).zip(level(below)).is_none_or(|(above, below)| above > below);
    let last_fits = last.is_none_or(|last| {
        level(above).is_none_or(|above| above > last) && level(below).is_none_or(|below| last > below)
    });
    if ordered && last_fits {
        Ok(())
    } else {
        Err(Refusal::new(-2010, "The relationship of the prices for the orders is not correct."))
    }
}
