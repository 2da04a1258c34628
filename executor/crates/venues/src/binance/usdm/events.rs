//! The events of the user stream.

use orders::Fill;
use orders::reconcile::VenueOrder;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::answers::{algo_status, external_id, position};
use super::orders::kind;
use crate::binance::words::{above_zero, side, status, time_in_force};
use crate::{Balance, Report, StreamEvent, VenueError};

/// `ORDER_TRADE_UPDATE`; its one-letter names are Binance's.
#[derive(Deserialize)]
pub struct OrderUpdate {
    s: String,
    c: String,
    #[serde(rename = "S")]
    side: String,
    f: String,
    q: Decimal,
    p: Decimal,
    sp: Decimal,
    x: String,
    #[serde(rename = "X")]
    status: String,
    i: u64,
    l: Decimal,
    z: Decimal,
    #[serde(rename = "L")]
    last_price: Decimal,
    n: Option<Decimal>,
    #[serde(rename = "N")]
    fee_asset: Option<String>,
    #[serde(rename = "T")]
    time: i64,
    t: u64,
    m: bool,
    #[serde(rename = "R")]
    reduce_only: bool,
    ot: String,
}

impl OrderUpdate {
    pub fn into_report(self) -> Result<Report, VenueError> {
        // CALCULATED: a liquidation's trade.
        let traded = matches!(self.x.as_str(), "TRADE" | "CALCULATED") && !self.l.is_zero();
        let fill = traded.then(|| Fill {
            trade_id: self.t.to_string(),
            quantity: self.l,
            price: self.last_price,
            fee: self.n.unwrap_or_default(),
            fee_asset: self.fee_asset.unwrap_or_default(),
            is_maker: self.m,
            time_ms: self.time,
        });
        Ok(Report {
            order: VenueOrder {
                client_order_id: self.c,
                external_id: self.i.to_string(),
                symbol: self.s,
                side: side(&self.side)?,
                kind: kind(&self.ot)?,
                quantity: self.q,
                price: above_zero(Some(self.p)),
                stop_price: above_zero(Some(self.sp)),
                trail: None,
                reduce_only: self.reduce_only,
                time_in_force: time_in_force(&self.f),
                post_only: self.f == "GTX",
                status: status(&self.status)?,
                executed: self.z,
                time_ms: self.time,
            },
            fill,
            message: String::new(),
        })
    }
}

/// `ALGO_UPDATE`.
#[derive(Deserialize)]
pub struct AlgoUpdate {
    caid: String,
    aid: u64,
    o: String,
    s: String,
    #[serde(rename = "S")]
    side: String,
    f: String,
    q: Decimal,
    #[serde(rename = "X")]
    status: String,
    tp: Option<Decimal>,
    p: Option<Decimal>,
    #[serde(rename = "AP")]
    activation: Option<Decimal>,
    cr: Option<Decimal>,
    #[serde(rename = "R")]
    reduce_only: bool,
    #[serde(default)]
    rm: String,
}

impl AlgoUpdate {
    /// Nothing once it has triggered: from then on the order that it has become is told of.
    pub fn into_report(self, time_ms: i64) -> Result<Option<Report>, VenueError> {
        if matches!(self.status.as_str(), "TRIGGERING" | "TRIGGERED" | "FINISHED") {
            return Ok(None);
        }
        Ok(Some(Report {
            order: VenueOrder {
                client_order_id: self.caid,
                external_id: external_id(self.aid),
                symbol: self.s,
                side: side(&self.side)?,
                kind: kind(&self.o)?,
                quantity: self.q,
                price: above_zero(self.p),
                stop_price: above_zero(self.tp).or(above_zero(self.activation)),
                trail: above_zero(self.cr).map(|percent| percent / Decimal::ONE_HUNDRED),
                reduce_only: self.reduce_only,
                time_in_force: time_in_force(&self.f),
                post_only: false,
                status: algo_status(&self.status)?,
                executed: Decimal::ZERO,
                time_ms,
            },
            fill: None,
            message: self.rm,
        }))
    }
}

/// `ACCOUNT_UPDATE`: what changed of the wallet and of the positions.
#[derive(Deserialize)]
pub struct AccountUpdate {
    #[serde(rename = "B", default)]
    balances: Vec<WalletUpdate>,
    #[serde(rename = "P", default)]
    positions: Vec<PositionUpdate>,
}

#[derive(Deserialize)]
struct WalletUpdate {
    a: String,
    wb: Decimal,
}

#[derive(Deserialize)]
struct PositionUpdate {
    s: String,
    pa: Decimal,
    ep: Decimal,
}

impl AccountUpdate {
    pub fn into_events(self) -> Vec<StreamEvent> {
        let wallet = |update: WalletUpdate| (update.a, Balance { free: update.wb, locked: Decimal::ZERO });
        let held = |update: PositionUpdate| position(update.s, update.pa, update.ep);
        let mut events = Vec::new();
        if !self.balances.is_empty() {
            events.push(StreamEvent::Balances(self.balances.into_iter().map(wallet).collect()));
        }
        if !self.positions.is_empty() {
            events.push(StreamEvent::Positions(self.positions.into_iter().map(held).collect()));
        }
        events
    }
}
