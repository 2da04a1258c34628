//! OKX's JSON, as far as it is used: over REST and over the streams alike.

use orders::reconcile::{VenueOrder, VenuePosition};
use orders::{Fill, Kind, Side, Status, TimeInForce};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::ids;
use crate::fields::{maybe, or_zero};
use crate::{Balance, VenueError};

fn unreadable(what: &str, text: &str) -> VenueError {
    VenueError::Lost(format!("the venue's answer has an unknown {what}: {text:?}"))
}

fn side(text: &str) -> Result<Side, VenueError> {
    match text {
        "buy" => Ok(Side::Buy),
        "sell" => Ok(Side::Sell),
        _ => Err(unreadable("side", text)),
    }
}

/// A plain order, or one that an algo order has placed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderBody {
    pub inst_id: String,
    pub ord_id: String,
    #[serde(default)]
    cl_ord_id: String,
    /// Of the algo order that has placed it.
    #[serde(default)]
    pub algo_id: String,
    #[serde(default)]
    algo_cl_ord_id: String,
    side: String,
    ord_type: String,
    state: String,
    #[serde(default, deserialize_with = "maybe")]
    px: Option<Decimal>,
    #[serde(deserialize_with = "or_zero")]
    sz: Decimal,
    /// `quote_ccy`: `sz` is an amount of money.
    #[serde(default)]
    tgt_ccy: String,
    #[serde(default, deserialize_with = "or_zero")]
    acc_fill_sz: Decimal,
    #[serde(default)]
    reduce_only: String,
    #[serde(default, deserialize_with = "or_zero")]
    c_time: i64,
    #[serde(default)]
    pub msg: String,
    /// The last fill, over the stream.
    #[serde(default)]
    trade_id: String,
    #[serde(default, deserialize_with = "or_zero")]
    fill_sz: Decimal,
    #[serde(default, deserialize_with = "or_zero")]
    fill_px: Decimal,
    #[serde(default, deserialize_with = "or_zero")]
    fill_fee: Decimal,
    #[serde(default)]
    fill_fee_ccy: String,
    #[serde(default)]
    exec_type: String,
    #[serde(default, deserialize_with = "or_zero")]
    fill_time: i64,
}

impl OrderBody {
    /// The fill that an event of the stream tells of.
    pub fn fill(&self, contract: Decimal) -> Option<Fill> {
        (!self.trade_id.is_empty() && !self.fill_sz.is_zero()).then(|| Fill {
            trade_id: self.trade_id.clone(),
            quantity: self.fill_sz * contract,
            price: self.fill_px,
            // What is taken is negative there.
            fee: -self.fill_fee,
            fee_asset: self.fill_fee_ccy.clone(),
            is_maker: self.exec_type == "M",
            time_ms: self.fill_time,
        })
    }

    pub fn into_order(self, contract: Decimal) -> Result<VenueOrder, VenueError> {
        let is_child = !self.algo_id.is_empty();
        let executed = self.acc_fill_sz * contract;
        Ok(VenueOrder {
            client_order_id: ids::ours(if is_child { &self.algo_cl_ord_id } else { &self.cl_ord_id }),
            external_id: if is_child { self.algo_id } else { self.ord_id },
            symbol: self.inst_id,
            side: side(&self.side)?,
            kind: match self.ord_type.as_str() {
                "market" | "optimal_limit_ioc" => Kind::Market,
                "limit" | "post_only" | "fok" | "ioc" | "mmp" | "mmp_and_post_only" => Kind::Limit,
                other => return Err(unreadable("order type", other)),
            },
            quantity: if self.tgt_ccy == "quote_ccy" { executed } else { self.sz * contract },
            price: self.px.filter(|price| !price.is_zero()),
            stop_price: None,
            trail: None,
            reduce_only: self.reduce_only == "true",
            time_in_force: match self.ord_type.as_str() {
                "limit" => Some(TimeInForce::Gtc),
                "ioc" => Some(TimeInForce::Ioc),
                "fok" => Some(TimeInForce::Fok),
                _ => None,
            },
            post_only: self.ord_type.ends_with("post_only"),
            status: match self.state.as_str() {
                "live" => Status::Open,
                "partially_filled" => Status::PartiallyFilled,
                "filled" => Status::Filled,
                "canceled" | "mmp_canceled" => Status::Cancelled,
                other => return Err(unreadable("order state", other)),
            },
            executed,
            time_ms: self.c_time,
        })
    }
}

/// An order that waits for its trigger.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlgoBody {
    pub inst_id: String,
    pub algo_id: String,
    #[serde(default)]
    algo_cl_ord_id: String,
    side: String,
    ord_type: String,
    state: String,
    #[serde(default, deserialize_with = "or_zero")]
    sz: Decimal,
    #[serde(default, deserialize_with = "maybe")]
    sl_trigger_px: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe")]
    sl_ord_px: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe")]
    tp_trigger_px: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe")]
    tp_ord_px: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe")]
    trigger_px: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe")]
    callback_ratio: Option<Decimal>,
    #[serde(default, deserialize_with = "maybe")]
    active_px: Option<Decimal>,
    #[serde(default)]
    reduce_only: String,
    #[serde(default)]
    ord_id: String,
    #[serde(default)]
    ord_id_list: Vec<String>,
    #[serde(default)]
    pub fail_code: String,
    #[serde(default, deserialize_with = "or_zero")]
    c_time: i64,
}

