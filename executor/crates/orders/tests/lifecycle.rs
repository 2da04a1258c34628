//! The lifecycle under events that come late, twice and in any order.

use orders::{Event, Fill, Kind, Order, Outcome, Side, Status, Tracked, ids};
use proptest::prelude::*;
use rust_decimal::Decimal;
use uuid::Uuid;

fn order(quantity: i64) -> Order {
    let id = Uuid::from_u128(7);
    Order {
        id,
        client_order_id: ids::client_order_id(id),
        parent: None,
        market: orders::Market::Spot,
        symbol: "BTCUSDT".into(),
        side: Side::Buy,
        kind: Kind::Limit,
        quantity: Decimal::from(quantity),
        price: Some(Decimal::from(100)),
        stop_price: None,
        trail: None,
        time_in_force: None,
        stop_loss: None,
        take_profit: None,
        reduce_only: false,
        post_only: false,
    }
}

fn fill(trade: u32, quantity: i64) -> Event {
    Event::Fill(Fill {
        trade_id: trade.to_string(),
        quantity: Decimal::from(quantity),
        price: Decimal::from(100),
        fee: Decimal::ZERO,
        fee_asset: "USDT".into(),
        is_maker: true,
        time_ms: i64::from(trade),
    })
}

fn accepted() -> Event {
    Event::Accepted { external_id: "1".into() }
}

fn rejected() -> Event {
    Event::Rejected { message: "no".into() }
}

fn unknown() -> Event {
    Event::Unknown { message: "timeout".into() }
}

/// An order of 10 brought into `status` by the events that lead there.
fn in_status(status: Status) -> Tracked {
    let mut tracked = Tracked::new(order(10));
    let path = match status {
        Status::Pending => vec![],
        Status::Open => vec![accepted()],
        Status::PartiallyFilled => vec![accepted(), fill(900, 1)],
        Status::Filled => vec![accepted(), fill(900, 10)],
        Status::Cancelled => vec![accepted(), Event::Cancelled],
        Status::Rejected => vec![rejected()],
        Status::Expired => vec![accepted(), Event::Expired],
        Status::Unknown => vec![unknown()],
    };
    for event in path {
        tracked.apply(&event);
    }
    assert_eq!(tracked.status, status);
    tracked
}

/// The whole table: each state, each event, the state after and what the event was taken for.
#[test]
fn every_pair_of_state_and_event_has_its_answer() {
    use Outcome::{Changed, Contradicted, Ignored};
    use Status::{Cancelled, Expired, Filled, Open, PartiallyFilled, Pending, Rejected, Unknown};
    let events =
        [accepted(), fill(1, 2), fill(2, 10), Event::Cancelled, Event::Expired, rejected(), unknown(), Event::Missing];
    let table: [(Status, [(Status, Outcome); 8]); 8] = [
        (
            Pending,
            [
                (Open, Changed),
                (PartiallyFilled, Changed),
                (Filled, Changed),
                (Cancelled, Changed),
                (Expired, Changed),
                (Rejected, Changed),
                (Unknown, Changed),
                (Rejected, Changed),
            ],
        ),
        (
            Open,
            [
                (Open, Ignored),
                (PartiallyFilled, Changed),
                (Filled, Changed),
                (Cancelled, Changed),
                (Expired, Changed),
                (Rejected, Changed),
                (Open, Ignored),
                (Open, Contradicted),
            ],
        ),
        // Already 1 of 10 filled, so that 10 more are more than was ordered.
        (
            PartiallyFilled,
            [
                (PartiallyFilled, Ignored),
                (PartiallyFilled, Changed),
                (Filled, Contradicted),
                (Cancelled, Changed),
                (Expired, Changed),
                (Cancelled, Changed),
                (PartiallyFilled, Ignored),
                (PartiallyFilled, Contradicted),
            ],
        ),
        (
            Filled,
            [
                (Filled, Ignored),
                (Filled, Contradicted),
                (Filled, Contradicted),
                (Filled, Ignored),
                (Filled, Ignored),
                (Filled, Ignored),
                (Filled, Ignored),
                (Filled, Ignored),
            ],
        ),
        (
            Cancelled,
            [
                (Cancelled, Ignored),
                (Cancelled, Changed),
                (Filled, Changed),
                (Cancelled, Ignored),
                (Cancelled, Ignored),
                (Cancelled, Ignored),
                (Cancelled, Ignored),
                (Cancelled, Ignored),
            ],
        ),
        (
            Rejected,
            [
                (Rejected, Contradicted),
                (PartiallyFilled, Contradicted),
                (Filled, Contradicted),
                (Rejected, Ignored),
                (Rejected, Ignored),
                (Rejected, Ignored),
                (Rejected, Ignored),
                (Rejected, Ignored),
            ],
        ),
        (
            Expired,
            [
                (Expired, Ignored),
                (Expired, Changed),
                (Filled, Changed),
                (Expired, Ignored),
                (Expired, Ignored),
                (Expired, Ignored),
                (Expired, Ignored),
                (Expired, Ignored),
            ],
        ),
        (
            Unknown,
            [
                (Open, Changed),
                (PartiallyFilled, Changed),
                (Filled, Changed),
                (Cancelled, Changed),
                (Expired, Changed),
                (Rejected, Changed),
                (Unknown, Ignored),
                (Rejected, Changed),
            ],
        ),
    ];
    assert_eq!(table.map(|(status, _)| status).len(), Status::ALL.len());
    for (status, answers) in table {
        for (event, expected) in events.iter().zip(answers) {
            let mut tracked = in_status(status);
            let outcome = tracked.apply(event);
            assert_eq!((tracked.status, outcome), expected, "{status:?} and {event:?}");
        }
    }
}

