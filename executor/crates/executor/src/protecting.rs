//! Places the protective orders that `orders::protection` asks for, and says loudly when one cannot be placed.

use std::collections::HashMap;
use std::sync::Arc;

use orders::guards::{Refusal, approve_exit, approve_oco};
use orders::protection::{self, Failure, Form, Group, Next};
use orders::{Kind, Market, Oco, Order, Status, SymbolRules, Tracked, ids};
use rust_decimal::Decimal;
use uuid::Uuid;
use venues::{Balance, Reason, VenueError};

use crate::account::Account;
use crate::fact::{Asked, Fact};
use crate::message::{Done, Message, Wake};
use crate::reacting::RETRY;

impl Account {
    /// Protects what this turn's fills have brought in.
    pub fn protect_fills(&mut self) {
        let mut entries = std::mem::take(&mut self.unguarded);
        entries.sort_unstable();
        entries.dedup();
        entries.into_iter().for_each(|entry| self.protect(entry, true));
    }

    /// Brings the protection of an entry's fills up to date. `again`: also try what the venue has refused before.
    pub fn protect(&mut self, entry: Uuid, again: bool) {
        self.protect_within(entry, again, Decimal::MAX);
    }

    /// The same with no more than `free` of the base asset. Returns what it protects now.
    pub fn protect_within(&mut self, entry: Uuid, again: bool, free: Decimal) -> Decimal {
        self.settle_closing(entry);
        let Some(tracked) = self.state.orders.get(&entry) else { return Decimal::ZERO };
        // What is being closed out needs no stop, and a stop would hold the balance back.
        if self.state.flattening.contains_key(&tracked.order.symbol) {
            return Decimal::ZERO;
        }
        let Some(rules) = self.state.rules.get(&tracked.order.symbol).cloned() else { return Decimal::ZERO };
        if rules.market == Market::Swap && !self.state.is_on_side(&tracked.order) {
            return Decimal::ZERO;
        }
        let pairs = self.venue.holds().oco;
        let next = protection::next(tracked, self.state.groups_of(entry), &rules, pairs, again);
        let Some(wanted) = next.as_ref().map(|next| next.quantity) else { return Decimal::ZERO };
        let next = next.and_then(|next| next.within(free, tracked, &rules));
        let quantity = next.as_ref().map(|next| next.quantity).unwrap_or_default();
        // An audit that finds the same again is not worth a line.
        if quantity < wanted && (!quantity.is_zero() || !self.ready) {
            let bare = wanted - quantity;
            tracing::error!(account = %self.state.account, %entry, %bare, protected = %quantity, asset = rules.base, "UNPROTECTED: less is free than the fills have brought in; it was sold or locked by other hands");
        }
        let Some(next) = next else { return Decimal::ZERO };
        let legs = legs(tracked, &next, pairs);
        let kept = self.state.kept.get(&entry);
        let asked = Asked {
            issued_at_ms: kept.map_or(0, |kept| kept.asked.issued_at_ms),
            market_time_ms: tracked.last_fill_ms,
            session_id: kept.and_then(|kept| kept.asked.session_id),
            reason: Some(reason(next.form).into()),
            trace: self.state.kept.get(&entry).and_then(|kept| kept.asked.trace.clone()),
            version: Some(env!("CARGO_PKG_VERSION").into()),
        };
        let ids = legs.iter().map(|leg| leg.id).collect();
        self.record(Fact::Group { entry, n: next.n, form: next.form, quantity: next.quantity, legs: ids });
        for leg in &legs {
            self.record(Fact::Placed { order: leg.clone(), asked: asked.clone() });
        }
        self.send_legs(entry, next.n, legs, &rules);
        self.merge_groups(entry);
        quantity
    }

    /// The asset that an entry brings in.
    pub fn base_of(&self, entry: Uuid) -> Option<String> {
        let symbol = &self.state.orders.get(&entry)?.order.symbol;
        self.state.rules.get(symbol).map(|rules| rules.base.clone())
    }

