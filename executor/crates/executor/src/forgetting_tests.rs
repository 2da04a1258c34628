use std::collections::HashMap;

use fuzzing::Random;
use orders::{Event, Fill, Limits, Market, Order, SymbolRules};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::answer::Answer;
use crate::fact::{Asked, Entry, Fact};

const SYMBOL: &str = "BTCUSDT";
const MINUTE_MS: i64 = 60_000;
const FOR_EVER: i64 = i64::MAX / 2;

fn rules() -> SymbolRules {
    serde_json::from_value(json!({
        "symbol": SYMBOL, "base": "BTC", "quote": "USDT", "tick": "0.01", "min_price": "0", "max_price": "0",
        "step": "0.001", "min_quantity": "0.001", "max_quantity": "0", "market_max_quantity": "0", "min_notional": "5",
    }))
    .unwrap()
}

fn order(id: Uuid, more: Value) -> Order {
    let mut fields = json!({
        "id": id, "client_order_id": orders::ids::client_order_id(id), "symbol": SYMBOL, "side": "buy", "kind": "limit",
        "quantity": "1", "price": "50000",
    });
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(fields).unwrap()
}

fn fill(trade: u64, quantity: i64, time_ms: i64) -> Event {
    Event::Fill(Fill {
        trade_id: trade.to_string(),
        quantity: Decimal::from(quantity),
        price: Decimal::from(50_000),
        fee: Decimal::ONE,
        fee_asset: "USDT".into(),
        is_maker: true,
        time_ms,
    })
}

/// Facts as a journal holds them.
struct Told {
    state: State,
    now_ms: i64,
    trades: u64,
}

impl Told {
    fn new() -> Self {
        let mut told = Self { state: State::new(Uuid::from_u128(1), Limits::default()), now_ms: 0, trades: 0 };
        told.fact(Fact::Rules(rules()));
        told
    }

    fn fact(&mut self, fact: Fact) {
        self.state.apply(&Entry { account: self.state.account, at_ms: self.now_ms, fact });
    }

    fn place(&mut self, more: Value) -> Uuid {
        let id = Uuid::from_u128(u128::from(self.state.facts) + 100);
        self.fact(Fact::Placed { order: order(id, more), asked: Asked::default() });
        self.event(id, Event::Accepted { external_id: format!("x{id}") });
        id
    }

    fn event(&mut self, order_id: Uuid, event: Event) {
        self.fact(Fact::Event { order_id, event, latency_us: None });
    }

    fn fills(&mut self, id: Uuid, quantity: i64) {
        self.trades += 1;
        self.event(id, fill(self.trades, quantity, self.now_ms));
    }

    /// A trade of another order, later.
    fn later(&mut self, minutes: i64) {
        self.now_ms += minutes * MINUTE_MS;
        let id = self.place(json!({}));
        self.fills(id, 1);
    }

    fn forget(&mut self) {
        self.fact(Fact::Forgotten { before_ms: self.now_ms });
    }

    fn is_forgotten(&self, id: Uuid) -> bool {
        assert_ne!(self.state.orders.contains_key(&id), self.state.finished.contains_key(&id));
        assert_eq!(self.state.orders.contains_key(&id), self.state.kept.contains_key(&id));
        self.state.finished.contains_key(&id)
    }
}

#[test]
fn what_ended_without_a_trade_is_forgotten_and_what_works_or_ended_just_now_is_not() {
    let mut told = Told::new();
    let [rests, cancelled, late] = [(); 3].map(|()| told.place(json!({})));
    told.event(cancelled, Event::Cancelled);
    told.now_ms += 1;
    told.event(late, Event::Cancelled);
    told.forget();
    assert_eq!([rests, cancelled, late].map(|id| told.is_forgotten(id)), [false, true, false]);
    assert!(told.state.by_external.keys().all(|(_, external)| *external != format!("x{cancelled}")));
    assert!(!told.state.has_forgettable(told.now_ms));
}

