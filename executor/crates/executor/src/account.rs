//! The one task that owns an account's state. Everything else sends it messages: commands, the venue's answers, the user stream.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use rust_decimal::Decimal;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use uuid::Uuid;
use venues::{Running, Venue};

use crate::clock::now_ms;
use crate::controlling::{Control, Controls};
use crate::draining::DrainWait;
use crate::fact::{Entry, Fact};
use crate::journaling::{Batch, Then, Writer};
use crate::lease::Lease;
use crate::message::{Done, Message, Waiter, Wake};
use crate::row::Row;
use crate::rows::{holdings, rows_of};
use crate::sink::Outbox;
use crate::state::{Applied, State};
use crate::watching::Watch;

/// A stream that has been quiet this long gets a measurement of the clock, which keeps a connection warm as well.
const CLOCK_INTERVAL: Duration = Duration::from_secs(30);

pub struct Account {
    pub state: State,
    pub venue: Arc<dyn Venue>,
    pub watch: Watch,
    pub exchange: &'static str,
    pub inject_delay: Duration,
    journal: Writer,
    outbox: Outbox,
    pub batch: Batch,
    /// What this turn has recorded, until its rows are made: after the requests have left.
    recorded: Vec<(Entry, Applied)>,
    /// Balances or positions have been told: their rows are to be written anew.
    pub are_holdings_new: bool,
    pub inbox: UnboundedSender<Message>,
    pub pings: UnboundedSender<u64>,
    pub waiting: HashMap<Uuid, Vec<Waiter>>,
    /// Entries whose protection is to be looked at before this turn ends: all fills of a turn share one order.
    pub unguarded: Vec<Uuid>,
    /// How much the venue says that orders have executed, where not all of their fills are known yet.
    pub told_executed: HashMap<Uuid, Decimal>,
    /// When the tick was read that is being acted on.
    pub tick: Option<Instant>,
    /// Requests to the venue that have not been answered.
    pub in_flight: usize,
    /// Counts what has happened, so that a drain can tell that nothing has.
    pub activity: u64,
    /// Fills booked since the start, so that a reconciliation can tell that none came in between.
    pub fills: u64,
    pub balance_changes: HashMap<String, u64>,
    pub next_ping: u64,
    pub drains: Vec<DrainWait>,
    pub ready: bool,
    pub stream_up: bool,
    /// Numbers reconciliations, so that the result of an overtaken one is dropped.
    pub generation: u64,
    /// The venue is being asked for everything.
    pub gathering: bool,
    /// When it was last asked with success.
    pub agreed_ms: Option<i64>,
    stopping: Option<oneshot::Sender<()>>,
    pub controls: Controls,
}

/// The way to an account's task.
#[derive(Clone)]
pub struct Handle {
    pub id: Uuid,
    pub inbox: UnboundedSender<Message>,
    pub lease: Lease,
}

impl Handle {
    pub fn control(&self, control: Control) {
        // The account's task ends with the process only.
        let _ = self.inbox.send(Message::Control(control));
    }
}

/// What an account needs of the program around it.
pub struct Surroundings {
    pub exchange: &'static str,
    pub journal: Writer,
    pub outbox: Outbox,
    pub inject_delay: Duration,
    /// How often the venue is asked for what the user stream may have lost.
    pub audit_every: Duration,
    pub lease: Lease,
}

