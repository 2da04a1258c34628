//! The exchanges behind one trait. Calls say how sure their failure is: an order that may have reached the venue is never sent again,
//! it is asked for.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use orders::reconcile::{Seen, VenueOrder, VenuePosition, VenueTrade};
use orders::{Approved, Fill, Market, Oco, Order, SymbolRules};
use rust_decimal::Decimal;
use thiserror::Error;
use tokio::sync::mpsc::UnboundedReceiver;

mod binance;
mod bybit;
mod clock;
mod connect;
mod conversation;
mod fields;
mod http;
mod last_prices;
mod okx;
mod order_entry;
mod params;
mod pause;
mod pongs;
mod receipts;
mod request;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod told;
mod unified;

pub use connect::{Access, AddressError, Protocol, connect};
pub use request::Request;
pub use unified::{Keys, sign};

pub type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, VenueError>> + Send + 'a>>;

/// Why a call did not bring what was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum VenueError {
    /// The connection could not be made: nothing left this machine.
    #[error("the venue cannot be reached: {0}")]
    NotSent(String),
    /// A timeout, a closed connection, a 5xx, an unreadable answer: it may have been acted upon.
    #[error("the venue's answer was lost: {0}")]
    Lost(String),
    /// 429 or 418: not acted upon.
    #[error("the venue asks to wait for {retry_after:?}{}", if *banned { " (banned)" } else { "" })]
    Throttled { retry_after: Duration, banned: bool },
    #[error("{message} ({code})")]
    Refused { reason: Reason, code: i64, message: String },
}

/// What a venue's definite refusal means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    NoSuchOrder,
    /// An order with this client order id is there already.
    DuplicateOrder,
    /// A stop or target would trigger at once: the price is past it.
    WouldTrigger,
    InsufficientBalance,
    UnknownSymbol,
    FilterPrice,
    FilterLot,
    FilterNotional,
    OrderRate,
    /// The venue has no such kind of order.
    Unsupported,
    Other,
}

/// The venue has an order, and what traded as it arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    pub order: VenueOrder,
    pub fills: Vec<Fill>,
    /// When the request's last byte had been given to the socket, where that is known.
    pub written: Option<Instant>,
}

/// A cancel has been taken up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Withdrawal {
    /// The orders that are cancelled by it: one, or both legs of an OCO; none where the venue has not said yet.
    pub orders: Vec<VenueOrder>,
    /// As of a [`Receipt`].
    pub written: Option<Instant>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Balance {
    pub free: Decimal,
    pub locked: Decimal,
}

/// One order's change, from the user stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    pub order: VenueOrder,
    pub fill: Option<Fill>,
    /// Why, of a rejection.
    pub message: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StreamEvent {
    /// Subscribed: what happens from now on will be told.
    Up,
    Down(String),
    Report(Box<Report>),
    /// New balances of the assets that changed.
    Balances(Vec<(String, Balance)>),
    /// New positions of the symbols that changed (swap).
    Positions(Vec<VenuePosition>),
    /// The answer to the ping of this number: all that happened before it has been told.
    Pong(u64),
}

/// Where a user stream delivers.
pub type Sink = Box<dyn Fn(StreamEvent) + Send + Sync>;

/// Where a price stream delivers: the symbol, the price of its last trade, and when the message that told of it had been read.
pub type PriceSink = Box<dyn Fn(&str, Decimal, Instant) + Send + Sync>;

/// A stream that runs until it is dropped.
pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the venue can keep by itself; the executor watches over the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holds {
    /// A stop and a target of which at most one fills, as one order list. Where not: on swap both rest as reduce-only orders and the
    /// executor cancels the one that is left over; on spot the stop rests and the executor watches for the target.
    pub oco: bool,
    pub trailing: bool,
}

/// How much of a venue's rate limit is used up, as its own headers say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    pub name: &'static str,
    pub used: u32,
    pub limit: u32,
}

impl Budget {
    pub fn share(&self) -> f64 {
        f64::from(self.used) / f64::from(self.limit.max(1))
    }
}

/// How an account's connection to its venue does.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Health {
    /// The venue's clock less ours; `None` before it was measured, or where it is not.
    pub clock_offset_ms: Option<i64>,
    pub budgets: Vec<Budget>,
}

/// An exchange account.
pub trait Venue: Send + Sync + 'static {
    fn market(&self) -> Market;
    fn holds(&self) -> Holds;
    fn place<'a>(&'a self, order: &'a Approved<Order>) -> Reply<'a, Receipt>;
    /// Stop first, target second.
    fn place_oco<'a>(&'a self, oco: &'a Approved<Oco>) -> Reply<'a, Vec<Receipt>>;
    fn cancel<'a>(&'a self, symbol: &'a str, client_order_id: &'a str) -> Reply<'a, Withdrawal>;
    fn query<'a>(&'a self, symbol: &'a str, client_order_id: &'a str) -> Reply<'a, VenueOrder>;
    fn query_external<'a>(&'a self, symbol: &'a str, external_id: &'a str) -> Reply<'a, VenueOrder>;
    fn open_orders(&self) -> Reply<'_, Vec<VenueOrder>>;
    /// All trades that came after `seen`, oldest first; some of those already seen may be among them.
    fn trades_since<'a>(&'a self, symbol: &'a str, seen: Seen) -> Reply<'a, Vec<VenueTrade>>;
    fn order_trades<'a>(&'a self, symbol: &'a str, external_id: &'a str) -> Reply<'a, Vec<VenueTrade>>;
    fn balances(&self) -> Reply<'_, Vec<(String, Balance)>>;
    /// Of a swap account; empty on spot.
    fn positions(&self) -> Reply<'_, Vec<VenuePosition>>;
    fn rules<'a>(&'a self, symbol: &'a str) -> Reply<'a, SymbolRules>;
    fn last_price<'a>(&'a self, symbol: &'a str) -> Reply<'a, Decimal>;
    /// Measures the venue's clock against ours; keeps a connection warm as well.
    fn measure_clock(&self) -> Reply<'_, ()>;
    /// Entries leave the reserve to cancels and protection: why they must wait, if they must.
    fn entries_throttled(&self) -> Option<String>;
    /// For metrics and the status page; whoever does not say is not shown.
    fn health(&self) -> Health {
        Health::default()
    }
    /// Runs the user stream until it is dropped: connects, subscribes, reconnects with back-off. Each number in `pings` is answered
    /// by a [`StreamEvent::Pong`] behind all earlier events.
    fn user_stream(&self, sink: Sink, pings: UnboundedReceiver<u64>) -> Running;
    /// Runs the stream of last prices of the symbols that come in over `wanted`, until it is dropped; reconnects by itself.
    fn price_stream(&self, sink: PriceSink, wanted: UnboundedReceiver<String>) -> Running;
}
