//! What REST and the WebSocket API answer about orders, conditional orders, trades, balances and positions.

use orders::reconcile::{VenueOrder, VenuePosition, VenueTrade};
use orders::{Fill, Status};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::orders::kind;
use crate::binance::words::{above_zero, side, status, time_in_force};
use crate::{Balance, Reason, VenueError};

/// An order of the matching engine.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderBody {
    symbol: String,
    order_id: u64,
    client_order_id: String,
    price: Option<Decimal>,
    stop_price: Option<Decimal>,
    orig_qty: Decimal,
    executed_qty: Decimal,
    status: String,
    #[serde(default)]
    time_in_force: String,
    /// What it was placed as; a triggered conditional order is a MARKET or LIMIT by then.
    orig_type: String,
    side: String,
    #[serde(default)]
    reduce_only: bool,
    time: Option<i64>,
    update_time: Option<i64>,
}

impl OrderBody {
    pub fn into_order(self) -> Result<VenueOrder, VenueError> {
        Ok(VenueOrder {
            client_order_id: self.client_order_id,
            external_id: self.order_id.to_string(),
            symbol: self.symbol,
            side: side(&self.side)?,
            kind: kind(&self.orig_type)?,
            quantity: self.orig_qty,
            price: above_zero(self.price),
            stop_price: above_zero(self.stop_price),
            trail: None,
            reduce_only: self.reduce_only,
            time_in_force: time_in_force(&self.time_in_force),
            post_only: self.time_in_force == "GTX",
            status: status(&self.status)?,
            executed: self.executed_qty,
            time_ms: self.time.or(self.update_time).unwrap_or_default(),
        })
    }
}

/// A conditional order.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlgoBody {
    algo_id: u64,
    client_algo_id: String,
    order_type: String,
    pub symbol: String,
    side: String,
    #[serde(default)]
    time_in_force: String,
    quantity: Decimal,
    algo_status: String,
    /// The order that it has become; empty until then.
    #[serde(default)]
    actual_order_id: Option<String>,
    trigger_price: Option<Decimal>,
    price: Option<Decimal>,
    activate_price: Option<Decimal>,
    /// In per cent.
    callback_rate: Option<Decimal>,
    #[serde(default)]
    reduce_only: bool,
    create_time: i64,
}

impl AlgoBody {
    /// The order of the matching engine that it has become.
    pub fn became(&self) -> Option<&str> {
        self.actual_order_id.as_deref().filter(|id| !id.is_empty() && *id != "0")
    }

    /// As it waits, or as it ended without becoming an order.
    pub fn into_order(self) -> Result<VenueOrder, VenueError> {
        Ok(VenueOrder {
            client_order_id: self.client_algo_id,
            external_id: external_id(self.algo_id),
            symbol: self.symbol,
            side: side(&self.side)?,
            kind: kind(&self.order_type)?,
            quantity: self.quantity,
            price: above_zero(self.price),
            stop_price: above_zero(self.trigger_price).or(above_zero(self.activate_price)),
            trail: above_zero(self.callback_rate).map(|percent| percent / Decimal::ONE_HUNDRED),
            reduce_only: self.reduce_only,
            time_in_force: time_in_force(&self.time_in_force),
            post_only: false,
            status: algo_status(&self.algo_status)?,
            executed: Decimal::ZERO,
            time_ms: self.create_time,
        })
    }
}

/// Conditional orders are numbered apart from orders.
pub fn external_id(algo_id: u64) -> String {
    format!("algo-{algo_id}")
}

pub fn algo_id(external_id: &str) -> Option<&str> {
    external_id.strip_prefix("algo-")
}

/// Where it has become an order, that order's status counts; this one is of the time before.
pub fn algo_status(text: &str) -> Result<Status, VenueError> {
    match text {
        "TRIGGERING" | "TRIGGERED" | "FINISHED" => Ok(Status::Open),
        // It was taken, and refused when it triggered: it is over, and nothing of it traded.
        "REJECTED" => Ok(Status::Expired),
        other => status(other),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TradeBody {
    symbol: String,
    pub id: u64,
    order_id: u64,
    price: Decimal,
    qty: Decimal,
    commission: Decimal,
    commission_asset: String,
    time: i64,
    maker: bool,
}

impl From<TradeBody> for VenueTrade {
    fn from(trade: TradeBody) -> Self {
        Self {
            external_id: trade.order_id.to_string(),
            symbol: trade.symbol,
            fill: Fill {
                trade_id: trade.id.to_string(),
                quantity: trade.qty,
                price: trade.price,
                fee: trade.commission,
                fee_asset: trade.commission_asset,
                is_maker: trade.maker,
                time_ms: trade.time,
            },
        }
    }
}

#[derive(Deserialize)]
pub struct BalanceBody {
    asset: String,
    balance: Decimal,
}

impl From<BalanceBody> for (String, Balance) {
    /// The wallet, margin in use included: the user stream tells no more.
    fn from(body: BalanceBody) -> Self {
        (body.asset, Balance { free: body.balance, locked: Decimal::ZERO })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PositionBody {
    symbol: String,
    position_side: String,
    position_amt: Decimal,
    entry_price: Decimal,
}

impl PositionBody {
    pub fn into_position(self) -> Result<Option<VenuePosition>, VenueError> {
        match self.position_side.as_str() {
            "BOTH" => Ok(Some(position(self.symbol, self.position_amt, self.entry_price))),
            _ if self.position_amt.is_zero() => Ok(None),
            _ => Err(VenueError::Refused {
                reason: Reason::Unsupported,
                code: -4061,
                message: "the account is in hedge mode: set it to one-way mode at the venue".into(),
            }),
        }
    }
}

pub fn position(symbol: String, quantity: Decimal, entry_price: Decimal) -> VenuePosition {
    VenuePosition { symbol, quantity, entry_price: above_zero(Some(entry_price)) }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenKeyBody {
    pub listen_key: String,
}
