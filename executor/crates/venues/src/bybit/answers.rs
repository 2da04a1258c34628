//! Bybit's JSON, as far as it is used: over REST and over the stream alike.

use orders::reconcile::{VenueOrder, VenuePosition, VenueTrade};
use orders::{Fill, Kind, Market, Side, Status, TimeInForce};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::requests::kind_of_triggered;
use crate::fields::{maybe, or_zero};
use crate::{Balance, Report, VenueError};

fn unreadable(what: &str, text: &str) -> VenueError {
    VenueError::Lost(format!("the venue's answer has an unknown {what}: {text:?}"))
}

fn side(text: &str) -> Result<Side, VenueError> {
    match text {
        "Buy" => Ok(Side::Buy),
        "Sell" => Ok(Side::Sell),
        _ => Err(unreadable("side", text)),
    }
}

fn status(text: &str) -> Result<Status, VenueError> {
    match text {
        "New" | "Created" | "Untriggered" | "Triggered" | "Active" => Ok(Status::Open),
        "PartiallyFilled" => Ok(Status::PartiallyFilled),
        "Filled" => Ok(Status::Filled),
        // `Deactivated`: cancelled before its trigger.
        "Cancelled" | "PartiallyFilledCanceled" | "Deactivated" => Ok(Status::Cancelled),
        "Rejected" => Ok(Status::Rejected),
        _ => Err(unreadable("order status", text)),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderBody {
    /// Only the stream says it: its topics bring all books.
    #[serde(default)]
    pub category: String,
    symbol: String,
    order_id: String,
    #[serde(default)]
    order_link_id: String,
    side: String,
    order_type: String,
    order_status: String,
    #[serde(default)]
    time_in_force: String,
    #[serde(default, deserialize_with = "maybe")]
    price: Option<Decimal>,
    qty: Decimal,
    #[serde(default, deserialize_with = "or_zero")]
    cum_exec_qty: Decimal,
    #[serde(default, deserialize_with = "maybe")]
    trigger_price: Option<Decimal>,
    #[serde(default)]
    trigger_direction: u8,
    #[serde(default)]
    reduce_only: bool,
    #[serde(default)]
    reject_reason: String,
    #[serde(default, deserialize_with = "or_zero")]
    created_time: i64,
}

impl OrderBody {
    pub fn into_order(self) -> Result<VenueOrder, VenueError> {
        let side = side(&self.side)?;
        let is_market = self.order_type == "Market";
        let trigger = self.trigger_price.filter(|price| !price.is_zero());
        let kind = match (trigger, self.order_type.as_str()) {
            (Some(_), "Market" | "Limit") => kind_of_triggered(self.trigger_direction, side, is_market),
            (None, "Market") => Kind::Market,
            (None, "Limit") => Kind::Limit,
            (_, other) => return Err(unreadable("order type", other)),
        };
        Ok(VenueOrder {
            client_order_id: self.order_link_id,
            external_id: self.order_id,
            symbol: self.symbol,
            side,
            kind,
            quantity: self.qty,
            // A market order's price is the limit that Bybit sets to its slippage.
            price: self.price.filter(|price| !is_market && !price.is_zero()),
            stop_price: trigger,
            trail: None,
            reduce_only: self.reduce_only,
            time_in_force: match self.time_in_force.as_str() {
                "GTC" => Some(TimeInForce::Gtc),
                "IOC" if !is_market => Some(TimeInForce::Ioc),
                "FOK" => Some(TimeInForce::Fok),
                _ => None,
            },
            post_only: self.time_in_force == "PostOnly",
            status: status(&self.order_status)?,
            executed: self.cum_exec_qty,
            time_ms: self.created_time,
        })
    }

    pub fn into_report(self) -> Result<Report, VenueError> {
        let message = if self.reject_reason == "EC_NoError" { String::new() } else { self.reject_reason.clone() };
        Ok(Report { order: self.into_order()?, fill: None, message })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionBody {
    #[serde(default)]
    pub category: String,
    symbol: String,
    order_id: String,
    #[serde(default)]
    order_link_id: String,
    side: String,
    #[serde(default)]
    order_type: String,
    #[serde(default, deserialize_with = "or_zero")]
    order_qty: Decimal,
    #[serde(default, deserialize_with = "maybe")]
    order_price: Option<Decimal>,
    exec_id: String,
    exec_price: Decimal,
    exec_qty: Decimal,
    #[serde(default, deserialize_with = "or_zero")]
    exec_fee: Decimal,
    #[serde(default)]
    fee_currency: String,
    #[serde(default)]
    exec_type: String,
    #[serde(default)]
    is_maker: bool,
    #[serde(deserialize_with = "or_zero")]
    exec_time: i64,
}

impl ExecutionBody {
    /// Funding and settlement are listed among the trades and move no order.
    pub fn is_trade(&self) -> bool {
        !matches!(self.exec_type.as_str(), "Funding" | "Settle" | "SessionSettlePnL" | "Delivery")
    }

    fn fill(&self, market: Market) -> Fill {
        Fill {
            trade_id: self.exec_id.clone(),
            quantity: self.exec_qty,
            price: self.exec_price,
            fee: self.exec_fee,
            fee_asset: match market {
                // A linear swap settles in its quote coin, and takes its fee there.
                Market::Swap if self.fee_currency.is_empty() => settle_coin(&self.symbol).to_owned(),
                Market::Swap | Market::Spot => self.fee_currency.clone(),
            },
            is_maker: self.is_maker,
            time_ms: self.exec_time,
        }
    }

    pub fn into_trade(self, market: Market) -> VenueTrade {
        VenueTrade { fill: self.fill(market), external_id: self.order_id, symbol: self.symbol }
    }

    /// It says nothing of the order's state beyond that it trades: the order topic tells that.
    pub fn into_report(self, market: Market) -> Result<Report, VenueError> {
        let is_market = self.order_type == "Market";
        let fill = self.fill(market);
        let order = VenueOrder {
            client_order_id: self.order_link_id,
            external_id: self.order_id,
            symbol: self.symbol,
            side: side(&self.side)?,
            kind: if is_market { Kind::Market } else { Kind::Limit },
            quantity: self.order_qty,
            price: self.order_price.filter(|price| !is_market && !price.is_zero()),
            stop_price: None,
            trail: None,
            reduce_only: false,
            time_in_force: None,
            post_only: false,
            status: Status::PartiallyFilled,
            executed: self.exec_qty,
            time_ms: self.exec_time,
        };
        Ok(Report { order, fill: Some(fill), message: String::new() })
    }
}

fn settle_coin(symbol: &str) -> &'static str {
    if symbol.ends_with("USDT") { "USDT" } else { "USDC" }
}

/// An account's coins.
#[derive(Deserialize)]
pub struct WalletBody {
    #[serde(default)]
    pub coin: Vec<CoinBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CoinBody {
    coin: String,
    #[serde(default, deserialize_with = "or_zero")]
    wallet_balance: Decimal,
    /// By open spot orders.
    #[serde(default, deserialize_with = "or_zero")]
    locked: Decimal,
    #[serde(default, rename = "totalOrderIM", deserialize_with = "or_zero")]
    order_margin: Decimal,
    #[serde(default, rename = "totalPositionIM", deserialize_with = "or_zero")]
    position_margin: Decimal,
}

impl From<CoinBody> for (String, Balance) {
    fn from(body: CoinBody) -> Self {
        let locked = body.locked + body.order_margin + body.position_margin;
        (body.coin, Balance { free: body.wallet_balance - locked, locked })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PositionBody {
    #[serde(default)]
    pub category: String,
    symbol: String,
    side: String,
    #[serde(default, deserialize_with = "or_zero")]
    size: Decimal,
    /// `entryPrice` over the stream.
    #[serde(default, alias = "entryPrice", deserialize_with = "maybe")]
    avg_price: Option<Decimal>,
}

impl From<PositionBody> for VenuePosition {
    fn from(body: PositionBody) -> Self {
        let quantity = if body.side == "Sell" { -body.size } else { body.size };
        Self {
            symbol: body.symbol,
            quantity,
            entry_price: body.avg_price.filter(|price| !price.is_zero() && !quantity.is_zero()),
        }
    }
}
