//! The last gate before the venue, checked on every order whatever was decided before. Only this file can make an [`Approved`],
//! and only an `Approved` can be sent.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::filters::SymbolRules;
use crate::order::{Kind, Oco, Order, Side};

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

/// What the account's owner allows; an absent limit is no limit.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Quote asset, one order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_order_notional: Option<Decimal>,
    /// Quote asset, of one symbol: what is held, what working buys would add, and this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_position_notional: Option<Decimal>,
    /// Working orders, protective legs not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_open_orders: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_orders_per_minute: Option<u32>,
    /// How far past the last price an order may be willing to trade, as a fraction of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_collar: Option<Decimal>,
}

impl Limits {
    /// These limits with those that `change` names replaced.
    pub fn with(&self, change: &Limits) -> Limits {
        Limits {
            max_order_notional: change.max_order_notional.or(self.max_order_notional),
            max_position_notional: change.max_position_notional.or(self.max_position_notional),
            max_open_orders: change.max_open_orders.or(self.max_open_orders),
            max_orders_per_minute: change.max_orders_per_minute.or(self.max_orders_per_minute),
            price_collar: change.price_collar.or(self.price_collar),
        }
    }

    /// Whether this order can only be judged with the venue's last price at hand.
    pub fn needs_last_price(&self, order: &Order) -> bool {
        let unpriced = order.reference_price(None).is_none();
        self.price_collar.is_some()
            || (unpriced
                && order.is_entry()
                && (self.max_order_notional.is_some() || self.max_position_notional.is_some()))
    }
}

/// The account as the guards see it, for one symbol.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Exposure {
    pub killed: bool,
    pub paused: bool,
    /// Orders are being cleared out and what is held sold.
    pub flattening: bool,
    /// Base asset held, free and locked.
    pub held: Decimal,
    /// Base asset that working sells (not the protective legs) would take.
    pub selling: Decimal,
    /// Quote value of what working buys would still add.
    pub buying_value: Decimal,
    pub open_orders: u32,
    pub orders_last_minute: u32,
    /// The symbol's last price, where it is known.
    pub last: Option<Decimal>,
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

/// Passes an order that only reduces risk: a protective stop or target, or the sale that ends a flatten. Filters alone apply.
pub fn approve_exit(order: Order, rules: &SymbolRules) -> Result<Approved<Order>, Refusal> {
    rules.check(&order, None)?;
    Ok(Approved(order))
}

/// Passes a stop and target over one quantity; filters alone apply.
pub fn approve_oco(oco: Oco, rules: &SymbolRules) -> Result<Approved<Oco>, Refusal> {
    rules.check(&oco.stop, None)?;
    rules.check(&oco.target, None)?;
    Ok(Approved(oco))
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

/// A stop must lie below the entry and a target above it, or protection would fire as soon as it is placed.
fn bracket_is_sane(order: &Order, last: Option<Decimal>) -> Result<(), Refusal> {
    if !order.wants_protection() {
        return Ok(());
    }
    if order.side == Side::Sell {
        return Err(Refusal::new(
            Code::ReduceOnly,
            "a sell on spot opens nothing that a stop_loss or take_profit could protect",
        ));
    }
    let refuse = |message: String| Err(Refusal::new(Code::FilterPrice, message));
    if let (Some(stop), Some(target)) = (order.stop_loss, order.take_profit)
        && stop >= target
    {
        return refuse(format!("stop_loss {stop} must be below take_profit {target}"));
    }
    let Some(entry) = order.reference_price(last) else { return Ok(()) };
    if let Some(stop) = order.stop_loss.filter(|stop| *stop >= entry) {
        return refuse(format!("stop_loss {stop} must be below the entry at {entry}"));
    }
    if let Some(target) = order.take_profit.filter(|target| *target <= entry) {
        return refuse(format!("take_profit {target} must be above the entry at {entry}"));
    }
    Ok(())
}

fn reduces_if_it_must(order: &Order, exposure: &Exposure) -> Result<(), Refusal> {
    let restricted = exposure.killed || exposure.paused || exposure.flattening;
    if order.side == Side::Buy {
        if order.reduce_only {
            return Err(Refusal::new(Code::ReduceOnly, "a buy on spot cannot reduce a position"));
        }
        return Ok(());
    }
    let left = exposure.held - exposure.selling;
    if (order.reduce_only || restricted) && order.quantity > left {
        return Err(Refusal::new(
            Code::ReduceOnly,
            format!("{} is more than the {left} held and not yet being sold", order.quantity),
        ));
    }
    Ok(())
}

fn collar(order: &Order, last: Option<Decimal>, limits: &Limits) -> Result<(), Refusal> {
    let (Some(collar), Some(price)) = (limits.price_collar, order.price.or(order.stop_price)) else { return Ok(()) };
    let Some(last) = last else {
        return Err(Refusal::new(Code::NotReady, "the last price is not known, and the price collar needs it"));
    };
    // A stop that sells below the market is protection, not a slip of the finger.
    let (worst, beyond) = match (order.side, order.kind) {
        (Side::Buy, _) => (last * (Decimal::ONE + collar), price > last * (Decimal::ONE + collar)),
        (Side::Sell, Kind::Limit) => (last * (Decimal::ONE - collar), price < last * (Decimal::ONE - collar)),
        (Side::Sell, _) => return Ok(()),
    };
    if beyond {
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
    let position = exposure.held * price + exposure.buying_value + notional;
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
