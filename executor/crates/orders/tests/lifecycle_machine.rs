//! The lifecycle against a model of the venue, under everything that happens between them: events late, twice, in any order or never,
//! answers lost, questions, and crashes that the journal is read back from, in the middle of an unsynced write too.
//!
//! A short run by default; `SMC_STEPS=1000000` makes the long one, `SMC_SEED` another. Each prints its steps.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use journal::Journal;
use orders::reconcile::{Correction, VenueOrder, VenueSnapshot, VenueTrade, plan};
use orders::{Event, Fill, Kind, Market, Order, Outcome, Side, Status, Tracked, ids};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use rust_decimal::Decimal;
use tempfile::TempDir;
use uuid::Uuid;

const ORDER: Uuid = Uuid::from_u128(7);
const ACCOUNT: Uuid = Uuid::from_u128(1);
const EXTERNAL: &str = "4711";
const LONGEST: usize = 120;

static STEPS: AtomicU64 = AtomicU64::new(0);
static CRASHES: AtomicU64 = AtomicU64::new(0);
static TORN: AtomicU64 = AtomicU64::new(0);

/// The venue, and what it has told.
#[derive(Clone, Debug)]
struct Venue {
    quantity: u32,
    sent: bool,
    /// `None`: it has not arrived.
    status: Option<Status>,
    /// The request never arrives any more.
    lost: bool,
    trades: Vec<u32>,
    told: Vec<Event>,
}

#[derive(Clone, Debug)]
enum Step {
    /// The executor sends; whether the venue's answer comes, and at once.
    Send {
        arrives: bool,
        answered: bool,
    },
    /// The request that was under way arrives, or never will.
    Arrive(bool),
    Reject,
    Trade(u32),
    End(Status),
    /// One of the messages that were told comes in: late, repeated, out of order.
    Deliver(prop::sample::Index),
    /// The executor asks for everything, and corrects what differs.
    Reconcile,
    /// What was journaled so far reaches the disk.
    Sync,
    /// The process is killed: nothing that was written is lost.
    Kill,
    /// The machine loses power: of what was not synced, some is cut off, and a byte of it may be another.
    PowerLoss {
        kept: prop::sample::Index,
        flipped: Option<prop::sample::Index>,
    },
}

impl Venue {
    fn filled(&self) -> u32 {
        self.trades.iter().sum()
    }

    fn is_live(&self) -> bool {
        matches!(self.status, Some(Status::Open | Status::PartiallyFilled))
    }

    fn arrive(&mut self) {
        self.status = Some(Status::Open);
        self.told.push(Event::Accepted { external_id: EXTERNAL.into() });
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Send { arrives, answered } => {
                self.sent = true;
                if *arrives || *answered {
                    self.arrive();
                }
            }
            Step::Arrive(true) => self.arrive(),
            Step::Arrive(false) => self.lost = true,
            Step::Reject => {
                self.status = Some(Status::Rejected);
                self.told.push(Event::Rejected { message: "no".into() });
            }
            Step::Trade(quantity) => {
                let quantity = (*quantity).min(self.quantity - self.filled());
                self.trades.push(quantity);
                self.told.push(Event::Fill(fill(self.trades.len() - 1, quantity)));
                let all = self.filled() == self.quantity;
                self.status = Some(if all { Status::Filled } else { Status::PartiallyFilled });
            }
            Step::End(status) => {
                self.status = Some(*status);
                self.told.push(if *status == Status::Cancelled { Event::Cancelled } else { Event::Expired });
            }
            Step::Deliver(_) | Step::Reconcile | Step::Sync | Step::Kill | Step::PowerLoss { .. } => {}
        }
    }

    fn snapshot(&self) -> VenueSnapshot {
        let Some(status) = self.status else {
            // Before the venue's consistency delay has passed, "no such order" is not believed.
            return VenueSnapshot {
                missing: if self.lost { vec![ORDER] } else { Vec::new() },
                ..VenueSnapshot::default()
            };
        };
        let order = order(self.quantity);
        let trade = |(n, quantity): (usize, &u32)| VenueTrade {
            external_id: EXTERNAL.into(),
            symbol: order.symbol.clone(),
            fill: fill(n, *quantity),
        };
        let trades = self.trades.iter().enumerate().map(trade).collect();
        let at_venue = VenueOrder {
            client_order_id: order.client_order_id.clone(),
            external_id: EXTERNAL.into(),
            symbol: order.symbol.clone(),
            side: order.side,
            kind: order.kind,
            quantity: order.quantity,
            price: order.price,
            stop_price: None,
            trail: None,
            reduce_only: false,
            time_in_force: None,
            post_only: false,
            status,
            executed: self.filled().into(),
            time_ms: 0,
        };
        VenueSnapshot { orders: vec![at_venue], missing: Vec::new(), trades }
    }
}

