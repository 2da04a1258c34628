//! What the venue cannot hold is watched here: the target of a stop that rests alone, and trailing stops, whose resting stop is moved
//! after the price. Prices come from the venue's stream; the account's task polls it itself, so that a tick waits for no other task,
//! and only ticks that leave a symbol's band become messages.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use orders::guards::{self, Code, Refusal};
use orders::protection::Failure;
use orders::{Kind, Order, Side, Status, Tracked, ids};
use rust_decimal::{Decimal, RoundingStrategy};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use uuid::Uuid;
use venues::{Running, Venue};

use crate::account::Account;
use crate::fact::{Asked, Fact};
use crate::message::{Message, Wake};
use crate::reacting::RETRY;

/// A trailing stop is moved once it would come this part of its distance nearer.
const STEP: Decimal = Decimal::from_parts(1, 0, 0, false, 1);

/// Prices between which nothing is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Band {
    above: Option<Decimal>,
    below: Option<Decimal>,
}

impl Band {
    fn is_left_at(&self, price: Decimal) -> bool {
        self.above.is_some_and(|above| price >= above) || self.below.is_some_and(|below| price <= below)
    }

    fn up_to(&mut self, price: Decimal) {
        self.above = Some(self.above.map_or(price, |above| above.min(price)));
    }

    fn down_to(&mut self, price: Decimal) {
        self.below = Some(self.below.map_or(price, |below| below.max(price)));
    }
}

pub struct Watch {
    bands: Arc<Mutex<HashMap<String, Band>>>,
    wanted: UnboundedSender<String>,
    asked: HashSet<String>,
}

impl Watch {
    /// And the price stream, to be polled by the account's task.
    pub fn new(venue: &dyn Venue, inbox: UnboundedSender<Message>) -> (Self, Running) {
        let bands: Arc<Mutex<HashMap<String, Band>>> = Arc::default();
        let (wanted, symbols) = unbounded_channel();
        let watched = Arc::clone(&bands);
        let sink = Box::new(move |symbol: &str, price: Decimal, heard: Instant| {
            let bands = watched.lock().unwrap_or_else(PoisonError::into_inner);
            if bands.get(symbol).is_some_and(|band| band.is_left_at(price)) {
                let _ = inbox.send(Message::Price(symbol.to_owned(), price, heard));
            }
        });
        let stream = venue.price_stream(sink, symbols);
        (Self { bands, wanted, asked: HashSet::new() }, stream)
    }

    fn set(&mut self, symbol: &str, band: Band) {
        if band != Band::default() && self.asked.insert(symbol.to_owned()) {
            let _ = self.wanted.send(symbol.to_owned());
        }
        self.bands.lock().unwrap_or_else(PoisonError::into_inner).insert(symbol.to_owned(), band);
    }
}

impl Account {
    /// The price has left its band, as a tick says that was read at `heard`.
    pub fn price(&mut self, symbol: &str, price: Decimal, heard: Instant) {
        self.tick = Some(heard);
        for (entry, n) in self.state.watched_groups(symbol) {
            let reached = self.state.orders.get(&entry).is_some_and(|tracked| is_reached(&tracked.order, price));
            if reached {
                self.close_group(entry, n, Failure::TargetReached);
            }
        }
        for order_id in self.state.trailing.get(symbol).cloned().unwrap_or_default() {
            self.trail(order_id, price);
        }
        self.tick = None;
        self.state.rewatch.insert(symbol.to_owned());
    }

    /// Sets the bands of symbols in which something watched has come, gone or moved.
    pub fn rewatch(&mut self) {
        while let Some(symbol) = self.state.rewatch.pop_first() {
            let mut band = Band::default();
            for (entry, _) in self.state.watched_groups(&symbol) {
                let Some(order) = self.state.orders.get(&entry).map(|tracked| &tracked.order) else { continue };
                match (order.side, order.take_profit) {
                    (Side::Buy, Some(target)) => band.up_to(target),
                    (Side::Sell, Some(target)) => band.down_to(target),
                    (_, None) => {}
                }
            }
            for order_id in self.state.trailing.get(&symbol).into_iter().flatten() {
                let Some(tracked) = self.state.orders.get(order_id) else { continue };
                if !self.state.replacing.contains_key(order_id) {
                    match tracked.order.side {
                        Side::Sell => band.up_to(moves_at(&tracked.order)),
                        Side::Buy => band.down_to(moves_at(&tracked.order)),
                    }
                }
            }
            self.watch.set(&symbol, band);
        }
    }

