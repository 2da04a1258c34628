//! Swaps by hand-made bars: positions, margin, reduce-only, conditional and trailing orders, funding, liquidation.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::engine::*;

const SYMBOL: &str = "BTCUSDT";
const MINUTE: i64 = 60_000;

fn d(text: &str) -> Decimal {
    text.parse().unwrap()
}

struct Swap {
    venue: Venue,
    bars: i64,
}

impl Swap {
    /// A venue at 100 USDT, with 1,000 USDT on the account and a leverage of 10.
    fn new() -> Self {
        let setup = Setup {
            fees: Fees { maker: d("0.001"), taker: d("0.001") },
            volume_share: None,
            symbols: vec![SymbolRules {
                symbol: SYMBOL.to_owned(),
                base: "BTC".to_owned(),
                quote: "USDT".to_owned(),
                tick: d("0.1"),
                step: d("0.001"),
                min_quantity: d("0.001"),
                min_notional: d("5"),
                max_open_orders: None,
            }],
            accounts: vec![SetupAccount {
                name: "trader".to_owned(),
                market: Product::Swap,
                balances: BTreeMap::from([("USDT".to_owned(), d("1000"))]),
            }],
            swap: SwapRules { leverage: 10, ..SwapRules::default() },
            latency_ms: 0,
        };
        let mut venue = Venue::default();
        venue.apply(&Input::Setup(setup)).unwrap();
        let mut swap = Self { venue, bars: 0 };
        swap.bar("100", "100", "100", "100");
        swap
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

    fn place(&mut self, order: NewOrder) -> Result<u64, i32> {
        match self.venue.apply(&Input::Place { account: "trader".to_owned(), order }) {
            Ok(Outcome::Placed(id)) => Ok(id),
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => Err(refusal.code),
        }
    }

    fn market(&mut self, side: Side, quantity: &str) -> Result<u64, i32> {
        self.place(market(side, quantity))
    }

    fn position(&self) -> Decimal {
        self.venue.position(0, 0).map_or(Decimal::ZERO, |held| held.quantity)
    }

    fn wallet(&self) -> Decimal {
        self.venue.margin(0).wallet
    }

    fn events(&mut self, kind: &str) -> Vec<Value> {
        let events = self.venue.take_user_events().into_iter().map(|(_, event)| event);
        events.filter(|event| event["e"] == kind).collect()
    }
}

fn market(side: Side, quantity: &str) -> NewOrder {
    NewOrder { quantity: Some(d(quantity)), ..NewOrder::market(SYMBOL, side) }
}

fn limit(side: Side, quantity: &str, price: &str) -> NewOrder {
    NewOrder {
        kind: Kind::Limit,
        price: Some(d(price)),
        time_in_force: Some(TimeInForce::Gtc),
        ..market(side, quantity)
    }
}

fn stop(side: Side, quantity: &str, price: &str) -> NewOrder {
    NewOrder { kind: Kind::StopLoss, stop_price: Some(d(price)), reduce_only: true, ..market(side, quantity) }
}

#[test]
fn a_position_takes_profit_by_its_average_and_turns_round() {
    let mut swap = Swap::new();
    swap.market(Side::Buy, "1").unwrap();
    swap.bar("100", "100", "100", "100");
    swap.market(Side::Buy, "2").unwrap();
    swap.bar("103", "103", "103", "103");
    let held = *swap.venue.position(0, 0).unwrap();
    assert_eq!((held.quantity, held.entry_price(), held.unrealized(d("103"))), (d("3"), d("102"), d("3")));
    // Fees so far: 5 basis points of 100 and of 206.
    assert_eq!(swap.wallet(), d("1000") - d("0.05") - d("0.103"));

    swap.market(Side::Sell, "5").unwrap();
    swap.bar("110", "110", "110", "110");
    let held = *swap.venue.position(0, 0).unwrap();
    assert_eq!((held.quantity, held.entry_price(), held.realized), (d("-2"), d("110"), d("24")));
    let trade = swap.venue.accounts[0].trades.last().unwrap();
    assert_eq!((trade.realized, trade.fee), (d("24"), d("0.275")));
    assert_eq!(swap.wallet(), d("1024") - d("0.05") - d("0.103") - d("0.275"));
}

#[test]
fn margin_bounds_what_may_be_entered_but_never_what_reduces() {
    let mut swap = Swap::new();
    for side in [Side::Buy, Side::Sell] {
        assert_eq!(swap.place(limit(side, "101", "100")), Err(-2019));
    }
    swap.place(limit(Side::Buy, "60", "100")).unwrap();
    assert_eq!(swap.venue.margin(0).open_orders, d("600"));
    // The other side of the same size costs nothing more: at most one of them enlarges the position.
    swap.place(limit(Side::Sell, "60", "101")).unwrap();
    assert_eq!(swap.place(limit(Side::Buy, "41", "100")), Err(-2019));
    swap.bar("100", "100.5", "99", "100");
    assert_eq!(swap.position(), d("60"));
    assert_eq!(swap.venue.margin(0).positions, d("600"));
    swap.place(limit(Side::Sell, "60", "102")).unwrap();
}

#[test]
fn reduce_only_never_enlarges() {
    let mut swap = Swap::new();
    let reduce = |side, quantity| NewOrder { reduce_only: true, ..market(side, quantity) };
    assert_eq!(swap.place(reduce(Side::Sell, "1")), Err(-2022));
    swap.market(Side::Buy, "1").unwrap();
    swap.bar("100", "100", "100", "100");
    assert_eq!(swap.place(reduce(Side::Buy, "1")), Err(-2022));
    let target = swap.place(NewOrder { reduce_only: true, ..limit(Side::Sell, "1", "105") }).unwrap();
    let close = swap.place(reduce(Side::Sell, "3")).unwrap();
    swap.bar("100", "100", "100", "100");
    assert_eq!(swap.position(), d("0"));
    let order = swap.venue.order(close);
    assert_eq!((order.filled, order.status), (d("1"), Status::Expired));
    assert_eq!(swap.venue.order(target).status, Status::Expired);
}

#[test]
fn a_conditional_order_becomes_an_order_of_its_own_when_it_is_triggered() {
    let mut swap = Swap::new();
    swap.market(Side::Buy, "1").unwrap();
    swap.bar("100", "100", "100", "100");
    assert_eq!(swap.place(stop(Side::Sell, "1", "100")), Err(-2021));
    swap.events("");
    let id = swap.place(stop(Side::Sell, "1", "95")).unwrap();
    let order = swap.venue.order(id);
    assert!(!order.is_in_engine());
    assert_eq!(swap.events("ALGO_UPDATE")[0]["o"]["X"], "NEW");
    swap.bar("98", "99", "94", "96");
    let events = swap.venue.take_user_events();
    let told: Vec<_> = events
        .iter()
        .map(|(_, event)| {
            let o = &event["o"];
            let status = if event["e"] == "ORDER_TRADE_UPDATE" { &o["x"] } else { &o["X"] };
            format!("{} {}", event["e"].as_str().unwrap(), status.as_str().unwrap_or(""))
        })
        .collect();
    let expected = [
        "ALGO_UPDATE TRIGGERED",
        "ORDER_TRADE_UPDATE NEW",
        "ACCOUNT_UPDATE ",
        "ORDER_TRADE_UPDATE TRADE",
        "ALGO_UPDATE FINISHED",
    ];
    assert_eq!(told, expected);
    assert_eq!(events[0].1["o"]["ai"], id.to_string());
    let trade = swap.venue.accounts[0].trades.last().unwrap();
    assert_eq!((trade.price, trade.realized, swap.position()), (d("95"), d("-5"), d("0")));
    // Nothing is held any more: the next one is rejected when it is triggered.
    let late = swap.place(stop(Side::Sell, "1", "90")).unwrap();
    swap.bar("95", "95", "89", "90");
    assert_eq!(swap.venue.order(late).status, Status::Rejected);
}

#[test]
fn close_position_takes_whatever_is_held() {
    let mut swap = Swap::new();
    let close = NewOrder { quantity: None, reduce_only: false, close_position: true, ..stop(Side::Sell, "1", "95") };
    let id = swap.place(close).unwrap();
    swap.market(Side::Buy, "1.5").unwrap();
    swap.bar("100", "100", "94", "99");
    assert_eq!(swap.position(), d("0"));
    assert_eq!(swap.venue.order(id).quantity, d("1.5"));
}

#[test]
fn a_trailing_stop_follows_by_what_is_provable() {
    let mut swap = Swap::new();
    swap.market(Side::Buy, "1").unwrap();
    swap.bar("100", "100", "100", "100");
    let trailing = NewTrailing { callback: d("0.05"), activation: None };
    let order = NewOrder { stop_price: None, trailing: Some(trailing), ..stop(Side::Sell, "1", "1") };
    let id = swap.place(order).unwrap();
    assert_eq!(swap.venue.order(id).stop_price, Some(d("95")));
    // 96 may have come before 110: the stop stands at 104.5 after this bar, and was not met in it.
    swap.bar("100", "110", "96", "106");
    assert_eq!(swap.venue.order(id).stop_price, Some(d("104.5")));
    assert_eq!(swap.position(), d("1"));
    // To 120 and back below 114: the close proves it.
    swap.bar("106", "120", "106", "112");
    assert_eq!(swap.venue.accounts[0].trades.last().unwrap().price, d("114"));
    assert_eq!(swap.position(), d("0"));
}

#[test]
fn a_trailing_stop_waits_for_its_activation() {
    let mut swap = Swap::new();
    let trailing = NewTrailing { callback: d("0.05"), activation: Some(d("108")) };
    swap.market(Side::Buy, "1").unwrap();
    let order = NewOrder { stop_price: None, trailing: Some(trailing), ..stop(Side::Sell, "1", "1") };
    let id = swap.place(order).unwrap();
    swap.bar("100", "107", "90", "100");
    assert_eq!((swap.position(), swap.venue.order(id).stop_price), (d("1"), None));
    swap.bar("100", "108", "100", "107");
    assert_eq!(swap.venue.order(id).stop_price, Some(d("102.6")));
}

#[test]
fn longs_pay_shorts_at_a_rate_above_zero_once() {
    let mut swap = Swap::new();
    swap.market(Side::Buy, "2").unwrap();
    swap.bar("100", "100", "100", "100");
    let before = swap.wallet();
    let funding = Input::Funding { symbol: SYMBOL.to_owned(), rate: d("0.0001"), time_ms: 3 * MINUTE };
    assert_eq!(swap.venue.apply(&funding), Ok(Outcome::Funded { duplicate: false }));
    assert_eq!(swap.venue.apply(&funding), Ok(Outcome::Funded { duplicate: true }));
    assert_eq!(swap.wallet(), before - d("0.02"));
    let told = swap.events("ACCOUNT_UPDATE").pop().unwrap();
    assert_eq!((&told["a"]["m"], &told["a"]["B"][0]["bc"]), (&"FUNDING_FEE".into(), &"-0.02".into()));
}

#[test]
fn a_long_is_liquidated_before_a_stop_that_lies_beyond() {
    let mut swap = Swap::new();
    swap.market(Side::Buy, "95").unwrap();
    swap.bar("100", "100", "100", "100");
    let liquidation = swap.venue.liquidation_price(0, 0).unwrap();
    // wallet 995.25 + 95 * (p - 100) = 0.004 * 95 * p
    assert_eq!(liquidation, d("89.88321708"));
    let id = swap.place(stop(Side::Sell, "95", "89")).unwrap();
    swap.events("");
    swap.bar("95", "96", "88", "95");
    assert_eq!((swap.position(), swap.venue.order(id).status), (d("0"), Status::Canceled));
    let trade = swap.venue.accounts[0].trades.last().unwrap();
    assert_eq!(trade.price, liquidation);
    assert!(swap.events("ORDER_TRADE_UPDATE").iter().any(|event| event["o"]["x"] == "CALCULATED"));
    assert!(swap.wallet() >= Decimal::ZERO);
}

#[test]
fn a_gap_beyond_the_wallet_is_paid_by_the_insurance_fund() {
    let mut swap = Swap::new();
    swap.market(Side::Sell, "95").unwrap();
    swap.bar("100", "100", "100", "100");
    swap.bar("130", "131", "129", "130");
    let account = &swap.venue.accounts[0];
    assert_eq!((swap.position(), swap.wallet()), (d("0"), d("0")));
    let fees: Decimal = account.trades.iter().map(|trade| trade.fee).sum();
    let realized: Decimal = account.trades.iter().map(|trade| trade.realized).sum();
    assert_eq!(account.insured, fees - realized - d("1000"));
}

#[test]
fn a_stop_before_the_liquidation_price_saves_the_rest() {
    let mut swap = Swap::new();
    swap.market(Side::Buy, "95").unwrap();
    swap.bar("100", "100", "100", "100");
    swap.place(stop(Side::Sell, "95", "91")).unwrap();
    swap.bar("95", "96", "80", "85");
    assert_eq!(swap.venue.accounts[0].trades.last().unwrap().price, d("91"));
    assert!(swap.wallet() > d("100"));
}

#[derive(Debug, Clone)]
enum Action {
    /// Moves of open, high, low and close from the last close, in ticks.
    Bar(i64, i64, i64, i64),
    /// Kind by number, quantity in steps, price and trigger in ticks from the last price, reduce-only, trailing basis points.
    Place(Side, u8, i64, i64, i64, bool, i64),
    Cancel(u64),
    Funding(i64),
    Leverage(u32),
}

fn action() -> impl Strategy<Value = Action> {
    let side = || prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    let place = (side(), 0..7u8, 1..12_000i64, -80..80i64, -80..80i64, any::<bool>(), 10..800i64).prop_map(
        |(side, kind, size, price, stop, reduce, trail)| Action::Place(side, kind, size, price, stop, reduce, trail),
    );
    prop_oneof![
        6 => (-60..60i64, 0..120i64, 0..120i64, -60..60i64).prop_map(|(o, h, l, c)| Action::Bar(o, h, l, c)),
        10 => place,
        1 => (1..40u64).prop_map(Action::Cancel),
        1 => (-100..100i64).prop_map(Action::Funding),
        1 => (1..130u32).prop_map(Action::Leverage),
    ]
}

impl Swap {
    fn near(&self, ticks: i64) -> Decimal {
        let last = self.venue.markets[0].last_price.unwrap().round_dp(1);
        (last + Decimal::new(ticks, 1)).max(d("0.1"))
    }