impl AlgoBody {
    /// The plain orders that it has placed.
    pub fn children(&self) -> Vec<String> {
        let mut children = self.ord_id_list.clone();
        if !self.ord_id.is_empty() && !children.contains(&self.ord_id) {
            children.push(self.ord_id.clone());
        }
        children.retain(|id| !id.is_empty());
        children
    }

    /// Once it has triggered, what becomes of it is its child's affair: here it stays open.
    pub fn into_order(self, contract: Decimal) -> Result<VenueOrder, VenueError> {
        let limit = |price: Option<Decimal>| price.filter(|price| price.is_sign_positive() && !price.is_zero());
        let (kind, stop_price, price) = if self.ord_type == "move_order_stop" {
            (Kind::TrailingStop, self.active_px, None)
        } else if let Some(stop) = self.sl_trigger_px {
            let price = limit(self.sl_ord_px);
            (if price.is_some() { Kind::StopLimit } else { Kind::StopLoss }, Some(stop), price)
        } else if let Some(target) = self.tp_trigger_px {
            (Kind::TakeProfit, Some(target), limit(self.tp_ord_px))
        } else {
            (Kind::StopLoss, self.trigger_px, None)
        };
        Ok(VenueOrder {
            client_order_id: ids::ours(&self.algo_cl_ord_id),
            external_id: self.algo_id,
            symbol: self.inst_id,
            side: side(&self.side)?,
            kind,
            quantity: self.sz * contract,
            price,
            stop_price: stop_price.filter(|price| !price.is_zero()),
            trail: self.callback_ratio.filter(|_| kind == Kind::TrailingStop),
            reduce_only: self.reduce_only == "true",
            time_in_force: None,
            post_only: false,
            status: match self.state.as_str() {
                "live" | "pause" | "effective" | "partially_effective" => Status::Open,
                "canceled" => Status::Cancelled,
                // It triggered, and its order was refused.
                "order_failed" | "partially_failed" => Status::Rejected,
                other => return Err(unreadable("order state", other)),
            },
            executed: Decimal::ZERO,
            time_ms: self.c_time,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FillBody {
    pub inst_id: String,
    pub ord_id: String,
    #[serde(default)]
    pub cl_ord_id: String,
    pub bill_id: String,
    trade_id: String,
    fill_px: Decimal,
    fill_sz: Decimal,
    #[serde(default, deserialize_with = "or_zero")]
    fee: Decimal,
    #[serde(default)]
    fee_ccy: String,
    #[serde(default)]
    exec_type: String,
    #[serde(deserialize_with = "or_zero")]
    ts: i64,
    #[serde(default, deserialize_with = "maybe")]
    fill_time: Option<i64>,
}

impl FillBody {
    pub fn into_fill(self, contract: Decimal) -> Fill {
        Fill {
            trade_id: self.trade_id,
            quantity: self.fill_sz * contract,
            price: self.fill_px,
            fee: -self.fee,
            fee_asset: self.fee_ccy,
            is_maker: self.exec_type == "M",
            time_ms: self.fill_time.unwrap_or(self.ts),
        }
    }
}

#[derive(Deserialize)]
pub struct AccountBody {
    #[serde(default)]
    pub details: Vec<CurrencyBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CurrencyBody {
    ccy: String,
    #[serde(default, deserialize_with = "or_zero")]
    cash_bal: Decimal,
    #[serde(default, deserialize_with = "maybe")]
    avail_bal: Option<Decimal>,
    #[serde(default, deserialize_with = "or_zero")]
    frozen_bal: Decimal,
}

impl From<CurrencyBody> for (String, Balance) {
    fn from(body: CurrencyBody) -> Self {
        let free = body.avail_bal.unwrap_or(body.cash_bal - body.frozen_bal);
        (body.ccy, Balance { free, locked: body.frozen_bal })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PositionBody {
    pub inst_id: String,
    /// Contracts; in net mode with a sign.
    #[serde(default, deserialize_with = "or_zero")]
    pos: Decimal,
    #[serde(default)]
    pos_side: String,
    #[serde(default, deserialize_with = "maybe")]
    avg_px: Option<Decimal>,
}

impl PositionBody {
    pub fn into_position(self, contract: Decimal) -> VenuePosition {
        let quantity = self.pos * contract;
        let quantity = if self.pos_side == "short" { -quantity.abs() } else { quantity };
        let entry_price = self.avg_px.filter(|price| !price.is_zero() && !quantity.is_zero());
        VenuePosition { symbol: self.inst_id, quantity, entry_price }
    }
}
