//! Reconciliation on every start and every reconnection of the user stream: the venue is asked for everything that could have
//! happened unseen, and entries wait until journal and venue agree.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use orders::reconcile::{Correction, VenueSnapshot, plan};
use orders::{Event, Market, Status, SymbolRules};
use rust_decimal::Decimal;
use uuid::Uuid;
use venues::VenueError;

use crate::account::Account;
use crate::clock::now_ms;
use crate::fact::Fact;
use crate::gathering::{Gathered, gather};
use crate::message::{Message, Wake};
use crate::reacting::RETRY;

impl Account {
    pub fn start_gathering(&mut self) {
        if !self.stream_up {
            return;
        }
        self.ready = false;
        self.gather();
    }

    /// A stream can lose an event without a sign, so the venue is asked regularly; entries go on meanwhile.
    pub fn audit(&mut self) {
        if self.ready && !self.gathering {
            self.gather();
        }
    }

    fn gather(&mut self) {
        self.gathering = true;
        self.generation += 1;
        let question = self.question();
        let (venue, inbox, generation) = (Arc::clone(&self.venue), self.inbox.clone(), self.generation);
        let (started_ms, fills, balance_changes) = (now_ms(), self.fills, self.balance_changes.clone());
        tokio::spawn(async move {
            let told = gather(&*venue, question).await;
            let result = told.map(|told| Box::new(Gathered { told, started_ms, fills, balance_changes }));
            let _ = inbox.send(Message::Gathered(generation, result));
        });
    }

    pub fn gathered(&mut self, generation: u64, result: Result<Box<Gathered>, VenueError>) {
        if generation != self.generation || !self.stream_up {
            return;
        }
        self.gathering = false;
        match result {
            Ok(gathered) => self.agree(*gathered),
            Err(error) => {
                tracing::warn!(account = %self.state.account, %error, "reconciliation failed; no entries, trying again");
                self.ready = false;
                let wait = if let VenueError::Throttled { retry_after, .. } = error { retry_after } else { RETRY };
                self.wake_in(wait.max(RETRY), Wake::Gather);
            }
        }
    }

    fn agree(&mut self, gathered: Gathered) {
        let mut told = gathered.told;
        self.drop_old_news(&mut told.snapshot);
        for rules in told.rules {
            if self.state.rules.get(&rules.symbol) != Some(&rules) {
                self.record(Fact::Rules(rules));
            }
        }
        let is_quiet = self.fills == gathered.fills;
        let mut differences = Vec::new();
        for order in &told.snapshot.orders {
            self.executed(self.identify(order), order.executed);
        }
        for correction in plan(self.state.account, &self.state.orders, &told.snapshot) {
            match correction {
                Correction::Adopt { id, order } => {
                    differences.push(format!("{} {} adopted from the venue", order.symbol, order.client_order_id));
                    self.adopt(id, &order);
                }
                Correction::Apply { id, event } => {
                    differences.push(format!("order {id}: {}", describe(&event)));
                    self.happened(id, event, None);
                }
                Correction::CancelStray { id } => {
                    // Finished while the venue was being asked is no contradiction.
                    let updated_ms = self.state.kept.get(&id).map_or(0, |kept| kept.updated_ms);
                    if updated_ms < gathered.started_ms {
                        differences.push(format!("order {id}: works at the venue though finished here; cancelling it"));
                        self.cancel_stray(id);
                    }
                }
                Correction::FetchTrades { id } => self.fetch_trades(id),
            }
        }
        // Where the stream has spoken since, it is newer than the answer.
        let is_newer = |asset: &String| self.balance_changes.get(asset) != gathered.balance_changes.get(asset);
        let balances: Vec<_> = told.balances.into_iter().filter(|(asset, _)| !is_newer(asset)).collect();
        if self.state.balances.is_empty() && balances.is_empty() {
            tracing::info!(account = %self.state.account, "the account is empty");
        }
        self.state.balances.extend(balances);
        self.state.venue_positions =
            told.positions.into_iter().map(|position| (position.symbol.clone(), position)).collect();
        // A fill whose balances have not been told yet would look like a difference; the next reconciliation will see.
        if is_quiet {
            self.agree_positions(&mut differences);
        }
        for line in &differences {
            tracing::warn!(account = %self.state.account, "reconciled: {line}");
        }
        let entries: Vec<Uuid> = self.state.guarded.iter().copied().collect();
        // The balances told are those before any fill that has come since.
        let mut free = if is_quiet { self.free_balances() } else { HashMap::new() };
        for entry in entries {
            let base = self.base_of(entry);
            let spare = base.as_ref().and_then(|base| free.get(base)).copied().unwrap_or(Decimal::MAX);
            let placed = self.protect_within(entry, true, spare);
            if let Some(spare) = base.and_then(|base| free.get_mut(&base)) {
                *spare -= placed;
            }
        }
        // Seen to now, and with no more than is free.
        self.unguarded.retain(|entry| !self.state.guarded.contains(entry));
        for order_id in self.state.adrift.clone() {
            self.place_adrift(order_id);
        }
        for order_id in self.state.working_in(None, |_| true) {
            if let Some(other) = self.state.siblings.get(&order_id).copied() {
                self.half_happened(other);
            }
        }
        let cancelling: Vec<Uuid> = self.state.cancelling.iter().copied().collect();
        for order_id in cancelling {
            self.send_cancel(order_id, None);
        }
        let flattening: Vec<String> = self.state.flattening.keys().cloned().collect();
        for symbol in flattening {
            self.continue_flatten(&symbol);
        }
        let unsettled = |status: Status| matches!(status, Status::Pending | Status::Unknown);
        let open: Vec<Uuid> = self
            .state
            .working_orders()
            .filter(|tracked| unsettled(tracked.status))
            .map(|tracked| tracked.order.id)
            .collect();
        // Of an audit each of them is being asked for already.
        for order_id in open.into_iter().filter(|_| !self.ready) {
            self.wake_in(Duration::from_millis(250), Wake::Query { order_id, attempt: 1 });
        }
        self.controls.differences += differences.len() as u64;
        self.cancel_strangers();
        if !self.ready || !differences.is_empty() {
            self.record(Fact::Reconciled { differences });
        }
        self.are_holdings_new = true;
        if !std::mem::replace(&mut self.ready, true) {
            tracing::info!(account = %self.state.account, "journal and venue agree; entries are accepted");
        }
        self.continue_replacements();
        self.forget(gathered.started_ms);
    }

