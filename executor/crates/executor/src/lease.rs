//! The right to trade an account, so that two executors never trade one: an epoch from Postgres that only grows, and a time until
//! which it is surely ours. Looking costs two loads; the order path never waits for the database (docs/decisions/010).

use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Entries stop this long before the lease ends: longer than the venues' receive window (5 s), so that a request sent before can
/// not be taken after it.
const SEND_MARGIN: Duration = Duration::from_secs(6);
/// With less, entries would hang on every hiccup of the database.
pub const SHORTEST_S: u64 = 10;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

#[derive(Clone)]
pub struct Lease(Arc<Inner>);

struct Inner {
    /// Of the lease; zero: there is none, the operator promises that this is the only executor.
    duration: Duration,
    /// Zero: not ours.
    epoch: AtomicI64,
    /// Milliseconds after the start until which entries may be sent.
    until_ms: AtomicU64,
    /// Whether the account may be worked at all: it was ours when the journal ended, or has become so since.
    begun: watch::Sender<bool>,
}

impl Lease {
    /// `was_held`: by the journal, this executor was the last to hold it, so what it had placed is its to look after at once.
    pub fn new(duration: Duration, was_held: bool) -> Self {
        LazyLock::force(&START);
        let begun = watch::Sender::new(was_held || duration.is_zero());
        Self(Arc::new(Inner { duration, epoch: AtomicI64::new(0), until_ms: AtomicU64::new(0), begun }))
    }

    pub fn is_needed(&self) -> bool {
        !self.0.duration.is_zero()
    }

    pub fn duration(&self) -> Duration {
        self.0.duration
    }

    /// When half of what the holder may count on has passed.
    pub fn renewal(&self) -> Duration {
        self.0.duration.saturating_sub(SEND_MARGIN) / 3
    }

    /// Whether an entry may be sent now.
    pub fn permits_entries(&self) -> bool {
        !self.is_needed() || (self.epoch().is_some() && self.left() > Duration::ZERO)
    }

    /// How long entries may go on without a word from the database.
    pub fn left(&self) -> Duration {
        Duration::from_millis(self.0.until_ms.load(Ordering::Acquire).saturating_sub(since_start(Instant::now())))
    }

    /// Under which to write to the database; none while it is another's, or where none is needed.
    pub fn epoch(&self) -> Option<i64> {
        Some(self.0.epoch.load(Ordering::Acquire)).filter(|epoch| *epoch > 0)
    }

    /// Taken or renewed by a request that was sent at `asked`: the database counts from a later moment than that.
    pub fn hold(&self, epoch: i64, asked: Instant) {
        let until = asked + self.0.duration.saturating_sub(SEND_MARGIN);
        self.0.until_ms.store(since_start(until), Ordering::Release);
        self.0.epoch.store(epoch, Ordering::Release);
        self.0.begun.send_replace(true);
    }

    pub fn lose(&self) {
        self.0.epoch.store(0, Ordering::Release);
        self.0.until_ms.store(0, Ordering::Release);
    }

    /// Waits until the account may be worked.
    pub async fn begun(&self) {
        let mut begun = self.0.begun.subscribe();
        // The sender lives as long as this.
        let _ = begun.wait_for(|begun| *begun).await;
    }
}

fn since_start(at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(*START).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(30);

    #[test]
    fn entries_need_the_lease_and_end_before_it_does() {
        let lease = Lease::new(LEASE, false);
        assert!(!lease.permits_entries());
        lease.hold(7, Instant::now());
        assert!(lease.permits_entries());
        assert_eq!(lease.epoch(), Some(7));
        assert!(lease.left() <= LEASE - SEND_MARGIN);
        let asked = Instant::now();
        lease.hold(7, asked);
        std::thread::sleep(Duration::from_millis(5));
        assert!(lease.left() < LEASE - SEND_MARGIN, "it counts from when it was asked for");
        lease.lose();
        assert!(!lease.permits_entries());
        assert_eq!(lease.epoch(), None);
    }

    #[test]
    fn without_leases_nothing_is_asked_for() {
        let lease = Lease::new(Duration::ZERO, false);
        assert!(lease.permits_entries() && !lease.is_needed());
        assert_eq!(lease.epoch(), None);
    }

    #[tokio::test]
    async fn an_account_that_was_another_s_is_not_worked_before_it_is_ours() {
        let lease = Lease::new(LEASE, false);
        assert!(tokio::time::timeout(Duration::from_millis(20), lease.begun()).await.is_err());
        lease.hold(1, Instant::now());
        lease.begun().await;
        // Ours when the journal ended: its orders are looked after at once, entries still wait.
        let lease = Lease::new(LEASE, true);
        lease.begun().await;
        assert!(!lease.permits_entries());
    }
}
