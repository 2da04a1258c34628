//! What can be read off an account's state.

use orders::exposure::Exposure;
use orders::protection::{self, Group};
use orders::{Market, Order, Side, Tracked};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::state::State;

const MINUTE_MS: i64 = 60_000;

impl State {
    pub fn groups_of(&self, entry: Uuid) -> &[Group] {
        self.groups.get(&entry).map_or(&[], Vec::as_slice)
    }

    pub fn working_orders(&self) -> impl Iterator<Item = &Tracked> {
        self.working.iter().filter_map(|id| self.orders.get(id))
    }

    /// Ids of working orders, of one symbol or of all.
    pub fn working_in(&self, symbol: Option<&str>, wanted: impl Fn(&Order) -> bool) -> Vec<Uuid> {
        let orders = self.working_orders().map(|tracked| &tracked.order);
        let here = orders.filter(|order| symbol.is_none_or(|symbol| order.symbol == symbol) && wanted(order));
        here.map(|order| order.id).collect()
    }

    /// Groups in `symbol` whose target is watched, and has something left to do.
    pub fn watched_groups(&mut self, symbol: &str) -> Vec<(Uuid, u32)> {
        let Some(watched) = self.watched.get_mut(symbol) else { return Vec::new() };
        let groups = &self.groups;
        watched.retain(|(entry, n)| {
            groups.get(entry).is_some_and(|groups| groups.iter().any(|group| group.n == *n && group.stands()))
        });
        watched.clone()
    }

    /// What the fills add up to.
    pub fn booked(&self, symbol: &str) -> Decimal {
        self.positions.get(symbol).map(|position| position.quantity).unwrap_or_default()
    }

    /// Spot: the total of the symbol's base asset, by the venue's word where it has been heard. Swap: the signed position, by the
    /// fills, which are told before the position that they make.
    pub fn held(&self, symbol: &str) -> Decimal {
        let spot = self.rules.get(symbol).filter(|rules| rules.market == Market::Spot);
        spot.and_then(|rules| self.total(&rules.base)).unwrap_or_else(|| self.booked(symbol))
    }

    /// Whether a position is held on the side of this entry: without one there is nothing to protect.
    pub fn is_on_side(&self, entry: &Order) -> bool {
        let held = self.held(&entry.symbol);
        match entry.side {
            Side::Buy => held > Decimal::ZERO,
            Side::Sell => held < Decimal::ZERO,
        }
    }

    pub fn total(&self, asset: &str) -> Option<Decimal> {
        if self.balances.is_empty() {
            return None;
        }
        Some(self.balances.get(asset).map(|balance| balance.free + balance.locked).unwrap_or_default())
    }

    /// The account as the guards must see it before `order`.
    pub fn exposure(&mut self, order: &Order, now_ms: i64, last: Option<Decimal>) -> Exposure {
        while self.entries_sent.front().is_some_and(|at| now_ms - at >= MINUTE_MS) {
            self.entries_sent.pop_front();
        }
        Exposure {
            killed: self.killed,
            paused: self.paused,
            flattening: self.flattening.contains_key(&order.symbol),
            held: self.held(&order.symbol),
            closing: self.workload.closing(&order.symbol, order.side),
            opening_value: self.workload.opening_value(&order.symbol, order.side, last),
            open_orders: self.workload.open_orders(),
            orders_last_minute: u32::try_from(self.entries_sent.len()).unwrap_or(u32::MAX),
            last,
        }
    }

    /// The same as if `old` were gone already.
    pub fn exposure_without(&mut self, old: Uuid, order: &Order, now_ms: i64, last: Option<Decimal>) -> Exposure {
        let Some(old) = self.orders.get(&old).cloned() else { return self.exposure(order, now_ms, last) };
        self.workload.remove(&old);
        let exposure = self.exposure(order, now_ms, last);
        self.workload.add(&old);
        exposure
    }

    /// Entries whose fills lack protection that was asked for, and how much of them.
    pub fn unprotected(&mut self) -> Vec<(Uuid, Decimal)> {
        let guarded = std::mem::take(&mut self.guarded);
        let mut found = Vec::new();
        for entry in guarded {
            let quantity = self.unprotected_of(entry);
            found.extend(quantity.filter(|quantity| !quantity.is_zero()).map(|quantity| (entry, quantity)));
            // One whose legs and fills have all come to their end needs no further look.
            if quantity.is_some() || self.orders.get(&entry).is_some_and(Tracked::is_working) {
                self.guarded.insert(entry);
            }
        }
        found
    }

    /// How much of an entry's fills lacks protection that was asked for; `None` once nothing is left to protect or protected.
    pub fn unprotected_of(&self, entry: Uuid) -> Option<Decimal> {
        let tracked = self.orders.get(&entry)?;
        let Some(rules) = self.rules.get(&tracked.order.symbol) else { return Some(Decimal::ZERO) };
        let legs = |n: u32| -> Vec<&Tracked> {
            let legs = self.group_legs.get(&(entry, n)).into_iter().flatten();
            legs.filter_map(|leg| self.orders.get(leg)).collect()
        };
        let groups = self.groups_of(entry);
        let quantity = protection::unprotected(tracked, groups, rules, legs);
        let works = || groups.iter().flat_map(|group| legs(group.n)).any(Tracked::is_working);
        if quantity.is_zero() {
            return works().then_some(quantity);
        }
        // What is not held any more needs no protection.
        Some(if self.held(&tracked.order.symbol).abs() >= rules.step { quantity } else { Decimal::ZERO })
    }
}
