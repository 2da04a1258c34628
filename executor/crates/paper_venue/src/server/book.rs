//! The order book: the market's own, or, for bars tell none, a synthetic one.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::engine::{Market, Side, fixed8};

/// Price levels on each side.
const BOOK_LEVELS: usize = 20;

pub(crate) type Level = (Decimal, Decimal);

/// Levels, the best first. A synthetic book: one tick between bid and ask at the bar's close, and a part of its volume on each level.
pub(crate) struct Book {
    pub bids: Vec<Level>,
    pub asks: Vec<Level>,
}

impl Book {
    /// The market's own book as it stands; where it goes by bars, the synthetic one after all of them.
    pub fn now(market: &Market) -> Self {
        let Some(depth) = &market.depth else { return Self::of(market, market.bars.len()) };
        let side = |side| depth.levels(side).map(|(price, level)| (price, level.quantity)).collect();
        Self { bids: side(Side::Buy), asks: side(Side::Sell) }
    }

    /// The last update in [`Book::now`].
    pub fn last_update(market: &Market) -> u64 {
        market.depth.as_ref().map_or(market.bars.len() as u64, |depth| depth.last)
    }

    /// The synthetic book after the first `bars` bars.
    pub fn of(market: &Market, bars: usize) -> Self {
        let Some(bar) = bars.checked_sub(1).and_then(|index| market.bars.get(index)) else {
            return Self { bids: Vec::new(), asks: Vec::new() };
        };
        let (tick, step) = (market.rules.tick, market.rules.step);
        let part = bar.volume / Decimal::from(BOOK_LEVELS * 2);
        let quantity = (part - part % step).max(market.rules.min_quantity);
        let bid = bar.close - bar.close % tick;
        let level = |index: i64| (bid + tick * Decimal::from(index), quantity);
        let count = BOOK_LEVELS as i64;
        let bids = (0..count).map(|index| level(-index)).filter(|(price, _)| *price > Decimal::ZERO).collect();
        Self { bids, asks: (1..=count).map(level).collect() }
    }

    pub fn best(&self) -> Option<(Level, Level)> {
        Some((*self.bids.first()?, *self.asks.first()?))
    }
}

pub(crate) fn levels(levels: &[Level], limit: usize) -> Value {
    levels.iter().take(limit).map(|(price, quantity)| json!([fixed8(*price), fixed8(*quantity)])).collect()
}
