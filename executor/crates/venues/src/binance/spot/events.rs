//! The events of the user stream.

use orders::Fill;
use orders::reconcile::VenueOrder;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::orders::{BASIS_POINTS, kind};
use crate::binance::words::{above_zero, side, status, time_in_force};
use crate::{Balance, Report, VenueError};

/// `executionReport` of the user stream; its one-letter names are Binance's.
#[derive(Deserialize)]
pub struct ReportBody {
    s: String,
    c: String,
    #[serde(rename = "C", default)]
    original_client_order_id: String,
    #[serde(rename = "S")]
    side: String,
    o: String,
    f: String,
    q: Decimal,
    p: Decimal,
    #[serde(rename = "P")]
    stop_price: Decimal,
    #[serde(rename = "d")]
    trailing_delta: Option<Decimal>,
    x: String,
    #[serde(rename = "X")]
    status: String,
    #[serde(default)]
    r: String,
    i: u64,
    l: Decimal,
    z: Decimal,
    #[serde(rename = "L")]
    last_price: Decimal,
    n: Decimal,
    #[serde(rename = "N")]
    fee_asset: Option<String>,
    #[serde(rename = "T")]
    time: i64,
    t: i64,
    m: bool,
}

impl ReportBody {
    pub fn into_report(self) -> Result<Report, VenueError> {
        let fill = (self.x == "TRADE").then(|| Fill {
            trade_id: self.t.to_string(),
            quantity: self.l,
            price: self.last_price,
            fee: self.n,
            fee_asset: self.fee_asset.unwrap_or_default(),
            is_maker: self.m,
            time_ms: self.time,
        });
        let client_order_id =
            if self.original_client_order_id.is_empty() { self.c } else { self.original_client_order_id };
        Ok(Report {
            order: VenueOrder {
                client_order_id,
                external_id: self.i.to_string(),
                symbol: self.s,
                side: side(&self.side)?,
                kind: kind(&self.o, self.trailing_delta)?,
                quantity: self.q,
                price: above_zero(Some(self.p)),
                stop_price: above_zero(Some(self.stop_price)),
                trail: above_zero(self.trailing_delta).map(|delta| delta / BASIS_POINTS),
                reduce_only: false,
                time_in_force: time_in_force(&self.f),
                post_only: self.o == "LIMIT_MAKER",
                status: status(&self.status)?,
                executed: self.z,
                time_ms: self.time,
            },
            fill,
            message: self.r,
        })
    }
}

#[derive(Deserialize)]
pub struct PositionBody {
    #[serde(rename = "B")]
    pub balances: Vec<StreamBalance>,
}

#[derive(Deserialize)]
pub struct StreamBalance {
    a: String,
    f: Decimal,
    l: Decimal,
}

impl From<StreamBalance> for (String, Balance) {
    fn from(body: StreamBalance) -> Self {
        (body.a, Balance { free: body.f, locked: body.l })
    }
}
