//! OTO and OTOCO: the pending orders live when, and only when, the working one has filled completely.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::Value;

use crate::engine::*;

const SYMBOL: &str = "BTCUSDT";
const MINUTE: i64 = 60_000;

fn d(text: &str) -> Decimal {
    text.parse().unwrap()
}

struct Spot {
    venue: Venue,
    bars: i64,
}

impl Spot {
    /// At 100, with 1,000 USDT and 1 BTC; at most a tenth of a bar's volume of 10 fills.
    fn new() -> Self {
        let setup = Setup {
            fees: Fees { maker: d("0"), taker: d("0") },
            volume_share: Some(d("0.1")),
            symbols: vec![SymbolRules {
                symbol: SYMBOL.to_owned(),
                base: "BTC".to_owned(),
                quote: "USDT".to_owned(),
                tick: d("0.01"),
                step: d("0.001"),
                min_quantity: d("0.001"),
                min_notional: d("5"),
                max_open_orders: None,
            }],
            accounts: vec![SetupAccount {
                name: "trader".to_owned(),
                market: Product::Spot,
                balances: BTreeMap::from([("USDT".to_owned(), d("1000")), ("BTC".to_owned(), d("1"))]),
            }],
            swap: SwapRules::default(),
            latency_ms: 0,
        };
        let mut venue = Venue::default();
        venue.apply(&Input::Setup(setup)).unwrap();
        let mut spot = Self { venue, bars: 0 };
        spot.bar("100", "100", "100", "100");
        spot
    }

    fn bar(&mut self, open: &str, high: &str, low: &str, close: &str) {
        let open_time_ms = self.bars * MINUTE;
        self.bars += 1;
        let bar = Bar {
            open_time_ms,
            close_time_ms: open_time_ms + MINUTE - 1,
            open: d(open),
            high: d(high),
            low: d(low),
            close: d(close),
            volume: d("10"),
        };
        let mut input = Input::Bar { symbol: SYMBOL.to_owned(), interval: Interval::parse("1m").unwrap(), bar };
        while !matches!(self.venue.apply(&input).unwrap(), Outcome::Bar(BarAnswer { done: true, .. })) {
            input = Input::Continue { symbol: SYMBOL.to_owned() };
        }
    }

    fn otoco(&mut self, quantity: &str, pending: &str) -> Result<[u64; 3], i32> {
        let leg = |kind: Kind, level: &str| NewOrder {
            kind,
            quantity: Some(d(pending)),
            price: (kind == Kind::LimitMaker).then(|| d(level)),
            stop_price: (kind == Kind::StopLoss).then(|| d(level)),
            ..NewOrder::market(SYMBOL, Side::Sell)
        };
        let list = NewOto {
            client_id: None,
            working: NewOrder {
                kind: Kind::Limit,
                time_in_force: Some(TimeInForce::Gtc),
                quantity: Some(d(quantity)),
                price: Some(d("99")),
                ..NewOrder::market(SYMBOL, Side::Buy)
            },
            below: leg(Kind::StopLoss, "95"),
            above: Some(leg(Kind::LimitMaker, "105")),
        };
        match self.venue.apply(&Input::PlaceOto { account: "trader".to_owned(), list }) {
            Ok(Outcome::PlacedList(id)) => Ok(self.venue.list(id).orders.clone().try_into().unwrap()),
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => Err(refusal.code),
        }
    }

    fn statuses(&self, orders: [u64; 3]) -> [&'static str; 3] {
        orders.map(|id| self.venue.order(id).status.name())
    }
}

