//! The venue's clock, as last measured against ours.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Beyond this the log says so.
const NOTEWORTHY_MS: i64 = 1000;

#[derive(Default)]
pub struct Clock {
    offset_ms: AtomicI64,
}

impl Clock {
    /// What the venue's clock shows now.
    pub fn venue_ms(&self) -> i64 {
        now_ms() + self.offset_ms.load(Ordering::Relaxed)
    }

    /// The venue's clock less ours; 0 before it has been measured.
    pub fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::Relaxed)
    }

    /// The venue said `venue_ms` in answer to a question asked at `asked_ms`.
    pub fn measured(&self, asked_ms: i64, venue_ms: i64) {
        let offset = venue_ms - (asked_ms + now_ms()) / 2;
        self.offset_ms.store(offset, Ordering::Relaxed);
        if offset.abs() > NOTEWORTHY_MS {
            tracing::warn!(
                offset_ms = offset,
                "the venue's clock differs from ours; requests are stamped with the venue's"
            );
        }
    }
}

pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
