//! An order as it was asked for, and the words of its life. Names are those of the database and of commands.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Buy,
    Sell,
}

impl Side {
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }
}

/// Which of a venue's books an account trades.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Market {
    /// What is bought is held, and nothing else can be sold.
    #[default]
    Spot,
    /// Linear perpetual swaps, one-way mode: positions are signed, and margin is in the quote asset.
    Swap,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Market,
    Limit,
    /// Becomes a market order once the price has gone to `stop_price` against the holder.
    StopLoss,
    /// Becomes a limit order at `price` once the price has gone to `stop_price`.
    StopLimit,
    /// Becomes a market order once the price has gone to `stop_price` in the holder's favour.
    TakeProfit,
    /// A stop that follows the best price since it was placed (or since `stop_price` was reached, where one is given) at the
    /// distance `trail`.
    TrailingStop,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Limit => "limit",
            Self::StopLoss => "stop_loss",
            Self::StopLimit => "stop_limit",
            Self::TakeProfit => "take_profit",
            Self::TrailingStop => "trailing_stop",
        }
    }

    pub fn needs_price(self) -> bool {
        matches!(self, Self::Limit | Self::StopLimit)
    }

    pub fn needs_stop_price(self) -> bool {
        matches!(self, Self::StopLoss | Self::StopLimit | Self::TakeProfit)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TimeInForce {
    Gtc,
    Ioc,
    Fok,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Journaled, and perhaps on its way; nothing heard yet.
    Pending,
    Open,
    PartiallyFilled,
    Filled,
    Cancelled,
    Rejected,
    Expired,
    /// Sent, and the answer was lost: it may or may not rest at the venue.
    Unknown,
}

impl Status {
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Open,
        Self::PartiallyFilled,
        Self::Filled,
        Self::Cancelled,
        Self::Rejected,
        Self::Expired,
        Self::Unknown,
    ];

    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Filled | Self::Cancelled | Self::Rejected | Self::Expired)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Open => "open",
            Self::PartiallyFilled => "partially_filled",
            Self::Filled => "filled",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
        }
    }
}

/// What was asked for; it never changes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Order {
    pub id: Uuid,
    pub client_order_id: String,
    /// Of a protective leg: the entry it protects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Uuid>,
    #[serde(default)]
    pub market: Market,
    pub symbol: String,
    pub side: Side,
    pub kind: Kind,
    pub quantity: Decimal,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_price: Option<Decimal>,
    /// Of a trailing stop: its distance, as a fraction of the price (0.01 is one per cent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trail: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_in_force: Option<TimeInForce>,
    /// Of an entry: the protection its fills get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_loss: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take_profit: Option<Decimal>,
    #[serde(default)]
    pub reduce_only: bool,
    #[serde(default)]
    pub post_only: bool,
}

impl Order {
    pub fn wants_protection(&self) -> bool {
        self.stop_loss.is_some() || self.take_profit.is_some()
    }

    /// On spot every buy adds exposure, and a sell can only give back what is held; on swap only `reduce_only` says so.
    pub fn is_entry(&self) -> bool {
        let opens = self.side == Side::Buy || self.market == Market::Swap;
        opens && !self.reduce_only && self.parent.is_none()
    }

    /// The price to value the order at: its own, or for a market order the last one.
    pub fn reference_price(&self, last: Option<Decimal>) -> Option<Decimal> {
        self.price.or(self.stop_price).or(last)
    }
}

/// A stop and a target over one quantity, of which the venue lets at most one fill.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Oco {
    /// The id of the list at the venue.
    pub client_list_id: String,
    pub stop: Order,
    pub target: Order,
}

/// One trade of an order, as the venue reports it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fill {
    pub trade_id: String,
    pub quantity: Decimal,
    pub price: Decimal,
    pub fee: Decimal,
    pub fee_asset: String,
    pub is_maker: bool,
    /// The venue's time: market time in a replay.
    pub time_ms: i64,
}
