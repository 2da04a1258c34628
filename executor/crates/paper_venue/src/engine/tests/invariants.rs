//! Random orders, cancels and bars: no money appears or vanishes, no fill breaks its limit, a replay gives the same.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::engine::order::ListKind;
use crate::engine::*;

const SYMBOL: &str = "BTCUSDT";
const MINUTE: i64 = 60_000;

#[derive(Debug, Clone)]
enum Action {
    /// Moves of open, high, low, close from the last close, in ticks; volume.
    Bar(i64, i64, i64, i64, i64),
    Continue,
    Place {
        side: Side,
        kind: Kind,
        tif: TimeInForce,
        quantity: i64,
        price: i64,
        stop: i64,
        by_quote: bool,
        /// Basis points of a trailing stop; none: a plain one.
        trailing: Option<i64>,
    },
    /// A working limit order by its distance from the last price, and what follows it: with `both` an OCO, else its stop alone.
    Oto {
        side: Side,
        quantity: i64,
        working: i64,
        above: i64,
        below: i64,
        both: bool,
    },
    Oco {
        side: Side,
        quantity: i64,
        above: i64,
        below: i64,
        limited: bool,
    },
    Cancel(u64),
    CancelList(u64),
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Limit),
        Just(Kind::LimitMaker),
        Just(Kind::Market),
        Just(Kind::StopLoss),
        Just(Kind::StopLossLimit),
        Just(Kind::TakeProfit),
        Just(Kind::TakeProfitLimit),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let tif = prop_oneof![4 => Just(TimeInForce::Gtc), 1 => Just(TimeInForce::Ioc), 1 => Just(TimeInForce::Fok)];
    // Up to all that the account can pay, and more.
    let quantity = prop_oneof![1..400i64, 1..3500i64];
    let trailing = prop_oneof![3 => Just(None), 1 => (10..400i64).prop_map(Some)];
    let place = (side(), kind(), tif, quantity, -600..600i64, -600..600i64, any::<bool>(), trailing).prop_map(
        |(side, kind, tif, quantity, price, stop, by_quote, trailing)| Action::Place {
            side,
            kind,
            tif,
            quantity,
            price,
            stop,
            by_quote,
            trailing,
        },
    );
    let oto = (side(), 1..200i64, -400..200i64, 1..500i64, 1..500i64, any::<bool>()).prop_map(
        |(side, quantity, working, above, below, both)| Action::Oto { side, quantity, working, above, below, both },
    );
    let oco = (side(), 1..200i64, 1..500i64, 1..500i64, any::<bool>())
        .prop_map(|(side, quantity, above, below, limited)| Action::Oco { side, quantity, above, below, limited });
    prop_oneof![
        4 => (-300..300i64, 0..400i64, 0..400i64, -300..300i64, 0..900i64)
            .prop_map(|(o, h, l, c, v)| Action::Bar(o, h, l, c, v)),
        4 => Just(Action::Continue),
        6 => place,
        3 => oco,
        3 => oto,
        1 => (1..40u64).prop_map(Action::Cancel),
        1 => (1..10u64).prop_map(Action::CancelList),
    ]
}

fn amount(units: i64, scale: u32) -> Decimal {
    Decimal::new(units, scale)
}

fn setup(volume_share: Option<Decimal>) -> Setup {
    Setup {
        fees: Fees { maker: amount(1, 3), taker: amount(17, 4) },
        volume_share,
        symbols: vec![SymbolRules {
            symbol: SYMBOL.to_owned(),
            base: "BTC".to_owned(),
            quote: "USDT".to_owned(),
            tick: amount(1, 2),
            step: amount(1, 3),
            min_quantity: amount(1, 3),
            min_notional: amount(1, 0),
            max_open_orders: None,
        }],
        accounts: vec![SetupAccount {
            name: "trader".to_owned(),
            market: Product::Spot,
            balances: BTreeMap::from([("USDT".to_owned(), amount(300, 0)), ("BTC".to_owned(), amount(2, 0))]),
        }],
        swap: SwapRules::default(),
        latency_ms: 0,
    }
}

/// Turns actions into inputs, by the price and clock that the venue has reached.
struct Driver {
    venue: Venue,
    inputs: Vec<Input>,
    next_open_ms: i64,
    share: Option<Decimal>,
    /// Of the newest bar, by orders that waited for it.
    traded: Decimal,
}

impl Driver {
    fn last(&self) -> Decimal {
        self.venue.markets[0].last_price.unwrap_or(amount(100, 0))
    }

    fn near(&self, ticks: i64) -> Decimal {
        (self.last().round_dp(2) + amount(ticks, 2)).max(amount(1, 2))
    }

