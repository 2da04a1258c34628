//! The venue's calls, in Binance's words.

use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::Method;
use orders::reconcile::{Seen, VenueOrder, VenuePosition, VenueTrade};
use orders::{Approved, Market, Oco, Order, SymbolRules};
use rust_decimal::Decimal;
use serde::Deserialize;
use tokio::sync::mpsc::UnboundedReceiver;

use super::sign::Params;
use super::wire::{AccountBody, CancelBody, ExchangeInfoBody, OcoBody, OrderBody, TradeBody, oco_params, order_params};
use super::{Account, Binance};
use crate::{Balance, Holds, PriceSink, Reason, Receipt, Reply, Running, Sink, Venue, VenueError};

const TRADES_A_PAGE: usize = 1000;

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TimeBody {
    server_time: i64,
}

#[derive(Deserialize)]
struct PriceBody {
    price: Decimal,
}

impl Account {
    /// The venue's clock, as last measured.
    pub fn venue_ms(&self) -> i64 {
        now_ms() + self.clock_offset.load(Ordering::Relaxed)
    }

    pub async fn measure(&self) -> Result<(), VenueError> {
        let before = now_ms();
        let body: TimeBody = self.public("/api/v3/time", &Params::default()).await?;
        let offset = body.server_time - (before + now_ms()) / 2;
        self.clock_offset.store(offset, Ordering::Relaxed);
        if offset.abs() > 1000 {
            tracing::warn!(
                offset_ms = offset,
                "the venue's clock differs from ours; requests are stamped with the venue's"
            );
        }
        Ok(())
    }

    async fn trades(&self, symbol: &str, filter: (&'static str, &str)) -> Result<Vec<TradeBody>, VenueError> {
        self.signed(Method::GET, "/api/v3/myTrades", || {
            let mut params = Params::default();
            params.add("symbol", symbol).add(filter.0, filter.1).add("limit", TRADES_A_PAGE.to_string());
            params
        })
        .await
    }

    async fn one_order(&self, symbol: &str, name: &'static str, id: &str) -> Result<VenueOrder, VenueError> {
        let body: OrderBody = self.signed(Method::GET, "/api/v3/order", || by_id(symbol, name, id)).await?;
        body.into_order()
    }
}

fn by_id(symbol: &str, name: &'static str, id: &str) -> Params {
    let mut params = Params::default();
    params.add("symbol", symbol).add(name, id);
    params
}

fn symbol_param(symbol: &str) -> Params {
    let mut params = Params::default();
    params.add("symbol", symbol);
    params
}

impl Venue for Binance {
    fn market(&self) -> Market {
        Market::Spot
    }

    fn holds(&self) -> Holds {
        Holds { oco: true, trailing: true }
    }

    fn place<'a>(&'a self, order: &'a Approved<Order>) -> Reply<'a, Receipt> {
        Box::pin(async move {
            let body: OrderBody = self.0.signed(Method::POST, "/api/v3/order", || order_params(order.get())).await?;
            body.into_receipt()
        })
    }

    fn place_oco<'a>(&'a self, oco: &'a Approved<Oco>) -> Reply<'a, Vec<Receipt>> {
        Box::pin(async move {
            let body: OcoBody = self.0.signed(Method::POST, "/api/v3/orderList/oco", || oco_params(oco.get())).await?;
            body.order_reports.into_iter().map(OrderBody::into_receipt).collect()
        })
    }

    fn cancel<'a>(&'a self, symbol: &'a str, client_order_id: &'a str) -> Reply<'a, Vec<VenueOrder>> {
        Box::pin(async move {
            let params = || by_id(symbol, "origClientOrderId", client_order_id);
            match self.0.signed(Method::DELETE, "/api/v3/order", params).await? {
                CancelBody::One(order) => Ok(vec![order.into_order()?]),
                CancelBody::List { reports } => reports.into_iter().map(OrderBody::into_order).collect(),
            }
        })
    }

    fn query<'a>(&'a self, symbol: &'a str, client_order_id: &'a str) -> Reply<'a, VenueOrder> {
        Box::pin(self.0.one_order(symbol, "origClientOrderId", client_order_id))
    }

    fn query_external<'a>(&'a self, symbol: &'a str, external_id: &'a str) -> Reply<'a, VenueOrder> {
        Box::pin(self.0.one_order(symbol, "orderId", external_id))
    }

    fn open_orders(&self) -> Reply<'_, Vec<VenueOrder>> {
        Box::pin(async move {
            let bodies: Vec<OrderBody> = self.0.signed(Method::GET, "/api/v3/openOrders", Params::default).await?;
            bodies.into_iter().map(OrderBody::into_order).collect()
        })
    }

    fn trades_since<'a>(&'a self, symbol: &'a str, seen: Seen) -> Reply<'a, Vec<VenueTrade>> {
        Box::pin(async move {
            let mut trades: Vec<VenueTrade> = Vec::new();
            let mut from = seen.trade_id.map_or(0, |last| last + 1);
            loop {
                let page = self.0.trades(symbol, ("fromId", &from.to_string())).await?;
                let (count, last) = (page.len(), page.last().map(|trade| trade.id));
                trades.extend(page.into_iter().map(VenueTrade::from));
                match last {
                    Some(last) if count == TRADES_A_PAGE => from = last + 1,
                    _ => return Ok(trades),
                }
            }
        })
    }

    fn order_trades<'a>(&'a self, symbol: &'a str, external_id: &'a str) -> Reply<'a, Vec<VenueTrade>> {
        Box::pin(async move {
            let page = self.0.trades(symbol, ("orderId", external_id)).await?;
            Ok(page.into_iter().map(VenueTrade::from).collect())
        })
    }

    fn balances(&self) -> Reply<'_, Vec<(String, Balance)>> {
        Box::pin(async move {
            let body: AccountBody = self.0.signed(Method::GET, "/api/v3/account", Params::default).await?;
            Ok(body.balances.into_iter().map(Into::into).collect())
        })
    }

    fn positions(&self) -> Reply<'_, Vec<VenuePosition>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn rules<'a>(&'a self, symbol: &'a str) -> Reply<'a, SymbolRules> {
        Box::pin(async move {
            let body: ExchangeInfoBody = self.0.public("/api/v3/exchangeInfo", &symbol_param(symbol)).await?;
            self.0.budget.learn(&body.rate_limits);
            let found = body.symbols.into_iter().find(|body| body.symbol == symbol);
            found.map(SymbolRules::from).ok_or_else(|| VenueError::Refused {
                reason: Reason::UnknownSymbol,
                code: -1121,
                message: "Invalid symbol.".into(),
            })
        })
    }

    fn last_price<'a>(&'a self, symbol: &'a str) -> Reply<'a, Decimal> {
        Box::pin(async move {
            let body: PriceBody = self.0.public("/api/v3/ticker/price", &symbol_param(symbol)).await?;
            Ok(body.price)
        })
    }

    fn measure_clock(&self) -> Reply<'_, ()> {
        Box::pin(self.0.measure())
    }

    fn entries_throttled(&self) -> Option<String> {
        self.0.budget.entries_throttled()
    }

    fn user_stream(&self, sink: Sink, pings: UnboundedReceiver<u64>) -> Running {
        Box::pin(super::stream::run(self.0.clone(), sink, pings))
    }

    fn price_stream(&self, sink: PriceSink, wanted: UnboundedReceiver<String>) -> Running {
        Box::pin(super::prices::run(self.0.clone(), sink, wanted))
    }
}
