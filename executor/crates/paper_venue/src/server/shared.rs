//! What all connections share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::auth::Keys;
use super::limits::Limits;
use super::store::Store;
use crate::config::Config;

pub struct Shared {
    store: Mutex<Store>,
    limits: Mutex<Limits>,
    pub(crate) keys: Keys,
    pub(crate) control_token: String,
    /// True once the program is to stop.
    pub(crate) stopping: watch::Receiver<bool>,
    last_connection: AtomicU64,
}

impl Shared {
    #[must_use]
    pub fn new(config: &Config, store: Store, stopping: watch::Receiver<bool>) -> Self {
        Self {
            store: Mutex::new(store),
            limits: Mutex::default(),
            keys: Keys::new(&config.accounts),
            control_token: config.control_token.clone(),
            stopping,
            last_connection: AtomicU64::new(0),
        }
    }

    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn next_connection(&self) -> u64 {
        self.last_connection.fetch_add(1, Ordering::Relaxed)
    }
}