#[test]
fn the_legs_wait_until_the_working_order_has_filled_completely() {
    let mut spot = Spot::new();
    let orders = spot.otoco("2", "2").unwrap();
    assert_eq!(spot.statuses(orders), ["NEW", "PENDING_NEW", "PENDING_NEW"]);
    let events = spot.venue.take_user_events();
    let told: Vec<_> = events.iter().map(|(_, event)| event["X"].as_str().unwrap_or("-")).collect();
    assert_eq!(told[told.len() - 5..], ["-", "NEW", "PENDING_NEW", "PENDING_NEW", "-"]);
    // Half of it fills, and the price goes through the stop: nothing protects that half, as at Binance.
    spot.bar("100", "100", "94", "96");
    assert_eq!(spot.statuses(orders), ["PARTIALLY_FILLED", "PENDING_NEW", "PENDING_NEW"]);
    spot.venue.take_user_events();
    spot.bar("96", "99", "96", "98");
    assert_eq!(spot.statuses(orders), ["FILLED", "NEW", "NEW"]);
    let updated =
        spot.venue.take_user_events().into_iter().map(|(_, event)| event).find(|event| event["e"] == "listStatus");
    assert_eq!(
        updated.map(|event| (event["c"].clone(), event["l"].clone())),
        Some((Value::from("OTO"), "UPDATED".into()))
    );
    spot.bar("98", "106", "98", "105");
    assert_eq!(spot.statuses(orders), ["FILLED", "EXPIRED", "PARTIALLY_FILLED"]);
    assert_eq!(spot.venue.accounts[0].balance("BTC").locked, d("1"));
}

#[test]
fn legs_see_only_what_came_after_the_fill_that_released_them() {
    let mut spot = Spot::new();
    let orders = spot.otoco("0.5", "0.5").unwrap();
    // To 110 first or last: unknown, and the close of 98 does not prove that the target was met after 99.
    spot.bar("100", "110", "98", "98");
    assert_eq!(spot.statuses(orders), ["FILLED", "NEW", "NEW"]);
    let mut spot = Spot::new();
    let orders = spot.otoco("1", "1").unwrap();
    // 94 is below 99, so it came after: the stop is triggered, and waits only because the bar's volume is used up.
    spot.bar("100", "101", "94", "100");
    assert_eq!(spot.statuses(orders), ["FILLED", "NEW", "EXPIRED"]);
    assert!(spot.venue.order(orders[1]).working);
}

#[test]
fn a_list_ends_as_one() {
    let mut spot = Spot::new();
    let orders = spot.otoco("1", "1").unwrap();
    let (account, symbol) = ("trader".to_owned(), SYMBOL.to_owned());
    let order = Target::Id(orders[2]);
    spot.venue.apply(&Input::Cancel { account, symbol, order, new_client_id: None }).unwrap();
    assert_eq!(spot.statuses(orders), ["CANCELED"; 3]);
    assert_eq!(spot.venue.accounts[0].balance("USDT").free, d("1000"));
    assert!(spot.venue.list(1).done);
}

#[test]
fn legs_that_the_account_cannot_carry_are_rejected_when_they_go_live() {
    let mut spot = Spot::new();
    // 1 is bought and 1 was there, but the legs sell 3.
    let orders = spot.otoco("1", "3").unwrap();
    spot.bar("100", "100", "98", "99");
    assert_eq!(spot.statuses(orders), ["FILLED", "REJECTED", "REJECTED"]);
    assert!(spot.venue.list(1).done);
}

#[test]
fn a_spot_trailing_stop_keeps_its_distance() {
    let mut spot = Spot::new();
    let order = NewOrder {
        kind: Kind::StopLoss,
        quantity: Some(d("1")),
        trailing: Some(NewTrailing { callback: d("0.02"), activation: None }),
        ..NewOrder::market(SYMBOL, Side::Sell)
    };
    let account = "trader".to_owned();
    spot.venue.apply(&Input::Place { account, order }).unwrap();
    spot.bar("100", "104", "99", "103");
    assert_eq!(spot.venue.order(1).stop_price, Some(d("101.92")));
    spot.bar("103", "103", "101", "102");
    assert_eq!(spot.venue.accounts[0].trades[0].price, d("101.92"));
}
