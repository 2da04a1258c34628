//! What all connections share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::auth::Keys;
use super::faults::Faults;
use super::limits::Limits;
use super::store::Store;
use crate::config::Config;

pub struct Shared {
    store: Mutex<Store>,
    limits: Mutex<Limits>,
    pub(crate) keys: Keys,
    pub(crate) control_token: String,
    pub faults: Arc<Faults>,
    /// True once the program is to stop.
    pub(crate) stopping: watch::Receiver<bool>,
    last_connection: AtomicU64,
}

impl Shared {
    #[must_use]
    pub fn new(config: &Config, mut store: Store, faults: Arc<Faults>, stopping: watch::Receiver<bool>) -> Self {
        store.hub.faults = Arc::clone(&faults);
        Self {
            faults,
            store: Mutex::new(store),
            limits: Mutex::default(),
            keys: Keys::new(&config.accounts),
            control_token: config.control_token.clone(),
            stopping,
            last_connection: AtomicU64::new(0),
        }
    }

    /// The state, as one request finds it: what an earlier one has caused has been told. An order's answer leaves before its events,
    /// so that it does not wait for them.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.dispatch();
        store
    }

    /// Tells what has happened.
    pub(crate) fn tell(&self) {
        drop(self.store());
    }

    pub(crate) fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn next_connection(&self) -> u64 {
        self.last_connection.fetch_add(1, Ordering::Relaxed)
    }
}
