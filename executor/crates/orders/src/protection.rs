//! Protection follows the fill, not the order: after every fill of an entry, the quantity that rests behind a stop or target is
//! made equal to the quantity received, as far as the lot allows.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::filters::SymbolRules;
use crate::lifecycle::Tracked;
use crate::order::{Kind, Market, Side, Status};

/// So many protective orders of one entry may stand beside each other; venues allow only a handful of stops in a symbol. A further
/// one is placed at once, and then the two smallest are made one.
pub const MOST_GROUPS: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Stop and target, of which one fills.
    Oco,
    /// The stop rests, and the executor watches the price for the target.
    Watched,
    Stop,
    Target,
    /// The price is already past the stop or the target: close at market.
    Exit,
}

/// Why a group no longer stands for what it has not closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The stop or target would have triggered at once.
    WouldTrigger,
    /// It never reached the venue.
    NotSent,
    Refused,
    /// More than is free: some of it has left by other hands.
    Short,
    /// Taken back by us, to be placed anew together with another.
    Merged,
    /// The price has reached the watched target, and the stop has been taken back for it.
    TargetReached,
}

/// One protective order (or pair) of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    pub n: u32,
    pub form: Form,
    pub quantity: Decimal,
    /// What has been closed through it.
    pub gone: Decimal,
    /// Its orders are being taken back; once they are finished, this is its failure.
    pub closing: Option<Failure>,
    pub failure: Option<Failure>,
    /// A later group has been placed since it failed.
    pub answered: bool,
    /// Cancelled by command: its quantity is deliberately unprotected, and stays so.
    pub released: bool,
}

impl Group {
    pub fn new(n: u32, form: Form, quantity: Decimal) -> Self {
        Self { n, form, quantity, gone: Decimal::ZERO, closing: None, failure: None, answered: false, released: false }
    }

    /// What it stands for: all of its quantity, or of a failed one only what it had closed.
    fn taken(&self) -> Decimal {
        if self.failure.is_none() { self.quantity } else { self.gone.min(self.quantity) }
    }

    /// Nobody has given it up, and it has not closed all that it stands for.
    pub fn stands_for_something(&self) -> bool {
        self.failure.is_none() && !self.released && self.gone < self.quantity
    }

    /// It stands by itself, and there is something left for it to do.
    pub fn stands(&self) -> bool {
        self.stands_for_something() && self.closing.is_none() && self.form != Form::Exit
    }
}

/// What to place next for an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Next {
    pub n: u32,
    pub form: Form,
    pub quantity: Decimal,
}

impl Next {
    /// The same for what is free of it, down to the lot; `None` where that is too small for the venue. A swap position needs no balance.
    pub fn within(self, free: Decimal, entry: &Tracked, rules: &SymbolRules) -> Option<Self> {
        if rules.market == Market::Swap || entry.order.side == Side::Sell || self.quantity <= free {
            return Some(self);
        }
        let quantity = rules.floor_quantity(free);
        let valued_at = entry.order.stop_loss.or(entry.order.take_profit)?;
        rules.is_tradable(quantity, valued_at).then_some(Self { quantity, ..self })
    }
}

