//! Orders, order lists and trades.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::input::{NewOrder, NewTrailing};
use super::trailing::Trailing;

pub type OrderId = u64;
pub type ListId = u64;

/// What has a name in Binance's messages.
pub trait Named: Sized {
    fn named(name: &str) -> Option<Self>;
}

macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name { $(#[serde(rename = $text)] $variant),+ }

        impl $name {
            /// The name in Binance's messages.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl Named for $name {
            fn named(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

named!(Side { Buy = "BUY", Sell = "SELL" });
named!(TimeInForce { Gtc = "GTC", Ioc = "IOC", Fok = "FOK" });
named!(Kind {
    Limit = "LIMIT",
    LimitMaker = "LIMIT_MAKER",
    Market = "MARKET",
    StopLoss = "STOP_LOSS",
    StopLossLimit = "STOP_LOSS_LIMIT",
    TakeProfit = "TAKE_PROFIT",
    TakeProfitLimit = "TAKE_PROFIT_LIMIT",
});
named!(Status {
    PendingNew = "PENDING_NEW",
    New = "NEW",
    PartiallyFilled = "PARTIALLY_FILLED",
    Filled = "FILLED",
    Canceled = "CANCELED",
    Expired = "EXPIRED",
    Rejected = "REJECTED",
});

impl Side {
    pub(crate) fn opposite(self) -> Self {
        if self == Self::Buy { Self::Sell } else { Self::Buy }
    }

    /// The quantity with the sign that it has for a position.
    pub(crate) fn signed(self, quantity: Decimal) -> Decimal {
        if self == Self::Buy { quantity } else { -quantity }
    }
}

/// The way the price goes to reach an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Approach {
    Rising,
    Falling,
}

impl Kind {
    pub(crate) fn is_stop_loss(self) -> bool {
        matches!(self, Self::StopLoss | Self::StopLossLimit)
    }

    pub(crate) fn is_take_profit(self) -> bool {
        matches!(self, Self::TakeProfit | Self::TakeProfitLimit)
    }

    /// Waits for its stop price before it works.
    #[must_use]
    pub fn has_trigger(self) -> bool {
        self.is_stop_loss() || self.is_take_profit()
    }

    pub(crate) fn has_limit(self) -> bool {
        matches!(self, Self::Limit | Self::LimitMaker | Self::StopLossLimit | Self::TakeProfitLimit)
    }

    /// From which side the price reaches the order: its stop price if it has one, else its limit price.
    pub(crate) fn approach(self, side: Side) -> Approach {
        match (self.is_stop_loss(), side) {
            (true, Side::Buy) | (false, Side::Sell) => Approach::Rising,
            (true, Side::Sell) | (false, Side::Buy) => Approach::Falling,
        }
    }
}

/// Prices that an order which came during a bar may still see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub low: Decimal,
    pub high: Decimal,
}

impl Window {
    pub fn contains(self, price: Decimal) -> bool {
        self.low <= price && price <= self.high
    }
}

/// One order, open or done. Amounts in base units unless named quote.
#[derive(Debug, Clone)]
pub struct Order {
    pub id: OrderId,
    pub(crate) account: usize,
    pub(crate) market: usize,
    pub list: Option<ListId>,
    pub client_id: String,
    pub side: Side,
    pub kind: Kind,
    pub time_in_force: TimeInForce,
    pub quantity: Decimal,
    /// A market order given in quote units; its quantity is known once it fills.
    pub quote_quantity: Option<Decimal>,
    pub price: Option<Decimal>,
    /// Of a trailing stop: where it stands; none until it is activated.
    pub stop_price: Option<Decimal>,
    pub trailing: Option<Trailing>,
    /// Never enlarges a position (swap).
    pub reduce_only: bool,
    /// Closes what is held when it is triggered (swap); its quantity is known then.
    pub close_position: bool,
    pub filled: Decimal,
    pub quote_filled: Decimal,
    pub status: Status,
    /// Works in the market: no trigger, or the trigger was reached.
    pub working: bool,
    pub created_ms: i64,
    pub updated_ms: i64,
    /// Since when it works; none before its trigger.
    pub working_ms: Option<i64>,
    /// Held back in the account for this order: quote units for a buy, base units for a sale.
    pub(crate) locked: Decimal,
    /// Quote held back per base unit of a buy.
    pub(crate) lock_price: Decimal,
    /// In a market that goes by its book: what is displayed before it at its price; none: it does not rest in the book.
    pub(crate) ahead: Option<Decimal>,
    /// None: rested when the bar began, or no bar is being worked through.
    pub(crate) window: Option<Window>,
}

impl Order {
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.status, Status::PendingNew | Status::New | Status::PartiallyFilled)
    }

    #[must_use]
    pub fn remaining(&self) -> Decimal {
        self.quantity - self.filled
    }

    /// The order as it was asked for.
    pub(crate) fn as_new(&self, symbol: &str) -> NewOrder {
        NewOrder {
            kind: self.kind,
            time_in_force: (self.kind.has_limit() && self.kind != Kind::LimitMaker).then_some(self.time_in_force),
            quantity: Some(self.quantity),
            price: self.price,
            stop_price: self.stop_price,
            trailing: self.trailing.map(|Trailing { callback, activation, .. }| NewTrailing { callback, activation }),
            ..NewOrder::market(symbol, self.side)
        }
    }

    /// The limit price allows a trade at `price`; true for an order without one.
    pub(crate) fn accepts(&self, price: Decimal) -> bool {
        match (self.price, self.side) {
            (None, _) => true,
            (Some(limit), Side::Buy) => price <= limit,
            (Some(limit), Side::Sell) => price >= limit,
        }
    }

    /// The stop price is reached, or passed, at `price`.
    pub(crate) fn triggers_at(&self, price: Decimal) -> bool {
        self.stop_price.is_some_and(|stop| match self.kind.approach(self.side) {
            Approach::Rising => price >= stop,
            Approach::Falling => price <= stop,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// Two orders of which one is done as soon as the other trades or triggers.
    Oco,
    /// The first order works; the one or two others wait until it has filled.
    Oto,
}

impl ListKind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Oco => "OCO",
            Self::Oto => "OTO",
        }
    }
}

/// Orders that depend on each other.
#[derive(Debug, Clone)]
pub struct OrderList {
    pub id: ListId,
    pub(crate) account: usize,
    pub(crate) market: usize,
    pub client_id: String,
    pub kind: ListKind,
    pub orders: Vec<OrderId>,
    pub created_ms: i64,
    pub done: bool,
}

/// One execution of one order.
#[derive(Debug, Clone)]
pub struct Trade {
    pub id: u64,
    pub order: OrderId,
    pub(crate) market: usize,
    pub price: Decimal,
    pub quantity: Decimal,
    pub fee: Decimal,
    pub fee_asset: String,
    pub time_ms: i64,
    pub side: Side,
    pub maker: bool,
    /// Profit taken by it, before its fee (swap).
    pub realized: Decimal,
}