fn order(quantity: u32) -> Order {
    Order {
        id: ORDER,
        client_order_id: ids::client_order_id(ORDER),
        parent: None,
        market: Market::Spot,
        symbol: "BTCUSDT".into(),
        side: Side::Buy,
        kind: Kind::Limit,
        quantity: quantity.into(),
        price: Some(100.into()),
        stop_price: None,
        trail: None,
        time_in_force: None,
        stop_loss: None,
        take_profit: None,
        reduce_only: false,
        post_only: false,
    }
}

fn fill(n: usize, quantity: u32) -> Fill {
    Fill {
        trade_id: n.to_string(),
        quantity: quantity.into(),
        price: (100 + n as u64).into(),
        fee: Decimal::ZERO,
        fee_asset: "USDT".into(),
        is_maker: true,
        time_ms: n as i64,
    }
}

struct Machine;

impl ReferenceStateMachine for Machine {
    type State = Venue;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Venue> {
        let new = |quantity| Venue { quantity, sent: false, status: None, lost: false, trades: vec![], told: vec![] };
        (1u32..20).prop_map(new).boxed()
    }

    fn transitions(venue: &Venue) -> BoxedStrategy<Step> {
        let power = (any::<prop::sample::Index>(), any::<Option<prop::sample::Index>>())
            .prop_map(|(kept, flipped)| Step::PowerLoss { kept, flipped });
        let always = prop_oneof![3 => Just(Step::Reconcile), 2 => Just(Step::Sync), 2 => Just(Step::Kill), 3 => power];
        if !venue.sent {
            let send = (any::<bool>(), any::<bool>()).prop_map(|(arrives, answered)| Step::Send { arrives, answered });
            return prop_oneof![6 => send, 1 => always].boxed();
        }
        let mut steps: Vec<(u32, BoxedStrategy<Step>)> = vec![(6, always.boxed())];
        if !venue.told.is_empty() {
            steps.push((20, any::<prop::sample::Index>().prop_map(Step::Deliver).boxed()));
        }
        if venue.status.is_none() && !venue.lost {
            steps.push((6, any::<bool>().prop_map(Step::Arrive).boxed()));
        }
        // A venue that refuses has told nothing of the order before.
        if venue.status == Some(Status::Open) && venue.told.is_empty() {
            steps.push((2, Just(Step::Reject).boxed()));
        }
        if venue.is_live() {
            steps.push((8, (1u32..5).prop_map(Step::Trade).boxed()));
            steps.push((1, prop_oneof![Just(Step::End(Status::Cancelled)), Just(Step::End(Status::Expired))].boxed()));
        }
        prop::strategy::Union::new_weighted(steps).boxed()
    }

    fn apply(mut venue: Venue, step: &Step) -> Venue {
        venue.apply(step);
        venue
    }

    /// Shrinking leaves steps out: what is left must still be possible.
    fn preconditions(venue: &Venue, step: &Step) -> bool {
        match step {
            Step::Send { .. } => !venue.sent,
            Step::Arrive(_) => venue.sent && venue.status.is_none() && !venue.lost,
            Step::Reject => venue.status == Some(Status::Open) && venue.told.is_empty(),
            Step::Trade(_) | Step::End(_) => venue.is_live(),
            Step::Deliver(_) => !venue.told.is_empty(),
            Step::Reconcile | Step::Sync | Step::Kill | Step::PowerLoss { .. } => true,
        }
    }
}

