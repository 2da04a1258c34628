//! Bars and their intervals.

use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bounds that keep every product of price and quantity within a Decimal.
const MAX_PRICE: i64 = 1_000_000_000_000;
const MAX_VOLUME: i64 = 1_000_000_000_000_000;

/// One closed bar. Times in epoch milliseconds, both inclusive; prices in quote, volume in base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    pub open_time_ms: i64,
    pub close_time_ms: i64,
    #[serde(with = "super::money::text")]
    pub open: Decimal,
    #[serde(with = "super::money::text")]
    pub high: Decimal,
    #[serde(with = "super::money::text")]
    pub low: Decimal,
    #[serde(with = "super::money::text")]
    pub close: Decimal,
    #[serde(with = "super::money::text")]
    pub volume: Decimal,
}

impl Bar {
    /// Names the first rule the bar breaks.
    pub fn check(&self) -> Result<(), &'static str> {
        let Self { open, high, low, close, volume, .. } = *self;
        let rules = [
            (
                self.open_time_ms >= 0 && self.close_time_ms > self.open_time_ms,
                "close_time_ms must be after open_time_ms",
            ),
            (low > Decimal::ZERO, "prices must be above zero"),
            (high <= Decimal::from(MAX_PRICE), "prices must be at most 1000000000000"),
            (low <= open.min(close), "low must not be above open or close"),
            (high >= open.max(close), "high must not be below open or close"),
            (
                volume >= Decimal::ZERO && volume <= Decimal::from(MAX_VOLUME),
                "volume must be within 0 and 1000000000000000",
            ),
        ];
        rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, rule)| Err(rule))
    }
}

/// A bar's length by Binance's name, `1m` to `1d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    name: &'static str,
    pub ms: i64,
}

const MINUTE: i64 = 60_000;
const INTERVALS: [Interval; 13] = [
    Interval { name: "1m", ms: MINUTE },
    Interval { name: "3m", ms: 3 * MINUTE },
    Interval { name: "5m", ms: 5 * MINUTE },
    Interval { name: "15m", ms: 15 * MINUTE },
    Interval { name: "30m", ms: 30 * MINUTE },
    Interval { name: "1h", ms: 60 * MINUTE },
    Interval { name: "2h", ms: 120 * MINUTE },
    Interval { name: "4h", ms: 240 * MINUTE },
    Interval { name: "6h", ms: 360 * MINUTE },
    Interval { name: "8h", ms: 480 * MINUTE },
    Interval { name: "12h", ms: 720 * MINUTE },
    Interval { name: "1d", ms: 1440 * MINUTE },
    Interval { name: "3d", ms: 4320 * MINUTE },
];

impl Interval {
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        INTERVALS.into_iter().find(|interval| interval.name == name)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Open time of the bar of this interval that `time_ms` falls into.
    #[must_use]
    pub fn open_of(self, time_ms: i64) -> i64 {
        time_ms - time_ms.rem_euclid(self.ms)
    }

    /// Joins bars, oldest first, into bars of this interval; the last one may still be open.
    #[must_use]
    pub fn join(self, bars: &[Bar]) -> Vec<Bar> {
        let mut joined: Vec<Bar> = Vec::new();
        for bar in bars {
            let open_time_ms = self.open_of(bar.open_time_ms);
            match joined.last_mut() {
                Some(last) if last.open_time_ms == open_time_ms => {
                    last.high = last.high.max(bar.high);
                    last.low = last.low.min(bar.low);
                    last.close = bar.close;
                    last.volume += bar.volume;
                }
                _ => joined.push(Bar { open_time_ms, close_time_ms: open_time_ms + self.ms - 1, ..*bar }),
            }
        }
        joined
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| {
            let names: Vec<&str> = INTERVALS.iter().map(|interval| interval.name).collect();
            D::Error::custom(format!("interval {name:?} is none of {}", names.join(" ")))
        })
    }
}