#[test]
fn what_filled_is_kept_while_the_venue_may_list_its_trades_again_or_more_may_come() {
    let mut told = Told::new();
    let (filled, in_part) = (told.place(json!({})), told.place(json!({"quantity": "2"})));
    told.fills(filled, 1);
    told.fills(in_part, 1);
    told.event(in_part, Event::Cancelled);
    told.later(9);
    told.forget();
    assert!(!told.is_forgotten(filled));
    told.later(2);
    told.forget();
    assert!(told.is_forgotten(filled));
    assert!(!told.is_forgotten(in_part), "its late fill would have to be told from those that are booked");
}

#[test]
fn an_entry_goes_with_its_protection_and_not_before() {
    let mut told = Told::new();
    let entry = told.place(json!({"stop_loss": "49000", "take_profit": "52000"}));
    told.fills(entry, 1);
    told.later(20);
    told.forget();
    assert!(!told.is_forgotten(entry), "its protection is still to be placed");
    let legs: Vec<Uuid> = vec![orders::ids::stop_leg(entry, 1), orders::ids::target_leg(entry, 1)];
    let group = json!({"entry": entry, "n": 1, "form": "oco", "quantity": "1", "legs": legs});
    told.fact(serde_json::from_value(json!({"group": group})).unwrap());
    for leg in &legs {
        let more = json!({"parent": entry, "side": "sell"});
        told.fact(Fact::Placed { order: order(*leg, more), asked: Asked::default() });
    }
    told.fills(legs[1], 1);
    told.later(20);
    told.forget();
    assert!(!told.is_forgotten(entry), "its stop works");
    told.event(legs[0], Event::Cancelled);
    told.now_ms += 1;
    told.forget();
    assert!([entry, legs[0], legs[1]].iter().all(|id| told.is_forgotten(*id)));
    let state = &told.state;
    assert!(
        state.groups.is_empty() && state.group_legs.is_empty() && state.legs.is_empty() && state.siblings.is_empty()
    );
    assert!(!state.guarded.contains(&entry));
}

#[test]
fn what_something_refers_to_is_kept() {
    let mut told = Told::new();
    let [old, moved, replaced, cancelled] = [(); 4].map(|()| told.place(json!({})));
    let [stop, target] = [(); 2].map(|()| told.place(json!({})));
    told.fact(Fact::Moved { old, new: moved });
    let next = order(Uuid::from_u128(7), json!({}));
    let last = None;
    told.fact(Fact::Replacing { old: replaced, order: next, asked: Asked::default(), expires_at_ms: 1, last });
    told.fact(Fact::Pair { stop, target });
    for id in [old, moved, replaced, cancelled, target] {
        told.event(id, Event::Cancelled);
    }
    told.now_ms += 1;
    told.forget();
    let now = |told: &Told| [old, moved, replaced, target, cancelled].map(|id| told.is_forgotten(id));
    assert_eq!(now(&told), [false, false, false, false, true]);
    told.event(stop, Event::Cancelled);
    told.fact(Fact::Replaced { old: replaced });
    told.now_ms += 1;
    told.forget();
    assert_eq!(now(&told), [false, false, true, true, true]);
    assert!(told.is_forgotten(stop));
}

#[test]
fn an_answer_is_kept_until_its_command_has_expired() {
    let mut told = Told::new();
    let id = Uuid::from_u128(5);
    told.fact(Fact::Answered { answer: Answer::accepted(id, "yes"), expires_at_ms: Some(30_000) });
    told.now_ms = 30_000 + CLOCK_SKEW_MS;
    told.fact(Fact::Paused(false));
    assert_eq!(told.state.answers[&id].message, "yes");
    told.now_ms += 1;
    told.fact(Fact::Paused(false));
    assert!(told.state.answers.is_empty() && told.state.answers_end.is_empty());
    assert!(told.state.is_past(30_000), "whatever the clock says");
    assert!(!told.state.is_past(30_001));
}

#[test]
fn an_answer_of_an_earlier_version_is_read_and_ends_too() {
    let written = json!({"answered": Answer::accepted(Uuid::from_u128(5), "yes")});
    let mut told = Told::new();
    told.fact(serde_json::from_value(written).unwrap());
    assert_eq!(told.state.answers.len(), 1);
    told.now_ms = LONGEST_ANSWER_MS + CLOCK_SKEW_MS + 1;
    told.fact(Fact::Paused(false));
    assert!(told.state.answers.is_empty());
}

