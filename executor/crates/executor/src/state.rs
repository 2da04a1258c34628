//! An account's state: what its facts add up to, the same after a restart as before it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use orders::exposure::Workload;
use orders::position::Position;
use orders::protection::{Form, Group};
use orders::reconcile::{Seen, VenuePosition};
use orders::{Event, Limits, Order, Outcome, Status, SymbolRules, Tracked, ids};
use rust_decimal::Decimal;
use uuid::Uuid;
use venues::Balance;

use crate::answer::Answer;
use crate::booking::follow;
use crate::fact::{Asked, Entry, Fact};

pub struct State {
    pub account: Uuid,
    pub orders: BTreeMap<Uuid, Tracked>,
    pub kept: HashMap<Uuid, Kept>,
    /// Ids of orders that are not finished.
    pub working: BTreeSet<Uuid>,
    /// Sums over them.
    pub workload: Workload,
    pub by_external: HashMap<(String, String), Uuid>,
    /// Protective groups by entry.
    pub groups: HashMap<Uuid, Vec<Group>>,
    /// Entry and group of each protective leg.
    pub legs: HashMap<Uuid, (Uuid, u32)>,
    pub group_legs: HashMap<(Uuid, u32), Vec<Uuid>>,
    /// Of a stop and a target over one quantity, the other one.
    pub siblings: HashMap<Uuid, Uuid>,
    /// What takes an order's place once it is cancelled, by that order.
    pub replacing: BTreeMap<Uuid, Replacement>,
    /// Entries with fills to protect, until all of it has gone through a stop or target.
    pub guarded: BTreeSet<Uuid>,
    pub cancelling: BTreeSet<Uuid>,
    /// By symbol, groups whose target is watched, and working stops that follow the price.
    pub watched: BTreeMap<String, Vec<(Uuid, u32)>>,
    pub trailing: BTreeMap<String, BTreeSet<Uuid>>,
    /// What a trailing stop has become.
    pub moved: HashMap<Uuid, Uuid>,
    /// Exits in such a life that never reached the venue, and are to be placed again.
    pub adrift: BTreeSet<Uuid>,
    /// Symbols in which what is watched has changed.
    pub rewatch: BTreeSet<String>,
    pub positions: BTreeMap<String, Position>,
    pub rules: BTreeMap<String, SymbolRules>,
    pub limits: Limits,
    pub paused: bool,
    pub killed: bool,
    /// Standing kill switches that have acted since the last `resume`.
    pub killed_by: BTreeSet<String>,
    /// Under which name this journal holds its lease, once it has had one.
    pub holder: Option<Uuid>,
    /// When the account was last taken over from another executor.
    pub taken_over_ms: i64,
    /// Orders that were found at the venue.
    pub adopted: BTreeSet<Uuid>,
    pub flattening: BTreeMap<String, Flattening>,
    /// Of commands that could still be sent again.
    pub answers: HashMap<Uuid, Answer>,
    /// When each of them is forgotten.
    pub answers_end: BTreeSet<(i64, Uuid)>,
    /// When the last of those had to expire that are forgotten.
    pub forgotten_until: i64,
    /// How orders ended of which no more is known.
    pub finished: HashMap<Uuid, Status>,
    /// How far the trades of each symbol are known.
    pub seen: BTreeMap<String, Seen>,
    /// Wall times of the entries of the last minute.
    pub entries_sent: VecDeque<i64>,
    /// The venue's own words; asked for anew at each start.
    pub balances: BTreeMap<String, Balance>,
    /// The same, of a swap account's positions.
    pub venue_positions: BTreeMap<String, VenuePosition>,
    /// Facts so far.
    pub facts: u64,
    /// Of these, how many Postgres is known to hold.
    pub written: u64,
}

/// What is kept of an order beside its life.
pub struct Kept {
    pub asked: Asked,
    /// In the quote asset.
    pub fees: Decimal,
    pub latency_us: Option<u64>,
    pub placed_ms: i64,
    pub updated_ms: i64,
}

