//! The venue with its journal and its listeners: what one lock guards.

use std::path::Path;

use axum::http::StatusCode;
use journal::{Journal, OpenError};

use super::error::ApiError;
use super::hub::Hub;
use crate::engine::{Input, Outcome, Setup, Venue};

pub struct Store {
    pub(crate) venue: Venue,
    journal: Journal,
    pub(crate) hub: Hub,
    /// User events since the control API last answered.
    events: u64,
    unsynced: bool,
    /// The last write failed.
    failing: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(
        "state {path}: record {record} is not an input of this version: {problem}; name another file, or move it away"
    )]
    Record { path: String, record: usize, problem: String },
    #[error("state {path}: {source}")]
    Write { path: String, source: std::io::Error },
}

impl Store {
    /// Opens the state file, replays it, and puts the set-up in force.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn open(path: &Path, setup: Setup) -> Result<Self, StoreError> {
        let (journal, records, recovery) = Journal::open(path)?;
        let mut venue = Venue::default();
        for (index, record) in records.iter().enumerate() {
            let input: Input = serde_json::from_slice(record).map_err(|error| StoreError::Record {
                path: path.display().to_string(),
                record: index,
                problem: error.to_string(),
            })?;
            // A refused input is journaled as well, and is refused again.
            let _ = venue.apply(&input);
            venue.forget_events();
        }
        if recovery.torn_bytes > 0 {
            tracing::warn!(bytes = recovery.torn_bytes, "cut a torn tail off the state file");
        }
        if recovery.records > 0 {
            tracing::info!(inputs = recovery.records, clock_ms = venue.clock_ms, "state replayed");
        }
        let in_force = venue.setup() == Some(&setup);
        let mut store = Self { venue, journal, hub: Hub::default(), events: 0, unsynced: false, failing: false };
        if !in_force {
            let fail = |source| StoreError::Write { path: path.display().to_string(), source };
            let input = Input::Setup(setup);
            store.journal(&input).map_err(fail)?;
            store.sync().map_err(fail)?;
            let _ = store.venue.apply(&input);
        }
        Ok(store)
    }

    /// Journals and applies one input. What it caused waits for [`Store::dispatch`].
    pub(crate) fn submit(&mut self, input: &Input) -> Result<Outcome, ApiError> {
        if let Err(error) = self.journal(input) {
            // Once: whoever asks is told each time.
            if !std::mem::replace(&mut self.failing, true) {
                tracing::error!(%error, "the state file cannot be written: requests are refused and nothing is changed until it can; free the disk");
            }
            return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, -1016, "This service is no longer available."));
        }
        if std::mem::take(&mut self.failing) {
            tracing::info!("the state file can be written again");
        }
        Ok(self.venue.apply(input)?)
    }

    fn journal(&mut self, input: &Input) -> std::io::Result<()> {
        self.journal.append(&serde_json::to_vec(input)?)?;
        self.unsynced = true;
        Ok(())
    }

    /// Sends what has happened to everyone who listens.
    pub(crate) fn dispatch(&mut self) {
        for (account, event) in self.venue.take_user_events() {
            self.events += 1;
            self.hub.tell_user(&self.venue, account, &event);
        }
        for event in self.venue.take_market_events() {
            self.hub.tell_market(&self.venue, &event);
        }
    }

    /// User events wait for [`Store::dispatch`].
    pub(crate) fn has_user_events(&self) -> bool {
        self.venue.has_user_events()
    }

    /// User events since the last call.
    pub(crate) fn take_event_count(&mut self) -> u64 {
        std::mem::take(&mut self.events)
    }

    /// Makes everything so far durable.
    ///
    /// # Errors
    /// The disk's.
    pub fn sync(&mut self) -> std::io::Result<()> {
        if self.unsynced {
            self.journal.sync()?;
            self.unsynced = false;
        }
        Ok(())
    }
}