    fn input(&mut self, action: &Action) -> Input {
        let (symbol, account) = (SYMBOL.to_owned(), "trader".to_owned());
        match *action {
            Action::Continue => Input::Continue { symbol },
            Action::Bar(open, up, down, close, volume) => {
                if self.venue.markets[0].is_mid_bar() {
                    return Input::Continue { symbol };
                }
                let open_time_ms = self.next_open_ms;
                self.next_open_ms += MINUTE;
                let (open, close) = (self.near(open), self.near(close));
                let bar = Bar {
                    open_time_ms,
                    close_time_ms: open_time_ms + MINUTE - 1,
                    open,
                    high: open.max(close) + amount(up, 2),
                    low: (open.min(close) - amount(down, 2)).max(amount(1, 2)),
                    close,
                    volume: amount(volume, 3),
                };
                Input::Bar { symbol, interval: Interval::parse("1m").unwrap(), bar }
            }
            Action::Place { side, kind, tif, quantity, price, stop, by_quote, trailing } => {
                let trailing = trailing.filter(|_| kind.is_stop_loss());
                let by_quote = by_quote && kind == Kind::Market;
                let order = NewOrder {
                    kind,
                    time_in_force: (kind.has_limit() && kind != Kind::LimitMaker).then_some(tif),
                    quantity: (!by_quote).then_some(amount(quantity, 3)),
                    quote_quantity: by_quote.then_some(amount(quantity, 1)),
                    price: kind.has_limit().then(|| self.near(price)),
                    stop_price: (kind.has_trigger() && trailing.is_none()).then(|| self.near(stop)),
                    trailing: trailing.map(|delta| NewTrailing { callback: amount(delta, 4), activation: None }),
                    ..NewOrder::market(SYMBOL, side)
                };
                Input::Place { account, order }
            }
            Action::Oco { side, quantity, above, below, limited } => {
                let leg = |kind: Kind, level: Decimal| {
                    let limit = kind.has_limit() && kind.has_trigger();
                    NewOrder {
                        kind,
                        time_in_force: limit.then_some(TimeInForce::Gtc),
                        quantity: Some(amount(quantity, 3)),
                        price: kind.has_limit().then_some(level),
                        stop_price: kind.has_trigger().then_some(level),
                        ..NewOrder::market(SYMBOL, side)
                    }
                };
                let stop = if limited { Kind::StopLossLimit } else { Kind::StopLoss };
                let (above_kind, below_kind) =
                    if side == Side::Sell { (Kind::LimitMaker, stop) } else { (stop, Kind::LimitMaker) };
                let list = NewOco {
                    client_id: None,
                    above: leg(above_kind, self.near(above)),
                    below: leg(below_kind, self.near(-below)),
                };
                Input::PlaceOco { account, list }
            }
            Action::Oto { side, quantity, working, above, below, both } => {
                let order = |side: Side, kind: Kind, level: Decimal| NewOrder {
                    kind,
                    time_in_force: (kind == Kind::Limit).then_some(TimeInForce::Gtc),
                    quantity: Some(amount(quantity, 3)),
                    price: kind.has_limit().then_some(level),
                    stop_price: kind.has_trigger().then_some(level),
                    ..NewOrder::market(SYMBOL, side)
                };
                let (after, up, down) = if side == Side::Buy {
                    (Side::Sell, Kind::LimitMaker, Kind::StopLoss)
                } else {
                    (Side::Buy, Kind::StopLoss, Kind::LimitMaker)
                };
                let list = NewOto {
                    client_id: None,
                    working: order(side, Kind::Limit, self.near(working)),
                    below: order(after, down, self.near(-below)),
                    above: both.then(|| order(after, up, self.near(above))),
                };
                Input::PlaceOto { account, list }
            }
            Action::Cancel(id) => Input::Cancel { account, symbol, order: Target::Id(id), new_client_id: None },
            Action::CancelList(id) => Input::CancelList { account, symbol, list: Target::Id(id) },
        }
    }

    fn apply(&mut self, action: &Action) -> Result<(), TestCaseError> {
        let input = self.input(action);
        let before = fingerprint(&self.venue);
        let trades = self.venue.accounts[0].trades.len();
        let bar = self.venue.markets[0].progress.as_ref().map(|progress| progress.bar);
        let refused = self.venue.apply(&input).is_err();
        if refused {
            prop_assert_eq!(fingerprint(&self.venue), before, "a refused input changed something: {:?}", &input);
        }
        let bar = if let Input::Bar { bar, .. } = &input {
            self.traded = Decimal::ZERO;
            Some(*bar)
        } else {
            bar
        };
        if matches!(input, Input::Bar { .. } | Input::Continue { .. }) {
            self.traded += self.venue.accounts[0].trades[trades..].iter().map(|trade| trade.quantity).sum::<Decimal>();
            if let (Some(share), Some(bar)) = (self.share, bar) {
                prop_assert!(self.traded <= share * bar.volume, "{} traded of {:?}", self.traded, bar);
            }
        }
        self.inputs.push(input);
        self.check_fills(trades, bar)?;
        self.check_books()
    }

