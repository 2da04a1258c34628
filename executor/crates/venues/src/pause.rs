//! A venue's word that nothing, or no entries, may come for a while.

use std::sync::Mutex;
use std::time::{Duration, Instant};

#[derive(Default)]
pub struct Pause(Mutex<Option<(Instant, bool)>>);

impl Pause {
    pub fn take(&self, retry_after: Duration, banned: bool) {
        *self.lock() = Some((Instant::now() + retry_after, banned));
    }

    /// How long a ban still holds; nothing may be sent until then.
    pub fn banned_for(&self) -> Option<Duration> {
        self.left().filter(|(_, banned)| *banned).map(|(left, _)| left)
    }

    pub fn entries_throttled(&self) -> Option<String> {
        self.left().map(|(left, _)| format!("the venue asked to wait; {} s are left", left.as_secs() + 1))
    }

    fn left(&self) -> Option<(Duration, bool)> {
        let (until, banned) = (*self.lock())?;
        until.checked_duration_since(Instant::now()).map(|left| (left, banned))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Instant, bool)>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
