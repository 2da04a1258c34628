//! How much of the base a contract is, and the instruments' codes. OKX counts swaps in contracts, the rest of the program in base units.

use std::collections::HashMap;
use std::sync::RwLock;

use orders::{Market, SymbolRules};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::Account;
use super::requests::instrument_type;
use crate::fields::{maybe, or_zero};
use crate::params::Params;
use crate::{Reason, VenueError};

const INSTRUMENTS: &str = "/api/v5/public/instruments";

/// Of the instruments that are known so far.
#[derive(Default)]
pub struct Contracts(RwLock<HashMap<String, Known>>);

#[derive(Clone, Copy)]
struct Known {
    /// Base units in a contract of a linear swap.
    size: Option<Decimal>,
    /// What order entry over the WebSocket calls it by.
    code: Option<u64>,
}

impl Contracts {
    /// Base units in a contract; one on spot. `None`: no linear swap that is known.
    pub fn size(&self, market: Market, symbol: &str) -> Option<Decimal> {
        match market {
            Market::Spot => Some(Decimal::ONE),
            Market::Swap => self.known(symbol)?.size,
        }
    }

    pub fn code(&self, symbol: &str) -> Option<u64> {
        self.known(symbol)?.code
    }

    fn known(&self, symbol: &str) -> Option<Known> {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(symbol).copied()
    }

    fn learn(&self, bodies: &[InstrumentBody]) {
        let mut known = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.extend(bodies.iter().map(|body| (body.inst_id.clone(), body.known())));
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InstrumentBody {
    inst_id: String,
    inst_id_code: Option<u64>,
    #[serde(default)]
    base_ccy: String,
    #[serde(default)]
    quote_ccy: String,
    #[serde(default)]
    settle_ccy: String,
    #[serde(default)]
    ct_val_ccy: String,
    #[serde(default)]
    ct_type: String,
    #[serde(default, deserialize_with = "maybe")]
    ct_val: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe")]
    ct_mult: Option<Decimal>,
    #[serde(default, deserialize_with = "or_zero")]
    tick_sz: Decimal,
    #[serde(default, deserialize_with = "or_zero")]
    lot_sz: Decimal,
    #[serde(default, deserialize_with = "or_zero")]
    min_sz: Decimal,
    #[serde(default, deserialize_with = "or_zero")]
    max_lmt_sz: Decimal,
    #[serde(default, deserialize_with = "or_zero")]
    max_mkt_sz: Decimal,
}

impl InstrumentBody {
    fn known(&self) -> Known {
        Known { size: self.contract(), code: self.inst_id_code }
    }

    fn contract(&self) -> Option<Decimal> {
        let size = self.ct_val? * self.ct_mult.unwrap_or(Decimal::ONE);
        (self.ct_type == "linear" && !size.is_zero()).then_some(size)
    }

    fn into_rules(self, market: Market) -> Option<SymbolRules> {
        let contract = match market {
            Market::Spot => Decimal::ONE,
            Market::Swap => self.contract()?,
        };
        let is_spot = market == Market::Spot;
        Some(SymbolRules {
            symbol: self.inst_id,
            market,
            base: if is_spot { self.base_ccy } else { self.ct_val_ccy },
            quote: if is_spot { self.quote_ccy } else { self.settle_ccy },
            tick: self.tick_sz,
            min_price: Decimal::ZERO,
            max_price: Decimal::ZERO,
            step: self.lot_sz * contract,
            min_quantity: self.min_sz * contract,
            max_quantity: self.max_lmt_sz * contract,
            // On spot OKX means an amount of money by it.
            market_max_quantity: if is_spot { Decimal::ZERO } else { self.max_mkt_sz * contract },
            min_notional: Decimal::ZERO,
        })
    }
}

impl Account {
    pub async fn rules_of(&self, symbol: &str) -> Result<SymbolRules, VenueError> {
        let found = self.instruments(Some(symbol)).await?.into_iter().find(|body| body.inst_id == symbol);
        found.and_then(|body| body.into_rules(self.market)).ok_or_else(|| VenueError::Refused {
            reason: Reason::UnknownSymbol,
            code: 51_001,
            message: format!("OKX lists no {} {symbol} that is known here", self.market_name()),
        })
    }

    /// Base units in a contract of `symbol`, asked for if they are not known yet.
    pub async fn contract(&self, symbol: &str) -> Result<Decimal, VenueError> {
        if let Some(size) = self.contracts.size(self.market, symbol) {
            return Ok(size);
        }
        self.rules_of(symbol).await?;
        self.contracts.size(self.market, symbol).ok_or_else(|| VenueError::NotSent("its contract is unknown".into()))
    }

    /// Learns all swaps, so that the events of any can be read.
    pub async fn learn_contracts(&self) -> Result<(), VenueError> {
        if self.market == Market::Swap {
            self.instruments(None).await?;
        }
        Ok(())
    }

    /// Learns what order entry over the WebSocket calls each instrument.
    pub async fn learn_codes(&self) -> Result<(), VenueError> {
        self.instruments(None).await.map(|_| ())
    }

    async fn instruments(&self, symbol: Option<&str>) -> Result<Vec<InstrumentBody>, VenueError> {
        let mut params = Params::default();
        params.add("instType", instrument_type(self.market));
        if let Some(symbol) = symbol {
            params.add("instId", symbol);
        }
        let bodies: Vec<InstrumentBody> = self.public(INSTRUMENTS, &params).await?;
        self.contracts.learn(&bodies);
        Ok(bodies)
    }

    fn market_name(&self) -> &'static str {
        match self.market {
            Market::Spot => "spot pair",
            Market::Swap => "linear swap",
        }
    }
}
