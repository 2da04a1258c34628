//! What an account holds.

use std::collections::{BTreeMap, HashMap};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::funding::FundingPayment;
use super::order::{OrderId, Trade};
use super::position::Position;

/// What an account trades.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    #[default]
    Spot,
    /// Perpetual swaps on cross margin, as Binance USD-M: nothing is locked, positions are signed.
    Swap,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    pub free: Decimal,
    pub locked: Decimal,
}

#[derive(Debug, Clone)]
pub struct Account {
    pub product: Product,
    pub balances: BTreeMap<String, Balance>,
    pub trades: Vec<Trade>,
    /// By market; of a swap account.
    pub positions: BTreeMap<usize, Position>,
    pub funding: Vec<FundingPayment>,
    /// What the insurance fund paid when liquidations left less than nothing.
    pub insured: Decimal,
    /// The latest order of each client order id.
    pub(crate) client_ids: HashMap<String, OrderId>,
    pub(crate) orders: Vec<OrderId>,
    pub updated_ms: i64,
}

impl Account {
    pub(crate) fn new(product: Product, balances: &BTreeMap<String, Decimal>) -> Self {
        let balances =
            balances.iter().map(|(asset, &free)| (asset.clone(), Balance { free, locked: Decimal::ZERO })).collect();
        Self {
            product,
            balances,
            trades: Vec::new(),
            positions: BTreeMap::new(),
            funding: Vec::new(),
            insured: Decimal::ZERO,
            client_ids: HashMap::new(),
            orders: Vec::new(),
            updated_ms: 0,
        }
    }

    #[must_use]
    pub fn balance(&self, asset: &str) -> Balance {
        self.balances.get(asset).copied().unwrap_or_default()
    }

    pub(crate) fn balance_mut(&mut self, asset: &str) -> &mut Balance {
        self.balances.entry(asset.to_owned()).or_default()
    }

    /// Moves `amount` from free to locked; negative: back.
    pub(crate) fn lock(&mut self, asset: &str, amount: Decimal) {
        if amount.is_zero() {
            return;
        }
        let balance = self.balance_mut(asset);
        balance.free -= amount;
        balance.locked += amount;
    }
}