    /// By asset; none of a swap account's, whose exits need no balance.
    pub fn free_balances(&self) -> HashMap<String, Decimal> {
        let is_spot = self.venue.market() == Market::Spot;
        let balances = self.state.balances.iter().filter(|_| is_spot);
        balances.map(|(asset, balance)| (asset.clone(), balance.free)).collect()
    }

    /// The venue refused to protect `refused`, and has been asked what is free. Less than that is placed; if it says that there was
    /// enough, the next form is tried.
    pub fn protect_what_is_free(
        &mut self,
        entry: Uuid,
        refused: Decimal,
        result: Result<Vec<(String, Balance)>, VenueError>,
    ) {
        let Ok(balances) = result else { return self.wake_in(RETRY, Wake::Protect { entry }) };
        self.balances(balances);
        let free = self.base_of(entry).and_then(|base| self.free_balances().get(&base).copied()).unwrap_or_default();
        if free < refused {
            self.protect_within(entry, true, free);
        } else {
            self.protect(entry, false);
        }
        self.warn_if_unprotected(entry);
    }

    fn send_legs(&mut self, entry: Uuid, n: u32, legs: Vec<Order>, rules: &SymbolRules) {
        let sent = match <[Order; 2]>::try_from(legs) {
            Ok([stop, target]) if self.venue.holds().oco => {
                let client_list_id = ids::client_order_id(ids::protective_list(entry, n));
                approve_oco(Oco { client_list_id, stop, target }, rules).map(|pair| self.send_pair(pair))
            }
            Ok(legs) => self.send_each(legs.into(), rules),
            Err(single) => self.send_each(single, rules),
        };
        if let Err(refusal) = sent {
            self.group_failed(entry, n, Failure::Refused);
            for leg in self.state.group_legs.get(&(entry, n)).cloned().unwrap_or_default() {
                self.happened(leg, orders::Event::Rejected { message: refusal.message.clone() }, None);
            }
            self.protect(entry, false);
        }
    }

    /// All of them, or none.
    fn send_each(&mut self, legs: Vec<Order>, rules: &SymbolRules) -> Result<(), Refusal> {
        let approved = legs.into_iter().map(|leg| approve_exit(leg, rules)).collect::<Result<Vec<_>, _>>()?;
        approved.into_iter().for_each(|leg| self.send_order(leg));
        Ok(())
    }

    /// Takes a group's orders back; what it has not closed is then treated as `failure` says.
    pub fn close_group(&mut self, entry: Uuid, n: u32, failure: Failure) {
        self.record(Fact::GroupClosing { entry, n, failure });
        let legs = self.state.group_legs.get(&(entry, n)).cloned().unwrap_or_default();
        // One cancel clears both legs of a pair that the venue holds as one.
        let most = if self.venue.holds().oco { 1 } else { legs.len() };
        legs.into_iter().take(most).for_each(|leg| self.take_back_if_working(leg));
    }

    /// Groups that are being taken back fail together, once all of their orders are finished: what replaces them is one order.
    fn settle_closing(&mut self, entry: Uuid) {
        let closing: Vec<(u32, Failure)> = (self.state.groups_of(entry).iter())
            .filter(|group| group.failure.is_none())
            .filter_map(|group| group.closing.map(|failure| (group.n, failure)))
            .collect();
        let legs = closing.iter().filter_map(|(n, _)| self.state.group_legs.get(&(entry, *n))).flatten();
        let mut orders = legs.filter_map(|leg| self.state.orders.get(leg));
        if orders.any(|leg| leg.is_working() || self.is_short(leg)) {
            return;
        }
        for (n, failure) in closing {
            self.record(Fact::GroupFailed { entry, n, failure });
        }
    }

