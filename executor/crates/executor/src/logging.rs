//! The log, on stderr: written by a thread of its own, so that a reader who is slow, or a full disk behind him, holds up no order.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use uuid::Uuid;

use crate::account::Account;

/// Lines that may wait; more are dropped, and counted.
const ROOM: usize = 8_192;
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);

static QUEUE: OnceLock<SyncSender<Line>> = OnceLock::new();
static LOST: AtomicU64 = AtomicU64::new(0);

enum Line {
    Text(Vec<u8>),
    /// Told once everything before it is written.
    Flush(Sender<()>),
}

/// `SMC_LOG_JSON=1` makes the lines JSON, `RUST_LOG` says how much.
pub fn start() {
    let (queue, lines) = sync_channel(ROOM);
    let _ = QUEUE.set(queue);
    std::thread::Builder::new().name("log".into()).spawn(move || write_out(&lines)).ok();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Queued).with_target(false);
    if std::env::var_os("SMC_LOG_JSON").is_some_and(|value| value == "1") {
        log.json().init();
    } else {
        log.with_ansi(false).init();
    }
}

/// Waits until everything logged so far is written, before the process ends.
pub fn flush() {
    let (done, written) = channel();
    if QUEUE.get().is_some_and(|queue| queue.try_send(Line::Flush(done)).is_ok()) {
        let _ = written.recv_timeout(FLUSH_PATIENCE);
    }
}

fn write_out(lines: &Receiver<Line>) {
    while let Ok(line) = lines.recv() {
        match line {
            Line::Text(text) => {
                let mut out = io::stderr().lock();
                let _ = out.write_all(&text);
                let lost = LOST.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    let _ = writeln!(out, "(the log was not read fast enough: {lost} lines are lost)");
                }
            }
            Line::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}

/// Takes whole lines, one a call, as the formatter writes them.
struct Queued;

impl Write for Queued {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let line = Line::Text(text.to_vec());
        if QUEUE.get().is_none_or(|queue| queue.try_send(line).is_err()) {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Account {
    /// What has become of an order, under the name of the request behind it.
    pub fn log_order(&self, id: Uuid) {
        let Some((tracked, kept)) = self.state.orders.get(&id).zip(self.state.kept.get(&id)) else { return };
        tracing::info!(
            trace = kept.asked.trace,
            client_order_id = tracked.order.client_order_id,
            status = tracked.status.name(),
            filled = %tracked.filled,
            of = %tracked.order.quantity,
            "order"
        );
    }
}
