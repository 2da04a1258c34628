//! Matching against an order book: its upkeep, queue position, taking, latency, and what must hold whatever comes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::engine::depth::Depth;
use crate::engine::*;

const SYMBOL: &str = "BTCUSDT";

fn d(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn levels(levels: &[(&str, &str)]) -> Vec<PriceLevel> {
    levels.iter().map(|(price, quantity)| (d(price), d(quantity))).collect()
}

struct Book {
    venue: Venue,
    last: u64,
    time_ms: i64,
    inputs: Vec<Input>,
}

fn setup(latency_ms: i64) -> Setup {
    let account = |name: &str, market| SetupAccount {
        name: name.to_owned(),
        market,
        balances: BTreeMap::from([("USDT".to_owned(), d("10000")), ("BTC".to_owned(), d("50"))]),
    };
    Setup {
        fees: Fees { maker: d("0.001"), taker: d("0.002") },
        volume_share: None,
        symbols: vec![SymbolRules {
            symbol: SYMBOL.to_owned(),
            base: "BTC".to_owned(),
            quote: "USDT".to_owned(),
            tick: d("0.1"),
            step: d("0.001"),
            min_quantity: d("0.001"),
            min_notional: d("1"),
            max_open_orders: None,
        }],
        accounts: vec![account("trader", Product::Spot), account("other", Product::Swap)],
        swap: SwapRules::default(),
        latency_ms,
    }
}

impl Book {
    /// 99.9 x 2, 99.8 x 5 against 100.1 x 1, 100.2 x 4.
    fn new(latency_ms: i64) -> Self {
        let mut book = Self { venue: Venue::default(), last: 100, time_ms: 1_000, inputs: Vec::new() };
        book.apply(Input::Setup(setup(latency_ms))).unwrap();
        book.tick(Tick::Snapshot(Snapshot {
            last: 100,
            bids: levels(&[("99.9", "2"), ("99.8", "5")]),
            asks: levels(&[("100.1", "1"), ("100.2", "4")]),
        }));
        book
    }

    fn apply(&mut self, input: Input) -> Result<Outcome, Refusal> {
        let outcome = self.venue.apply(&input);
        self.inputs.push(input);
        outcome
    }

    fn tick(&mut self, tick: Tick) -> bool {
        match self.apply(Input::Tick { symbol: SYMBOL.to_owned(), tick }) {
            Ok(Outcome::Tick { gap }) => gap,
            other => panic!("{other:?}"),
        }
    }

    fn diff(&mut self, bids: &[(&str, &str)], asks: &[(&str, &str)]) -> bool {
        self.change(levels(bids), levels(asks))
    }

    fn change(&mut self, bids: Vec<PriceLevel>, asks: Vec<PriceLevel>) -> bool {
        self.time_ms += 100;
        let first = self.last + 1;
        self.last += 3;
        self.tick(Tick::Diff(Diff { time_ms: self.time_ms, first, last: self.last, previous: None, bids, asks }))
    }

    fn trade(&mut self, price: &str, quantity: &str, buyer_is_maker: bool) {
        self.print(d(price), d(quantity), buyer_is_maker);
    }

    fn print(&mut self, price: Decimal, quantity: Decimal, buyer_is_maker: bool) {
        self.time_ms += 10;
        let (id, time_ms) = (self.time_ms as u64, self.time_ms);
        self.tick(Tick::Trade(TickTrade { id, time_ms, price, quantity, buyer_is_maker }));
    }

    fn place(&mut self, order: NewOrder) -> u64 {
        match self.apply(Input::Place { account: "trader".to_owned(), order }).unwrap() {
            Outcome::Placed(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn limit(&mut self, side: Side, quantity: &str, price: &str) -> u64 {
        self.place(limit(side, quantity, price))
    }

    fn fills(&self) -> Vec<(u64, String, String, bool)> {
        let trades = self.venue.accounts[0].trades.iter();
        trades.map(|trade| (trade.order, plain(trade.price), plain(trade.quantity), trade.maker)).collect()
    }

    fn status(&self, id: u64) -> &'static str {
        self.venue.order(id).status.name()
    }
}

fn limit(side: Side, quantity: &str, price: &str) -> NewOrder {
    NewOrder {
        kind: Kind::Limit,
        time_in_force: Some(TimeInForce::Gtc),
        quantity: Some(d(quantity)),
        price: Some(d(price)),
        ..NewOrder::market(SYMBOL, side)
    }
}

fn fill(order: u64, price: &str, quantity: &str, maker: bool) -> (u64, String, String, bool) {
    (order, price.to_owned(), quantity.to_owned(), maker)
}

#[test]
fn the_first_diff_straddles_the_snapshot_and_a_gap_voids_the_book() {
    let diff = |first, last, bid: &str| Diff {
        time_ms: 0,
        first,
        last,
        previous: None,
        bids: levels(&[(bid, "1")]),
        asks: Vec::new(),
    };
    let mut depth = Depth::default();
    // Before the snapshot they wait; those that it holds already are dropped, the first kept one straddles it.
    for (first, last) in [(90, 95), (96, 101), (102, 104)] {
        assert_eq!(depth.apply(&diff(first, last, "9")), depth::Applied::Waiting);
    }
    let snapshot = Snapshot { last: 99, bids: levels(&[("8", "1")]), asks: levels(&[("11", "1")]) };
    assert_eq!(depth.begin(&snapshot), depth::Applied::Yes);
    assert_eq!((depth.last, depth.best(Side::Buy)), (104, Some(d("9"))));
    assert_eq!(depth.apply(&diff(100, 104, "10")), depth::Applied::Old);
    assert_eq!(depth.apply(&diff(106, 107, "10")), depth::Applied::Gap);
    assert!(!depth.whole);
    // The diff that showed the gap is not lost: it follows the next snapshot.
    assert_eq!(depth.begin(&Snapshot { last: 105, ..snapshot.clone() }), depth::Applied::Yes);
    assert_eq!((depth.last, depth.best(Side::Buy)), (107, Some(d("10"))));
    // A book whose bid passes its ask has missed something.
    assert_eq!(depth.apply(&diff(108, 109, "12")), depth::Applied::Gap);
}

#[test]
fn futures_diffs_are_linked_by_pu() {
    let diff = |first, last, previous| Diff {
        time_ms: 0,
        first,
        last,
        previous: Some(previous),
        bids: Vec::new(),
        asks: Vec::new(),
    };
    let mut depth = Depth::default();
    depth.begin(&Snapshot { last: 99, bids: Vec::new(), asks: Vec::new() });
    assert_eq!(depth.apply(&diff(90, 120, 80)), depth::Applied::Yes);
    assert_eq!(depth.apply(&diff(140, 150, 120)), depth::Applied::Yes);
    assert_eq!(depth.apply(&diff(151, 160, 149)), depth::Applied::Gap);
}

#[test]
fn a_market_order_walks_the_book_and_what_it_took_stays_taken() {
    let mut book = Book::new(0);
    let first = book.place(NewOrder { quantity: Some(d("3")), ..NewOrder::market(SYMBOL, Side::Buy) });
    assert_eq!(book.fills(), [fill(first, "100.1", "1", false), fill(first, "100.2", "2", false)]);
    let second = book.place(NewOrder { quantity: Some(d("3")), ..NewOrder::market(SYMBOL, Side::Buy) });
    // Only 2 were left; the rest of a market order ends.
    assert_eq!(book.fills()[2..], [fill(second, "100.2", "2", false)]);
    assert_eq!(book.status(second), "EXPIRED");
    book.diff(&[], &[("100.2", "1.5")]);
    let third = book.limit(Side::Buy, "2", "100.2");
    assert_eq!(book.fills()[3..], [fill(third, "100.2", "1.5", false)]);
    assert_eq!(book.status(third), "PARTIALLY_FILLED");
}

#[test]
fn an_order_waits_behind_what_was_displayed() {
    let mut book = Book::new(0);
    let id = book.limit(Side::Buy, "1", "99.9");
    book.trade("99.9", "1.5", true);
    assert_eq!(book.fills(), []);
    book.trade("99.9", "0.75", true);
    // 2 were ahead: 0.25 of this trade is left for it.
    assert_eq!(book.fills(), [fill(id, "99.9", "0.25", true)]);
    book.trade("99.9", "3", false);
    assert_eq!(book.fills().len(), 1, "a buyer does not meet a bid");
    book.trade("99.9", "3", true);
    assert_eq!(book.fills()[1..], [fill(id, "99.9", "0.75", true)]);
}

#[test]
fn cancels_come_from_behind_as_long_as_they_can() {
    let mut book = Book::new(0);
    let id = book.limit(Side::Buy, "1", "99.8");
    book.diff(&[("99.9", "0"), ("99.8", "1")], &[]);
    assert_eq!(book.venue.order(id).ahead, Some(d("1")));
    book.diff(&[("99.8", "9")], &[]);
    assert_eq!(book.venue.order(id).ahead, Some(d("1")), "what joins later is behind");
}

#[test]
fn beyond_what_is_told_an_order_joins_behind_whatever_shows_up_there() {
    let mut book = Book::new(0);
    let id = book.limit(Side::Buy, "1", "99");
    book.trade("99", "50", true);
    assert_eq!(book.fills(), [], "nobody knows what lay before it");
    book.diff(&[("99.9", "0"), ("99.8", "0"), ("99", "3"), ("98.9", "1")], &[]);
    assert_eq!(book.venue.order(id).ahead, Some(d("3")));
    book.trade("98.9", "0.4", true);
    assert_eq!(book.fills(), [fill(id, "99", "0.4", true)]);
}

#[test]
fn an_order_waits_for_a_book_that_is_whole() {
    let mut book = Book::new(0);
    book.last += 10;
    assert!(book.diff(&[], &[]));
    let id = book.place(NewOrder { quantity: Some(d("1")), ..NewOrder::market(SYMBOL, Side::Buy) });
    assert_eq!(book.status(id), "NEW");
    let last = book.last - 3;
    book.tick(Tick::Snapshot(Snapshot { last, bids: levels(&[("99", "1")]), asks: levels(&[("101", "1")]) }));
    assert_eq!(book.fills(), [fill(id, "101", "1", false)]);
}

#[test]
fn price_comes_before_time_and_time_before_size() {
    let mut book = Book::new(0);
    let early = book.limit(Side::Buy, "1", "99.9");
    let late = book.limit(Side::Buy, "1", "99.9");
    let better = book.limit(Side::Buy, "1", "100");
    book.trade("99.9", "4.5", true);
    // 1 goes to the better price; of 3.5 at 99.9, 2 were ahead.
    let expected = [fill(better, "100", "1", true), fill(early, "99.9", "1", true), fill(late, "99.9", "0.5", true)];
    assert_eq!(book.fills(), expected);
}

#[test]
fn a_book_that_crosses_an_order_fills_it_at_its_price() {
    let mut book = Book::new(0);
    let id = book.limit(Side::Sell, "3", "100.5");
    book.diff(&[("100.6", "1"), ("100.5", "0.5"), ("100", "9")], &[("100.1", "0"), ("100.2", "0"), ("100.7", "1")]);
    assert_eq!(book.fills(), [fill(id, "100.5", "1", true), fill(id, "100.5", "0.5", true)]);
}

#[test]
fn an_order_arrives_after_the_latency() {
    let mut book = Book::new(50);
    let id = book.place(NewOrder { quantity: Some(d("1")), ..NewOrder::market(SYMBOL, Side::Buy) });
    assert_eq!(book.status(id), "NEW");
    book.time_ms = 940;
    book.diff(&[], &[("100.1", "0"), ("100.2", "4")]);
    assert_eq!(book.venue.clock_ms, 1_040);
    // Sent at market time 0, it arrives at 50: before the diff of 1,040 takes that offer away.
    assert_eq!(book.fills(), [fill(id, "100.1", "1", false)]);
    let late = book.place(NewOrder { quantity: Some(d("1")), ..NewOrder::market(SYMBOL, Side::Buy) });
    book.trade("99.9", "0.1", true);
    assert_eq!(book.status(late), "NEW");
    book.diff(&[], &[("100.3", "4")]);
    assert_eq!(book.fills()[1..], [fill(late, "100.2", "1", false)]);
}

#[test]
fn stops_are_triggered_by_trades_and_take_the_book() {
    let mut book = Book::new(0);
    let stop = book.place(NewOrder {
        kind: Kind::StopLoss,
        quantity: Some(d("3")),
        stop_price: Some(d("99.5")),
        ..NewOrder::market(SYMBOL, Side::Sell)
    });
    book.trade("99.6", "0.1", true);
    assert_eq!(book.status(stop), "NEW");
    book.trade("99.5", "0.1", true);
    assert_eq!(book.fills(), [fill(stop, "99.9", "2", false), fill(stop, "99.8", "1", false)]);
}

#[test]
fn time_in_force_meets_the_book() {
    let mut book = Book::new(0);
    let with = |tif, quantity| NewOrder { time_in_force: Some(tif), ..limit(Side::Buy, quantity, "100.1") };
    let fok = book.place(with(TimeInForce::Fok, "1.5"));
    assert_eq!((book.status(fok), book.fills().len()), ("EXPIRED", 0));
    let ioc = book.place(with(TimeInForce::Ioc, "1.5"));
    assert_eq!(book.status(ioc), "EXPIRED");
    assert_eq!(book.fills(), [fill(ioc, "100.1", "1", false)]);
    let order = NewOrder { kind: Kind::LimitMaker, time_in_force: None, ..limit(Side::Buy, "1", "100.1") };
    let refused = book.apply(Input::Place { account: "trader".to_owned(), order });
    assert_eq!(refused.unwrap_err().code, -2010);
}

#[derive(Debug, Clone)]
enum Action {
    /// Moves the middle by ticks, then sets levels (side, distance from the middle, quantity in steps of 0.1).
    Diff(i64, Vec<(bool, i64, i64)>),
    /// At or beyond the touch: side of the taker, distance, quantity.
    Trade(bool, i64, i64),
    /// Account, side, kind, quantity, distance from the middle.
    Place(bool, bool, u8, i64, i64),
    Cancel(bool, u64),
}

fn action() -> impl Strategy<Value = Action> {
    let level = (any::<bool>(), 1..8i64, 0..60i64);
    prop_oneof![
        4 => (-2..3i64, prop::collection::vec(level, 0..6)).prop_map(|(shift, levels)| Action::Diff(shift, levels)),
        4 => (any::<bool>(), 0..4i64, 1..60i64).prop_map(|(buys, away, size)| Action::Trade(buys, away, size)),
        6 => (any::<bool>(), any::<bool>(), 0..7u8, 1..90i64, -6..7i64)
            .prop_map(|(swap, buys, kind, size, away)| Action::Place(swap, buys, kind, size, away)),
        1 => (any::<bool>(), 1..40u64).prop_map(|(swap, id)| Action::Cancel(swap, id)),
    ]
}

/// The market as it is told: what the venue's book must equal.
struct World {
    book: Book,
    middle: i64,
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

fn tenth(ticks: i64) -> Decimal {
    Decimal::new(ticks, 1)
}

impl World {
    fn new(latency_ms: i64) -> Self {
        let book = Book::new(latency_ms);
        let (bids, asks) = (BTreeMap::from([(999, 20), (998, 50)]), BTreeMap::from([(1001, 10), (1002, 40)]));
        Self { book, middle: 1000, bids, asks }
    }

    fn traded(&self) -> Vec<Trade> {
        self.book.venue.accounts.iter().flat_map(|account| account.trades.clone()).collect()
    }

    fn act(&mut self, action: &Action) -> Result<(), TestCaseError> {
        let before = self.traded().iter().map(|trade| trade.id).max();
        match action {
            Action::Diff(shift, set) => {
                self.middle = (self.middle + shift).max(100);
                let mut bids = BTreeMap::new();
                let mut asks = BTreeMap::new();
                // Nothing stays on the wrong side of the middle.
                bids.extend(self.bids.range(self.middle..).map(|(&price, _)| (price, 0)));
                asks.extend(self.asks.range(..=self.middle).map(|(&price, _)| (price, 0)));
                for &(buys, away, size) in set {
                    let price = if buys { self.middle - away } else { self.middle + away };
                    if buys { &mut bids } else { &mut asks }.insert(price, size);
                }
                for (mine, changes) in [(&mut self.bids, &bids), (&mut self.asks, &asks)] {
                    mine.extend(changes);
                    mine.retain(|_, size| *size > 0);
                }
                let told =
                    |changes: BTreeMap<i64, i64>| changes.into_iter().map(|(p, q)| (tenth(p), tenth(q))).collect();
                let gap = self.book.change(told(bids), told(asks));
                prop_assert!(!gap);
            }
            Action::Trade(buys, away, size) => {
                let price = if *buys { self.middle + away } else { self.middle - away };
                self.book.print(tenth(price), tenth(*size), !buys);
                let own = self.traded().into_iter().filter(|trade| Some(trade.id) > before);
                let makers: Decimal = own.filter(|trade| trade.maker).map(|trade| trade.quantity).sum();
                prop_assert!(makers <= tenth(*size), "{} filled by a trade of {}", makers, tenth(*size));
            }
            Action::Place(swap, buys, kind, size, away) => {
                let kinds = [
                    Kind::Limit,
                    Kind::Limit,
                    Kind::Limit,
                    Kind::Market,
                    Kind::LimitMaker,
                    Kind::StopLoss,
                    Kind::StopLossLimit,
                ];
                let kind = kinds[*kind as usize];
                let price = tenth((self.middle + away).max(1));
                let order = NewOrder {
                    kind,
                    time_in_force: (kind.has_limit() && kind != Kind::LimitMaker).then_some(TimeInForce::Gtc),
                    quantity: Some(tenth(*size)),
                    price: kind.has_limit().then_some(price),
                    stop_price: kind.has_trigger().then_some(price),
                    ..NewOrder::market(SYMBOL, if *buys { Side::Buy } else { Side::Sell })
                };
                let _ = self.book.apply(Input::Place { account: name(*swap), order });
            }
            Action::Cancel(swap, id) => {
                let (symbol, order) = (SYMBOL.to_owned(), Target::Id(*id));
                let _ = self.book.apply(Input::Cancel { account: name(*swap), symbol, order, new_client_id: None });
            }
        }
        self.check()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let venue = &self.book.venue;
        let depth = venue.markets[0].depth.as_ref().unwrap();
        let told = |side| depth.levels(side).map(|(price, level)| (price, level.quantity)).collect::<Vec<_>>();
        let mine = |levels: &BTreeMap<i64, i64>| levels.iter().map(|(&p, &q)| (tenth(p), tenth(q))).collect::<Vec<_>>();
        let mut bids = mine(&self.bids);
        bids.reverse();
        prop_assert_eq!((told(Side::Buy), told(Side::Sell)), (bids, mine(&self.asks)));
        prop_assert!(depth.best(Side::Buy).zip(depth.best(Side::Sell)).is_none_or(|(bid, ask)| bid < ask));
        for side in [Side::Buy, Side::Sell] {
            for (price, level) in depth.levels(side) {
                prop_assert!(level.taken <= level.quantity, "{} taken of {} at {}", level.taken, level.quantity, price);
            }
        }
        for account in 0..2 {
            for order in venue.orders_of(account) {
                prop_assert!(order.ahead.is_none_or(|ahead| ahead >= Decimal::ZERO), "{:?}", order);
                prop_assert!(order.filled <= order.quantity);
            }
            for trade in &venue.accounts[account].trades {
                let order = venue.order(trade.order);
                prop_assert!(order.is_liquidation() || order.accepts(trade.price));
            }
        }
        let spot = &venue.accounts[0];
        let mut expected = BTreeMap::from([("USDT", d("10000")), ("BTC", d("50"))]);
        for trade in &spot.trades {
            let cost = trade.price * trade.quantity;
            let (gets, pays) = match trade.side {
                Side::Buy => (("BTC", trade.quantity), ("USDT", cost)),
                Side::Sell => (("USDT", cost), ("BTC", trade.quantity)),
            };
            *expected.get_mut(gets.0).unwrap() += gets.1 - trade.fee;
            *expected.get_mut(pays.0).unwrap() -= pays.1;
        }
        for (asset, total) in expected {
            let balance = spot.balance(asset);
            prop_assert!(balance.free >= Decimal::ZERO && balance.locked >= Decimal::ZERO);
            prop_assert_eq!(balance.free + balance.locked, total, "{}", asset);
        }
        let swap = &venue.accounts[1];
        let wallet =
            d("10000") + swap.trades.iter().map(|trade| trade.realized - trade.fee).sum::<Decimal>() + swap.insured;
        prop_assert_eq!(swap.balance("USDT").free, wallet);
        Ok(())
    }
}

fn name(swap: bool) -> String {
    if swap { "other" } else { "trader" }.to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_fill_without_volume_and_no_money_from_nowhere(
        actions in prop::collection::vec(action(), 1..100),
        latency_ms in prop_oneof![Just(0), Just(15), Just(250)],
    ) {
        let mut world = World::new(latency_ms);
        for action in &actions {
            world.act(action)?;
        }
        let mut replayed = Venue::default();
        for input in &world.book.inputs {
            let input: Input = serde_json::from_slice(&serde_json::to_vec(input).unwrap()).unwrap();
            let _ = replayed.apply(&input);
        }
        let venue = &mut world.book.venue;
        prop_assert_eq!(format!("{:?}{:?}", replayed.orders, replayed.markets), format!("{:?}{:?}", venue.orders, venue.markets));
        prop_assert_eq!(replayed.take_user_events(), venue.take_user_events());
    }
}