impl Account {
    /// Starts the account's task and its user stream.
    pub fn start(state: State, venue: Arc<dyn Venue>, around: Surroundings) -> Handle {
        let (inbox, messages) = unbounded_channel();
        let (pings, ping_requests) = unbounded_channel();
        let handle = Handle { id: state.account, inbox: inbox.clone(), lease: around.lease.clone() };
        let stream_inbox = inbox.clone();
        let deliver = Box::new(move |event| {
            let _ = stream_inbox.send(Message::Stream(event));
        });
        let stream = venue.user_stream(deliver, ping_requests);
        let audits = audit_regularly(inbox.clone(), around.audit_every);
        let (clock, lease) = (Arc::clone(&venue), around.lease.clone());
        tokio::spawn(async move {
            lease.begun().await;
            // The stream's subscription is stamped with the venue's time, so that is measured first.
            while let Err(error) = clock.measure_clock().await {
                tracing::warn!(%error, "the venue's clock could not be measured; trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            tokio::join!(stream, keep_clock(clock), audits);
        });
        let (watch, prices) = Watch::new(&*venue, inbox.clone());
        let account = Self {
            state,
            venue,
            watch,
            exchange: around.exchange,
            inject_delay: around.inject_delay,
            journal: around.journal,
            outbox: around.outbox,
            batch: Batch::default(),
            recorded: Vec::new(),
            are_holdings_new: false,
            inbox,
            pings,
            waiting: HashMap::new(),
            unguarded: Vec::new(),
            told_executed: HashMap::new(),
            tick: None,
            in_flight: 0,
            activity: 0,
            fills: 0,
            balance_changes: HashMap::new(),
            next_ping: 0,
            drains: Vec::new(),
            ready: false,
            stream_up: false,
            generation: 0,
            gathering: false,
            agreed_ms: None,
            stopping: None,
            controls: Controls::new(around.lease),
        };
        tokio::spawn(account.run(messages, prices));
        handle
    }

    async fn run(mut self, mut messages: UnboundedReceiver<Message>, mut prices: Running) {
        let mut are_told = true;
        loop {
            let message = tokio::select! {
                biased;
                () = &mut prices, if are_told => {
                    are_told = false;
                    continue;
                }
                message = messages.recv() => message,
            };
            let Some(message) = message else { return };
            self.handle(message);
            // What is already there shares one write and one sync.
            for _ in 0..256 {
                match messages.try_recv() {
                    Ok(message) => self.handle(message),
                    Err(_) => break,
                }
            }
            self.protect_fills();
            self.rewatch();
            self.answer_drains();
            self.commit();
            if self.in_flight == 0
                && let Some(done) = self.stopping.take()
            {
                let _ = done.send(());
                return;
            }
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Command(command, waiter) => self.command(command, waiter),
            Message::Prepared(command, preparation) => {
                self.landed();
                self.prepared(command, preparation);
            }
            Message::Stream(event) => self.stream(event),
            Message::Price(symbol, price, heard) => self.price(&symbol, price, heard),
            Message::Done(done) => {
                self.landed();
                self.done(done);
            }
            Message::Wake(wake) => self.wake(wake),
            Message::Snapshot(reply) => {
                let _ = reply.send(self.snapshot());
            }
            Message::Drain(reply) => self.drains.push(DrainWait { reply, pinged: None }),
            Message::Gathered(generation, result) => self.gathered(generation, result),
            Message::Written(facts) => {
                self.record_quietly(Fact::Written { facts });
            }
            Message::Control(control) => self.control(control),
            Message::Stop(done) => self.stopping = Some(done),
        }
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    fn landed(&mut self) {
        self.in_flight -= 1;
        self.activity += 1;
    }

    /// Applies a fact and writes it down; its rows go to Postgres when the batch is committed.
    pub fn record(&mut self, fact: Fact) -> Applied {
        self.activity += 1;
        self.record_quietly(fact)
    }

    fn record_quietly(&mut self, fact: Fact) -> Applied {
        let entry = Entry { account: self.state.account, at_ms: now_ms(), fact };
        let applied = self.state.apply(&entry);
        match serde_json::to_vec(&entry) {
            Ok(bytes) => self.batch.records.push(bytes),
            Err(error) => unreachable!("a fact is always JSON: {error}"),
        }
        self.recorded.push((entry, applied));
        applied
    }

    /// Once what has been recorded so far is on the disk.
    pub fn when_durable(&mut self, then: Then) {
        self.batch.durable.push(then);
    }

    /// Once what has been recorded so far would survive a kill.
    pub fn when_written(&mut self, then: Then) {
        self.batch.written.push(then);
    }

    fn commit(&mut self) {
        if !self.batch.is_empty() {
            self.journal.write(std::mem::take(&mut self.batch));
        }
        let mut rows: Vec<Row> = Vec::new();
        for (entry, applied) in self.recorded.drain(..) {
            rows.extend(rows_of(&self.state, self.exchange, &entry, &applied));
        }
        if std::mem::take(&mut self.are_holdings_new) {
            rows.extend(holdings(&self.state));
        }
        if !rows.is_empty() {
            self.outbox.push(self.state.facts, rows);
        }
    }

    pub fn sink_pending(&self) -> usize {
        self.outbox.pending() + self.recorded.len()
    }

    /// Sends something to the venue once the journal holds why; the answer comes back as a message.
    pub fn send_when_durable(&mut self, request: impl Future<Output = Done> + Send + 'static) {
        self.in_flight += 1;
        let (inbox, delay) = (self.inbox.clone(), self.inject_delay);
        self.when_durable(Box::new(move || {
            let mut request = Box::pin(async move {
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                let _ = inbox.send(Message::Done(request.await));
            });
            // Its bytes leave on this turn, before anything else is done; a task of its own waits for the answer.
            if request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                tokio::spawn(request);
            }
        }));
    }

    /// Asks the venue something that changes nothing there.
    pub fn ask(&mut self, request: impl Future<Output = Message> + Send + 'static) {
        self.in_flight += 1;
        let inbox = self.inbox.clone();
        tokio::spawn(async move {
            let _ = inbox.send(request.await);
        });
    }

    pub fn wake_in(&self, delay: Duration, wake: Wake) {
        let inbox = self.inbox.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let _ = inbox.send(Message::Wake(wake));
        });
    }
}

async fn audit_regularly(inbox: UnboundedSender<Message>, every: Duration) {
    while inbox.send(Message::Wake(Wake::Audit)).is_ok() {
        tokio::time::sleep(every).await;
    }
}

async fn keep_clock(venue: Arc<dyn Venue>) {
    loop {
        tokio::time::sleep(CLOCK_INTERVAL).await;
        if let Err(error) = venue.measure_clock().await {
            tracing::warn!(%error, "the venue's clock could not be measured");
        }
    }
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;
