//! The last gate before the venue, checked on every order whatever was decided before. Only this file can make an [`Approved`],
//! and only an `Approved` can be sent. Nowhere else can one be made:
//! ```compile_fail,E0423
//! fn send_unjudged(order: orders::Order) -> orders::Approved<orders::Order> {
//!     orders::Approved(order)
//! }
//! ```

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::exposure::Exposure;
use crate::filters::SymbolRules;
use crate::limits::Limits;
use crate::order::{Kind, Market, Oco, Order, Side};

/// Proof that the guards have passed a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Approved<T>(T);

impl<T> Approved<T> {
    pub fn get(&self) -> &T {
        &self.0
    }
}

/// Why a command was refused; the names are part of the HTTP contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    Malformed,
    BadSignature,
    UnknownKey,
    Expired,
    Oversized,
    NotReady,
    UnknownAccount,
    UnknownSymbol,
    UnknownOrder,
    Killed,
    Paused,
    MaxOrderNotional,
    MaxPositionNotional,
    MaxOpenOrders,
    OrderRate,
    PriceCollar,
    FilterPrice,
    FilterLot,
    FilterNotional,
    ReduceOnly,
    InsufficientBalance,
    VenueRejected,
}

#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{message}")]
pub struct Refusal {
    pub code: Code,
    pub message: String,
}