    fn check_fills(&self, from: usize, bar: Option<Bar>) -> Result<(), TestCaseError> {
        for trade in &self.venue.accounts[0].trades[from..] {
            let order = self.venue.order(trade.order);
            prop_assert!(order.accepts(trade.price), "{:?} traded at {}", order, trade.price);
            prop_assert!(trade.quantity > Decimal::ZERO && trade.fee >= Decimal::ZERO);
            if let Some(bar) = bar {
                prop_assert!(bar.low <= trade.price && trade.price <= bar.high, "{:?} outside {:?}", trade, bar);
            }
        }
        Ok(())
    }

    fn check_books(&self) -> Result<(), TestCaseError> {
        let account = &self.venue.accounts[0];
        let mut expected = BTreeMap::from([("USDT", amount(300, 0)), ("BTC", amount(2, 0))]);
        for trade in &account.trades {
            let cost = trade.price * trade.quantity;
            let (gets, pays) = match trade.side {
                Side::Buy => (("BTC", trade.quantity), ("USDT", cost)),
                Side::Sell => (("USDT", cost), ("BTC", trade.quantity)),
            };
            prop_assert_eq!(&trade.fee_asset, gets.0);
            *expected.get_mut(gets.0).unwrap() += gets.1 - trade.fee;
            *expected.get_mut(pays.0).unwrap() -= pays.1;
        }
        let mut locked = BTreeMap::from([("USDT", Decimal::ZERO), ("BTC", Decimal::ZERO)]);
        for order in self.venue.orders_of(0) {
            prop_assert!(order.is_open() || order.locked.is_zero(), "{:?} is done and holds money", order);
            prop_assert!(order.quote_quantity.is_some() || order.filled <= order.quantity);
            let market = &self.venue.markets[0];
            prop_assert_eq!(order.status == Status::PendingNew, market.pending.contains(&order.id));
            prop_assert_eq!(order.is_open(), market.open.contains(&order.id) || market.pending.contains(&order.id));
            prop_assert!(order.status != Status::PendingNew || order.filled.is_zero() && order.locked.is_zero());
            *locked.get_mut(if order.side == Side::Buy { "USDT" } else { "BTC" }).unwrap() += order.locked;
        }
        for (asset, total) in expected {
            let balance = account.balance(asset);
            prop_assert!(balance.free >= Decimal::ZERO && balance.locked >= Decimal::ZERO, "{asset}: {balance:?}");
            prop_assert_eq!(balance.free + balance.locked, total, "{}", asset);
            prop_assert_eq!(balance.locked, locked[asset], "{}", asset);
        }
        for list in &self.venue.lists {
            let open = list.orders.iter().filter(|&&leg| self.venue.order(leg).is_open()).count();
            prop_assert_eq!(list.done, open == 0);
            let has_traded = |leg: &&u64| !self.venue.order(**leg).filled.is_zero();
            let legs = if list.kind == ListKind::Oto { &list.orders[1..] } else { &list.orders[..] };
            prop_assert!(legs.iter().filter(has_traded).count() <= 1, "both legs of {:?} traded", list);
            if list.kind == ListKind::Oto && self.venue.order(list.orders[0]).status != Status::Filled {
                let waits =
                    |leg: &u64| !self.venue.order(*leg).is_open() || self.venue.markets[0].pending.contains(leg);
                prop_assert!(legs.iter().all(waits), "a leg of {:?} is live before its order has filled", list);
            }
        }
        Ok(())
    }
}

fn fingerprint(venue: &Venue) -> String {
    format!("{:?} {:?} {:?} {:?}", venue.accounts[0].balances, venue.orders, venue.lists, venue.markets)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_books_hold_whatever_comes(
        actions in prop::collection::vec(action(), 1..120),
        share in prop_oneof![Just(None), (1..10i64).prop_map(|tenths| Some(amount(tenths, 1)))],
    ) {
        let mut driver = Driver { venue: Venue::default(), inputs: Vec::new(), next_open_ms: 0, share, traded: Decimal::ZERO };
        let setup = Input::Setup(setup(share));
        driver.venue.apply(&setup).unwrap();
        driver.apply(&Action::Bar(0, 100, 100, 0, 500))?;
        for action in &actions {
            driver.apply(action)?;
        }

        let mut replayed = Venue::default();
        replayed.apply(&setup).unwrap();
        for input in &driver.inputs {
            // As from the journal: written as JSON and read again.
            let input: Input = serde_json::from_slice(&serde_json::to_vec(input).unwrap()).unwrap();
            let _ = replayed.apply(&input);
        }
        prop_assert_eq!(fingerprint(&replayed), fingerprint(&driver.venue));
        prop_assert_eq!(replayed.take_user_events(), driver.venue.take_user_events());
    }
}
