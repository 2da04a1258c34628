//! What the executor knows about orders, without a clock, a socket or a store: data in, data out.
//!
//! [`lifecycle`] an order's states and what each event does to them; [`guards`] the last gate, the only maker of [`Approved`], with
//! the owner's [`limits`] and the [`exposure`] that it judges by; [`protection`] which stop and target a fill still needs; [`position`] average cost and realised profit;
//! [`reconcile`] what to correct when the journal and the venue disagree; [`filters`] a symbol's tick, lot and notional.

pub mod exposure;
pub mod filters;
pub mod guards;
pub mod ids;
pub mod lifecycle;
pub mod limits;
pub mod order;
pub mod position;
pub mod protection;
pub mod reconcile;

pub use filters::SymbolRules;
pub use guards::{Approved, Refusal};
pub use lifecycle::{Event, Outcome, Tracked};
pub use limits::Limits;
pub use order::{Fill, Kind, Market, Oco, Order, Side, Status, TimeInForce};
