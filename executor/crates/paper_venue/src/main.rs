//! A venue on loopback that speaks Binance's protocol and matches against bars.

mod config;
mod engine;
mod server;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use config::Config;
use server::{Faults, Lines, Shared, Store};

/// Orders are many small texts: with the system's allocator they cost a quarter of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HELP: &str = "\
paper_venue: a venue that speaks Binance's spot and USD-M protocols and matches against the bars it is given.

Usage: paper_venue --config FILE

FILE (JSON, mode 0600):
  listen         address and port, such as 127.0.0.1:9443; port 0 takes a free one, which the log names
  state          the journal that the venue's state is replayed from
  control_token  opens the control API, POST /paper/v1/bar, POST /paper/v1/continue, POST /paper/v1/l2, GET /paper/v1/accounts/NAME
  fees           {\"maker\": \"0.001\", \"taker\": \"0.001\"}
  volume_share   optional: at most this part of a bar's volume fills
  latency_ms     optional: market time until an order arrives, where a symbol goes by its order book
  symbols        [{symbol, base, quote, tick, step, min_quantity, min_notional, max_open_orders?}]
  accounts       [{name, api_key, api_secret, balances: {\"USDT\": \"100000\"}, market: \"spot\" or \"swap\"}]
  swap           optional: {fees, maintenance_margin, liquidation_fee, leverage, max_leverage} of swap accounts
  faults         optional: {seed, chances: {kind: 0 to 1}, ...}; also POST /paper/v1/faults (docs/contracts.md)

Amounts are strings. Log on stderr; RUST_LOG=debug for more. SIGTERM stops it; it continues where it stopped.
";

/// How often the journal is made durable. A killed process loses nothing by it; a power cut may lose this much.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// How long open requests may take to finish after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let path = match arguments() {
        Ok(Some(path)) => path,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("paper_venue: {problem}\nUsage: paper_venue --config FILE");
            return ExitCode::from(2);
        }
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    match run(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("paper_venue: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// The config's path; none: help is wanted.
fn arguments() -> Result<Option<PathBuf>, String> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (Some("--help" | "-h"), None, None) => Ok(None),
        (Some("--config"), Some(path), None) => Ok(Some(path.into())),
        (None, ..) => Err("no config given".to_owned()),
        (Some(other), ..) => Err(format!("cannot make sense of {other:?} and what follows it")),
    }
}

/// Why a life of the venue ended.
enum End {
    Stopped,
    /// A fault asked for it; the venue is to be away for so long.
    Restart(Duration),
}

/// Runs until a signal. A restart drops everything that is not in the state file, as a new process would.
fn run(path: &Path) -> Result<(), String> {
    let config = Config::read(path).map_err(|error| error.to_string())?;
    let faults = Arc::new(Faults::new(config.faults.clone()));
    let (mut address, mut away) = (config.listen, Duration::ZERO);
    loop {
        // One thread, since one lock guards it all: no answer waits for another thread to wake up.
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().map_err(|error| error.to_string())?;
        let ended = runtime.block_on(live(path, &config, &faults, &mut address, away));
        runtime.shutdown_timeout(GRACE);
        match ended? {
            End::Stopped => return Ok(()),
            End::Restart(pause) => away = pause,
        }
    }
}

/// One life, from the state file to a signal or a restart; `address` becomes the one that is really listened on.
async fn live(
    path: &Path,
    config: &Config,
    faults: &Arc<Faults>,
    address: &mut SocketAddr,
    away: Duration,
) -> Result<End, String> {
    let (mut terminate, mut interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    tokio::time::sleep(away).await;
    let store = Store::open(&config.state, config.setup()).map_err(|error| error.to_string())?;
    let listener = TcpListener::bind(*address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            format!(
                "{address} is in use; stop what listens there, or set another port as `listen` in {}",
                path.display()
            )
        }
        _ => format!("cannot listen on {address}: {error}; set another address as `listen` in {}", path.display()),
    })?;
    *address = listener.local_addr().map_err(|error| error.to_string())?;
    let (stop, stopping) = watch::channel(false);
    let shared = Arc::new(Shared::new(config, store, Arc::clone(faults), stopping.clone()));
    tokio::spawn(sync_regularly(Arc::clone(&shared)));
    tracing::info!("listening on {address}");

    let mut closed = stopping;
    let serving =
        axum::serve(Lines(listener), server::router(Arc::clone(&shared))).with_graceful_shutdown(async move {
            let _ = closed.wait_for(|stop| *stop).await;
        });
    let mut serving = tokio::spawn(serving.into_future());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        pause = faults.restart() => {
            tracing::info!(away_ms = pause.as_millis() as u64, "restarting");
            return Ok(End::Restart(pause));
        }
        ended = &mut serving => return Err(format!("the server ended by itself: {ended:?}")),
    }
    tracing::info!("stopping");
    let _ = stop.send(true);
    let finished = async {
        let _ = serving.await;
        // Each WebSocket connection listens to `stop`; one more listener is `shared`.
        while stop.receiver_count() > 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(GRACE, finished).await.is_err() {
        tracing::warn!("some connections did not finish in time");
    }
    shared.store().sync().map_err(|error| format!("state {}: {error}", config.state.display()))?;
    tracing::info!("stopped");
    Ok(End::Stopped)
}

fn on(kind: SignalKind) -> Result<tokio::signal::unix::Signal, String> {
    signal(kind).map_err(|error| format!("cannot listen to signals: {error}"))
}

async fn sync_regularly(shared: Arc<Shared>) {
    let mut every = tokio::time::interval(SYNC_EVERY);
    loop {
        every.tick().await;
        let shared = Arc::clone(&shared);
        let synced = tokio::task::spawn_blocking(move || shared.store().sync()).await;
        if let Ok(Err(error)) = synced {
            tracing::error!(%error, "the state file cannot be synced");
        }
    }
}
