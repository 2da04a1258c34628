//! Keys of the swap accounts' user streams: one an account, for an hour, renewed by the account.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::clock::now_ms;

const LIFETIME_MS: i64 = 3_600_000;

struct Key {
    text: String,
    expires_ms: i64,
}

#[derive(Default)]
pub(crate) struct ListenKeys(HashMap<usize, Key>);

impl ListenKeys {
    /// The account's key: a new one, or the one in force, renewed.
    pub fn open(&mut self, account: usize) -> String {
        if let Some(key) = self.keep(account) {
            return key;
        }
        let text = unguessable();
        self.0.insert(account, Key { text: text.clone(), expires_ms: now_ms() + LIFETIME_MS });
        text
    }

    /// Renews the key in force.
    pub fn keep(&mut self, account: usize) -> Option<String> {
        let now_ms = now_ms();
        let key = self.0.get_mut(&account).filter(|key| key.expires_ms > now_ms)?;
        key.expires_ms = now_ms + LIFETIME_MS;
        Some(key.text.clone())
    }

    pub fn end(&mut self, account: usize) {
        self.0.remove(&account);
    }

    pub fn is_alive(&self, account: usize) -> bool {
        self.0.get(&account).is_some_and(|key| key.expires_ms > now_ms())
    }

    pub fn account(&self, text: &str) -> Option<usize> {
        self.0.iter().find(|(_, key)| key.text == text).map(|(&account, _)| account)
    }

    pub fn text(&self, account: usize) -> &str {
        self.0.get(&account).map_or("", |key| &key.text)
    }
}

/// 64 characters out of the hasher's random keys.
fn unguessable() -> String {
    (0..4u8).map(|part| format!("{:016x}", RandomState::new().hash_one((part, now_ms())))).collect()
}
