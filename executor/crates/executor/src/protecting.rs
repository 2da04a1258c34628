//! Places the protective orders that `orders::protection` asks for, and says loudly when one cannot be placed.

use std::sync::Arc;
use std::time::Instant;

use orders::guards::{approve_exit, approve_oco};
use orders::protection::{self, Failure, Form, Next};
use orders::{Kind, Oco, Order, SymbolRules, Tracked, ids};
use rust_decimal::Decimal;
use uuid::Uuid;
use venues::VenueError;

use crate::account::{Account, Done, Wake};
use crate::fact::{Asked, Fact};
use crate::reacting::RETRY;

impl Account {
    /// Brings the protection of an entry's fills up to date. `again`: also try what the venue has refused before.
    pub fn protect(&mut self, entry: Uuid, again: bool) {
        let Some(tracked) = self.state.orders.get(&entry) else { return };
        let symbol = tracked.order.symbol.clone();
        // What is being sold out needs no stop, and a stop would hold the balance back.
        if self.state.flattening.contains_key(&symbol) {
            return;
        }
        let Some(rules) = self.state.rules.get(&symbol).cloned() else { return };
        let Some(next) = protection::next(tracked, self.state.groups_of(entry), &rules, again) else { return };
        let legs = legs(tracked, &next);
        let issued_at_ms = self.state.kept.get(&entry).map_or(0, |kept| kept.asked.issued_at_ms);
        let asked = Asked {
            issued_at_ms,
            market_time_ms: tracked.last_fill_ms,
            session_id: self.state.kept.get(&entry).and_then(|kept| kept.asked.session_id),
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
    }

    fn send_legs(&mut self, entry: Uuid, n: u32, legs: Vec<Order>, rules: &SymbolRules) {
        let venue = Arc::clone(&self.venue);
        let refusal = match <[Order; 2]>::try_from(legs) {
            Ok([stop, target]) => {
                let client_list_id = ids::client_order_id(ids::protective_list(entry, n));
                match approve_oco(Oco { client_list_id, stop, target }, rules) {
                    Ok(oco) => {
                        self.send_when_durable(async move {
                            let sent = Instant::now();
                            Done::OcoPlaced { entry, n, sent, result: venue.place_oco(&oco).await }
                        });
                        return;
                    }
                    Err(refusal) => refusal,
                }
            }
            Err(mut single) => {
                let Some(leg) = single.pop() else { return };
                let order_id = leg.id;
                match approve_exit(leg, rules) {
                    Ok(leg) => {
                        self.send_when_durable(async move {
                            let sent = Instant::now();
                            Done::Placed { order_id, sent, result: venue.place(&leg).await }
                        });
                        return;
                    }
                    Err(refusal) => refusal,
                }
            }
        };
        self.group_failed(entry, n, Failure::Refused);
        for leg in self.state.group_legs.get(&(entry, n)).cloned().unwrap_or_default() {
            self.happened(leg, orders::Event::Rejected { message: refusal.message.clone() }, None);
        }
        self.protect(entry, false);
    }

    pub fn group_failed(&mut self, entry: Uuid, n: u32, failure: Failure) {
        let is_new = self.state.groups_of(entry).iter().any(|group| group.n == n && group.failure.is_none());
        if is_new {
            self.record(Fact::GroupFailed { entry, n, failure });
        }
    }

    /// A leg was rejected by itself: once its group has none left, the next form is tried.
    pub fn leg_failed(&mut self, leg: Uuid, failure: Failure) {
        let Some((entry, n)) = self.state.legs.get(&leg).copied() else { return };
        let legs = self.state.group_legs.get(&(entry, n)).cloned().unwrap_or_default();
        let all = legs.iter().all(|leg| {
            self.state.orders.get(leg).is_some_and(|tracked| !tracked.is_working() && tracked.filled.is_zero())
        });
        let is_noted = self.state.groups_of(entry).iter().any(|group| group.n == n && group.failure.is_some());
        if all && !is_noted {
            self.group_failed(entry, n, failure);
            self.protect(entry, false);
        }
    }

    /// The next attempt after the venue's answer; at once unless nothing can be sent.
    pub fn protect_after(&mut self, entry: Uuid, error: &VenueError) {
        match error {
            VenueError::NotSent(_) | VenueError::Throttled { .. } => {
                tracing::error!(account = %self.state.account, %entry, %error, "protection could not be sent; trying again");
                self.wake_in(RETRY, Wake::Protect { entry });
            }
            _ => {
                tracing::warn!(account = %self.state.account, %entry, %error, "the venue refused a protective order; trying the next form");
                self.protect(entry, false);
                self.warn_if_unprotected(entry);
            }
        }
    }

    fn warn_if_unprotected(&mut self, entry: Uuid) {
        let found = self.state.unprotected().into_iter().find(|(id, _)| *id == entry);
        if let Some((_, quantity)) = found {
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
        Form::Oco | Form::Stop | Form::Target => "protects the entry's fill",
        Form::Exit => "the price is already past the stop or target: sold at market",
    }
}

fn legs(entry: &Tracked, next: &Next) -> Vec<Order> {
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
        post_only: kind == Kind::Limit && next.form == Form::Oco,
    };
    let stop = || leg(ids::stop_leg(entry.order.id, next.n), Kind::StopLoss, None, entry.order.stop_loss);
    let target = || leg(ids::target_leg(entry.order.id, next.n), Kind::Limit, entry.order.take_profit, None);
    match next.form {
        Form::Oco => vec![stop(), target()],
        Form::Stop => vec![stop()],
        Form::Target => vec![target()],
        Form::Exit => vec![leg(ids::stop_leg(entry.order.id, next.n), Kind::Market, None, None)],
    }
}
