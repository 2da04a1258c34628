//! Binance's JSON, as far as it is used, and its words for ours.

use orders::reconcile::{VenueOrder, VenueTrade};
use orders::{Fill, Kind, Market, Order, Side, Status, SymbolRules, TimeInForce};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::sign::Params;
use crate::{Balance, Receipt, Report, VenueError};

/// `trailingDelta` is in hundredths of a per cent.
const BASIS_POINTS: Decimal = Decimal::from_parts(10_000, 0, 0, false, 0);

fn unreadable(what: &str) -> VenueError {
    VenueError::Lost(format!("the venue's answer has an unknown {what}"))
}

fn side(text: &str) -> Result<Side, VenueError> {
    match text {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => Err(unreadable("side")),
    }
}

fn kind(text: &str) -> Result<Kind, VenueError> {
    match text {
        "MARKET" => Ok(Kind::Market),
        "LIMIT" | "LIMIT_MAKER" => Ok(Kind::Limit),
        "STOP_LOSS" => Ok(Kind::StopLoss),
        "STOP_LOSS_LIMIT" => Ok(Kind::StopLimit),
        "TAKE_PROFIT" | "TAKE_PROFIT_LIMIT" => Ok(Kind::TakeProfit),
        _ => Err(unreadable("order type")),
    }
}

fn status(text: &str) -> Result<Status, VenueError> {
    match text {
        "NEW" | "PENDING_NEW" | "PENDING_CANCEL" => Ok(Status::Open),
        "PARTIALLY_FILLED" => Ok(Status::PartiallyFilled),
        "FILLED" => Ok(Status::Filled),
        "CANCELED" => Ok(Status::Cancelled),
        "REJECTED" => Ok(Status::Rejected),
        "EXPIRED" | "EXPIRED_IN_MATCH" => Ok(Status::Expired),
        _ => Err(unreadable("order status")),
    }
}

fn time_in_force(text: &str) -> Option<TimeInForce> {
    match text {
        "GTC" => Some(TimeInForce::Gtc),
        "IOC" => Some(TimeInForce::Ioc),
        "FOK" => Some(TimeInForce::Fok),
        _ => None,
    }
}

fn above_zero(value: Option<Decimal>) -> Option<Decimal> {
    value.filter(|value| !value.is_zero())
}

/// A new order's parameters.
pub fn order_params(order: &Order) -> Params {
    let mut params = Params::default();
    params.add("symbol", &order.symbol).add("side", upper_side(order.side));
    params.add("type", upper_kind(order)).add("quantity", number(order.quantity));
    if let Some(price) = order.price {
        params.add("price", number(price));
    }
    if let Some(stop_price) = order.stop_price {
        params.add("stopPrice", number(stop_price));
    }
    if let Some(trail) = order.trail {
        params.add("trailingDelta", number(trail * BASIS_POINTS));
    }
    if order.kind.needs_price() && !order.post_only {
        params.add("timeInForce", upper_time_in_force(order.time_in_force));
    }
    params.add("newClientOrderId", &order.client_order_id).add("newOrderRespType", "FULL");
    params
}

/// A stop and target: for a sale the target lies above and the stop below, for a purchase the other way round.
pub fn oco_params(oco: &orders::Oco) -> Params {
    let (stop, target) = (&oco.stop, &oco.target);
    let stop_price = number(stop.stop_price.unwrap_or_default());
    let target_price = number(target.price.unwrap_or_default());
    let mut params = Params::default();
    params.add("symbol", &stop.symbol).add("side", upper_side(stop.side)).add("quantity", number(stop.quantity));
    params.add("listClientOrderId", &oco.client_list_id);
    match stop.side {
        Side::Sell => params
            .add("aboveType", "LIMIT_MAKER")
            .add("abovePrice", target_price)
            .add("aboveClientOrderId", &target.client_order_id)
            .add("belowType", "STOP_LOSS")
            .add("belowStopPrice", stop_price)
            .add("belowClientOrderId", &stop.client_order_id),
        Side::Buy => params
            .add("aboveType", "STOP_LOSS")
            .add("aboveStopPrice", stop_price)
            .add("aboveClientOrderId", &stop.client_order_id)
            .add("belowType", "LIMIT_MAKER")
            .add("belowPrice", target_price)
            .add("belowClientOrderId", &target.client_order_id),
    };
    params.add("newOrderRespType", "FULL");
    params
}

/// A number without trailing zeros, never in scientific notation.
pub fn number(value: Decimal) -> String {
    value.normalize().to_string()
}

fn upper_side(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

fn upper_kind(order: &Order) -> &'static str {
    match order.kind {
        Kind::Market => "MARKET",
        Kind::Limit if order.post_only => "LIMIT_MAKER",
        Kind::Limit => "LIMIT",
        Kind::StopLoss => "STOP_LOSS",
        Kind::StopLimit => "STOP_LOSS_LIMIT",
        Kind::TakeProfit => "TAKE_PROFIT",
        // Binance spot's trailing stop is a stop with a delta.
        Kind::TrailingStop => "STOP_LOSS",
    }
}

fn upper_time_in_force(time_in_force: Option<TimeInForce>) -> &'static str {
    match time_in_force.unwrap_or(TimeInForce::Gtc) {
        TimeInForce::Gtc => "GTC",
        TimeInForce::Ioc => "IOC",
        TimeInForce::Fok => "FOK",
    }
}

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
            kind: kind(&self.kind)?,
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

    pub fn into_receipt(mut self) -> Result<Receipt, VenueError> {
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
        Ok(Receipt { fills: fills.collect(), order: self.into_order()? })
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExchangeInfoBody {
    #[serde(default)]
    pub rate_limits: Vec<RateLimitBody>,
    pub symbols: Vec<SymbolBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitBody {
    #[serde(rename = "rateLimitType")]
    pub kind: String,
    pub interval: String,
    pub interval_num: u32,
    pub limit: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SymbolBody {
    pub symbol: String,
    base_asset: String,
    quote_asset: String,
    filters: Vec<FilterBody>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct FilterBody {
    filter_type: String,
    tick_size: Option<Decimal>,
    min_price: Option<Decimal>,
    max_price: Option<Decimal>,
    step_size: Option<Decimal>,
    min_qty: Option<Decimal>,
    max_qty: Option<Decimal>,
    min_notional: Option<Decimal>,
}

impl From<SymbolBody> for SymbolRules {
    fn from(body: SymbolBody) -> Self {
        let filter = |names: &[&str]| body.filters.iter().find(|filter| names.contains(&filter.filter_type.as_str()));
        let or_zero = |value: Option<Decimal>| value.unwrap_or_default();
        let (price, lot) = (filter(&["PRICE_FILTER"]), filter(&["LOT_SIZE"]));
        Self {
            tick: or_zero(price.and_then(|filter| filter.tick_size)),
            min_price: or_zero(price.and_then(|filter| filter.min_price)),
            max_price: or_zero(price.and_then(|filter| filter.max_price)),
            step: or_zero(lot.and_then(|filter| filter.step_size)),
            min_quantity: or_zero(lot.and_then(|filter| filter.min_qty)),
            max_quantity: or_zero(lot.and_then(|filter| filter.max_qty)),
            market_max_quantity: or_zero(filter(&["MARKET_LOT_SIZE"]).and_then(|filter| filter.max_qty)),
            min_notional: or_zero(filter(&["NOTIONAL", "MIN_NOTIONAL"]).and_then(|filter| filter.min_notional)),
            symbol: body.symbol,
            base: body.base_asset,
            quote: body.quote_asset,
            market: Market::Spot,
        }
    }
}

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
                kind: kind(&self.o)?,
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