/// The executor's side: the order as it stands, and its journal on the disk.
struct Executor {
    _folder: TempDir,
    path: PathBuf,
    journal: Option<Journal>,
    order: Order,
    tracked: Option<Tracked>,
    /// Everything that was journaled, in order.
    records: Vec<Vec<u8>>,
    /// Of these, how many a power loss leaves.
    synced: usize,
    synced_bytes: u64,
}

impl Executor {
    fn new(venue: &Venue) -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let path = folder.path().join("journal");
        let (journal, _, _) = Journal::open(&path).unwrap();
        Self {
            _folder: folder,
            path,
            journal: Some(journal),
            order: order(venue.quantity),
            tracked: None,
            records: Vec::new(),
            synced: 0,
            synced_bytes: 8,
        }
    }

    fn write(&mut self, record: Vec<u8>) {
        self.journal.as_mut().unwrap().append(&record).unwrap();
        self.records.push(record);
    }

    fn sync(&mut self) {
        self.synced_bytes = fs::metadata(&self.path).unwrap().len();
        self.journal.as_mut().unwrap().sync().unwrap();
        self.synced = self.records.len();
    }

    /// Journaled, then applied, as the executor does.
    fn happens(&mut self, event: &Event) {
        self.write(serde_json::to_vec(event).unwrap());
        let tracked = self.tracked.as_mut().unwrap();
        let before = tracked.status;
        let outcome = tracked.apply(event);
        assert_ne!(outcome, Outcome::Contradicted, "the venue is honest: {event:?}");
        assert!(!before.is_terminal() || tracked.status == before, "{event:?} brings a {before:?} order back to life");
    }

    /// What the journal adds up to.
    fn replayed(&self, records: &[Vec<u8>]) -> Option<Tracked> {
        let (placed, events) = records.split_first()?;
        let mut tracked = Tracked::new(serde_json::from_slice(placed).unwrap());
        for event in events {
            tracked.apply(&serde_json::from_slice(event).unwrap());
        }
        Some(tracked)
    }

    fn reopen(&mut self) {
        CRASHES.fetch_add(1, Ordering::Relaxed);
        let (journal, records, recovery) = Journal::open(&self.path).unwrap();
        TORN.fetch_add(u64::from(recovery.torn_bytes > 0), Ordering::Relaxed);
        assert!(records.len() >= self.synced, "what was synced is lost");
        assert_eq!(records, self.records[..records.len()], "what is read back is what was written");
        self.tracked = self.replayed(&records);
        self.records = records;
        self.journal = Some(journal);
        self.sync();
    }

    fn lose_power(&mut self, kept: &prop::sample::Index, flipped: Option<&prop::sample::Index>) {
        self.journal = None;
        let mut bytes = fs::read(&self.path).unwrap();
        // Of the mark behind the last sync, too: it is not synced itself.
        let unsynced = bytes.len() - self.synced_bytes as usize;
        bytes.truncate(self.synced_bytes as usize + kept.index(unsynced + 1));
        let rest = bytes.len() - self.synced_bytes as usize;
        if let Some(flipped) = flipped.filter(|_| rest > 0 && self.synced < self.records.len()) {
            let at = self.synced_bytes as usize + flipped.index(rest);
            bytes[at] ^= 0x10;
        }
        fs::write(&self.path, bytes).unwrap();
        self.reopen();
    }

    fn reconcile(&mut self, venue: &Venue) {
        let Some(tracked) = &self.tracked else { return };
        let known = BTreeMap::from([(ORDER, tracked.clone())]);
        for correction in plan(ACCOUNT, &known, &venue.snapshot()) {
            match correction {
                Correction::Apply { id: ORDER, event } => self.happens(&event),
                other => panic!("an honest venue's order needs no {other:?}"),
            }
        }
    }
}

struct Lifecycle;

impl StateMachineTest for Lifecycle {
    type SystemUnderTest = Executor;
    type Reference = Machine;

    fn init_test(venue: &Venue) -> Executor {
        Executor::new(venue)
    }