impl Refusal {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// Passes a commanded order, or says why not.
pub fn approve(
    order: Order,
    exposure: &Exposure,
    limits: &Limits,
    rules: &SymbolRules,
) -> Result<Approved<Order>, Refusal> {
    if order.is_entry() {
        entries_allowed(exposure)?;
    }
    rules.check(&order, exposure.last)?;
    bracket_is_sane(&order, exposure.last)?;
    reduces_if_it_must(&order, exposure)?;
    if let Some(most) = limits.max_orders_per_minute
        && order.is_entry()
        && exposure.orders_last_minute >= most
    {
        return Err(Refusal::new(Code::OrderRate, format!("{most} orders a minute are allowed, and were sent")));
    }
    if let Some(most) = limits.max_open_orders
        && order.is_entry()
        && exposure.open_orders >= most
    {
        return Err(Refusal::new(Code::MaxOpenOrders, format!("{most} open orders are allowed, and are open")));
    }
    collar(&order, exposure.last, limits)?;
    notionals(&order, exposure, limits)?;
    Ok(Approved(order))
}

/// Passes a commanded pair of which at most one fills: each as if it were alone, and the stop on the far side of the price.
pub fn approve_pair(
    oco: Oco,
    exposure: &Exposure,
    limits: &Limits,
    rules: &SymbolRules,
) -> Result<Approved<Oco>, Refusal> {
    let (Some(stop), Some(target)) = (oco.stop.stop_price, oco.target.price) else {
        return Err(Refusal::new(Code::FilterPrice, "an OCO needs a price and a stop_price"));
    };
    let wrong = match oco.target.side {
        Side::Sell => stop >= target,
        Side::Buy => stop <= target,
    };
    if wrong {
        let where_to = if oco.target.side == Side::Sell { "below" } else { "above" };
        return Err(Refusal::new(Code::FilterPrice, format!("stop_price {stop} must be {where_to} price {target}")));
    }
    approve(oco.target.clone(), exposure, limits, rules)?;
    // The stop is the target's leg; what it would open, it must be allowed to open by itself.
    approve(Order { parent: None, ..oco.stop.clone() }, exposure, limits, rules)?;
    Ok(Approved(oco))
}

/// Passes an order that only reduces risk: a protective stop or target, or the trade that ends a flatten. Filters alone apply.
pub fn approve_exit(order: Order, rules: &SymbolRules) -> Result<Approved<Order>, Refusal> {
    only_reduces(&order)?;
    rules.check(&order, None)?;
    Ok(Approved(order))
}

/// Passes a protective stop and target over one quantity; filters alone apply.
pub fn approve_oco(oco: Oco, rules: &SymbolRules) -> Result<Approved<Oco>, Refusal> {
    for leg in [&oco.stop, &oco.target] {
        only_reduces(leg)?;
        rules.check(leg, None)?;
    }
    Ok(Approved(oco))
}

fn only_reduces(order: &Order) -> Result<(), Refusal> {
    let reduces = match order.market {
        Market::Spot => order.side == Side::Sell,
        Market::Swap => order.reduce_only,
    };
    if reduces { Ok(()) } else { Err(Refusal::new(Code::ReduceOnly, "an exit that could open a position")) }
}

fn entries_allowed(exposure: &Exposure) -> Result<(), Refusal> {
    if exposure.killed {
        return Err(Refusal::new(Code::Killed, "the kill switch is set: no entries until a resume command"));
    }
    if exposure.paused {
        return Err(Refusal::new(Code::Paused, "the account is paused: no entries until a resume command"));
    }
    if exposure.flattening {
        return Err(Refusal::new(Code::Paused, "a flatten is in progress: no entries until it is done"));
    }
    Ok(())
}

/// A stop must lie on the losing side of the entry and a target on the winning one, or protection would fire as soon as it is placed.
fn bracket_is_sane(order: &Order, last: Option<Decimal>) -> Result<(), Refusal> {
    if !order.wants_protection() {
        return Ok(());
    }
    if !order.is_entry() {
        return Err(Refusal::new(
            Code::ReduceOnly,
            "an order that closes opens nothing that a stop_loss or take_profit could protect",
        ));
    }
    let refuse = |message: String| Err(Refusal::new(Code::FilterPrice, message));
    let (losing, winning) = match order.side {
        Side::Buy => ("below", "above"),
        Side::Sell => ("above", "below"),
    };
    // Whether `price` is where a loss would be, seen from `entry`.
    let loses = |price: Decimal, entry: Decimal| match order.side {
        Side::Buy => price < entry,
        Side::Sell => price > entry,
    };
    if let (Some(stop), Some(target)) = (order.stop_loss, order.take_profit)
        && !loses(stop, target)
    {
        return refuse(format!("stop_loss {stop} must be {losing} take_profit {target}"));
    }
    let Some(entry) = order.reference_price(last) else { return Ok(()) };
    if let Some(stop) = order.stop_loss.filter(|stop| !loses(*stop, entry)) {
        return refuse(format!("stop_loss {stop} must be {losing} the entry at {entry}"));
    }
    if let Some(target) = order.take_profit.filter(|target| !loses(entry, *target)) {
        return refuse(format!("take_profit {target} must be {winning} the entry at {entry}"));
    }
    Ok(())
}

fn reduces_if_it_must(order: &Order, exposure: &Exposure) -> Result<(), Refusal> {
    let refuse = |message: String| Err(Refusal::new(Code::ReduceOnly, message));
    let must = match order.market {
        Market::Spot if order.side == Side::Buy => {
            if order.reduce_only {
                return refuse("a buy on spot cannot reduce a position".into());
            }
            false
        }
        Market::Spot => order.reduce_only || exposure.killed || exposure.paused || exposure.flattening,
        Market::Swap => order.reduce_only,
    };
    if !must {
        return Ok(());
    }
    let held = match order.side {
        Side::Sell => exposure.held,
        Side::Buy => -exposure.held,
    };
    let left = held.max(Decimal::ZERO) - exposure.closing;
    if order.quantity > left {
        return refuse(format!("{} is more than the {left} held and not yet being closed", order.quantity));
    }
    Ok(())
}

fn collar(order: &Order, last: Option<Decimal>, limits: &Limits) -> Result<(), Refusal> {
    let (Some(collar), Some(price)) = (limits.price_collar, order.price.or(order.stop_price)) else { return Ok(()) };
    let Some(last) = last else {
        return Err(Refusal::new(Code::NotReady, "the last price is not known, and the price collar needs it"));
    };
    // A stop that closes beyond the market is protection, not a slip of the finger.
    if !order.is_entry() && order.kind != Kind::Limit {
        return Ok(());
    }
    let (worst, is_beyond) = match order.side {
        Side::Buy => (last * (Decimal::ONE + collar), price > last * (Decimal::ONE + collar)),
        Side::Sell => (last * (Decimal::ONE - collar), price < last * (Decimal::ONE - collar)),
    };
    if is_beyond {
        return Err(Refusal::new(
            Code::PriceCollar,
            format!("{price} is worse than {worst}, the collar around the last price {last}"),
        ));
    }
    Ok(())
}

fn notionals(order: &Order, exposure: &Exposure, limits: &Limits) -> Result<(), Refusal> {
    if !order.is_entry() || (limits.max_order_notional.is_none() && limits.max_position_notional.is_none()) {
        return Ok(());
    }
    let Some(price) = order.reference_price(exposure.last) else {
        return Err(Refusal::new(Code::NotReady, "the last price is not known, and the limits need it"));
    };
    let notional = order.quantity * price;
    if let Some(most) = limits.max_order_notional.filter(|most| notional > *most) {
        return Err(Refusal::new(
            Code::MaxOrderNotional,
            format!("the order is worth {notional}, and {most} is allowed"),
        ));
    }
    // Against a position of the other side, only what would come out beyond it counts.
    let held = match order.side {
        Side::Buy => exposure.held,
        Side::Sell => -exposure.held,
    };
    let position = held * price + exposure.opening_value + notional;
    if let Some(most) = limits.max_position_notional.filter(|most| position > *most) {
        return Err(Refusal::new(
            Code::MaxPositionNotional,
            format!("with it the position would be worth {position}, and {most} is allowed"),
        ));
    }
    Ok(())
}

#[cfg(test)]
#[path = "guards_tests.rs"]
pub(crate) mod tests;
