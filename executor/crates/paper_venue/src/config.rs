//! The configuration file: read once, checked whole, one clear error.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rust_decimal::Decimal;
use serde::Deserialize;

use crate::engine::{Fees, Product, Setup, SetupAccount, SwapRules, SymbolRules};
use crate::server::Plan;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen; port 0 takes a free one, which the log names.
    pub listen: SocketAddr,
    /// The journal file.
    pub state: PathBuf,
    pub control_token: String,
    pub fees: Fees,
    #[serde(default)]
    pub volume_share: Option<Amount>,
    pub symbols: Vec<SymbolRules>,
    #[serde(default)]
    pub swap: SwapRules,
    /// Of orders in markets that go by their order book.
    #[serde(default)]
    pub latency_ms: i64,
    pub accounts: Vec<AccountConfig>,
    /// What is to go wrong, from the start.
    #[serde(default)]
    pub faults: Plan,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    pub name: String,
    pub api_key: String,
    pub api_secret: String,
    /// `spot`, or `swap` for perpetual swaps.
    #[serde(default)]
    pub market: Product,
    pub balances: BTreeMap<String, Amount>,
}

/// A decimal in a string: a JSON number would pass through a float.
#[derive(Clone, Copy, Deserialize)]
#[serde(transparent)]
pub struct Amount(#[serde(with = "crate::engine::text")] pub Decimal);

#[derive(Debug, thiserror::Error)]
#[error("config {path}: {problem}")]
pub struct ConfigError {
    path: PathBuf,
    problem: String,
}

impl Config {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`ConfigError`] names the first thing wrong; never a key or token.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let fail = |problem: String| ConfigError { path: path.to_owned(), problem };
        let text = std::fs::read_to_string(path).map_err(|error| fail(format!("cannot be read: {error}")))?;
        check_mode(path).map_err(fail)?;
        let config: Self = serde_json::from_str(&text).map_err(|error| fail(error.to_string()))?;
        config.check().map_err(fail)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.control_token.len() < 16 {
            return Err("control_token must have at least 16 characters".to_owned());
        }
        let swap = &self.swap;
        let rates = [
            ("fees.maker", self.fees.maker),
            ("fees.taker", self.fees.taker),
            ("swap.fees.maker", swap.fees.maker),
            ("swap.fees.taker", swap.fees.taker),
            ("swap.maintenance_margin", swap.maintenance_margin),
            ("swap.liquidation_fee", swap.liquidation_fee),
        ];
        for (name, rate) in rates {
            if rate < Decimal::ZERO || rate >= Decimal::ONE {
                return Err(format!("{name} must be a fraction within 0 and 1, such as \"0.001\""));
            }
        }
        if !(0..=60_000).contains(&self.latency_ms) {
            return Err("latency_ms must be within 0 and 60000".to_owned());
        }
        if swap.leverage == 0 || swap.leverage > swap.max_leverage {
            return Err("swap.leverage must be within 1 and swap.max_leverage".to_owned());
        }
        if self.volume_share.is_some_and(|Amount(share)| share <= Decimal::ZERO || share > Decimal::ONE) {
            return Err("volume_share must be above 0 and at most 1; leave it out for fills without a cap".to_owned());
        }
        self.faults.check()?;
        if self.symbols.is_empty() {
            return Err("symbols must name at least one symbol".to_owned());
        }
        let mut seen = HashSet::new();
        for rules in &self.symbols {
            check_symbol(rules)?;
            if !seen.insert(&rules.symbol) {
                return Err(format!("symbol {} is there twice", rules.symbol));
            }
        }
        let (mut names, mut keys) = (HashSet::new(), HashSet::new());
        for account in &self.accounts {
            let name = &account.name;
            if account.api_key.is_empty() || account.api_secret.is_empty() {
                return Err(format!("account {name} needs an api_key and an api_secret"));
            }
            if !names.insert(name) || !keys.insert(&account.api_key) {
                return Err(format!("account {name}: its name or api_key is there twice"));
            }
            if account.balances.values().any(|Amount(amount)| amount.is_sign_negative() || amount.scale() > 8) {
                return Err(format!("account {name}: balances must not be negative, nor have more than 8 decimals"));
            }
        }
        Ok(())
    }

    /// The part that fills depend on.
    #[must_use]
    pub fn setup(&self) -> Setup {
        let accounts = self.accounts.iter().map(|account| SetupAccount {
            name: account.name.clone(),
            market: account.market,
            balances: account.balances.iter().map(|(asset, Amount(amount))| (asset.clone(), *amount)).collect(),
        });
        Setup {
            fees: self.fees,
            volume_share: self.volume_share.map(|Amount(share)| share),
            symbols: self.symbols.clone(),
            accounts: accounts.collect(),
            swap: self.swap,
            latency_ms: self.latency_ms,
        }
    }
}

fn check_symbol(rules: &SymbolRules) -> Result<(), String> {
    let SymbolRules { symbol, base, quote, tick, step, min_quantity, min_notional, .. } = rules;
    if symbol.is_empty() || *symbol != symbol.to_uppercase() || base == quote {
        return Err(format!("symbol {symbol:?}: it must be in capitals, and base must differ from quote"));
    }
    for (name, amount) in [("tick", tick), ("step", step), ("min_quantity", min_quantity)] {
        if *amount <= Decimal::ZERO || amount.normalize().scale() > 8 {
            return Err(format!("symbol {symbol}: {name} must be above 0, with at most 8 decimals"));
        }
    }
    if *min_notional < Decimal::ZERO {
        return Err(format!("symbol {symbol}: min_notional must not be negative"));
    }
    if min_quantity % step != Decimal::ZERO {
        return Err(format!("symbol {symbol}: min_quantity must be a multiple of step"));
    }
    Ok(())
}

/// The file holds secrets, so nobody else may read it.
fn check_mode(path: &Path) -> Result<(), String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).map_err(|error| error.to_string())?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(format!(
                "holds secrets but others may read it (mode {mode:o}); run: chmod 600 {}",
                path.display()
            ));
        }
    }
    Ok(())
}