    fn apply(mut executor: Executor, venue: &Venue, step: Step) -> Executor {
        STEPS.fetch_add(1, Ordering::Relaxed);
        match step {
            Step::Send { answered, .. } => {
                executor.write(serde_json::to_vec(&executor.order).unwrap());
                // On the disk before anything is sent.
                executor.sync();
                executor.tracked = Some(Tracked::new(executor.order.clone()));
                let answer =
                    if answered { venue.told[0].clone() } else { Event::Unknown { message: "no answer".into() } };
                executor.happens(&answer);
            }
            Step::Deliver(which) => executor.happens(which.get(&venue.told)),
            Step::Reconcile => executor.reconcile(venue),
            Step::Sync => executor.sync(),
            Step::Kill => {
                executor.journal = None;
                executor.reopen();
            }
            Step::PowerLoss { kept, flipped } => executor.lose_power(&kept, flipped.as_ref()),
            Step::Arrive(_) | Step::Reject | Step::Trade(_) | Step::End(_) => {}
        }
        executor
    }

    fn check_invariants(executor: &Executor, venue: &Venue) {
        let Some(tracked) = &executor.tracked else {
            assert!(!venue.sent, "an order was sent that the journal does not know");
            return;
        };
        let known: u32 = tracked.trades.iter().map(|trade| venue.trades[trade.parse::<usize>().unwrap()]).sum();
        assert_eq!(tracked.filled, known.into(), "each trade counts once");
        assert!(tracked.filled <= tracked.order.quantity);
        match tracked.status {
            Status::Rejected => assert!(venue.lost || venue.status == Some(Status::Rejected)),
            Status::Filled => assert_eq!(known, venue.quantity),
            ended @ (Status::Cancelled | Status::Expired) => assert_eq!(venue.status, Some(ended)),
            Status::PartiallyFilled => assert!(known > 0 && known < venue.quantity),
            Status::Open => assert!(known == 0 && venue.status.is_some()),
            Status::Pending | Status::Unknown => assert_eq!(known, 0),
        }
    }

    /// Whatever has happened: one reconciliation, and both agree; a second one finds nothing.
    fn teardown(mut executor: Executor, venue: Venue) {
        if !venue.sent || (venue.status.is_none() && !venue.lost) {
            return;
        }
        executor.reconcile(&venue);
        let before = executor.records.len();
        executor.reconcile(&venue);
        assert_eq!(executor.records.len(), before, "a second reconciliation finds differences");
        let tracked = executor.tracked.as_ref().unwrap();
        assert_eq!(tracked.filled, venue.filled().into());
        assert_eq!(tracked.status, venue.status.unwrap_or(Status::Rejected));
        executor.journal = None;
        executor.reopen();
        Self::check_invariants(&executor, &venue);
    }
}

#[test]
fn no_order_of_events_and_no_crash_parts_the_executor_from_the_venue() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (wanted, seed) = (number("SMC_STEPS").unwrap_or(10_000), number("SMC_SEED").unwrap_or(1));
    let mut round = 0;
    while STEPS.load(Ordering::Relaxed) < wanted {
        // In rounds: shrinking a failure keeps all of a round's steps.
        let rng_seed = RngSeed::Fixed(seed.wrapping_add(round));
        let config = Config { cases: 64, failure_persistence: None, rng_seed, ..Config::default() };
        let mut runner = proptest::test_runner::TestRunner::new(config);
        let sequence = Machine::sequential_strategy(1..=LONGEST);
        let result = runner.run(&sequence, |(venue, steps, seen)| {
            Lifecycle::test_sequential(Config::default(), venue, steps, seen);
            Ok(())
        });
        if let Err(error) = result {
            panic!("SMC_SEED={}: {error}", seed.wrapping_add(round));
        }
        round += 1;
    }
    let [steps, crashes, torn] = [&STEPS, &CRASHES, &TORN].map(|counter| counter.load(Ordering::Relaxed));
    println!("lifecycle: {steps} steps, {crashes} crashes, {torn} of them with a torn journal, 0 disagreements");
}
