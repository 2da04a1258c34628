//! Runs `tests/cases/bar_matching.json`: the same file as the Python simulated venue.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;

use crate::engine::account::Balance;
use crate::engine::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    why: String,
    fees: Fees,
    balances: BTreeMap<String, Decimal>,
    bars: Vec<CaseBar>,
    steps: Vec<Step>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseBar {
    open: Decimal,
    high: Decimal,
    low: Decimal,
    close: Decimal,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    before_bar: Option<usize>,
    on_fill: Option<String>,
    place: Option<Place>,
    oco: Option<Oco>,
    cancel: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    id: String,
    side: String,
    #[serde(rename = "type")]
    kind: String,
    quantity: Decimal,
    price: Option<Decimal>,
    stop_price: Option<Decimal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Oco {
    side: String,
    quantity: Decimal,
    stop: StopLeg,
    target: TargetLeg,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StopLeg {
    id: String,
    stop_price: Decimal,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetLeg {
    id: String,
    price: Decimal,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    fills: Vec<Fill>,
    orders: BTreeMap<String, String>,
    balances: BTreeMap<String, ExpectBalance>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fill {
    bar: usize,
    id: String,
    price: Decimal,
    quantity: Decimal,
    fee: Decimal,
    fee_asset: String,
    maker: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectBalance {
    free: Decimal,
    locked: Decimal,
}

const SYMBOL: &str = "BTCUSDT";
const MINUTE: i64 = 60_000;

struct Run<'a> {
    case: &'a Case,
    venue: Venue,
    rejected: Vec<String>,
    /// Trades already answered, and the bar of each.
    fills: Vec<Fill>,
}

impl Run<'_> {
    fn apply(&mut self, input: &Input, ids: &[&String]) {
        if self.venue.apply(input).is_err() {
            self.rejected.extend(ids.iter().map(|id| (*id).clone()));
        }
    }

    fn step(&mut self, step: &Step) {
        let account = "trader".to_owned();
        if let Some(place) = &step.place {
            let order = new_order(&place.id, &place.side, &place.kind, place.quantity, place.price, place.stop_price);
            self.apply(&Input::Place { account, order }, &[&place.id]);
        } else if let Some(oco) = &step.oco {
            let (stop, target) = (&oco.stop, &oco.target);
            let stop_leg = new_order(&stop.id, &oco.side, "stop_loss", oco.quantity, None, Some(stop.stop_price));
            let target_leg = new_order(&target.id, &oco.side, "limit_maker", oco.quantity, Some(target.price), None);
            let (above, below) = if oco.side == "sell" { (target_leg, stop_leg) } else { (stop_leg, target_leg) };
            let list = NewOco { client_id: None, above, below };
            self.apply(&Input::PlaceOco { account, list }, &[&stop.id, &target.id]);
        } else if let Some(id) = &step.cancel {
            let (symbol, order) = (SYMBOL.to_owned(), Target::ClientId(id.clone()));
            self.apply(&Input::Cancel { account, symbol, order, new_client_id: None }, &[]);
        }
    }

    /// Answers every fill that is new, in order.
    fn react(&mut self, bar: usize) {
        while self.fills.len() < self.venue.accounts[0].trades.len() {
            let trade = self.venue.accounts[0].trades[self.fills.len()].clone();
            let id = self.venue.order(trade.order).client_id.clone();
            self.fills.push(Fill {
                bar,
                id: id.clone(),
                price: trade.price,
                quantity: trade.quantity,
                fee: trade.fee,
                fee_asset: trade.fee_asset,
                maker: trade.maker,
            });
            for step in self.case.steps.iter().filter(|step| step.on_fill.as_ref() == Some(&id)) {
                self.step(step);
            }
        }
    }

    fn run(&mut self) {
        let case = self.case;
        for (index, bar) in case.bars.iter().enumerate() {
            self.before(index);
            let open_time_ms = index as i64 * MINUTE;
            let bar = Bar {
                open_time_ms,
                close_time_ms: open_time_ms + MINUTE - 1,
                open: bar.open,
                high: bar.high,
                low: bar.low,
                close: bar.close,
                volume: Decimal::ONE,
            };
            let interval = Interval::parse("1m").unwrap();
            let mut input = Input::Bar { symbol: SYMBOL.to_owned(), interval, bar };
            loop {
                let outcome = self.venue.apply(&input).unwrap();
                self.react(index);
                match outcome {
                    Outcome::Bar(BarAnswer { done: true, duplicate: false }) => break,
                    Outcome::Bar(BarAnswer { done: false, duplicate: false }) => {}
                    other => panic!("{other:?}"),
                }
                input = Input::Continue { symbol: SYMBOL.to_owned() };
            }
        }
        self.before(case.bars.len());
    }

    fn before(&mut self, bar: usize) {
        for step in self.case.steps.iter().filter(|step| step.before_bar == Some(bar)) {
            self.step(step);
        }
    }

    fn status(&self, id: &str) -> &'static str {
        if self.rejected.iter().any(|rejected| rejected == id) {
            return "rejected";
        }
        let target = Target::ClientId(id.to_owned());
        match self.venue.find_order(0, 0, &target).map(|order| order.status) {
            Some(Status::PendingNew | Status::New | Status::PartiallyFilled) => "open",
            Some(Status::Filled) => "filled",
            Some(Status::Canceled) => "cancelled",
            Some(Status::Expired) => "expired",
            Some(Status::Rejected) => "refused",
            None => "unknown",
        }
    }
}

fn new_order(
    id: &str,
    side: &str,
    kind: &str,
    quantity: Decimal,
    price: Option<Decimal>,
    stop_price: Option<Decimal>,
) -> NewOrder {
    let kind: Kind = serde_json::from_value(json!(kind.to_uppercase())).unwrap();
    let side: Side = serde_json::from_value(json!(side.to_uppercase())).unwrap();
    NewOrder {
        kind,
        time_in_force: matches!(kind, Kind::Limit | Kind::StopLossLimit).then_some(TimeInForce::Gtc),
        quantity: Some(quantity),
        price,
        stop_price,
        client_id: Some(id.to_owned()),
        ..NewOrder::market(SYMBOL, side)
    }
}

fn setup(case: &Case) -> Setup {
    let amount = |text: &str| text.parse().unwrap();
    Setup {
        fees: case.fees,
        volume_share: None,
        symbols: vec![SymbolRules {
            symbol: SYMBOL.to_owned(),
            base: "BTC".to_owned(),
            quote: "USDT".to_owned(),
            tick: amount("0.01"),
            step: amount("0.00001"),
            min_quantity: amount("0.00001"),
            min_notional: amount("5"),
            max_open_orders: None,
        }],
        accounts: vec![SetupAccount {
            name: "trader".to_owned(),
            market: Product::Spot,
            balances: case.balances.clone(),
        }],
        swap: SwapRules::default(),
        latency_ms: 0,
    }
}

#[test]
fn every_shared_case_gives_its_fills_statuses_and_balances() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/cases/bar_matching.json");
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(cases.len() >= 30, "only {} cases", cases.len());
    for case in &cases {
        let mut run = Run { case, venue: Venue::default(), rejected: Vec::new(), fills: Vec::new() };
        run.venue.apply(&Input::Setup(setup(case))).unwrap();
        run.run();
        let about = format!("{}: {}", case.name, case.why);
        assert_eq!(run.fills, case.expect.fills, "{about}");
        for (id, status) in &case.expect.orders {
            assert_eq!(run.status(id), status, "{about} ({id})");
        }
        for (asset, expected) in &case.expect.balances {
            let Balance { free, locked } = run.venue.accounts[0].balance(asset);
            assert_eq!(&ExpectBalance { free, locked }, expected, "{about} ({asset})");
        }
    }
}
