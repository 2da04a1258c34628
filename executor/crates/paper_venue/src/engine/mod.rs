//! The venue as a deterministic state machine: inputs in, orders, balances and events out. No clock, no socket, no file.
//!
//! The same inputs in the same order give the same ids, fills and events, so the journal of inputs is the state.

mod account;
mod bar;
mod cancel;
mod depth;
mod events;
mod fill;
mod filters;
mod funding;
mod input;
mod l2;
mod liquidation;
mod lists;
mod market;
mod matching;
mod money;
mod order;
mod place;
mod position;
mod refusal;
mod swap;
mod swap_events;
mod trailing;
mod venue;

pub use account::Product;
pub use bar::{Bar, Interval};
pub use depth::{Diff, PriceLevel, Snapshot};
pub use filters::{MAX_TRAILING, MIN_TRAILING};
pub use input::{
    Fees, Input, NewOco, NewOrder, NewOto, NewTrailing, Setup, SetupAccount, SwapRules, SymbolRules, Target, Tick,
    TickTrade,
};
pub use market::{Market, PublicTrade};
pub use money::{Fixed8, fixed8, plain, text};
pub use order::{Kind, Named, Order, OrderList, Side, Status, TimeInForce, Trade};
pub use refusal::Refusal;
pub use swap::MARGIN_ASSET;
pub use venue::{BarAnswer, MarketEvent, Outcome, Venue};

#[cfg(test)]
mod tests;
