//! The configuration file: addresses, keys and accounts. It holds secrets, so only its owner may read it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use ed25519_dalek::VerifyingKey;
use orders::{Limits, Market};
use serde::Deserialize;
use thiserror::Error;
use uuid::Uuid;
use venues::Protocol;
use zeroize::{Zeroize, Zeroizing};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `host:port` of the HTTP server.
    pub listen: String,
    pub database_url: Secret,
    pub journal: PathBuf,
    pub token: Secret,
    pub command_keys: Vec<CommandKey>,
    /// Tests: milliseconds to wait before each send to a venue.
    #[serde(default)]
    pub inject_delay_ms: u64,
    /// How often, in seconds, the venue is asked for everything that the user stream may have lost.
    #[serde(default = "a_minute")]
    pub audit_every_s: u64,
    /// Until a set_limits command changes them.
    #[serde(default)]
    pub limits: Limits,
    pub accounts: Vec<AccountConfig>,
}

fn a_minute() -> u64 {
    60
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandKey {
    pub key_id: String,
    /// Ed25519, 32 bytes in base64.
    pub public_key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// The portfolio's id.
    pub id: Uuid,
    pub user_id: Uuid,
    pub exchange: Exchange,
    #[serde(default)]
    pub market: Market,
    pub rest_url: String,
    pub ws_api_url: String,
    /// Public market streams; by default where the WebSocket API is.
    #[serde(default)]
    market_ws_url: Option<String>,
    pub api_key: Secret,
    pub api_secret: Secret,
    pub quote_asset: String,
}

impl AccountConfig {
    pub fn protocol(&self) -> Protocol {
        match self.exchange {
            Exchange::Paper | Exchange::Binance => Protocol::Binance,
        }
    }

    pub fn market_ws_url(&self) -> String {
        let origin = || self.ws_api_url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        self.market_ws_url.clone().unwrap_or_else(origin)
    }
}

/// Whose money it is.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exchange {
    Paper,
    Binance,
}

impl Exchange {
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Binance => "binance",
        }
    }
}

/// A text that is wiped when dropped and never shown.
#[derive(Deserialize)]
#[serde(from = "String")]
pub struct Secret(Zeroizing<String>);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl Secret {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("config {path}: {source}; give the path of a readable file with --config")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("config {path}: others may read it (mode {mode:03o}) and it holds secrets; run: chmod 600 {path}")]
    Open { path: PathBuf, mode: u32 },
    #[error("config {path}: {message}")]
    Invalid { path: PathBuf, message: String },
}

impl Config {
    /// # Errors
    /// [`ConfigError`]: unreadable, readable by others, or not as it must be; the message says what to change.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.into(), source };
        let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(ConfigError::Open { path: path.into(), mode });
        }
        let mut text = std::fs::read_to_string(path).map_err(unreadable)?;
        let parsed = serde_json::from_str::<Self>(&text);
        text.zeroize();
        let invalid = |message: String| ConfigError::Invalid { path: path.into(), message };
        let config = parsed.map_err(|error| invalid(error.to_string()))?;
        config.verify().map_err(invalid)?;
        Ok(config)
    }

    fn verify(&self) -> Result<(), String> {
        if self.accounts.is_empty() {
            return Err("accounts is empty: name at least one".into());
        }
        for (i, account) in self.accounts.iter().enumerate() {
            if self.accounts[..i].iter().any(|other| other.id == account.id) {
                return Err(format!("account {} is named twice: one owner for each account", account.id));
            }
        }
        if self.command_keys.is_empty() {
            return Err("command_keys is empty: no command could ever be accepted".into());
        }
        if self.token.expose().len() < 16 {
            return Err("token is shorter than 16 characters: make a random one".into());
        }
        self.verifying_keys().map(|_| ())
    }

    /// The keys that commands may be signed with.
    ///
    /// # Errors
    /// A text naming the key that is none.
    pub fn verifying_keys(&self) -> Result<Vec<(String, VerifyingKey)>, String> {
        let read = |key: &CommandKey| {
            let bytes = base64::engine::general_purpose::STANDARD.decode(&key.public_key).ok()?;
            VerifyingKey::from_bytes(&bytes.try_into().ok()?).ok()
        };
        self.command_keys
            .iter()
            .map(|key| {
                let bad = || {
                    format!("command key {:?}: public_key must be the base64 of an Ed25519 key's 32 bytes", key.key_id)
                };
                read(key).map(|verifying| (key.key_id.clone(), verifying)).ok_or_else(bad)
            })
            .collect()
    }
}
