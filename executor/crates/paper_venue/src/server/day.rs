//! The last 24 hours in figures.

use rust_decimal::Decimal;

use crate::engine::Market;

const DAY_MS: i64 = 86_400_000;

/// The last 24 hours of market time.
pub(crate) struct Day {
    pub open: Decimal,
    pub high: Decimal,
    pub low: Decimal,
    pub last: Decimal,
    pub last_volume: Decimal,
    pub volume: Decimal,
    pub quote_volume: Decimal,
    pub open_ms: i64,
    pub close_ms: i64,
    pub bars: usize,
}

impl Day {
    pub fn of(market: &Market) -> Option<Self> {
        let newest = market.bars.last()?;
        let first = market.bars.partition_point(|bar| bar.open_time_ms <= newest.close_time_ms - DAY_MS);
        let bars = &market.bars[first..];
        Some(Self {
            open: bars.first()?.open,
            high: bars.iter().map(|bar| bar.high).max()?,
            low: bars.iter().map(|bar| bar.low).min()?,
            last: newest.close,
            last_volume: newest.volume,
            volume: bars.iter().map(|bar| bar.volume).sum(),
            quote_volume: bars
                .iter()
                .map(|bar| quote(bar.close, bar.volume))
                .fold(Decimal::ZERO, Decimal::saturating_add),
            open_ms: bars.first()?.open_time_ms,
            close_ms: newest.close_time_ms,
            bars: bars.len(),
        })
    }

    pub fn change(&self) -> Decimal {
        self.last - self.open
    }

    pub fn percent(&self) -> String {
        format!("{:.3}", (self.change() / self.open * Decimal::from(100)).round_dp(3))
    }

    pub fn average(&self) -> Decimal {
        if self.volume.is_zero() { self.last } else { (self.quote_volume / self.volume).round_dp(8) }
    }
}

/// Price times quantity to 8 decimals: a bar's own figure for it is not known.
pub(crate) fn quote(price: Decimal, quantity: Decimal) -> Decimal {
    (price * quantity).round_dp(8)
}
