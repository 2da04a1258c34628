//! Taking an order or an OCO: what it needs, the filters, the money.

use rust_decimal::Decimal;

use super::events::Execution;
use super::filters::MAX_NUM_ALGO_ORDERS;
use super::input::{NewOrder, NewTrailing, SymbolRules};
use super::money::down_to_step;
use super::order::{Approach, Kind, ListId, Order, OrderId, Side, Status, TimeInForce};
use super::refusal::Refusal;
use super::trailing::Trailing;
use super::venue::{Outcome, Venue};

impl NewOrder {
    /// Which parameters the type needs, and which it must not carry.
    pub(crate) fn check_parameters(&self) -> Result<(), Refusal> {
        let kind = self.kind;
        let by_quote = kind == Kind::Market && self.quote_quantity.is_some();
        let closes = self.close_position && kind.has_trigger() && !kind.has_limit();
        let timed = kind.has_limit() && kind != Kind::LimitMaker;
        let needs = [
            ("timeInForce", timed, self.time_in_force.is_some()),
            ("quantity", !by_quote && !closes, self.quantity.is_some()),
            ("quoteOrderQty", by_quote, self.quote_quantity.is_some()),
            ("price", kind.has_limit(), self.price.is_some()),
            ("stopPrice", kind.has_trigger() && self.trailing.is_none(), self.stop_price.is_some()),
            ("closePosition", closes, self.close_position),
            ("trailingDelta", self.trailing.is_some() && kind.is_stop_loss(), self.trailing.is_some()),
        ];
        for (name, needed, sent) in needs {
            if needed && !sent {
                return Err(Refusal::missing(name));
            }
            if sent && !needed {
                return Err(Refusal::not_required(name));
            }
        }
        let amounts = [self.quantity, self.quote_quantity, self.price, self.stop_price];
        if amounts.into_iter().flatten().any(|amount| amount <= Decimal::ZERO) {
            return Err(Refusal::new(-1013, "Invalid quantity or price: it must be above zero."));
        }
        Ok(())
    }

    fn check_filters(&self, rules: &SymbolRules, last: Option<Decimal>) -> Result<(), Refusal> {
        for price in self.price.into_iter().chain(self.stop_price) {
            rules.check_price(price)?;
            if let Some(last) = last {
                SymbolRules::check_band(price, last)?;
            }
        }
        if let Some(quantity) = self.quantity {
            rules.check_quantity(quantity, "LOT_SIZE")?;
        }
        let notional = match (self.quote_quantity, self.quantity, self.price.or(self.stop_price).or(last)) {
            (Some(quote), _, _) => Some(quote),
            (None, Some(quantity), Some(price)) => Some(quantity * price),
            _ => None,
        };
        match notional {
            Some(notional) if !self.reduce_only => rules.check_notional(notional),
            _ => Ok(()),
        }
    }

    /// A limit order that the last price would fill at once.
    fn is_marketable(&self, last: Decimal) -> bool {
        self.price.is_some_and(|price| match self.side {
            Side::Buy => price >= last,
            Side::Sell => price <= last,
        })
    }

    fn would_trigger(&self, last: Decimal) -> bool {
        self.stop_price.is_some_and(|stop| match self.kind.approach(self.side) {
            Approach::Rising => last >= stop,
            Approach::Falling => last <= stop,
        })
    }

    pub(crate) fn check_against_last(&self, last: Option<Decimal>) -> Result<(), Refusal> {
        let Some(last) = last else {
            // Without a price there is nothing to lock a buy's money by, and nothing to fill against.
            let needs_price = self.kind == Kind::Market
                || self.trailing.is_some()
                || self.time_in_force.is_some_and(|tif| tif != TimeInForce::Gtc);
            return if needs_price { Err(Refusal::new(-1013, "Market is closed.")) } else { Ok(()) };
        };
        if self.kind == Kind::LimitMaker && self.is_marketable(last) {
            return Err(Refusal::would_match());
        }
        if self.would_trigger(last) {
            return Err(Refusal::new(-2010, "Stop price would trigger immediately."));
        }
        Ok(())
    }

