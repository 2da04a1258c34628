//! Start and stop of the whole program, and the check of its surroundings.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use journal::Journal;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use venues::Venue;

use crate::account::{Account, Handle, Surroundings};
use crate::config::{AccountConfig, Config};
use crate::envelope::Keys;
use crate::gate::Gate;
use crate::journaling::Writer;
use crate::keeper::{self, Keeper};
use crate::lease::Lease;
use crate::message::Message;
use crate::postgres::{Database, describe};
use crate::replaying::replay;
use crate::sink::Sink;
use crate::standing::Heartbeat;
use crate::{http, inbox, standing};

/// How long a stop waits for the venue's answers; what is open then is asked for at the next start.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// A text naming what prevents the start, and the cure.
pub fn run(config: Config) -> Result<(), String> {
    // The order path is one thread, from a command's socket to the venue's: no step of it waits for another thread to wake up. What
    // must not hold it up has a thread of its own.
    let order_path =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let beside = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("database")
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let (journal, records, recovery) = Journal::open(&config.journal).map_err(|error| error.to_string())?;
    if recovery.torn_bytes > 0 {
        tracing::warn!(
            bytes = recovery.torn_bytes,
            "the journal ended in a torn record, which was cut off; nothing before it is lost"
        );
    }
    tracing::info!(records = recovery.records, "journal read");
    let writer = Writer::new(journal);
    let result = order_path.block_on(serve(config, &records, writer.clone(), beside.handle()));
    order_path.shutdown_timeout(Duration::from_secs(1));
    beside.shutdown_timeout(Duration::from_secs(1));
    writer.sync();
    result?;
    tracing::info!("stopped; the journal is on the disk");
    Ok(())
}

async fn serve(
    config: Config,
    records: &[Vec<u8>],
    writer: Writer,
    beside: &tokio::runtime::Handle,
) -> Result<(), String> {
    let listener = TcpListener::bind(&config.listen).await.map_err(|error| {
        format!(
            "cannot listen on {}: {error}; stop what uses it, or change `listen` in the configuration",
            config.listen
        )
    })?;
    let mut replayed = replay(&config, records)?;
    let keys = Keys::new(config.verifying_keys()?);
    let database = Arc::new(Database::new(&config.database_url)?);
    let mut holders = HashMap::new();
    let mut sink = Sink::new();
    let mut accounts = Vec::new();
    for account in &config.accounts {
        let venue = venue_of(account)?;
        let Some(replayed) = replayed.remove(&account.id) else { continue };
        let outbox = sink.outbox(account.id);
        holders.extend(replayed.state.holder.map(|holder| (account.id, holder)));
        let lease = Lease::new(Duration::from_secs(config.lease_s), replayed.state.holder.is_some());
        if !replayed.rows.is_empty() {
            outbox.push(replayed.state.facts, replayed.rows);
        }
        let around = Surroundings {
            exchange: account.exchange.name(),
            journal: writer.clone(),
            outbox,
            inject_delay: Duration::from_millis(config.inject_delay_ms),
            audit_every: Duration::from_secs(config.audit_every_s.max(1)),
            lease,
        };
        tracing::info!(account = %account.id, user = %account.user_id, exchange = account.exchange.name(), quote = %account.quote_asset, "account taken up");
        accounts.push(Account::start(replayed.state, venue, around));
    }
    tokio::spawn(writer.clone().sync_lazily());
    let gate = Arc::new(Gate::new(keys, accounts.clone(), writer));
    let heartbeat = Heartbeat::new();
    beside.spawn(sink.run(Arc::clone(&database), accounts.clone()));
    beside.spawn(inbox::run(Arc::clone(&database), Arc::clone(&gate)));
    let keeper = beside.spawn(Keeper::new(Arc::clone(&database), &accounts, &holders).run());
    beside.spawn(standing::watch_file(config.kill_file(), accounts.clone()));
    if config.dead_man_s > 0 {
        beside.spawn(standing::watch_heartbeat(
            heartbeat.clone(),
            Duration::from_secs(config.dead_man_s),
            accounts.clone(),
        ));
    }
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    tracing::info!(%address, "listening");
    let listener = listener.tap_io(|stream| {
        // Small answers, sent at once.
        let _ = stream.set_nodelay(true);
    });
    let router = http::router(gate, &config.token, heartbeat);
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        stopped(&accounts).await;
        keeper.abort();
        keeper::release(&database, &accounts).await;
    });
    // Clients keep their connections open; they are not waited for once the accounts have stopped.
    let server = tokio::spawn(server.into_future());
    match server.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Ends when a signal has come and every account has had its answers.
async fn stopped(accounts: &[Handle]) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: no new commands, waiting for the venue's answers");
    let mut waits = Vec::new();
    for handle in accounts {
        let (done, finished) = oneshot::channel();
        let _ = handle.inbox.send(Message::Stop(done));
        waits.push(finished);
    }
    let all = futures_util::future::join_all(waits);
    if tokio::time::timeout(STOP_PATIENCE, all).await.is_err() {
        tracing::warn!("the venue has not answered everything; it is asked at the next start");
    }
}

fn venue_of(account: &AccountConfig) -> Result<Arc<dyn Venue>, String> {
    venues::connect(account.protocol(), account.market, account.access())
        .map_err(|error| format!("account {}: {error}", account.id))
}

/// Looks at everything a run would need, and prints what it finds.
///
/// # Errors
/// A text naming how many things are wrong; each is printed with its cure.
pub fn check(config: Config) -> Result<(), String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let mut wrong = 0;
    let mut say = |what: String, result: Result<String, String>| match result {
        Ok(text) => println!("ok     {what}: {text}"),
        Err(text) => {
            wrong += 1;
            println!("WRONG  {what}: {text}");
        }
    };
    say(
        "configuration".into(),
        Ok(format!("{} accounts, {} command keys", config.accounts.len(), config.command_keys.len())),
    );
    let journal = Journal::open(&config.journal).map_err(|error| error.to_string());
    say(
        "journal".into(),
        journal.and_then(|(_, records, _)| replay(&config, &records).map(|_| format!("{} records", records.len()))),
    );
    runtime.block_on(async {
        for account in &config.accounts {
            let found = match venue_of(account) {
                Ok(venue) => match venue.measure_clock().await {
                    Ok(()) => {
                        venue.balances().await.map(|balances| format!("keys accepted, {} assets", balances.len()))
                    }
                    Err(error) => Err(error),
                }
                .map_err(|error| error.to_string()),
                Err(error) => Err(error),
            };
            say(format!("venue of account {}", account.id), found);
        }
        let reached = match Database::new(&config.database_url) {
            Ok(database) => database.connect().await.map(|_| "reachable".into()).map_err(|error| describe(&error)),
            Err(problem) => Err(problem),
        };
        say("database".into(), reached);
    });
    if wrong == 0 { Ok(()) } else { Err(format!("{wrong} things are wrong")) }
}