    /// Many small fills must not pile up stops beyond what a venue allows.
    fn merge_groups(&mut self, entry: Uuid) {
        let rests = |n: u32| {
            let legs = self.state.group_legs.get(&(entry, n)).into_iter().flatten();
            let mut orders = legs.filter_map(|leg| self.state.orders.get(leg));
            orders.all(|leg| matches!(leg.status, Status::Open | Status::PartiallyFilled))
        };
        for n in protection::to_merge(self.state.groups_of(entry), rests).into_iter().flatten() {
            self.close_group(entry, n, Failure::Merged);
        }
    }

    /// A target that fills in part takes its stop with it, as a pair at the venue does: what is left of it is taken back, and gets
    /// protection anew.
    pub fn leg_filled(&mut self, leg: Uuid) {
        let Some((entry, n)) = self.state.legs.get(&leg).copied() else { return };
        let Some(tracked) = self.state.orders.get(&leg) else { return };
        let is_half = tracked.is_working() && tracked.order.kind == Kind::Limit && self.venue.holds().oco;
        let stands = |group: &Group| group.n == n && group.form == Form::Oco && group.stands();
        let is_clearing = self.state.flattening.contains_key(&tracked.order.symbol);
        if is_half && !is_clearing && self.state.groups_of(entry).iter().any(stands) {
            self.record(Fact::GroupClosing { entry, n, failure: Failure::Merged });
            self.take_back_if_working(leg);
        }
    }

    /// A leg is finished: the other one of its group has nothing left to do, and what was taken back can be placed anew.
    pub fn leg_ended(&mut self, leg: Uuid, status: Status) {
        let Some((entry, n)) = self.state.legs.get(&leg).copied() else { return };
        if status == Status::Filled
            && !self.venue.holds().oco
            && let Some(other) = self.state.siblings.get(&leg).copied()
        {
            self.take_back_if_working(other);
        }
        let Some(group) = self.state.groups_of(entry).iter().find(|group| group.n == n) else { return };
        if group.closing.is_some() {
            self.unguarded.push(entry);
        } else if status == Status::Expired && group.stands_for_something() && !self.works(entry, n) {
            // The venue let it end unfilled: a market order without a counterpart, a list that met an order of ours.
            self.group_failed(entry, n, Failure::NotSent);
            self.wake_in(RETRY, Wake::Protect { entry });
        }
    }

    /// Whether an order of the group works.
    fn works(&self, entry: Uuid, n: u32) -> bool {
        let legs = self.state.group_legs.get(&(entry, n)).into_iter().flatten();
        legs.filter_map(|leg| self.state.orders.get(leg)).any(Tracked::is_working)
    }

    /// A protective order was refused, or never arrived: what that means for its group. Told of before the order is rejected, so that
    /// the reason is known when the next form is chosen.
    pub fn leg_refused(&mut self, leg: Uuid, failure: Failure) {
        let Some((entry, n)) = self.state.legs.get(&leg).copied() else { return };
        let works = |id: &Uuid| self.state.orders.get(id).is_some_and(Tracked::is_working);
        let other = self.state.siblings.get(&leg).copied().filter(works);
        let is_target = self.state.orders.get(&leg).is_some_and(|tracked| tracked.order.kind == Kind::Limit);
        match other {
            // The venue answers for both at once.
            Some(_) if self.venue.holds().oco => {}
            Some(_) if is_target => {
                tracing::error!(account = %self.state.account, %entry, "the target was refused; the stop alone protects");
            }
            Some(target) => {
                self.group_failed(entry, n, failure);
                self.take_back_if_working(target);
            }
            None => self.group_failed(entry, n, failure),
        }
    }

    /// The user stream tells that a leg was rejected.
    pub fn leg_failed(&mut self, leg: Uuid, failure: Failure) {
        let Some((entry, n)) = self.state.legs.get(&leg).copied() else { return };
        let is_noted = self.state.groups_of(entry).iter().any(|group| group.n == n && group.failure.is_some());
        if !is_noted && self.state.orders.get(&leg).is_some_and(|tracked| tracked.filled.is_zero()) {
            self.leg_refused(leg, failure);
            self.protect(entry, false);
        }
    }