/// An order that waits for another to be cancelled.
#[derive(Clone, Debug)]
pub struct Replacement {
    /// Its quantity counts what the old one has filled.
    pub order: Order,
    pub asked: Asked,
    pub expires_at_ms: i64,
    pub last: Option<Decimal>,
}

#[derive(Clone, Debug)]
pub struct Flattening {
    pub command_id: Uuid,
    pub issued_at_ms: i64,
    pub attempt: u32,
    pub selling: Option<Uuid>,
}

/// What applying a fact brought to light.
#[derive(Clone, Copy, Default)]
pub struct Applied {
    /// How many facts there were with it.
    pub facts: u64,
    /// The order's, after it.
    pub status: Option<Status>,
    pub outcome: Option<Outcome>,
    pub realized_pnl: Option<Decimal>,
}

impl State {
    pub fn new(account: Uuid, limits: Limits) -> Self {
        Self {
            account,
            orders: BTreeMap::new(),
            kept: HashMap::new(),
            working: BTreeSet::new(),
            workload: Workload::default(),
            by_external: HashMap::new(),
            groups: HashMap::new(),
            legs: HashMap::new(),
            group_legs: HashMap::new(),
            siblings: HashMap::new(),
            replacing: BTreeMap::new(),
            guarded: BTreeSet::new(),
            cancelling: BTreeSet::new(),
            watched: BTreeMap::new(),
            trailing: BTreeMap::new(),
            moved: HashMap::new(),
            adrift: BTreeSet::new(),
            rewatch: BTreeSet::new(),
            positions: BTreeMap::new(),
            rules: BTreeMap::new(),
            limits,
            paused: false,
            killed: false,
            killed_by: BTreeSet::new(),
            holder: None,
            taken_over_ms: 0,
            adopted: BTreeSet::new(),
            flattening: BTreeMap::new(),
            answers: HashMap::new(),
            answers_end: BTreeSet::new(),
            forgotten_until: i64::MIN,
            finished: HashMap::new(),
            seen: BTreeMap::new(),
            venue_positions: BTreeMap::new(),
            entries_sent: VecDeque::new(),
            balances: BTreeMap::new(),
            facts: 0,
            written: 0,
        }
    }