/// The same history, once with forgetting and once without: the account is the same, valid commands get the same answer, and no id that
/// has had an order is free again. A replay of what was journaled forgets the same.
#[test]
fn forgetting_changes_nothing_that_can_be_asked_for() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let (mut forgetful, mut elephant) = (Told::new(), Told::new());
        let mut journal = Vec::new();
        let mut placed: Vec<Uuid> = Vec::new();
        let mut expires: HashMap<Uuid, i64> = HashMap::new();
        for step in 0..300_u64 {
            forgetful.now_ms += i64::try_from(random.below(90_000)).unwrap();
            let now_ms = forgetful.now_ms;
            let any = |random: &mut Random| placed.get(random.below(placed.len().max(1))).copied();
            let mut facts = Vec::new();
            match random.below(6) {
                0 | 1 => {
                    let id = Uuid::from_u128(1_000 + u128::from(step));
                    let expires_at_ms = now_ms + i64::try_from(random.below(600_000)).unwrap();
                    let quantity = (1 + random.below(2)).to_string();
                    let order = order(id, json!({"quantity": quantity}));
                    facts.push(Fact::Placed { order, asked: Asked::default() });
                    let answer = Answer::accepted(id, step.to_string());
                    facts.push(Fact::Answered { answer, expires_at_ms: Some(expires_at_ms) });
                    placed.push(id);
                    expires.insert(id, expires_at_ms);
                }
                2 => {
                    let event = if random.below(2) == 0 { Event::Cancelled } else { Event::Missing };
                    facts.extend(any(&mut random).map(|order_id| Fact::Event { order_id, event, latency_us: None }));
                }
                3 | 4 => {
                    // What the venue says of a forgotten order never gets as far as a fact.
                    let known = any(&mut random).filter(|id| {
                        forgetful.state.orders.get(id).is_some_and(|tracked| !tracked.remaining().is_zero())
                    });
                    let event = fill(step, 1, now_ms);
                    facts.extend(known.map(|order_id| Fact::Event { order_id, event, latency_us: None }));
                }
                _ => facts.push(Fact::Forgotten { before_ms: now_ms - i64::try_from(random.below(120_000)).unwrap() }),
            }
            for fact in facts {
                let entry = Entry { account: forgetful.state.account, at_ms: now_ms, fact };
                forgetful.state.apply(&entry);
                journal.push(serde_json::to_vec(&entry).unwrap());
                let kept = match entry.fact {
                    Fact::Forgotten { .. } => continue,
                    Fact::Answered { answer, .. } => Fact::Answered { answer, expires_at_ms: Some(FOR_EVER) },
                    fact => fact,
                };
                elephant.state.apply(&Entry { fact: kept, ..entry });
            }
            let (some, all) = (&forgetful.state, &elephant.state);
            assert_eq!(some.workload, all.workload);
            assert_eq!(some.working, all.working);
            assert_eq!(some.positions, all.positions);
            assert_eq!(some.seen, all.seen);
            for id in &placed {
                let is_known = some.orders.contains_key(id) || some.finished.contains_key(id);
                assert!(is_known, "seed {seed}, step {step}: {id} could be placed again");
                if expires[id] + CLOCK_SKEW_MS >= now_ms {
                    assert_eq!(some.answers.get(id), all.answers.get(id), "seed {seed}, step {step}");
                    assert!(!some.is_past(expires[id]), "seed {seed}, step {step}");
                } else {
                    assert!(some.answers.contains_key(id) || some.is_past(expires[id]), "seed {seed}, step {step}");
                }
                if let Some(status) = some.finished.get(id).filter(|_| !some.orders.contains_key(id)) {
                    assert_eq!(*status, all.orders[id].status);
                }
            }
        }
        assert!(!forgetful.state.finished.is_empty() && forgetful.state.orders.len() < placed.len());
        let mut again = Told::new();
        for record in &journal {
            again.state.apply(&serde_json::from_slice(record).unwrap());
        }
        assert_eq!(again.state.orders, forgetful.state.orders);
        assert_eq!(again.state.finished, forgetful.state.finished);
        assert_eq!(again.state.answers, forgetful.state.answers);
        assert_eq!(rules().market, Market::Spot);
    }
}