    /// Quote held back per base unit of a buy.
    pub(crate) fn lock_price(&self, last: Option<Decimal>) -> Decimal {
        let trailing = self.trailing.zip(last).map(|(trailing, last)| last * (Decimal::ONE + trailing.callback));
        self.price.or(self.stop_price).or(trailing).or(last).unwrap_or_default()
    }

    pub(crate) fn lock(&self, last: Option<Decimal>) -> Decimal {
        match (self.side, self.quote_quantity) {
            (Side::Buy, Some(quote)) => quote,
            (Side::Buy, None) => self.quantity.unwrap_or_default() * self.lock_price(last),
            (Side::Sell, _) => self.quantity.unwrap_or_default(),
        }
    }
}

impl Venue {
    pub(crate) fn place(&mut self, account: usize, new: &NewOrder) -> Result<Outcome, Refusal> {
        let market = self.market_id(&new.symbol)?;
        if self.is_swap(account) {
            return self.place_swap(account, market, new);
        }
        let new = &self.in_base_units(market, new);
        self.check(account, market, new)?;
        let lock = new.lock(self.markets[market].last_price);
        self.check_lock(account, market, new.side, lock)?;
        self.check_room(account, market, 1, usize::from(new.kind.has_trigger()))?;

        let id = self.insert(account, market, new, None, lock);
        self.report(id, Execution::New);
        if self.depth(market).is_some() {
            self.report_account(account, market);
            self.send(id);
        } else if new.time_in_force.is_some_and(|tif| tif != TimeInForce::Gtc) {
            self.fill_or_expire(id);
        } else {
            self.report_account(account, market);
        }
        Ok(Outcome::Placed(id))
    }

    /// A market sale given in quote units becomes one in base units, by the last price.
    fn in_base_units(&self, market: usize, new: &NewOrder) -> NewOrder {
        let market = &self.markets[market];
        let mut new = new.clone();
        if let (Kind::Market, Side::Sell, Some(quote), None, Some(last)) =
            (new.kind, new.side, new.quote_quantity, new.quantity, market.last_price)
        {
            new.quantity = Some(down_to_step(quote / last, market.rules.step));
            new.quote_quantity = None;
        }
        new
    }

    pub(crate) fn check(&self, account: usize, market: usize, new: &NewOrder) -> Result<(), Refusal> {
        self.check_shape(account, market, new)?;
        if let (Kind::LimitMaker, Some(depth)) = (new.kind, self.depth(market)) {
            // The book tells what it would match.
            return match depth.best(new.side.opposite()) {
                Some(price) if new.is_marketable(price) => Err(Refusal::would_match()),
                _ => Ok(()),
            };
        }
        new.check_against_last(self.markets[market].last_price)
    }

    /// What can be told of an order without looking at where the price stands to it.
    pub(crate) fn check_shape(&self, account: usize, market: usize, new: &NewOrder) -> Result<(), Refusal> {
        new.check_parameters()?;
        let (rules, last) = (&self.markets[market].rules, self.markets[market].last_price);
        new.check_filters(rules, last)?;
        if let Some(id) = &new.client_id
            && let Some(&known) = self.accounts[account].client_ids.get(id)
            && self.order(known).is_open()
        {
            return Err(Refusal::duplicate());
        }
        Ok(())
    }

    pub(crate) fn check_lock(&self, account: usize, market: usize, side: Side, lock: Decimal) -> Result<(), Refusal> {
        let rules = &self.markets[market].rules;
        let asset = if side == Side::Buy { &rules.quote } else { &rules.base };
        if self.accounts[account].balance(asset).free < lock {
            return Err(Refusal::insufficient_balance());
        }
        Ok(())
    }

