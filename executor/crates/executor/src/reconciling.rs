//! Reconciliation on every start and every reconnection of the user stream: the venue is asked for everything that could have
//! happened unseen, and entries wait until journal and venue agree.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use orders::reconcile::{Correction, Seen, VenueSnapshot, plan};
use orders::{Event, Status, SymbolRules};
use rust_decimal::Decimal;
use uuid::Uuid;
use venues::{Balance, Reason, Venue, VenueError};

use crate::account::{Account, Message, Wake};
use crate::clock::now_ms;
use crate::fact::Fact;
use crate::reacting::RETRY;
use crate::resolving::BELIEVE_MISSING_AFTER_MS;
use crate::rows;

/// What the venue said, and how much had happened here when it was asked.
pub struct Gathered {
    snapshot: VenueSnapshot,
    balances: Vec<(String, Balance)>,
    rules: Vec<SymbolRules>,
    started_ms: i64,
    fills: u64,
    balance_changes: HashMap<String, u64>,
}

/// What the venue is to be asked for.
struct Question {
    symbols: Vec<String>,
    working: Vec<Asking>,
    seen: BTreeMap<String, Seen>,
    externals: HashSet<(String, String)>,
}

struct Asking {
    id: Uuid,
    symbol: String,
    client_order_id: String,
    filled: Decimal,
    placed_ms: i64,
    is_acknowledged: bool,
}

impl Account {
    pub fn start_gathering(&mut self) {
        if !self.stream_up {
            return;
        }
        self.ready = false;
        self.generation += 1;
        let question = self.question();
        let (venue, inbox, generation) = (Arc::clone(&self.venue), self.inbox.clone(), self.generation);
        let (started_ms, fills, balance_changes) = (now_ms(), self.fills, self.balance_changes.clone());
        tokio::spawn(async move {
            let result = gather(&*venue, question).await.map(|(snapshot, balances, rules)| {
                Box::new(Gathered { snapshot, balances, rules, started_ms, fills, balance_changes })
            });
            let _ = inbox.send(Message::Gathered(generation, result));
        });
    }

    fn question(&self) -> Question {
        let mut symbols: Vec<String> = self.state.rules.keys().cloned().collect();
        let working = self.state.working_orders().map(|tracked| Asking {
            id: tracked.order.id,
            symbol: tracked.order.symbol.clone(),
            client_order_id: tracked.order.client_order_id.clone(),
            filled: tracked.filled,
            placed_ms: self.state.kept.get(&tracked.order.id).map_or(0, |kept| kept.placed_ms),
            is_acknowledged: !matches!(tracked.status, Status::Pending | Status::Unknown),
        });
        let working: Vec<Asking> = working.collect();
        symbols.extend(working.iter().map(|asking| asking.symbol.clone()));
        symbols.extend(self.state.seen.keys().cloned());
        symbols.sort_unstable();
        symbols.dedup();
        Question {
            symbols,
            working,
            seen: self.state.seen.clone(),
            externals: self.state.by_external.keys().cloned().collect(),
        }
    }

    pub fn gathered(&mut self, generation: u64, result: Result<Box<Gathered>, VenueError>) {
        if generation != self.generation || !self.stream_up {
            return;
        }
        match result {
            Ok(gathered) => self.agree(*gathered),
            Err(error) => {
                tracing::warn!(account = %self.state.account, %error, "reconciliation failed; no entries, trying again");
                self.wake_in(RETRY, Wake::Gather);
            }
        }
    }