    /// The next attempt after the venue has refused a protective order.
    pub fn after_refused_leg(&mut self, order_id: Uuid, error: &VenueError) {
        if let Some((entry, _)) = self.state.legs.get(&order_id).copied() {
            let quantity = self.state.orders.get(&order_id).map(|tracked| tracked.order.quantity).unwrap_or_default();
            self.protect_after(entry, quantity, error);
        }
    }

    pub fn group_failed(&mut self, entry: Uuid, n: u32, failure: Failure) {
        // What was given up on purpose stays so, whatever becomes of its orders.
        let stands = |group: &Group| group.n == n && group.failure.is_none() && !group.released;
        let is_new = self.state.groups_of(entry).iter().any(stands);
        if is_new {
            self.record(Fact::GroupFailed { entry, n, failure });
        }
    }

    /// The next attempt after the venue's answer; at once unless nothing can be sent.
    fn protect_after(&mut self, entry: Uuid, quantity: Decimal, error: &VenueError) {
        match error {
            VenueError::NotSent(_) | VenueError::Throttled { .. } => {
                tracing::error!(account = %self.state.account, %entry, %error, "protection could not be sent; trying again");
                self.wake_in(RETRY, Wake::Protect { entry });
            }
            VenueError::Refused { reason: Reason::InsufficientBalance, .. } if self.venue.market() == Market::Spot => {
                tracing::warn!(account = %self.state.account, %entry, %error, "a protective order exceeds what is free; asking how much that is");
                let venue = Arc::clone(&self.venue);
                self.ask(async move {
                    Message::Done(Done::FreeBalances { entry, refused: quantity, result: venue.balances().await })
                });
            }
            _ => {
                tracing::warn!(account = %self.state.account, %entry, %error, "the venue refused a protective order; trying the next form");
                self.protect(entry, false);
                self.warn_if_unprotected(entry);
            }
        }
    }

    fn warn_if_unprotected(&mut self, entry: Uuid) {
        if let Some(quantity) = self.state.unprotected_of(entry).filter(|quantity| !quantity.is_zero()) {
            tracing::error!(account = %self.state.account, %entry, %quantity, "UNPROTECTED: no stop or target could be placed for what is held");
        }
    }

    /// A leg ended without command: if nothing took its place, the holder must know.
    pub fn warn_of_lost_protection(&mut self, leg: Uuid) {
        if let Some((entry, _)) = self.state.legs.get(&leg).copied() {
            self.warn_if_unprotected(entry);
        }
    }
}

fn reason(form: Form) -> &'static str {
    match form {
        Form::Oco | Form::Watched | Form::Stop | Form::Target => "protects the entry's fill",
        Form::Exit => "the price is past the stop or target: closed at market",
    }
}

fn legs(entry: &Tracked, next: &Next, pairs: bool) -> Vec<Order> {
    let leg = |id: Uuid, kind: Kind, price: Option<Decimal>, stop_price: Option<Decimal>| Order {
        id,
        client_order_id: ids::client_order_id(id),
        parent: Some(entry.order.id),
        market: entry.order.market,
        symbol: entry.order.symbol.clone(),
        side: entry.order.side.opposite(),
        kind,
        quantity: next.quantity,
        price,
        stop_price,
        trail: None,
        time_in_force: None,
        stop_loss: None,
        take_profit: None,
        reduce_only: true,
        // One that stands by itself may take what is there already: the price is only better.
        post_only: kind == Kind::Limit && next.form == Form::Oco && pairs,
    };
    let stop = || leg(ids::stop_leg(entry.order.id, next.n), Kind::StopLoss, None, entry.order.stop_loss);
    let target = || leg(ids::target_leg(entry.order.id, next.n), Kind::Limit, entry.order.take_profit, None);
    match next.form {
        Form::Oco => vec![stop(), target()],
        Form::Stop | Form::Watched => vec![stop()],
        Form::Target => vec![target()],
        Form::Exit => vec![leg(ids::stop_leg(entry.order.id, next.n), Kind::Market, None, None)],
    }
}
