//! Binance's words for ours, both ways: what its spot and futures books have in common.

use orders::{Side, Status, TimeInForce};
use rust_decimal::Decimal;

use crate::VenueError;

pub fn unreadable(what: &str) -> VenueError {
    VenueError::Lost(format!("the venue's answer has an unknown {what}"))
}

pub fn side(text: &str) -> Result<Side, VenueError> {
    match text {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => Err(unreadable("side")),
    }
}

pub fn side_word(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

pub fn status(text: &str) -> Result<Status, VenueError> {
    match text {
        "NEW" | "PENDING_NEW" | "PENDING_CANCEL" | "NEW_INSURANCE" | "NEW_ADL" => Ok(Status::Open),
        "PARTIALLY_FILLED" => Ok(Status::PartiallyFilled),
        "FILLED" => Ok(Status::Filled),
        "CANCELED" => Ok(Status::Cancelled),
        "REJECTED" => Ok(Status::Rejected),
        "EXPIRED" | "EXPIRED_IN_MATCH" => Ok(Status::Expired),
        _ => Err(unreadable("order status")),
    }
}

pub fn time_in_force(text: &str) -> Option<TimeInForce> {
    match text {
        "GTC" => Some(TimeInForce::Gtc),
        "IOC" => Some(TimeInForce::Ioc),
        "FOK" => Some(TimeInForce::Fok),
        _ => None,
    }
}

pub fn time_in_force_word(time_in_force: Option<TimeInForce>) -> &'static str {
    match time_in_force.unwrap_or(TimeInForce::Gtc) {
        TimeInForce::Gtc => "GTC",
        TimeInForce::Ioc => "IOC",
        TimeInForce::Fok => "FOK",
    }
}

/// Binance writes 0 where there is no price.
pub fn above_zero(value: Option<Decimal>) -> Option<Decimal> {
    value.filter(|value| !value.is_zero())
}