    pub(crate) fn check_room(&self, account: usize, market: usize, orders: usize, algo: usize) -> Result<(), Refusal> {
        let (at, most) = (&self.markets[market], self.markets[market].rules.most_open_orders());
        // What everybody together has not reached, nobody has: mostly there is nothing to count.
        if at.open.len() + orders <= most && (algo == 0 || at.open.len() + algo <= MAX_NUM_ALGO_ORDERS) {
            return Ok(());
        }
        let open = at.open.iter().map(|&id| self.order(id)).filter(|order| order.account == account);
        let (mut open_orders, mut open_algo) = (0, 0);
        for order in open {
            open_orders += 1;
            open_algo += usize::from(order.kind.has_trigger());
        }
        if open_orders + orders > most {
            return Err(Refusal::filter("MAX_NUM_ORDERS"));
        }
        if algo > 0 && open_algo + algo > MAX_NUM_ALGO_ORDERS {
            return Err(Refusal::filter("MAX_NUM_ALGO_ORDERS"));
        }
        Ok(())
    }

    pub(crate) fn insert(
        &mut self,
        account: usize,
        market: usize,
        new: &NewOrder,
        list: Option<ListId>,
        lock: Decimal,
    ) -> OrderId {
        let id = self.orders.len() as OrderId + 1;
        let client_id = new.client_id.clone().unwrap_or_else(|| format!("paper-{id}"));
        let at = &self.markets[market];
        let asset = if new.side == Side::Buy { at.rules.quote.clone() } else { at.rules.base.clone() };
        let working = !new.kind.has_trigger();
        self.orders.push(Order {
            id,
            account,
            market,
            list,
            client_id: client_id.clone(),
            side: new.side,
            kind: new.kind,
            time_in_force: new.time_in_force.unwrap_or(TimeInForce::Gtc),
            quantity: new.quantity.unwrap_or_default(),
            quote_quantity: new.quote_quantity,
            price: new.price,
            stop_price: new.stop_price,
            trailing: new.trailing.map(|NewTrailing { callback, activation }| Trailing {
                callback,
                activation,
                best: None,
            }),
            reduce_only: new.reduce_only,
            close_position: new.close_position,
            filled: Decimal::ZERO,
            quote_filled: Decimal::ZERO,
            status: Status::New,
            working,
            created_ms: self.clock_ms,
            updated_ms: self.clock_ms,
            working_ms: working.then_some(self.clock_ms),
            locked: lock,
            lock_price: new.lock_price(at.last_price),
            ahead: None,
            window: at.progress.as_ref().map(|progress| progress.window),
        });
        let at = &mut self.markets[market];
        at.open.insert(id);
        if let (Some(last), Some(order)) = (at.last_price, self.orders.last_mut()) {
            order.follow(last, at.rules.tick);
        }
        let account = &mut self.accounts[account];
        account.client_ids.insert(client_id, id);
        account.orders.push(id);
        account.lock(&asset, lock);
        id
    }

    /// A pending order becomes one like any other.
    pub(crate) fn go_live(&mut self, id: OrderId, lock_price: Decimal, lock: Decimal) {
        let clock_ms = self.clock_ms;
        let (account, market) = (self.order(id).account, self.order(id).market);
        let at = &self.markets[market];
        let (last, tick) = (at.last_price, at.rules.tick);
        let window = at.progress.as_ref().map(|progress| progress.window);
        let asset = if self.order(id).side == Side::Buy { at.rules.quote.clone() } else { at.rules.base.clone() };
        let order = self.order_mut(id);
        order.status = Status::New;
        order.working = !order.kind.has_trigger();
        order.working_ms = order.working.then_some(clock_ms);
        order.updated_ms = clock_ms;
        (order.locked, order.lock_price, order.window) = (lock, lock_price, window);
        if let Some(last) = last {
            order.follow(last, tick);
        }
        self.markets[market].open.insert(id);
        self.accounts[account].lock(&asset, lock);
        self.report(id, Execution::New);
        if self.depth(market).is_some() {
            self.arrive(id);
        } else {
            self.released.push(id);
        }
    }

    /// IOC and FOK meet the last price: all or nothing, for the book behind it is not known to be thin.
    pub(crate) fn fill_or_expire(&mut self, id: OrderId) {
        let order = self.order(id);
        let (account, market) = (order.account, order.market);
        match self.markets[market].last_price.filter(|&last| order.accepts(last)) {
            Some(last) => {
                self.fill(id, last, false, &mut None);
            }
            None => {
                self.expire(id);
                self.report_account(account, market);
            }
        }
    }
}