    /// Forgotten orders of which the venue says nothing new, and their trades.
    fn drop_old_news(&self, snapshot: &mut VenueSnapshot) {
        let (old, rest): (Vec<_>, Vec<_>) =
            snapshot.orders.drain(..).partition(|order| self.state.is_old_news(self.identify(order), order));
        snapshot.orders = rest;
        let old: HashSet<_> = old.into_iter().map(|order| (order.symbol, order.external_id)).collect();
        snapshot.trades.retain(|trade| !old.contains(&(trade.symbol.clone(), trade.external_id.clone())));
    }

    /// What had ended before the last agreement was sought, and has not been spoken of in this one either.
    fn forget(&mut self, started_ms: i64) {
        let Some(before_ms) = self.agreed_ms.replace(started_ms) else { return };
        // Trades that the venue has announced are still to come.
        let is_short = |id: &Uuid| self.state.orders.get(id).is_some_and(|tracked| !tracked.is_working());
        if !self.told_executed.keys().any(is_short) && self.state.has_forgettable(before_ms) {
            self.record(Fact::Forgotten { before_ms });
        }
    }

    /// The venue is right about what is held.
    fn agree_positions(&mut self, differences: &mut Vec<String>) {
        let rules: Vec<SymbolRules> = self.state.rules.values().cloned().collect();
        for rule in &rules {
            let told = match rule.market {
                Market::Spot => self.spot_total(rule, &rules).map(|total| (total, None)),
                Market::Swap => Some(self.swap_position(&rule.symbol)),
            };
            let Some((quantity, entry_price)) = told else { continue };
            let booked = self.state.booked(&rule.symbol);
            if booked != quantity {
                differences.push(format!("{}: {booked} by the fills, {quantity} at the venue", rule.symbol));
                self.record(Fact::Position { symbol: rule.symbol.clone(), quantity, entry_price });
                self.let_go(&rule.symbol);
            }
        }
    }

    /// Only where one symbol alone trades the asset can it be told whose it is.
    fn spot_total(&self, rule: &SymbolRules, all: &[SymbolRules]) -> Option<Decimal> {
        let is_shared = all.iter().filter(|other| other.base == rule.base).count() > 1;
        self.state.total(&rule.base).filter(|_| !is_shared)
    }

    /// A venue lists no position where there is none.
    fn swap_position(&self, symbol: &str) -> (Decimal, Option<Decimal>) {
        let told = self.state.venue_positions.get(symbol);
        told.map_or((Decimal::ZERO, None), |position| (position.quantity, position.entry_price))
    }

    /// The stream told of positions a moment ago: if the fills that are known by now do not make them, something was missed.
    pub fn compare_positions(&mut self) {
        let told = self.state.venue_positions.values();
        let differs =
            told.filter(|told| self.state.booked(&told.symbol) != told.quantity).map(|told| &told.symbol).next();
        if let Some(symbol) = differs.filter(|_| self.ready) {
            tracing::warn!(account = %self.state.account, symbol, "the venue's position is not what the fills make; asking for everything");
            self.start_gathering();
        }
    }
}

fn describe(event: &Event) -> String {
    match event {
        Event::Accepted { .. } => "is at the venue".into(),
        Event::Fill(fill) => format!("filled {} at {} (trade {}) unseen", fill.quantity, fill.price, fill.trade_id),
        Event::Cancelled => "was cancelled unseen".into(),
        Event::Expired => "has expired unseen".into(),
        Event::Rejected { message } => format!("was refused: {message}"),
        Event::Unknown { message } => format!("outcome unknown: {message}"),
        Event::Missing => "never reached the venue".into(),
    }
}