    pub fn apply(&mut self, entry: &Entry) -> Applied {
        self.facts += 1;
        let at_ms = entry.at_ms;
        self.forget_answers(at_ms);
        let mut applied = Applied { facts: self.facts, ..Applied::default() };
        match &entry.fact {
            Fact::Command(_) | Fact::Reconciled { .. } | Fact::TurnedAway { .. } => {}
            Fact::Placed { order, asked } => {
                if order.is_entry() {
                    self.entries_sent.push_back(at_ms);
                }
                self.keep(Tracked::new(order.clone()), asked, at_ms);
            }
            Fact::Adopted { order, asked } => {
                self.adopted.insert(order.id);
                self.keep(Tracked::new(order.clone()), asked, at_ms);
            }
            Fact::Refused { order, asked, message } => {
                let mut tracked = Tracked::new(order.clone());
                tracked.apply(&Event::Rejected { message: message.clone() });
                self.keep(tracked, asked, at_ms);
            }
            Fact::Event { order_id, event, latency_us } => {
                applied = Applied { facts: self.facts, ..self.happen(*order_id, event, *latency_us, at_ms) };
            }
            Fact::Group { entry, n, form, quantity, legs } => {
                let groups = self.groups.entry(*entry).or_default();
                groups.iter_mut().for_each(|group| group.answered = group.failure.is_some());
                groups.push(Group::new(*n, *form, *quantity));
                self.legs.extend(legs.iter().map(|leg| (*leg, (*entry, *n))));
                if let [stop, target] = legs[..] {
                    self.pair(stop, target);
                }
                if let (Form::Watched, Some(tracked)) = (form, self.orders.get(entry)) {
                    let symbol = tracked.order.symbol.clone();
                    self.rewatch.insert(symbol.clone());
                    self.watched.entry(symbol).or_default().push((*entry, *n));
                }
                self.group_legs.insert((*entry, *n), legs.clone());
            }
            Fact::GroupClosing { entry, n, failure } => self.group(*entry, *n, |group| group.closing = Some(*failure)),
            Fact::GroupFailed { entry, n, failure } => self.group(*entry, *n, |group| group.failure = Some(*failure)),
            Fact::GroupReleased { entry, n } => self.group(*entry, *n, |group| {
                (group.released, group.closing) = (true, None);
            }),
            Fact::Pair { stop, target } => self.pair(*stop, *target),
            Fact::Replacing { old, order, asked, expires_at_ms, last } => {
                let (order, asked) = (order.clone(), asked.clone());
                let replacement = Replacement { order, asked, expires_at_ms: *expires_at_ms, last: *last };
                self.replacing.insert(*old, replacement);
            }
            Fact::Replaced { old } => {
                self.replacing.remove(old);
            }
            Fact::Moved { old, new } => {
                self.moved.insert(*old, *new);
            }
            Fact::CancelAsked { order_id } => {
                self.cancelling.insert(*order_id);
            }
            Fact::Rules(rules) => {
                self.rules.insert(rules.symbol.clone(), rules.clone());
            }
            Fact::Position { symbol, quantity, entry_price } => {
                self.positions.entry(symbol.clone()).or_default().agree(*quantity, *entry_price);
            }
            Fact::Limits(limits) => self.limits = self.limits.with(limits),
            Fact::Paused(paused) => self.paused = *paused,
            Fact::Killed { killed, by, .. } => {
                self.killed = *killed;
                if *killed {
                    self.killed_by.extend(by.clone());
                } else {
                    self.killed_by.clear();
                }
            }
            Fact::Lease { holder, taken_over, .. } => {
                self.holder = Some(*holder);
                if *taken_over {
                    self.taken_over_ms = at_ms;
                }
            }
            Fact::Flatten { command_id, issued_at_ms, symbol } => {
                let flattening =
                    Flattening { command_id: *command_id, issued_at_ms: *issued_at_ms, attempt: 0, selling: None };
                self.flattening.entry(symbol.clone()).or_insert(flattening);
            }
            Fact::FlattenSelling { symbol, order_id } => self.flatten(symbol, |flattening| {
                flattening.attempt += 1;
                flattening.selling = Some(*order_id);
            }),
            Fact::FlattenUnsold { symbol } => self.flatten(symbol, |flattening| flattening.selling = None),
            Fact::FlattenDone { symbol } => {
                self.flattening.remove(symbol);
            }
            Fact::Answered { answer, expires_at_ms } => self.keep_answer(answer, *expires_at_ms, at_ms),
            Fact::Forgotten { before_ms } => self.forget_orders(*before_ms),
            Fact::Written { facts } => self.written = self.written.max(*facts),
        }
        applied
    }

    fn keep(&mut self, tracked: Tracked, asked: &Asked, at_ms: i64) {
        let id = tracked.order.id;
        self.adrift.retain(|old| ids::trailing_next(*old) != id);
        if tracked.is_working() {
            self.working.insert(id);
        }
        self.workload.add(&tracked);
        follow(&mut self.trailing, &mut self.rewatch, &tracked);
        let kept =
            Kept { asked: asked.clone(), fees: Decimal::ZERO, latency_us: None, placed_ms: at_ms, updated_ms: at_ms };
        self.orders.insert(id, tracked);
        self.kept.insert(id, kept);
    }

    pub fn group(&mut self, entry: Uuid, n: u32, change: impl Fn(&mut Group)) {
        self.groups.entry(entry).or_default().iter_mut().filter(|group| group.n == n).for_each(change);
    }

    fn pair(&mut self, one: Uuid, other: Uuid) {
        self.siblings.insert(one, other);
        self.siblings.insert(other, one);
    }

    fn flatten(&mut self, symbol: &str, change: impl FnOnce(&mut Flattening)) {
        if let Some(flattening) = self.flattening.get_mut(symbol) {
            change(flattening);
        }
    }
}
