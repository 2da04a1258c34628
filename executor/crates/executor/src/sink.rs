//! Rows on their way to Postgres: a queue of its own, written in batches, tried again while the database is away. The order path
//! never waits for it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::account::Handle;
use crate::lease::Lease;
use crate::message::Message;
use crate::postgres::{Database, describe};
use crate::row::Row;
use crate::statements::Statements;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Rows of one transaction.
const BATCH: usize = 2_000;
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// From one transaction to the next: what comes in meanwhile shares one, and of an order that changed twice one row is written.
const BREATH: Duration = Duration::from_millis(50);

/// Where an account leaves its rows.
#[derive(Clone)]
pub struct Outbox {
    account: Uuid,
    queue: UnboundedSender<Parcel>,
    pending: Arc<AtomicUsize>,
}

struct Parcel {
    account: Uuid,
    /// The account's facts up to which these rows lead.
    facts: u64,
    rows: Vec<Row>,
}

/// The receiving end, and the accounts' counters.
pub struct Sink {
    queue: UnboundedReceiver<Parcel>,
    sender: UnboundedSender<Parcel>,
    pending: HashMap<Uuid, Arc<AtomicUsize>>,
}

impl Outbox {
    pub fn push(&self, facts: u64, rows: Vec<Row>) {
        self.pending.fetch_add(rows.len(), Ordering::Relaxed);
        // The sink ends only with the process.
        let _ = self.queue.send(Parcel { account: self.account, facts, rows });
    }

    pub fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }
}

/// Rows of one account that wait to be written; of an order, a position or a portfolio only the newest.
#[derive(Default)]
struct Waiting {
    orders: BTreeMap<Uuid, Row>,
    positions: BTreeMap<String, Row>,
    portfolio: Option<Row>,
    appended: Vec<Row>,
    facts: u64,
    /// How many rows came in for it.
    count: usize,
}

impl Waiting {
    fn add(&mut self, parcel: Parcel) {
        self.facts = self.facts.max(parcel.facts);
        self.count += parcel.rows.len();
        for row in parcel.rows {
            match &row {
                Row::Order(order) => {
                    self.orders.insert(order.id, row);
                }
                Row::Position(position) => {
                    self.positions.insert(position.symbol.clone(), row);
                }
                Row::Portfolio(_) => self.portfolio = Some(row),
                Row::Execution(_) | Row::Event(_) => self.appended.push(row),
            }
        }
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.orders.values().chain(&self.appended).chain(self.positions.values()).chain(&self.portfolio)
    }
}

impl Sink {
    pub fn new() -> Self {
        let (sender, queue) = unbounded_channel();
        Self { queue, sender, pending: HashMap::new() }
    }

    pub fn outbox(&mut self, account: Uuid) -> Outbox {
        let pending = Arc::clone(self.pending.entry(account).or_default());
        Outbox { account, queue: self.sender.clone(), pending }
    }

    /// Writes until the process ends.
    pub async fn run(mut self, database: Arc<Database>, accounts: Vec<Handle>) {
        let mut waiting: HashMap<Uuid, Waiting> = HashMap::new();
        let mut wait = FIRST_WAIT;
        let mut was_away = false;
        loop {
            let reason = match database.connect().await {
                Ok(client) => {
                    if was_away {
                        tracing::info!("the database takes rows again");
                    }
                    (was_away, wait) = (false, FIRST_WAIT);
                    match self.write_until_error(&client, &mut waiting, &accounts).await {
                        Some(reason) => reason,
                        None => return,
                    }
                }
                Err(error) => describe(&error),
            };
            if !was_away {
                tracing::warn!(%reason, "rows cannot be written to the database; they wait, orders go on");
            }
            was_away = true;
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn write_until_error(
        &mut self,
        client: &Client,
        waiting: &mut HashMap<Uuid, Waiting>,
        accounts: &[Handle],
    ) -> Option<String> {
        let statements = match Statements::prepare(client).await {
            Ok(statements) => statements,
            Err(error) => return Some(describe(&error)),
        };
        let mut next = Instant::now();
        loop {
            if waiting.values().all(|account| account.count == 0) {
                let parcel = self.queue.recv().await?;
                waiting.entry(parcel.account).or_default().add(parcel);
            }
            tokio::time::sleep_until(next).await;
            next = Instant::now() + BREATH;
            while let Ok(parcel) = self.queue.try_recv() {
                let account = waiting.entry(parcel.account).or_default();
                account.add(parcel);
                if account.count >= BATCH {
                    break;
                }
            }
            let mut refused = None;
            for (account, rows) in waiting.iter_mut().filter(|(_, rows)| rows.count > 0) {
                let handle = accounts.iter().find(|handle| handle.id == *account);
                let lease = handle.map(|handle| &handle.lease).filter(|lease| lease.is_needed());
                let epoch = lease.and_then(Lease::epoch);
                if lease.is_some() && epoch.is_none() {
                    refused = Some(format!("account {account}: no lease"));
                    continue;
                }
                let written =
                    tokio::time::timeout(STATEMENT_TIMEOUT, statements.write(client, *account, epoch, rows.rows()))
                        .await;
                match written {
                    Ok(Ok(())) => {
                        let done = std::mem::take(rows);
                        if let Some(pending) = self.pending.get(account) {
                            pending.fetch_sub(done.count, Ordering::Relaxed);
                        }
                        if let Some(handle) = handle {
                            let _ = handle.inbox.send(Message::Written(done.facts));
                        }
                    }
                    Ok(Err(error)) if client.is_closed() => return Some(describe(&error)),
                    // One account's rows must not hold up another's.
                    Ok(Err(error)) => refused = Some(format!("account {account}: {}", describe(&error))),
                    Err(_) => return Some("no answer in time".into()),
                }
            }
            if refused.is_some() {
                return refused;
            }
        }
    }
}
