//! What REST and the WebSocket API answer about orders, trades and balances.

use std::time::Instant;

use orders::Fill;
use orders::reconcile::{VenueOrder, VenueTrade};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::orders::{BASIS_POINTS, kind};
use crate::binance::words::{above_zero, side, status, time_in_force};
use crate::{Balance, Receipt, VenueError};

/// An order in the answers of place, query, openOrders and cancel.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderBody {
    symbol: String,
    order_id: u64,
    client_order_id: String,
    /// Of a cancel: the order's own id; `client_order_id` is then the cancel's.
    orig_client_order_id: Option<String>,
    price: Option<Decimal>,
    stop_price: Option<Decimal>,
    trailing_delta: Option<Decimal>,
    orig_qty: Decimal,
    executed_qty: Decimal,
    status: String,
    #[serde(default)]
    time_in_force: String,
    #[serde(rename = "type")]
    kind: String,
    side: String,
    time: Option<i64>,
    transact_time: Option<i64>,
    #[serde(default)]
    fills: Vec<FillBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FillBody {
    price: Decimal,
    qty: Decimal,
    commission: Decimal,
    commission_asset: String,
    trade_id: u64,
}

impl OrderBody {
    pub fn into_order(self) -> Result<VenueOrder, VenueError> {
        Ok(VenueOrder {
            client_order_id: self.orig_client_order_id.filter(|id| !id.is_empty()).unwrap_or(self.client_order_id),
            external_id: self.order_id.to_string(),
            symbol: self.symbol,
            side: side(&self.side)?,
            kind: kind(&self.kind, self.trailing_delta)?,
            quantity: self.orig_qty,
            price: above_zero(self.price),
            stop_price: above_zero(self.stop_price),
            trail: above_zero(self.trailing_delta).map(|delta| delta / BASIS_POINTS),
            reduce_only: false,
            time_in_force: time_in_force(&self.time_in_force),
            post_only: self.kind == "LIMIT_MAKER",
            status: status(&self.status)?,
            executed: self.executed_qty,
            time_ms: self.time.or(self.transact_time).unwrap_or_default(),
        })
    }

    pub fn into_receipt(mut self, written: Option<Instant>) -> Result<Receipt, VenueError> {
        let time_ms = self.transact_time.or(self.time).unwrap_or_default();
        let fills = std::mem::take(&mut self.fills);
        let fills = fills.into_iter().map(|fill| Fill {
            trade_id: fill.trade_id.to_string(),
            quantity: fill.qty,
            price: fill.price,
            fee: fill.commission,
            fee_asset: fill.commission_asset,
            // What trades on arrival takes liquidity.
            is_maker: false,
            time_ms,
        });
        Ok(Receipt { fills: fills.collect(), order: self.into_order()?, written })
    }
}

/// The answer to a cancel: one order, or a list of which all are cancelled.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum CancelBody {
    List {
        #[serde(rename = "orderReports")]
        reports: Vec<OrderBody>,
    },
    One(Box<OrderBody>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OcoBody {
    #[serde(default)]
    pub order_reports: Vec<OrderBody>,
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
    is_maker: bool,
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
                is_maker: trade.is_maker,
                time_ms: trade.time,
            },
        }
    }
}

#[derive(Deserialize)]
pub struct AccountBody {
    pub balances: Vec<BalanceBody>,
}

#[derive(Deserialize)]
pub struct BalanceBody {
    asset: String,
    free: Decimal,
    locked: Decimal,
}

impl From<BalanceBody> for (String, Balance) {
    fn from(body: BalanceBody) -> Self {
        (body.asset, Balance { free: body.free, locked: body.locked })
    }
}
