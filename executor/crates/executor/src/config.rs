//! The configuration file: addresses, keys and accounts. It holds secrets, so only its owner may read it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use ed25519_dalek::VerifyingKey;
use orders::{Limits, Market};
use serde::Deserialize;
use thiserror::Error;
use uuid::Uuid;
use venues::{Access, Protocol};
use zeroize::{Zeroize, Zeroizing};

use crate::addresses::official;
use crate::lease;

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
    /// Seconds for which entries go on while Postgres is away, and a second executor of the same account waits. 0: no lease is taken;
    /// the operator promises that this is the only executor.
    #[serde(default = "default_lease_s")]
    pub lease_s: u64,
    /// Its presence kills; `KILL` beside the journal where it is not given.
    #[serde(default)]
    kill_file: Option<PathBuf>,
    /// Kill when the controller's heartbeat has not come for so many seconds. 0: it is not waited for.
    #[serde(default)]
    pub dead_man_s: u64,
    pub accounts: Vec<AccountConfig>,
}

fn a_minute() -> u64 {
    60
}

fn default_lease_s() -> u64 {
    30
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
    /// Which the paper venue is to speak.
    #[serde(default)]
    protocol: Option<Protocol>,
    #[serde(default)]
    pub market: Market,
    /// Play money: the exchange's test network or demo trading.
    #[serde(default)]
    pub testnet: bool,
    /// The exchange's own addresses where these are not given; the paper venue has none.
    #[serde(default)]
    rest_url: Option<String>,
    #[serde(default)]
    ws_api_url: Option<String>,
    /// Public market streams; where only the WebSocket API is given, on the same host.
    #[serde(default)]
    market_ws_url: Option<String>,
    pub api_key: Secret,
    pub api_secret: Secret,
    /// OKX's third secret.
    #[serde(default)]
    pub passphrase: Option<Secret>,
    pub quote_asset: String,
}

impl AccountConfig {
    pub fn protocol(&self) -> Protocol {
        match self.exchange {
            Exchange::Paper => self.protocol.unwrap_or_default(),
            Exchange::Binance => Protocol::Binance,
            Exchange::Bybit => Protocol::Bybit,
            Exchange::Okx => Protocol::Okx,
        }
    }

    /// Where the account is, and its keys.
    pub fn access(&self) -> Access {
        let official = official(self.protocol(), self.market, self.testnet);
        let or = |given: &Option<String>, official: &str| given.clone().unwrap_or_else(|| official.to_owned());
        let origin = |url: &String| url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let market = self.market_ws_url.clone().or_else(|| self.ws_api_url.as_ref().map(origin));
        Access {
            rest_url: or(&self.rest_url, official.rest),
            ws_api_url: or(&self.ws_api_url, official.ws_api),
            market_ws_url: or(&market, official.market_ws),
            api_key: self.api_key.expose().to_owned(),
            api_secret: self.api_secret.expose().to_owned(),
            testnet: self.testnet,
            passphrase: self.passphrase.as_ref().map(|secret| secret.expose().to_owned()).unwrap_or_default(),
        }
    }

    /// Whether it names enough to be reached.
    fn verify(&self) -> Result<(), String> {
        let given = [&self.rest_url, &self.ws_api_url].iter().filter(|url| url.is_some()).count();
        if self.protocol.is_some() && !matches!(self.exchange, Exchange::Paper) {
            return Err(format!(
                "account {}: protocol is for the paper venue; the exchange says what it speaks",
                self.id
            ));
        }
        if self.protocol() == Protocol::Okx && self.passphrase.is_none() {
            return Err(format!("account {}: OKX needs the passphrase of the API key", self.id));
        }
        match (self.exchange, given) {
            (Exchange::Paper, 0 | 1) => {
                Err(format!("account {}: the paper venue needs rest_url and ws_api_url", self.id))
            }
            (_, 1) => Err(format!(
                "account {}: give both rest_url and ws_api_url, or neither for the exchange's own",
                self.id
            )),
            (_, 2) if self.testnet => {
                Err(format!("account {}: testnet chooses the addresses; leave rest_url and ws_api_url out", self.id))
            }
            _ => Ok(()),
        }
    }
}

/// Whose money it is.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exchange {
    Paper,
    Binance,
    Bybit,
    Okx,
}

impl Exchange {
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Binance => "binance",
            Self::Bybit => "bybit",
            Self::Okx => "okx",
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
            account.verify()?;
        }
        if self.command_keys.is_empty() {
            return Err("command_keys is empty: no command could ever be accepted".into());
        }
        if self.lease_s != 0 && !(lease::SHORTEST_S..=3600).contains(&self.lease_s) {
            return Err(format!("lease_s is 0 (no lease) or {} to 3600 seconds", lease::SHORTEST_S));
        }
        if self.token.expose().len() < 16 {
            return Err("token is shorter than 16 characters: make a random one".into());
        }
        self.verifying_keys().map(|_| ())
    }

    pub fn kill_file(&self) -> PathBuf {
        self.kill_file.clone().unwrap_or_else(|| self.journal.with_file_name("KILL"))
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
