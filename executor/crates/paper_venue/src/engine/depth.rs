//! An order book made of Binance's snapshots and diffs.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::order::Side;

/// Price and quantity; a quantity of zero takes the level away.
pub type PriceLevel = (Decimal, Decimal);

/// As `GET /api/v3/depth` gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub last: u64,
    pub bids: Vec<PriceLevel>,
    pub asks: Vec<PriceLevel>,
}

/// As the stream `@depth` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    pub time_ms: i64,
    /// First and last update in it.
    pub first: u64,
    pub last: u64,
    /// The last update of the diff before: futures link by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<u64>,
    pub bids: Vec<PriceLevel>,
    pub asks: Vec<PriceLevel>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Level {
    /// As displayed.
    pub quantity: Decimal,
    /// What orders of this venue's accounts took since it was last told.
    pub taken: Decimal,
}

impl Level {
    pub fn available(&self) -> Decimal {
        (self.quantity - self.taken).max(Decimal::ZERO)
    }
}

/// What became of a diff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    Yes,
    /// Older than the book.
    Old,
    /// There is no book to apply it to: it waits for the next snapshot.
    Waiting,
    /// Updates are missing before it, or it left bid and ask crossed: the book is void until the next snapshot.
    Gap,
}

/// Diffs that may wait for a snapshot.
const MAX_WAITING: usize = 10_000;

#[derive(Debug, Clone, Default)]
pub struct Depth {
    bids: BTreeMap<Decimal, Level>,
    asks: BTreeMap<Decimal, Level>,
    /// The last update in it.
    pub last: u64,
    /// No update is missing.
    pub whole: bool,
    /// The first diff after a snapshot must straddle it; those after it follow without a gap.
    fresh: bool,
    waiting: Vec<Diff>,
}

impl Depth {
    /// Starts anew from a snapshot, and applies the diffs that waited for it.
    ///
    /// A snapshot of the same time as the book that is there keeps what was taken from it.
    pub(crate) fn begin(&mut self, snapshot: &Snapshot) -> Applied {
        let fill = |levels: &[PriceLevel], before: &BTreeMap<Decimal, Level>| {
            let level = |&(price, quantity): &PriceLevel| {
                let taken = before.get(&price).filter(|level| level.quantity == quantity).map(|level| level.taken);
                (price, Level { quantity, taken: taken.unwrap_or_default() })
            };
            levels.iter().filter(|(_, quantity)| !quantity.is_zero()).map(level).collect::<BTreeMap<_, _>>()
        };
        self.bids = fill(&snapshot.bids, &self.bids);
        self.asks = fill(&snapshot.asks, &self.asks);
        self.last = snapshot.last;
        self.fresh = true;
        self.whole = !self.is_crossed();
        for diff in std::mem::take(&mut self.waiting) {
            if self.apply(&diff) == Applied::Gap {
                return Applied::Gap;
            }
        }
        if self.whole { Applied::Yes } else { Applied::Gap }
    }

    pub(crate) fn apply(&mut self, diff: &Diff) -> Applied {
        if !self.whole {
            if self.waiting.len() == MAX_WAITING {
                self.waiting.remove(0);
            }
            self.waiting.push(diff.clone());
            return Applied::Waiting;
        }
        // Futures' first diff may end where the snapshot does.
        if diff.last <= self.last && !(self.fresh && diff.previous.is_some() && diff.last == self.last) {
            return Applied::Old;
        }
        let follows = match (self.fresh, diff.previous) {
            (true, _) => diff.first <= self.last + 1,
            (false, None) => diff.first == self.last + 1,
            (false, Some(previous)) => previous == self.last,
        };
        if !follows {
            return self.void(diff);
        }
        for (side, changes) in [(Side::Buy, &diff.bids), (Side::Sell, &diff.asks)] {
            let levels = if side == Side::Buy { &mut self.bids } else { &mut self.asks };
            for &(price, quantity) in changes {
                if quantity.is_zero() {
                    levels.remove(&price);
                } else {
                    levels.insert(price, Level { quantity, taken: Decimal::ZERO });
                }
            }
        }
        self.last = diff.last;
        self.fresh = false;
        if self.is_crossed() { self.void(diff) } else { Applied::Yes }
    }

    fn void(&mut self, diff: &Diff) -> Applied {
        self.whole = false;
        self.waiting.push(diff.clone());
        Applied::Gap
    }

    fn is_crossed(&self) -> bool {
        self.best(Side::Buy).zip(self.best(Side::Sell)).is_some_and(|(bid, ask)| bid >= ask)
    }

    /// The best price of a side: the highest bid for buys, the lowest ask for sales.
    #[must_use]
    pub fn best(&self, side: Side) -> Option<Decimal> {
        match side {
            Side::Buy => self.bids.last_key_value().map(|(&price, _)| price),
            Side::Sell => self.asks.first_key_value().map(|(&price, _)| price),
        }
    }

    /// A side's levels, the best first.
    pub fn levels(&self, side: Side) -> Box<dyn Iterator<Item = (Decimal, Level)> + '_> {
        match side {
            Side::Buy => Box::new(self.bids.iter().rev().map(|(&price, &level)| (price, level))),
            Side::Sell => Box::new(self.asks.iter().map(|(&price, &level)| (price, level))),
        }
    }

    #[must_use]
    pub fn level(&self, side: Side, price: Decimal) -> Level {
        let levels = if side == Side::Buy { &self.bids } else { &self.asks };
        levels.get(&price).copied().unwrap_or_default()
    }

    /// The price lies within what is told of its side: a snapshot ends somewhere, and behind that nothing is known.
    pub(crate) fn knows(&self, side: Side, price: Decimal) -> bool {
        match side {
            Side::Buy => self.bids.first_key_value().is_some_and(|(&worst, _)| price >= worst),
            Side::Sell => self.asks.last_key_value().is_some_and(|(&worst, _)| price <= worst),
        }
    }

    pub(crate) fn take(&mut self, side: Side, price: Decimal, quantity: Decimal) {
        let levels = if side == Side::Buy { &mut self.bids } else { &mut self.asks };
        if let Some(level) = levels.get_mut(&price) {
            level.taken += quantity;
        }
    }
}
