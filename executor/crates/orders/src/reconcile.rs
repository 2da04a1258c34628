//! What to correct when the journal and the venue disagree. The venue is right about what exists and what traded;
//! the journal is right about what we meant.

use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;

use crate::ids;
use crate::lifecycle::{Event, Tracked};
use crate::order::{Fill, Kind, Side, Status, TimeInForce};

/// An order as the venue has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VenueOrder {
    pub client_order_id: String,
    pub external_id: String,
    pub symbol: String,
    pub side: Side,
    pub kind: Kind,
    pub quantity: Decimal,
    pub price: Option<Decimal>,
    pub stop_price: Option<Decimal>,
    pub trail: Option<Decimal>,
    pub reduce_only: bool,
    pub time_in_force: Option<TimeInForce>,
    pub post_only: bool,
    /// Never `Pending` or `Unknown`.
    pub status: Status,
    pub executed: Decimal,
    pub time_ms: i64,
}

/// A trade as the venue lists it, of the order that it calls `external_id`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VenueTrade {
    pub external_id: String,
    pub symbol: String,
    pub fill: Fill,
}

/// How far an account's trades of one symbol are known: where to ask on from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// The highest trade id, where the venue's are numbers.
    pub trade_id: Option<u64>,
    /// The latest trade's time.
    pub time_ms: i64,
}

/// A position of a swap account, as the venue has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VenuePosition {
    pub symbol: String,
    /// Base asset, negative when short.
    pub quantity: Decimal,
    pub entry_price: Option<Decimal>,
}

/// What was asked of the venue, after the user stream was up.
#[derive(Clone, Debug, Default)]
pub struct VenueSnapshot {
    /// Open orders, and those that were asked for by id.
    pub orders: Vec<VenueOrder>,
    /// Orders that the venue says do not exist, asked after its consistency delay.
    pub missing: Vec<Uuid>,
    pub trades: Vec<VenueTrade>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Correction {
    /// An order we do not know: take it on under this id.
    Adopt { id: Uuid, order: VenueOrder },
    /// The journal missed something.
    Apply { id: Uuid, event: Event },
    /// It is finished in the journal, and works at the venue: cancel it there.
    CancelStray { id: Uuid },
    /// The venue has executed more than its trades tell: ask for this order's trades.
    FetchTrades { id: Uuid },
}

/// The corrections that bring the journal's view to the venue's, in the order to apply them. Applying them twice changes nothing.
pub fn plan(account: Uuid, known: &BTreeMap<Uuid, Tracked>, venue: &VenueSnapshot) -> Vec<Correction> {
    let mut corrections = Vec::new();
    let mut by_external: BTreeMap<(&str, &str), Uuid> = BTreeMap::new();
    for (id, tracked) in known {
        if let Some(external_id) = &tracked.external_id {
            by_external.insert((&tracked.order.symbol, external_id), *id);
        }
    }
    let foreign: HashMap<&str, Uuid> = known
        .iter()
        .filter(|(_, tracked)| ids::order_id(&tracked.order.client_order_id).is_none())
        .map(|(id, tracked)| (tracked.order.client_order_id.as_str(), *id))
        .collect();
    let mut seen: BTreeMap<Uuid, &VenueOrder> = BTreeMap::new();
    for order in &venue.orders {
        let id = identify(account, &foreign, &by_external, order);
        if seen.insert(id, order).is_some() {
            continue;
        }
        by_external.insert((&order.symbol, &order.external_id), id);
        if !known.contains_key(&id) {
            corrections.push(Correction::Adopt { id, order: order.clone() });
        }
    }
    let mut traded: BTreeMap<Uuid, Decimal> = BTreeMap::new();
    let mut booked: BTreeSet<(Uuid, &str)> = BTreeSet::new();
    for trade in &venue.trades {
        let Some(id) = by_external.get(&(trade.symbol.as_str(), trade.external_id.as_str())).copied() else { continue };
        let is_known = known.get(&id).is_some_and(|tracked| tracked.trades.contains(&trade.fill.trade_id));
        if is_known || !booked.insert((id, &trade.fill.trade_id)) {
            continue;
        }
        *traded.entry(id).or_default() += trade.fill.quantity;
        corrections.push(Correction::Apply { id, event: Event::Fill(trade.fill.clone()) });
    }
    for (id, order) in &seen {
        let (status, filled) =
            known.get(id).map_or((Status::Pending, Decimal::ZERO), |tracked| (tracked.status, tracked.filled));
        corrections.extend(observe(*id, status, order));
        if order.executed > filled + traded.get(id).copied().unwrap_or_default() {
            corrections.push(Correction::FetchTrades { id: *id });
        }
    }
    for id in &venue.missing {
        if known.get(id).is_some_and(Tracked::is_working) && !seen.contains_key(id) {
            corrections.push(Correction::Apply { id: *id, event: Event::Missing });
        }
    }
    corrections
}

/// What one look at an order at the venue corrects, its trades apart.
pub fn observe(id: Uuid, status: Status, order: &VenueOrder) -> Vec<Correction> {
    let mut corrections = Vec::new();
    let rests = matches!(order.status, Status::Open | Status::PartiallyFilled);
    if status.is_terminal() {
        if rests {
            corrections.push(Correction::CancelStray { id });
        }
        return corrections;
    }
    if matches!(status, Status::Pending | Status::Unknown) && order.status != Status::Rejected {
        corrections.push(Correction::Apply { id, event: Event::Accepted { external_id: order.external_id.clone() } });
    }
    let ended = match order.status {
        Status::Cancelled => Some(Event::Cancelled),
        Status::Expired => Some(Event::Expired),
        Status::Rejected => Some(Event::Rejected { message: "refused by the venue".into() }),
        Status::Pending | Status::Open | Status::PartiallyFilled | Status::Filled | Status::Unknown => None,
    };
    corrections.extend(ended.map(|event| Correction::Apply { id, event }));
    corrections
}

fn identify(
    account: Uuid,
    foreign: &HashMap<&str, Uuid>,
    by_external: &BTreeMap<(&str, &str), Uuid>,
    order: &VenueOrder,
) -> Uuid {
    if let Some(id) = ids::order_id(&order.client_order_id) {
        return id;
    }
    if let Some(id) = by_external.get(&(order.symbol.as_str(), order.external_id.as_str())) {
        return *id;
    }
    let known = foreign.get(order.client_order_id.as_str()).copied();
    known.unwrap_or_else(|| ids::foreign_order(account, &order.symbol, &order.external_id))
}
