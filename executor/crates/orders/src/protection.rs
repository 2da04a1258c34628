//! Protection follows the fill, not the order: after every fill of an entry, the quantity that rests behind a stop or target is
//! made equal to the quantity received, as far as the lot allows.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::filters::SymbolRules;
use crate::lifecycle::Tracked;
use crate::order::Status;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Stop and target, of which one fills.
    Oco,
    Stop,
    Target,
    /// The price is already past the stop or the target: sell at market.
    Exit,
}

/// Why the venue did not take a protective order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The stop or target would have triggered at once.
    WouldTrigger,
    /// It never reached the venue.
    NotSent,
    Refused,
}

/// One protective order (or pair) of an entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Group {
    pub n: u32,
    pub form: Form,
    pub quantity: Decimal,
    pub failure: Option<Failure>,
    /// Cancelled by command: its quantity is deliberately unprotected, and stays so.
    pub released: bool,
}

/// What to place next for an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Next {
    pub n: u32,
    pub form: Form,
    pub quantity: Decimal,
}

/// The next protective order that `entry` needs, if any.
///
/// `base`: the asset that its fills bring in. `again`: try once more what the venue has refused in every form (after a reconciliation).
/// A quantity too small for the venue (dust) waits for the next fill.
pub fn next(entry: &Tracked, groups: &[Group], rules: &SymbolRules, again: bool) -> Option<Next> {
    let first = form_wanted(entry)?;
    let quantity = uncovered(entry, groups, rules);
    let valued_at = entry.order.stop_loss.or(entry.order.take_profit)?;
    if !rules.is_tradable(quantity, valued_at) {
        return None;
    }
    let form = match groups.last().and_then(|group| group.failure.map(|failure| (group.form, failure))) {
        None => first,
        Some((form, Failure::NotSent)) => form,
        Some((Form::Oco | Form::Stop | Form::Target, Failure::WouldTrigger)) => Form::Exit,
        Some((Form::Oco, Failure::Refused)) => Form::Stop,
        Some((Form::Stop | Form::Target | Form::Exit, _)) if again => first,
        Some((Form::Stop | Form::Target | Form::Exit, _)) => return None,
    };
    let n = groups.iter().map(|group| group.n).max().unwrap_or(0) + 1;
    Some(Next { n, form, quantity })
}

/// What `entry` has brought in, down to the lot, less what its groups stand for.
pub fn uncovered(entry: &Tracked, groups: &[Group], rules: &SymbolRules) -> Decimal {
    let taken: Decimal = groups.iter().filter(|group| group.failure.is_none()).map(|group| group.quantity).sum();
    (rules.floor_quantity(entry.net_filled(&rules.base)) - taken).max(Decimal::ZERO)
}

/// What `entry` has brought in that nothing at the venue protects, though protection was asked for.
///
/// `legs(n)`: the orders of group n. A group covers what has left through it and, while one of its orders works, the rest.
pub fn unprotected<'a>(
    entry: &Tracked,
    groups: &[Group],
    rules: &SymbolRules,
    legs: impl Fn(u32) -> Vec<&'a Tracked>,
) -> Decimal {
    if form_wanted(entry).is_none() {
        return Decimal::ZERO;
    }
    let covered: Decimal = groups
        .iter()
        .filter(|group| group.failure.is_none())
        .map(|group| {
            let legs = legs(group.n);
            let works = legs.iter().any(|leg| leg.is_working() && leg.status != Status::Unknown);
            let gone: Decimal = legs.iter().map(|leg| leg.filled).sum();
            if works || group.released { group.quantity } else { gone.min(group.quantity) }
        })
        .sum();
    (rules.floor_quantity(entry.net_filled(&rules.base)) - covered).max(Decimal::ZERO)
}

fn form_wanted(entry: &Tracked) -> Option<Form> {
    match (entry.order.stop_loss, entry.order.take_profit) {
        (Some(_), Some(_)) => Some(Form::Oco),
        (Some(_), None) => Some(Form::Stop),
        (None, Some(_)) => Some(Form::Target),
        (None, None) => None,
    }
}