    fn inputs(&mut self, action: &Action) -> Vec<Input> {
        let (account, symbol) = ("trader".to_owned(), SYMBOL.to_owned());
        match *action {
            Action::Bar(open, up, down, close) => {
                let (open, close) = (self.near(open), self.near(close));
                let open_time_ms = self.bars * MINUTE;
                self.bars += 1;
                let bar = Bar {
                    open_time_ms,
                    close_time_ms: open_time_ms + MINUTE - 1,
                    open,
                    high: open.max(close) + Decimal::new(up, 1),
                    low: (open.min(close) - Decimal::new(down, 1)).max(d("0.1")),
                    close,
                    volume: d("10"),
                };
                vec![Input::Bar { symbol, interval: Interval::parse("1m").unwrap(), bar }]
            }
            Action::Place(side, kind, size, price, stop, reduce_only, trail) => {
                let kinds = [
                    Kind::Market,
                    Kind::Limit,
                    Kind::LimitMaker,
                    Kind::StopLoss,
                    Kind::StopLossLimit,
                    Kind::TakeProfit,
                    Kind::StopLoss,
                ];
                let (kind, trails) = (kinds[kind as usize], kind == 6);
                let callback = Decimal::new(trail, 4);
                vec![Input::Place {
                    account,
                    order: NewOrder {
                        kind,
                        reduce_only,
                        quantity: Some(Decimal::new(size, 2)),
                        price: kind.has_limit().then(|| self.near(price)),
                        time_in_force: (kind.has_limit() && kind != Kind::LimitMaker).then_some(TimeInForce::Gtc),
                        stop_price: (kind.has_trigger() && !trails).then(|| self.near(stop)),
                        trailing: trails.then_some(NewTrailing { callback, activation: None }),
                        ..NewOrder::market(SYMBOL, side)
                    },
                }]
            }
            Action::Cancel(id) => vec![Input::Cancel { account, symbol, order: Target::Id(id), new_client_id: None }],
            Action::Funding(rate) => {
                vec![Input::Funding { symbol, rate: Decimal::new(rate, 5), time_ms: self.bars * MINUTE }]
            }
            Action::Leverage(leverage) => vec![Input::Leverage { account, symbol, leverage }],
        }
    }

