//! What a reconciliation asks the venue for: everything that may have happened unseen.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use orders::reconcile::{Seen, VenueOrder, VenuePosition, VenueSnapshot};
use orders::{Market, Status, SymbolRules};
use rust_decimal::Decimal;
use uuid::Uuid;
use venues::{Balance, Reason, Reply, Venue, VenueError};

use crate::account::Account;
use crate::clock::now_ms;
use crate::resolving::BELIEVE_MISSING_AFTER_MS;

/// What the venue said, and how much had happened here when it was asked.
pub struct Gathered {
    pub told: Told,
    pub started_ms: i64,
    pub fills: u64,
    pub balance_changes: HashMap<String, u64>,
}

pub struct Told {
    pub snapshot: VenueSnapshot,
    pub balances: Vec<(String, Balance)>,
    /// Of a swap account.
    pub positions: Vec<VenuePosition>,
    pub rules: Vec<SymbolRules>,
}

/// What the venue is to be asked for.
pub struct Question {
    symbols: Vec<String>,
    /// By client order id.
    working: HashMap<String, Asking>,
    seen: BTreeMap<String, Seen>,
    externals: HashSet<(String, String)>,
}

struct Asking {
    id: Uuid,
    symbol: String,
    filled: Decimal,
    placed_ms: i64,
    is_acknowledged: bool,
}

impl Account {
    pub fn question(&self) -> Question {
        let mut symbols: Vec<String> = self.state.rules.keys().cloned().collect();
        let working = self.state.working_orders().map(|tracked| {
            let asking = Asking {
                id: tracked.order.id,
                symbol: tracked.order.symbol.clone(),
                filled: tracked.filled,
                placed_ms: self.state.kept.get(&tracked.order.id).map_or(0, |kept| kept.placed_ms),
                is_acknowledged: !matches!(tracked.status, Status::Pending | Status::Unknown),
            };
            (tracked.order.client_order_id.clone(), asking)
        });
        let working: HashMap<String, Asking> = working.collect();
        symbols.extend(working.values().map(|asking| asking.symbol.clone()));
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
}

/// Asking changes nothing at the venue, so a question whose answer was lost is asked again, after these waits; a reconciliation is
/// many questions, and would else not get through while a few in a hundred are lost.
const AGAIN_AFTER: [Duration; 4] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(1)];

async fn answered<'a, T>(ask: impl Fn() -> Reply<'a, T>) -> Result<T, VenueError> {
    for wait in AGAIN_AFTER {
        match ask().await {
            Err(VenueError::Lost(_) | VenueError::NotSent(_)) => tokio::time::sleep(wait).await,
            told => return told,
        }
    }
    ask().await
}

pub async fn gather(venue: &dyn Venue, question: Question) -> Result<Told, VenueError> {
    let mut rules = Vec::new();
    // Asked for each time: a venue changes its filters and limits.
    for symbol in &question.symbols {
        match answered(|| venue.rules(symbol)).await {
            Ok(found) => rules.push(found),
            // Delisted: what happened in it is history.
            Err(VenueError::Refused { reason: Reason::UnknownSymbol, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let mut snapshot = VenueSnapshot { orders: answered(|| venue.open_orders()).await?, ..VenueSnapshot::default() };
    let open: HashSet<String> = snapshot.orders.iter().map(|order| order.client_order_id.clone()).collect();
    for (client_order_id, asking) in question.working.iter().filter(|(id, _)| !open.contains(*id)) {
        match ask_for(venue, client_order_id, asking).await? {
            Some(order) => snapshot.orders.push(order),
            None => snapshot.missing.push(asking.id),
        }
    }
    for symbol in &question.symbols {
        if let Some(seen) = question.seen.get(symbol) {
            snapshot.trades.extend(answered(|| venue.trades_since(symbol, *seen)).await?);
        }
    }
    let mut externals = question.externals;
    externals.extend(snapshot.orders.iter().map(|order| (order.symbol.clone(), order.external_id.clone())));
    // Trades of orders nobody here knows: the account moved by other hands.
    for trade in &snapshot.trades {
        if externals.insert((trade.symbol.clone(), trade.external_id.clone())) {
            let order = answered(|| venue.query_external(&trade.symbol, &trade.external_id)).await?;
            snapshot.orders.push(order);
        }
    }
    for order in &snapshot.orders {
        let filled = question.working.get(&order.client_order_id).map(|asking| asking.filled).unwrap_or_default();
        if order.executed > filled {
            snapshot.trades.extend(answered(|| venue.order_trades(&order.symbol, &order.external_id)).await?);
        }
    }
    let positions = match venue.market() {
        Market::Spot => Vec::new(),
        Market::Swap => answered(|| venue.positions()).await?,
    };
    Ok(Told { snapshot, balances: answered(|| venue.balances()).await?, positions, rules })
}

/// An order that is not open: what became of it, or `None` if it never arrived. Before the venue's consistency delay has passed,
/// "no such order" is not believed.
async fn ask_for(venue: &dyn Venue, client_order_id: &str, asking: &Asking) -> Result<Option<VenueOrder>, VenueError> {
    loop {
        match answered(|| venue.query(&asking.symbol, client_order_id)).await {
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_question_whose_answer_is_lost_is_asked_again_and_a_refusal_is_an_answer() {
        let asked = Cell::new(0);
        let lost_twice = || -> Reply<'_, u32> {
            asked.set(asked.get() + 1);
            let told = if asked.get() < 3 { Err(VenueError::Lost("503".into())) } else { Ok(asked.get()) };
            Box::pin(async move { told })
        };
        assert_eq!(answered(lost_twice).await.unwrap(), 3);
        asked.set(0);
        let refused = || -> Reply<'_, u32> {
            asked.set(asked.get() + 1);
            Box::pin(async {
                Err(VenueError::Refused { reason: Reason::NoSuchOrder, code: -2013, message: "no".into() })
            })
        };
        assert!(answered(refused).await.is_err());
        assert_eq!(asked.get(), 1);
        asked.set(0);
        let away = || -> Reply<'_, u32> {
            asked.set(asked.get() + 1);
            Box::pin(async { Err(VenueError::NotSent("refused".into())) })
        };
        assert!(answered(away).await.is_err());
        assert_eq!(asked.get(), 1 + AGAIN_AFTER.len() as u32);
    }
}
