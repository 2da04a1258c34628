//! What an account holds.

use std::collections::{BTreeMap, HashMap};

use rust_decimal::Decimal;

use super::order::{OrderId, Trade};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    pub free: Decimal,
    pub locked: Decimal,
}

#[derive(Debug, Clone)]
pub struct Account {
    pub balances: BTreeMap<String, Balance>,
    pub trades: Vec<Trade>,
    /// The latest order of each client order id.
    pub(crate) client_ids: HashMap<String, OrderId>,
    pub(crate) orders: Vec<OrderId>,
    pub updated_ms: i64,
}

impl Account {
    pub(crate) fn new(balances: &BTreeMap<String, Decimal>) -> Self {
        let balances =
            balances.iter().map(|(asset, &free)| (asset.clone(), Balance { free, locked: Decimal::ZERO })).collect();
        Self { balances, trades: Vec::new(), client_ids: HashMap::new(), orders: Vec::new(), updated_ms: 0 }
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
        let balance = self.balance_mut(asset);
        balance.free -= amount;
        balance.locked += amount;
    }
}
