//! The one thread that writes the journal. Many commands share one fdatasync, and what depends on a record happens only after it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use journal::Journal;

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
pub struct Writer(Sender<Batch>);

impl Writer {
    /// Takes the journal over. The thread ends, synced, when the last clone of the writer is gone.
    pub fn start(journal: Journal) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = channel();
        (Self(sender), std::thread::spawn(move || run(journal, &receiver)))
    }

    pub fn write(&self, batch: Batch) {
        // The thread ends only with the process.
        let _ = self.0.send(batch);
    }
}

fn run(mut journal: Journal, batches: &Receiver<Batch>) {
    let mut unsynced = false;
    loop {
        let first = if unsynced {
            match batches.recv_timeout(LAZY_SYNC) {
                Ok(batch) => Some(batch),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        } else {
            match batches.recv() {
                Ok(batch) => Some(batch),
                Err(_) => break,
            }
        };
        let Some(first) = first else {
            sync(&mut journal);
            unsynced = false;
            continue;
        };
        let (mut records, mut written, mut durable) = (first.records, first.written, first.durable);
        for batch in batches.try_iter() {
            records.extend(batch.records);
            written.extend(batch.written);
            durable.extend(batch.durable);
        }
        if !records.is_empty() {
            journal.append_batch(&records).unwrap_or_else(|error| stop(&error));
            unsynced = true;
        }
        for then in written {
            then();
        }
        if !durable.is_empty() {
            if unsynced {
                sync(&mut journal);
                unsynced = false;
            }
            for then in durable {
                then();
            }
        }
    }
    sync(&mut journal);
}

fn sync(journal: &mut Journal) {
    journal.sync().unwrap_or_else(|error| stop(&error));
}

/// Without a journal no order may be sent, and what the disk holds is unknown: only a new start, which reads it, can go on.
fn stop(error: &std::io::Error) -> ! {
    tracing::error!(%error, "the journal cannot be written; stopping, so that nothing is sent unrecorded: free the disk and start again");
    std::process::exit(1);
}
