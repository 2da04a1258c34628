//! One symbol: its rules, its bars, the bar that is being worked through.

use std::collections::{BTreeSet, VecDeque};

use rust_decimal::Decimal;

use super::bar::{Bar, Interval};
use super::depth::Depth;
use super::funding::Funding;
use super::input::SymbolRules;
use super::order::{OrderId, Window};

/// Public trades kept for `/api/v3/trades`, as many as it can be asked for.
const PUBLIC_TRADES: usize = 1000;

#[derive(Debug, Clone)]
pub struct PublicTrade {
    pub id: u64,
    pub price: Decimal,
    pub quantity: Decimal,
    pub time_ms: i64,
    pub buyer_is_maker: bool,
}

/// Where the work on a bar stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Open,
    Stops,
    Limits,
    LaterStops,
    LaterLimits,
    Trail,
}

#[derive(Debug, Clone)]
pub(crate) struct Progress {
    pub bar: Bar,
    pub stage: Stage,
    /// Orders of this stage that are still to be tried.
    pub queue: VecDeque<OrderId>,
    /// What an order that comes now may still see of the bar.
    pub window: Window,
    /// Base units that may still trade in this bar; none: no cap.
    pub capacity: Option<Decimal>,
    /// Something filled or triggered since `LaterStops` last began.
    pub moved: bool,
}

#[derive(Debug, Clone)]
pub struct Market {
    pub rules: SymbolRules,
    pub interval: Option<Interval>,
    pub bars: Vec<Bar>,
    /// Price of the latest trade; the last close between bars.
    pub last_price: Option<Decimal>,
    pub public_trades: VecDeque<PublicTrade>,
    /// Settlements, oldest first.
    pub funding: Vec<Funding>,
    pub(crate) open: BTreeSet<OrderId>,
    /// Wait for another order of their list.
    pub(crate) pending: BTreeSet<OrderId>,
    pub(crate) progress: Option<Progress>,
    /// Of a market that goes by its order book and trades instead of bars.
    pub depth: Option<Depth>,
    /// Orders on their way, by the time at which they arrive.
    pub(crate) arriving: VecDeque<(i64, OrderId)>,
}

impl Market {
    pub(crate) fn new(rules: SymbolRules) -> Self {
        Self {
            rules,
            interval: None,
            bars: Vec::new(),
            last_price: None,
            public_trades: VecDeque::new(),
            funding: Vec::new(),
            open: BTreeSet::new(),
            pending: BTreeSet::new(),
            progress: None,
            depth: None,
            arriving: VecDeque::new(),
        }
    }

    /// Open time of the newest bar, begun or done.
    #[must_use]
    pub fn newest_open_ms(&self) -> Option<i64> {
        self.progress
            .as_ref()
            .map(|progress| progress.bar.open_time_ms)
            .or(self.bars.last().map(|bar| bar.open_time_ms))
    }

    /// A bar is being worked through.
    #[must_use]
    pub fn is_mid_bar(&self) -> bool {
        self.progress.is_some()
    }

    pub(crate) fn print(&mut self, trade: PublicTrade) {
        if self.public_trades.len() == PUBLIC_TRADES {
            self.public_trades.pop_front();
        }
        self.public_trades.push_back(trade);
    }
}