    /// Whether this is a trailing stop that the venue cannot hold.
    pub fn must_follow(&self, order: &Order) -> bool {
        order.kind == Kind::TrailingStop && !self.venue.holds().trailing
    }

    /// The plain stop as which such an order begins.
    ///
    /// # Errors
    /// It is to begin later, or there is no price to begin from.
    pub fn followed(&self, order: Order, last: Option<Decimal>) -> Result<Order, Refusal> {
        if order.stop_price.is_some() {
            let why = "this venue holds no trailing stops, and the executor follows one from the start only: leave stop_price out";
            return Err(Refusal::new(Code::VenueRejected, why));
        }
        let tick = self.state.rules.get(&order.symbol).map(|rules| rules.tick);
        let (Some(tick), Some(last), Some(trail)) = (tick, last, order.trail) else {
            return Err(Refusal::new(
                Code::NotReady,
                "the last price is not known, and a trailing stop begins from it",
            ));
        };
        Ok(Order { kind: Kind::StopLoss, stop_price: Some(level(order.side, trail, last, tick)), ..order })
    }

    /// Moves a trailing stop after the price: never away from it.
    fn trail(&mut self, order_id: Uuid, price: Decimal) {
        if self.state.replacing.contains_key(&order_id) || self.state.cancelling.contains(&order_id) {
            return;
        }
        let Some(Tracked { order, status: Status::Open | Status::PartiallyFilled, .. }) =
            self.state.orders.get(&order_id)
        else {
            return;
        };
        let at = moves_at(order);
        let moves = if order.side == Side::Sell { price >= at } else { price <= at };
        let Some(tick) = self.state.rules.get(&order.symbol).map(|rules| rules.tick).filter(|_| moves) else { return };
        let level = level(order.side, order.trail.unwrap_or_default(), price, tick);
        let next = follow_up(order, Kind::StopLoss, Some(level));
        let asked = self.asked_of(order_id);
        // It belongs to no moment: however late, a stop that was taken back is put up again.
        self.record(Fact::Replacing { old: order_id, order: next, asked, expires_at_ms: i64::MAX, last: Some(price) });
        self.take_back_if_working(order_id);
    }

    /// The venue refused a trailing stop: at market if the price is past it already.
    pub fn trail_refused(&mut self, order_id: Uuid, failure: Failure) {
        let Some(order) = self.state.orders.get(&order_id).map(|tracked| &tracked.order) else { return };
        if order.trail.is_none() || order.kind != Kind::StopLoss || self.waiting.contains_key(&order_id) {
            return;
        }
        match failure {
            Failure::WouldTrigger => self.put_up_again(order_id, Kind::Market),
            Failure::NotSent => {}
            _ => {
                tracing::error!(account = %self.state.account, order = %order_id, "UNPROTECTED: the venue refused a trailing stop's next level")
            }
        }
    }

    /// What takes a moved stop's place never reached the venue, and the stop is gone: it is placed again, unless the one who asked
    /// for the move waits and is told.
    pub fn went_adrift(&mut self, order_id: Uuid) {
        if !self.state.adrift.contains(&order_id) {
            return;
        }
        if self.waiting.contains_key(&order_id) {
            self.give_up_adrift(order_id);
            return;
        }
        tracing::error!(account = %self.state.account, order = %order_id, "a moved trailing stop never reached the venue; placing it again");
        self.wake_in(RETRY, Wake::Trail { order_id });
    }

    /// Places it again under the id that follows from its own, once.
    pub fn place_adrift(&mut self, order_id: Uuid) {
        if self.state.adrift.contains(&order_id)
            && let Some(kind) = self.state.orders.get(&order_id).map(|tracked| tracked.order.kind)
        {
            self.put_up_again(order_id, kind);
        }
    }

