//! Wall time, as the venue sees it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// One program is one venue, and it has one clock.
static OFF_BY: AtomicI64 = AtomicI64::new(0);

/// Epoch milliseconds.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    since + OFF_BY.load(Ordering::Relaxed)
}

/// Sets how far the clock is off, in ms.
pub(crate) fn shift(by: i64) {
    OFF_BY.store(by, Ordering::Relaxed);
}