    fn agree(&mut self, gathered: Gathered) {
        for rules in gathered.rules {
            if self.state.rules.get(&rules.symbol) != Some(&rules) {
                self.record(Fact::Rules(rules));
            }
        }
        let is_quiet = self.fills == gathered.fills;
        let mut differences = Vec::new();
        for correction in plan(self.state.account, &self.state.orders, &gathered.snapshot) {
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
        let balances: Vec<_> = gathered.balances.into_iter().filter(|(asset, _)| !is_newer(asset)).collect();
        if self.state.balances.is_empty() && balances.is_empty() {
            tracing::info!(account = %self.state.account, "the account is empty");
        }
        self.state.balances.extend(balances);
        // A fill whose balances have not been told yet would look like a difference; the next reconciliation will see.
        if is_quiet {
            self.agree_positions(&mut differences);
        }
        for line in &differences {
            tracing::warn!(account = %self.state.account, "reconciled: {line}");
        }
        let entries: Vec<Uuid> = self.state.guarded.iter().copied().collect();
        for entry in entries {
            self.protect(entry, true);
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
        for order_id in open {
            self.wake_in(Duration::from_millis(250), Wake::Query { order_id, attempt: 1 });
        }
        self.controls.differences += differences.len() as u64;
        self.cancel_strangers();
        self.record(Fact::Reconciled { differences });
        self.also(rows::holdings(&self.state));
        self.ready = true;
        tracing::info!(account = %self.state.account, "journal and venue agree; entries are accepted");
    }

    /// The venue's total is the truth about what is held. Only where one symbol alone trades the asset can it be told whose it is.
    fn agree_positions(&mut self, differences: &mut Vec<String>) {
        let rules: Vec<SymbolRules> = self.state.rules.values().cloned().collect();
        for rule in &rules {
            let is_shared = rules.iter().filter(|other| other.base == rule.base).count() > 1;
            let Some(total) = self.state.total(&rule.base).filter(|_| !is_shared) else { continue };
            let booked = self.state.positions.get(&rule.symbol).map(|position| position.quantity).unwrap_or_default();
            if booked != total {
                differences.push(format!("{}: {booked} by the fills, {total} at the venue", rule.symbol));
                self.record(Fact::Position { symbol: rule.symbol.clone(), quantity: total });
            }
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

type Everything = (VenueSnapshot, Vec<(String, Balance)>, Vec<SymbolRules>);

async fn gather(venue: &dyn Venue, question: Question) -> Result<Everything, VenueError> {
    let mut rules = Vec::new();
    // Asked for each time: a venue changes its filters and limits.
    for symbol in &question.symbols {
        match venue.rules(symbol).await {
            Ok(found) => rules.push(found),
            // Delisted: what happened in it is history.
            Err(VenueError::Refused { reason: Reason::UnknownSymbol, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let mut snapshot = VenueSnapshot { orders: venue.open_orders().await?, ..VenueSnapshot::default() };
    for asking in &question.working {
        let is_open = snapshot.orders.iter().any(|order| order.client_order_id == asking.client_order_id);
        if is_open {
            continue;
        }
        match ask_for(venue, asking).await? {
            Some(order) => snapshot.orders.push(order),
            None => snapshot.missing.push(asking.id),
        }
    }
    for symbol in &question.symbols {
        if let Some(seen) = question.seen.get(symbol) {
            snapshot.trades.extend(venue.trades_since(symbol, *seen).await?);
        }
    }
    let mut externals = question.externals;
    externals.extend(snapshot.orders.iter().map(|order| (order.symbol.clone(), order.external_id.clone())));
    // Trades of orders nobody here knows: the account moved by other hands.
    let trades = std::mem::take(&mut snapshot.trades);
    for trade in &trades {
        if externals.insert((trade.symbol.clone(), trade.external_id.clone())) {
            snapshot.orders.push(venue.query_external(&trade.symbol, &trade.external_id).await?);
        }
    }
    snapshot.trades = trades;
    for order in snapshot.orders.clone() {
        let filled = question.working.iter().find(|asking| asking.client_order_id == order.client_order_id);
        let filled = filled.map(|asking| asking.filled).unwrap_or_default();
        if order.executed > filled {
            snapshot.trades.extend(venue.order_trades(&order.symbol, &order.external_id).await?);
        }
    }
    Ok((snapshot, venue.balances().await?, rules))
}

/// An order that is not open: what became of it, or `None` if it never arrived. Before the venue's consistency delay has passed,
/// "no such order" is not believed.
async fn ask_for(venue: &dyn Venue, asking: &Asking) -> Result<Option<orders::reconcile::VenueOrder>, VenueError> {
    loop {
        match venue.query(&asking.symbol, &asking.client_order_id).await {
            Ok(order) => return Ok(Some(order)),
            Err(VenueError::Refused { reason: Reason::NoSuchOrder, .. }) => {
                let age_ms = now_ms() - asking.placed_ms;
                if asking.is_acknowledged || age_ms >= BELIEVE_MISSING_AFTER_MS {
                    return Ok(None);
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Err(error) => return Err(error),
        }
    }
}