    pub fn give_up_adrift(&mut self, order_id: Uuid) {
        let Some(order) = self.state.orders.get(&order_id).map(|tracked| &tracked.order) else { return };
        let (order, asked) = (follow_up(order, order.kind, order.stop_price), self.asked_of(order_id));
        self.record(Fact::Moved { old: order_id, new: order.id });
        self.record(Fact::Refused { order, asked, message: "given up before it could be placed again".into() });
    }

    fn put_up_again(&mut self, order_id: Uuid, kind: Kind) {
        let Some(order) = self.state.orders.get(&order_id).map(|tracked| &tracked.order) else { return };
        let next = follow_up(order, kind, order.stop_price.filter(|_| kind == Kind::StopLoss));
        let Some(rules) = self.state.rules.get(&next.symbol) else { return };
        match guards::approve_exit(Order { trail: None, ..next.clone() }, rules) {
            Ok(approved) => {
                let asked = self.asked_of(order_id);
                self.record(Fact::Moved { old: order_id, new: next.id });
                self.record(Fact::Placed { order: next, asked });
                self.send_order(approved);
            }
            // An entry that trailed the price is late now, and nobody is hurt.
            Err(refusal) => {
                tracing::warn!(account = %self.state.account, order = %order_id, %refusal, "a trailing stop is gone");
                self.give_up_adrift(order_id);
            }
        }
    }

    fn asked_of(&self, order_id: Uuid) -> Asked {
        let asked = self.state.kept.get(&order_id).map(|kept| kept.asked.clone()).unwrap_or_default();
        Asked { reason: Some("a trailing stop follows the price".into()), ..asked }
    }
}

fn is_reached(entry: &Order, price: Decimal) -> bool {
    match (entry.side, entry.take_profit) {
        (Side::Buy, Some(target)) => price >= target,
        (Side::Sell, Some(target)) => price <= target,
        (_, None) => false,
    }
}

/// The next order in a trailing stop's life.
fn follow_up(order: &Order, kind: Kind, stop_price: Option<Decimal>) -> Order {
    let id = ids::trailing_next(order.id);
    let trail = order.trail.filter(|_| kind == Kind::StopLoss);
    Order { id, client_order_id: ids::client_order_id(id), kind, stop_price, trail, ..order.clone() }
}

/// Where a trailing stop rests when the price is at its best at `price`, rounded to the tick away from it.
pub fn level(side: Side, trail: Decimal, price: Decimal, tick: Decimal) -> Decimal {
    let (exact, rounding) = match side {
        Side::Sell => (price * (Decimal::ONE - trail), RoundingStrategy::ToNegativeInfinity),
        Side::Buy => (price * (Decimal::ONE + trail), RoundingStrategy::ToPositiveInfinity),
    };
    if tick.is_zero() { exact } else { (exact / tick).round_dp_with_strategy(0, rounding) * tick }
}

/// The price at which a resting trailing stop is worth moving.
fn moves_at(order: &Order) -> Decimal {
    let distance = order.trail.unwrap_or_default() * (Decimal::ONE + STEP);
    let stop = order.stop_price.unwrap_or_default();
    match order.side {
        Side::Sell => stop / (Decimal::ONE - distance),
        Side::Buy => stop / (Decimal::ONE + distance),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_lies_at_its_distance_and_never_nearer() {
        let decimal = |text: &str| text.parse::<Decimal>().unwrap();
        assert_eq!(level(Side::Sell, decimal("0.01"), decimal("50001"), decimal("0.1")), decimal("49500.9"));
        assert_eq!(level(Side::Buy, decimal("0.01"), decimal("50001"), decimal("0.1")), decimal("50501.1"));
        assert_eq!(level(Side::Buy, decimal("0.01"), decimal("50000"), decimal("0.1")), decimal("50500"));
    }

    #[test]
    fn a_band_is_left_at_its_edges() {
        let mut band = Band::default();
        assert!(!band.is_left_at(Decimal::ONE));
        band.up_to(Decimal::from(12));
        band.up_to(Decimal::from(11));
        band.down_to(Decimal::from(8));
        band.down_to(Decimal::from(9));
        let left: Vec<i64> = (7..14).filter(|price| band.is_left_at(Decimal::from(*price))).collect();
        assert_eq!(left, [7, 8, 9, 11, 12, 13]);
    }
}
