//! What reconciliation corrects, and that a second look finds nothing more to correct.

use std::collections::BTreeMap;

use orders::reconcile::{Correction, VenueOrder, VenueSnapshot, VenueTrade, plan};
use orders::{Event, Fill, Kind, Order, Side, Status, Tracked, ids};
use rust_decimal::Decimal;
use uuid::Uuid;

const ACCOUNT: Uuid = Uuid::from_u128(99);

fn tracked(n: u128, events: &[Event]) -> (Uuid, Tracked) {
    let id = Uuid::from_u128(n);
    let mut tracked = Tracked::new(Order {
        id,
        client_order_id: ids::client_order_id(id),
        parent: None,
        market: orders::Market::Spot,
        symbol: "BTCUSDT".into(),
        side: Side::Buy,
        kind: Kind::Limit,
        quantity: Decimal::from(10),
        price: Some(Decimal::from(100)),
        stop_price: None,
        trail: None,
        time_in_force: None,
        stop_loss: None,
        take_profit: None,
        reduce_only: false,
        post_only: false,
    });
    for event in events {
        tracked.apply(event);
    }
    (id, tracked)
}

fn accepted(n: u128) -> Event {
    Event::Accepted { external_id: n.to_string() }
}

fn at_venue(n: u128, status: Status, executed: i64) -> VenueOrder {
    VenueOrder {
        client_order_id: ids::client_order_id(Uuid::from_u128(n)),
        external_id: n.to_string(),
        symbol: "BTCUSDT".into(),
        side: Side::Buy,
        kind: Kind::Limit,
        quantity: Decimal::from(10),
        price: Some(Decimal::from(100)),
        stop_price: None,
        trail: None,
        reduce_only: false,
        time_in_force: None,
        post_only: false,
        status,
        executed: Decimal::from(executed),
        time_ms: 5,
    }
}

fn trade(order: u128, trade: u32, quantity: i64) -> VenueTrade {
    VenueTrade {
        external_id: order.to_string(),
        symbol: "BTCUSDT".into(),
        fill: Fill {
            trade_id: trade.to_string(),
            quantity: Decimal::from(quantity),
            price: Decimal::from(100),
            fee: Decimal::ZERO,
            fee_asset: "USDT".into(),
            is_maker: true,
            time_ms: 6,
        },
    }
}

fn snapshot(orders: Vec<VenueOrder>, trades: Vec<VenueTrade>, missing: &[u128]) -> VenueSnapshot {
    VenueSnapshot { orders, trades, missing: missing.iter().map(|n| Uuid::from_u128(*n)).collect() }
}

/// Applies the corrections that change the journal's view.
fn corrected(mut known: BTreeMap<Uuid, Tracked>, venue: &VenueSnapshot) -> BTreeMap<Uuid, Tracked> {
    for correction in plan(ACCOUNT, &known, venue) {
        match correction {
            Correction::Adopt { id, order } => {
                let (_, mut adopted) = tracked(0, &[]);
                adopted.order.id = id;
                adopted.order.client_order_id = order.client_order_id;
                known.insert(id, adopted);
            }
            Correction::Apply { id, event } => {
                known.get_mut(&id).expect("an order is adopted before it changes").apply(&event);
            }
            Correction::CancelStray { .. } | Correction::FetchTrades { .. } => {}
        }
    }
    known
}

#[test]
fn agreement_needs_no_correction() {
    let known = BTreeMap::from([tracked(1, &[accepted(1)])]);
    assert_eq!(plan(ACCOUNT, &known, &snapshot(vec![at_venue(1, Status::Open, 0)], vec![], &[])), []);
}

#[test]
fn what_happened_unseen_is_booked_once() {
    let known = BTreeMap::from([
        tracked(1, &[accepted(1)]),
        tracked(2, &[]),
        tracked(3, &[Event::Unknown { message: String::new() }]),
        tracked(4, &[accepted(4)]),
    ]);
    let venue = snapshot(
        vec![at_venue(1, Status::Filled, 10), at_venue(2, Status::Open, 0), at_venue(4, Status::Cancelled, 3)],
        vec![trade(1, 7, 6), trade(1, 8, 4), trade(1, 8, 4), trade(4, 9, 3)],
        &[3],
    );
    let known = corrected(known, &venue);
    let states: Vec<_> = known.values().map(|tracked| (tracked.status, tracked.filled)).collect();
    let decimal = Decimal::from;
    assert_eq!(
        states,
        [
            (Status::Filled, decimal(10)),
            (Status::Open, decimal(0)),
            (Status::Rejected, decimal(0)),
            (Status::Cancelled, decimal(3))
        ]
    );
    assert_eq!(plan(ACCOUNT, &known, &venue), [], "the second look finds nothing");
}

#[test]
fn foreign_orders_are_adopted_under_a_stable_id() {
    let foreign = VenueOrder { client_order_id: "web_1".into(), ..at_venue(50, Status::Open, 0) };
    let venue = snapshot(vec![foreign], vec![], &[]);
    let known = corrected(BTreeMap::new(), &venue);
    assert_eq!(known.keys().copied().collect::<Vec<_>>(), [ids::foreign_order(ACCOUNT, "BTCUSDT", "50")]);
    assert_eq!(plan(ACCOUNT, &known, &venue), []);
    // One of ours that the journal has lost keeps the id it was given.
    let ours = corrected(BTreeMap::new(), &snapshot(vec![at_venue(5, Status::Open, 0)], vec![], &[]));
    assert_eq!(ours.keys().copied().collect::<Vec<_>>(), [Uuid::from_u128(5)]);
}

#[test]
fn an_order_finished_here_that_works_there_is_cancelled() {
    let known = BTreeMap::from([tracked(1, &[Event::Missing])]);
    let corrections = plan(ACCOUNT, &known, &snapshot(vec![at_venue(1, Status::Open, 0)], vec![], &[]));
    assert_eq!(corrections, [Correction::CancelStray { id: Uuid::from_u128(1) }]);
}

#[test]
fn executions_without_their_trades_are_asked_for() {
    let known = BTreeMap::from([tracked(1, &[accepted(1)])]);
    let venue = snapshot(vec![at_venue(1, Status::PartiallyFilled, 5)], vec![trade(1, 7, 2)], &[]);
    let corrections = plan(ACCOUNT, &known, &venue);
    assert!(corrections.contains(&Correction::FetchTrades { id: Uuid::from_u128(1) }), "{corrections:?}");
}

#[test]
fn an_open_order_is_never_declared_missing() {
    let known = BTreeMap::from([tracked(1, &[])]);
    let venue = snapshot(vec![at_venue(1, Status::Open, 0)], vec![], &[1]);
    assert_eq!(corrected(known, &venue)[&Uuid::from_u128(1)].status, Status::Open);
}
