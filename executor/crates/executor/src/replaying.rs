//! The journal read back: each account's state, and the rows that Postgres may not have.

use std::collections::HashMap;

use orders::Limits;
use uuid::Uuid;

use crate::config::Config;
use crate::fact::{Entry, Fact};
use crate::row::Row;
use crate::rows::rows_of;
use crate::state::State;

pub struct Replayed {
    pub state: State,
    /// What Postgres is not known to hold.
    pub rows: Vec<Row>,
}

/// # Errors
/// A record that is no fact of this version: a text with its number and the cure.
pub fn replay(config: &Config, records: &[Vec<u8>]) -> Result<HashMap<Uuid, Replayed>, String> {
    let read = |(number, record): (usize, &Vec<u8>)| {
        serde_json::from_slice::<Entry>(record)
            .map_err(|error| format!("journal {}: record {number} is not readable by this version ({error}); start the version that wrote it", config.journal.display()))
    };
    let entries = records.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
    let mut written: HashMap<Uuid, u64> = HashMap::new();
    for entry in &entries {
        if let Fact::Written { facts } = entry.fact {
            let most = written.entry(entry.account).or_default();
            *most = facts.max(*most);
        }
    }
    let mut accounts: HashMap<Uuid, (&'static str, Replayed)> = HashMap::new();
    for account in &config.accounts {
        let limits = Limits::default().with(&config.limits);
        let replayed = Replayed { state: State::new(account.id, limits), rows: Vec::new() };
        accounts.insert(account.id, (account.exchange.name(), replayed));
    }
    for entry in &entries {
        // An account that is no longer configured keeps its records.
        let Some((exchange, replayed)) = accounts.get_mut(&entry.account) else { continue };
        let applied = replayed.state.apply(entry);
        if replayed.state.facts > written.get(&entry.account).copied().unwrap_or_default() {
            replayed.rows.extend(rows_of(&replayed.state, exchange, entry, &applied));
        }
    }
    Ok(accounts.into_iter().map(|(id, (_, replayed))| (id, replayed)).collect())
}