    fn fingerprint(&self) -> String {
        let account = &self.venue.accounts[0];
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            account.balances, account.positions, account.trades, account.funding, self.venue.orders, self.venue.markets
        )
    }

    /// Every cent of the wallet is accounted for, and the position is the sum of its trades.
    fn check(&self) -> Result<(), TestCaseError> {
        let account = &self.venue.accounts[0];
        let trades = || account.trades.iter();
        let wallet = d("1000")
            + trades().map(|trade| trade.realized - trade.fee).sum::<Decimal>()
            + account.funding.iter().map(|paid| paid.amount).sum::<Decimal>()
            + account.insured;
        prop_assert_eq!(self.wallet(), wallet);
        let position: Decimal = trades().map(|trade| trade.side.signed(trade.quantity)).sum();
        prop_assert_eq!(self.position(), position);
        let cash: Decimal = trades().map(|trade| -trade.side.signed(trade.quantity) * trade.price).sum();
        let held = self.venue.position(0, 0).map_or(Decimal::ZERO, |held| held.cost);
        prop_assert_eq!(trades().map(|trade| trade.realized).sum::<Decimal>(), cash + held);
        for order in self.venue.orders_of(0) {
            prop_assert!(order.filled <= order.quantity && order.locked.is_zero());
            prop_assert_eq!(order.is_open(), self.venue.markets[0].open.contains(&order.id));
        }
        // A reduce-only order's trade took off what was held, and no more.
        let mut before = Decimal::ZERO;
        for trade in trades() {
            let after = before + trade.side.signed(trade.quantity);
            let grew =
                after.abs() > before.abs() || after.is_sign_positive() != before.is_sign_positive() && !after.is_zero();
            prop_assert!(!(self.venue.order(trade.order).reduce_only && grew), "{:?} from {}", trade, before);
            before = after;
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_wallet_and_the_position_hold_whatever_comes(actions in prop::collection::vec(action(), 1..100)) {
        let mut swap = Swap::new();
        let mut inputs = Vec::new();
        for action in &actions {
            let mut queue = swap.inputs(action);
            while let Some(input) = queue.pop() {
                let before = swap.fingerprint();
                match swap.venue.apply(&input) {
                    Err(_) => prop_assert_eq!(swap.fingerprint(), before, "a refused input changed something"),
                    Ok(Outcome::Bar(BarAnswer { done: false, .. })) => {
                        queue.push(Input::Continue { symbol: SYMBOL.to_owned() });
                    }
                    Ok(_) => {}
                }
                inputs.push(input);
                swap.check()?;
            }
            // Nobody carries a position below the maintenance margin at the price that was seen last.
            let margin = swap.venue.margin(0);
            prop_assert!(swap.position().is_zero() || margin.wallet + margin.unrealized >= margin.maintenance);
        }
        let mut replayed = Swap::new();
        for input in &inputs {
            let input: Input = serde_json::from_slice(&serde_json::to_vec(input).unwrap()).unwrap();
            let _ = replayed.venue.apply(&input);
        }
        prop_assert_eq!(replayed.fingerprint(), swap.fingerprint());
    }
}
