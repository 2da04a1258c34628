//! What an account need not know any more, so that its memory does not grow with its history (docs/decisions/016).
//!
//! - An answer: once the command has expired. The time is that of the facts, so a replay forgets the same; commands that had to expire
//!   no later than one whose answer is forgotten are refused from then on, also if the clock is set back.
//! - A finished order that has filled completely or not at all: once two reconciliations in a row have begun after its end (the fact
//!   `Forgotten`), and nothing refers to it that is not finished as well. An entry goes with its protection, a stop with its target.
//!   A completely filled one stays for as long as its venue may list its trades again.
//!
//! Of a forgotten order id and status remain for ever: no command places it again, and no late word of the venue makes it a stranger.

use std::collections::{BTreeSet, HashSet};

use orders::Status;
use orders::reconcile::VenueOrder;
use uuid::Uuid;

use crate::answer::Answer;
use crate::envelope::CLOCK_SKEW_MS;
use crate::state::State;

/// Of an answer whose command is not known to end: it was given after a restart, or by an earlier version.
const LONGEST_ANSWER_MS: i64 = 24 * 3_600_000;
/// Behind the newest trade of its symbol; venues are asked for trades of the last minute again, because they list some late.
const TRADES_SETTLE_MS: i64 = 10 * 60_000;

impl State {
    pub fn keep_answer(&mut self, answer: &Answer, expires_at_ms: Option<i64>, at_ms: i64) {
        let Some(id) = answer.command_id.filter(|id| !self.answers.contains_key(id)) else { return };
        let until = expires_at_ms.unwrap_or(at_ms + LONGEST_ANSWER_MS) + CLOCK_SKEW_MS;
        self.answers.insert(id, answer.clone());
        self.answers_end.insert((until, id));
    }

    pub fn forget_answers(&mut self, at_ms: i64) {
        while let Some((until, id)) = self.answers_end.first().copied().filter(|(until, _)| *until < at_ms) {
            self.answers_end.remove(&(until, id));
            self.answers.remove(&id);
            self.forgotten_until = self.forgotten_until.max(until);
        }
    }

    /// Whether the answer to a command that expires then may have been forgotten.
    pub fn is_past(&self, expires_at_ms: i64) -> bool {
        expires_at_ms + CLOCK_SKEW_MS <= self.forgotten_until
    }

    /// Forgets what was finished before `before_ms` and is of no use any more.
    pub fn forget_orders(&mut self, before_ms: i64) {
        let forgettable = self.forgettable(before_ms);
        for id in forgettable {
            self.forget_order(id);
        }
    }

    /// Whether [`State::forget_orders`] would forget anything.
    pub fn has_forgettable(&self, before_ms: i64) -> bool {
        !self.forgettable(before_ms).is_empty()
    }

    fn forgettable(&self, before_ms: i64) -> Vec<Uuid> {
        let in_use: HashSet<Uuid> = (self.moved.iter().flat_map(|(old, new)| [*old, *new]))
            .chain(self.replacing.iter().flat_map(|(old, next)| [*old, next.order.id]))
            .chain(self.flattening.values().filter_map(|flattening| flattening.selling))
            .chain(self.cancelling.iter().copied())
            .chain(self.adrift.iter().copied())
            .collect();
        let is_over = |id: &Uuid| !in_use.contains(id) && self.is_over(*id, before_ms);
        // Each family is looked at once: from its entry, or from the lesser id of a pair.
        let heads = self
            .orders
            .keys()
            .filter(|id| !self.legs.contains_key(id) && self.siblings.get(id).is_none_or(|other| *id < other));
        heads
            .filter(|id| is_over(id))
            .map(|id| (*id, self.family(*id)))
            .filter(|(id, family)| {
                family.iter().all(is_over) && (!self.groups.contains_key(id) || self.unprotected_of(*id).is_none())
            })
            .flat_map(|(_, family)| family)
            .collect()
    }

    fn is_over(&self, id: Uuid, before_ms: i64) -> bool {
        let Some((tracked, kept)) = self.orders.get(&id).zip(self.kept.get(&id)) else { return false };
        if tracked.is_working() || kept.updated_ms >= before_ms {
            return false;
        }
        match tracked.last_fill_ms {
            None => tracked.filled.is_zero(),
            Some(last_fill_ms) => {
                let newest = self.seen.get(&tracked.order.symbol).map_or(0, |seen| seen.time_ms);
                tracked.status == Status::Filled
                    && last_fill_ms + TRADES_SETTLE_MS < newest
                    && (!tracked.order.wants_protection() || self.groups.contains_key(&id))
            }
        }
    }

    /// The orders that are forgotten together with this one.
    fn family(&self, id: Uuid) -> BTreeSet<Uuid> {
        let legs = self.groups_of(id).iter().filter_map(|group| self.group_legs.get(&(id, group.n))).flatten();
        // A leg that was announced and never placed is no order.
        let legs = legs.filter(|leg| self.orders.contains_key(leg));
        legs.chain(self.siblings.get(&id)).copied().chain([id]).collect()
    }

    fn forget_order(&mut self, id: Uuid) {
        let Some(tracked) = self.orders.remove(&id) else { return };
        self.kept.remove(&id);
        if let Some(external_id) = tracked.external_id {
            self.by_external.remove(&(tracked.order.symbol, external_id));
        }
        for group in self.groups.remove(&id).unwrap_or_default() {
            for leg in self.group_legs.remove(&(id, group.n)).unwrap_or_default() {
                self.legs.remove(&leg);
            }
        }
        self.siblings.remove(&id);
        self.guarded.remove(&id);
        self.adopted.remove(&id);
        self.finished.insert(id, tracked.status);
    }

    /// Whether the venue speaks of a forgotten order, and says nothing that was not known when it was forgotten.
    pub fn is_old_news(&self, id: Uuid, order: &VenueOrder) -> bool {
        if self.orders.contains_key(&id) {
            return false;
        }
        match self.finished.get(&id) {
            None => false,
            Some(Status::Filled) => true,
            Some(_) => order.executed.is_zero() && !matches!(order.status, Status::Open | Status::PartiallyFilled),
        }
    }
}

#[cfg(test)]
#[path = "forgetting_tests.rs"]
mod tests;
