//! The venue's clock, as last measured against ours.

use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::VenueError;

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

/// Sends. What is refused for its timestamp, with the code `stale`, has not been acted upon: the clock is measured, and it is sent once
/// more. If that is of no avail it was not taken, which is no word on the order itself.
pub async fn in_time<T, F: Future<Output = Result<T, VenueError>>>(
    stale: i64,
    send: impl Fn() -> F,
    measure: impl Future<Output = Result<(), VenueError>>,
) -> Result<T, VenueError> {
    match send().await {
        Err(VenueError::Refused { code, .. }) if code == stale => {
            measure
                .await
                .map_err(|error| VenueError::NotSent(format!("the venue's clock could not be measured: {error}")))?;
            send().await.map_err(|error| match error {
                VenueError::Refused { code, message, .. } if code == stale => VenueError::NotSent(message),
                error => error,
            })
        }
        other => other,
    }
}

pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
