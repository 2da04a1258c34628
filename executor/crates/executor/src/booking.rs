//! What an order's events change in the state: its life, the position, the sums that depend on it.

use std::collections::{BTreeMap, BTreeSet};

use orders::{Event, Fill, Kind, Side, Status, Tracked};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::state::{Applied, State};

impl State {
    pub fn happen(&mut self, id: Uuid, event: &Event, latency_us: Option<u64>, at_ms: i64) -> Applied {
        let (Some(tracked), Some(kept)) = (self.orders.get_mut(&id), self.kept.get_mut(&id)) else {
            return Applied::default();
        };
        let known_before = tracked.external_id.is_some();
        let trades = tracked.trades.len();
        self.workload.remove(tracked);
        let outcome = tracked.apply(event);
        self.workload.add(tracked);
        kept.updated_ms = at_ms;
        kept.latency_us = kept.latency_us.or(latency_us);
        if let (false, Some(external_id)) = (known_before, &tracked.external_id) {
            self.by_external.insert((tracked.order.symbol.clone(), external_id.clone()), id);
        }
        if tracked.is_working() {
            self.working.insert(id);
        } else {
            self.working.remove(&id);
            let is_given_up = self.cancelling.remove(&id);
            let never_arrived = matches!((event, tracked.status), (Event::Missing, Status::Rejected));
            if never_arrived && !is_given_up && !tracked.order.is_entry() && self.moved.values().any(|new| *new == id) {
                self.adrift.insert(id);
            }
        }
        follow(&mut self.trailing, &mut self.rewatch, tracked);
        let status = tracked.status;
        let mut realized_pnl = None;
        if let Event::Fill(fill) = event
            && tracked.trades.len() > trades
        {
            if tracked.order.wants_protection() {
                self.guarded.insert(id);
            }
            let (symbol, side) = (tracked.order.symbol.clone(), tracked.order.side);
            realized_pnl = self.book(id, &symbol, side, fill);
            if let Some((entry, n)) = self.legs.get(&id).copied() {
                self.group(entry, n, |group| group.gone += fill.quantity);
            }
        }
        Applied { outcome: Some(outcome), status: Some(status), realized_pnl, ..Applied::default() }
    }

    fn book(&mut self, id: Uuid, symbol: &str, side: Side, fill: &Fill) -> Option<Decimal> {
        let seen = self.seen.entry(symbol.to_owned()).or_default();
        seen.trade_id = seen.trade_id.max(fill.trade_id.parse().ok());
        seen.time_ms = seen.time_ms.max(fill.time_ms);
        let rules = self.rules.get(symbol)?;
        if let Some(kept) = self.kept.get_mut(&id) {
            kept.fees += match &fill.fee_asset {
                asset if *asset == rules.quote => fill.fee,
                asset if *asset == rules.base => fill.fee * fill.price,
                _ => Decimal::ZERO,
            };
        }
        self.positions.entry(symbol.to_owned()).or_default().book(side, fill, rules)
    }
}

/// A stop with a `trail` is one that the venue cannot move by itself.
pub fn follow(trailing: &mut BTreeMap<String, BTreeSet<Uuid>>, rewatch: &mut BTreeSet<String>, tracked: &Tracked) {
    let order = &tracked.order;
    if order.trail.is_none() || order.kind != Kind::StopLoss {
        return;
    }
    rewatch.insert(order.symbol.clone());
    let here = trailing.entry(order.symbol.clone()).or_default();
    if tracked.is_working() {
        here.insert(order.id);
    } else {
        here.remove(&order.id);
    }
}