/// The next protective order that `entry` needs, if any.
///
/// `pairs`: the venue holds a stop and a target of which one fills. `again`: try once more what the venue has refused in every form
/// (after a further fill or a reconciliation). A quantity too small for the venue (dust) waits for the next fill.
pub fn next(entry: &Tracked, groups: &[Group], rules: &SymbolRules, pairs: bool, again: bool) -> Option<Next> {
    let first = form_wanted(entry, pairs)?;
    let quantity = uncovered(entry, groups, rules);
    let valued_at = entry.order.stop_loss.or(entry.order.take_profit)?;
    if !rules.is_tradable(quantity, valued_at) {
        return None;
    }
    let unanswered = groups.iter().filter(|group| !group.answered);
    let failures = unanswered.filter_map(|group| group.failure.map(|failure| (group.form, failure)));
    let is_passed = |(form, failure): (Form, Failure)| {
        form != Form::Exit && matches!(failure, Failure::WouldTrigger | Failure::TargetReached)
    };
    let form = match failures.clone().next_back() {
        _ if failures.clone().any(is_passed) => Form::Exit,
        None | Some((_, Failure::Merged)) => first,
        Some((_, Failure::Short)) if again => first,
        Some((form, Failure::NotSent)) => form,
        Some((Form::Oco | Form::Watched, _)) => Form::Stop,
        Some((Form::Stop | Form::Target | Form::Exit, _)) if again => first,
        Some((Form::Stop | Form::Target | Form::Exit, _)) => return None,
    };
    let n = groups.iter().map(|group| group.n).max().unwrap_or(0) + 1;
    Some(Next { n, form, quantity })
}

/// What `entry` has brought in, down to the lot, less what its groups stand for.
pub fn uncovered(entry: &Tracked, groups: &[Group], rules: &SymbolRules) -> Decimal {
    let taken: Decimal = groups.iter().map(Group::taken).sum();
    (received(entry, rules) - taken).max(Decimal::ZERO)
}

/// What `entry` has brought in that nothing at the venue protects, though protection was asked for.
///
/// `legs(n)`: the orders of group n. A group covers what has left through it and, while its stop works, the rest.
pub fn unprotected<'a>(
    entry: &Tracked,
    groups: &[Group],
    rules: &SymbolRules,
    legs: impl Fn(u32) -> Vec<&'a Tracked>,
) -> Decimal {
    if !entry.order.wants_protection() {
        return Decimal::ZERO;
    }
    let covered: Decimal = groups
        .iter()
        .map(|group| {
            let guards = |leg: &&Tracked| group.form == Form::Target || leg.order.kind != Kind::Limit;
            let works = |leg: &Tracked| leg.is_working() && leg.status != Status::Unknown;
            let stands =
                group.failure.is_none() && (group.released || legs(group.n).into_iter().filter(guards).any(works));
            if stands { group.quantity } else { group.gone.min(group.quantity) }
        })
        .sum();
    (received(entry, rules) - covered).max(Decimal::ZERO)
}

/// The two smallest groups, where an entry has more than [`MOST_GROUPS`] and none is being merged yet.
///
/// `rests(n)`: the orders of group n are at the venue, so that taking them back can be told from never having been there.
pub fn to_merge(groups: &[Group], rests: impl Fn(u32) -> bool) -> Option<[u32; 2]> {
    if groups.iter().any(|group| group.closing.is_some() && group.failure.is_none()) {
        return None;
    }
    let mut standing: Vec<&Group> = groups.iter().filter(|group| group.stands()).collect();
    if standing.len() <= MOST_GROUPS {
        return None;
    }
    standing.retain(|group| rests(group.n));
    standing.sort_by_key(|group| group.quantity - group.gone);
    match standing[..] {
        [first, second, ..] => Some([first.n, second.n]),
        _ => None,
    }
}

fn received(entry: &Tracked, rules: &SymbolRules) -> Decimal {
    match rules.market {
        Market::Spot => rules.floor_quantity(entry.net_filled(&rules.base)),
        Market::Swap => entry.filled,
    }
}

fn form_wanted(entry: &Tracked, pairs: bool) -> Option<Form> {
    match (entry.order.stop_loss, entry.order.take_profit) {
        // Two reduce-only orders over one quantity can rest beside each other; two sales of one balance cannot.
        (Some(_), Some(_)) if pairs || entry.order.market == Market::Swap => Some(Form::Oco),
        (Some(_), Some(_)) => Some(Form::Watched),
        (Some(_), None) => Some(Form::Stop),
        (None, Some(_)) => Some(Form::Target),
        (None, None) => None,
    }
}
