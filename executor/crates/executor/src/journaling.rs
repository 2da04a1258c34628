//! The journal, shared by the accounts' tasks. A task writes what one turn has brought in one append and one fdatasync, on its own
//! thread: a hop to another one would cost more than the write. What depends on a record happens only after it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use journal::Journal;

use crate::metrics::METRICS;

/// Records that nothing waits for reach the disk within this time.
const LAZY_SYNC: Duration = Duration::from_millis(50);

pub type Then = Box<dyn FnOnce() + Send>;

/// Records of one account, and what follows from them.
#[derive(Default)]
pub struct Batch {
    pub records: Vec<Vec<u8>>,
    /// Once they are written: a killed process has not lost them.
    pub written: Vec<Then>,
    /// Once they are on the disk: a lost machine's power has not either.
    pub durable: Vec<Then>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.written.is_empty() && self.durable.is_empty()
    }
}

#[derive(Clone)]
pub struct Writer(Arc<Mutex<Inner>>);

struct Inner {
    journal: Journal,
    unsynced: bool,
}

impl Writer {
    pub fn new(journal: Journal) -> Self {
        Self(Arc::new(Mutex::new(Inner { journal, unsynced: false })))
    }

    pub fn write(&self, batch: Batch) {
        {
            let mut inner = self.lock();
            if !batch.records.is_empty() {
                inner.journal.append_batch(&batch.records).unwrap_or_else(|error| stop(&error));
                inner.unsynced = true;
            }
            if !batch.durable.is_empty() {
                inner.sync();
            }
        }
        for then in batch.written.into_iter().chain(batch.durable) {
            then();
        }
    }

    pub fn sync(&self) {
        let mut inner = self.lock();
        inner.sync();
        inner.journal.mark();
    }

    /// Syncs what nothing waits for, until the process ends.
    pub async fn sync_lazily(self) {
        loop {
            tokio::time::sleep(LAZY_SYNC).await;
            let writer = self.clone();
            let _ = tokio::task::spawn_blocking(move || writer.sync()).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn sync(&mut self) {
        if self.unsynced {
            let begun = Instant::now();
            self.journal.make_durable().unwrap_or_else(|error| stop(&error));
            METRICS.journal_synced(begun.elapsed());
            self.unsynced = false;
        }
    }
}

/// Without a journal no order may be sent, and what the disk holds is unknown: only a new start, which reads it, can go on.
fn stop(error: &std::io::Error) -> ! {
    tracing::error!(%error, "the journal cannot be written; stopping, so that nothing is sent unrecorded: free the disk and start again");
    crate::logging::flush();
    std::process::exit(1);
}