#[test]
fn a_fee_in_the_base_asset_lessens_what_was_received() {
    let mut tracked = Tracked::new(order(10));
    for (trade, asset) in [("1", "BTC"), ("2", "BNB"), ("3", "BTC")] {
        tracked.apply(&Event::Fill(Fill {
            trade_id: trade.into(),
            quantity: Decimal::from(2),
            price: Decimal::from(100),
            fee: Decimal::new(1, 1),
            fee_asset: asset.into(),
            is_maker: false,
            time_ms: 0,
        }));
    }
    assert_eq!(tracked.filled, Decimal::from(6));
    assert_eq!(tracked.net_filled("BTC"), Decimal::new(58, 1));
}

/// A life as a venue could report it, then permuted and with repeats.
fn lives() -> impl Strategy<Value = (i64, Vec<Event>, Vec<Event>)> {
    (prop::collection::vec(1i64..5, 0..6), 0i64..5, 0u8..4).prop_flat_map(|(fills, rest, end)| {
        let filled: i64 = fills.iter().sum();
        let quantity = (filled + rest).max(1);
        let mut events = vec![accepted()];
        events.extend(fills.iter().enumerate().map(|(i, q)| fill(i as u32, *q)));
        if filled < quantity {
            match end {
                0 => events.push(Event::Cancelled),
                1 => events.push(Event::Expired),
                2 => events.push(unknown()),
                _ => {}
            }
        }
        let repeats = prop::collection::vec(0..events.len(), 0..6);
        (Just(quantity), Just(events), repeats).prop_flat_map(|(quantity, events, repeats)| {
            let mut disordered = events.clone();
            disordered.extend(repeats.iter().map(|i| events[*i].clone()));
            (Just(quantity), Just(events), Just(disordered).prop_shuffle())
        })
    })
}

proptest! {
    #[test]
    fn order_and_repetition_of_events_do_not_change_what_was_filled((quantity, events, disordered) in lives()) {
        let run = |events: &[Event]| {
            let mut tracked = Tracked::new(order(quantity));
            for event in events {
                let (before, filled) = (tracked.status, tracked.filled);
                tracked.apply(event);
                prop_assert!(tracked.filled >= filled, "a filled quantity never falls");
                prop_assert!(tracked.filled >= Decimal::ZERO && tracked.filled <= tracked.order.quantity);
                if before.is_terminal() {
                    let late_fill = matches!(event, Event::Fill(_)) && tracked.status == Status::Filled;
                    prop_assert!(tracked.status == before || late_fill, "{:?} -> {:?}", before, tracked.status);
                }
            }
            Ok(tracked)
        };
        let (straight, shuffled) = (run(&events)?, run(&disordered)?);
        prop_assert_eq!(straight.filled, shuffled.filled);
        prop_assert_eq!(straight.filled_value, shuffled.filled_value);
        prop_assert_eq!(&straight.trades, &shuffled.trades);
        prop_assert_eq!(straight.last_fill_ms, shuffled.last_fill_ms);
        prop_assert_eq!(straight.status, shuffled.status);
    }
}
