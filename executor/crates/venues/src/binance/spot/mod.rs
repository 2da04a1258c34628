//! Binance spot.

mod answers;
mod events;
pub mod orders;
mod stream;

use std::sync::Arc;

use ::orders::reconcile::{Seen, VenueOrder, VenuePosition, VenueTrade};
use ::orders::{Approved, Market, Oco, Order, SymbolRules};
use rust_decimal::Decimal;
use tokio::sync::mpsc::UnboundedReceiver;

use super::prices::Trades;
use super::sign::Call;
use super::{Account, order_entry};
use crate::last_prices;
use crate::params::Params;
use crate::{Balance, Health, Holds, PriceSink, Receipt, Reply, Running, Sink, Venue, VenueError, Withdrawal};
use answers::{AccountBody, CancelBody, OcoBody, OrderBody, TradeBody};

const TRADES_A_PAGE: usize = 1000;

/// An account at Binance spot; cheap to clone.
#[derive(Clone)]
pub struct Spot(pub Arc<Account>);

impl Spot {
    async fn trades(&self, symbol: &str, filter: (&'static str, &str)) -> Result<Vec<TradeBody>, VenueError> {
        let mut params = by_id(symbol, filter.0, filter.1);
        params.add("limit", TRADES_A_PAGE.to_string());
        self.0.signed(&Call::get("/api/v3/myTrades", params)).await
    }

    async fn one_order(&self, symbol: &str, name: &'static str, id: &str) -> Result<VenueOrder, VenueError> {
        let body: OrderBody = self.0.signed(&Call::get("/api/v3/order", by_id(symbol, name, id))).await?;
        body.into_order()
    }
}

fn by_id(symbol: &str, name: &'static str, id: &str) -> Params {
    let mut params = Params::default();
    params.add("symbol", symbol).add(name, id);
    params
}

impl Venue for Spot {
    fn market(&self) -> Market {
        Market::Spot
    }

    fn holds(&self) -> Holds {
        Holds { oco: true, trailing: true }
    }

    fn place<'a>(&'a self, order: &'a Approved<Order>) -> Reply<'a, Receipt> {
        Box::pin(async move {
            let entered = self.0.entered::<OrderBody>(&orders::place(order.get())).await?;
            entered.body.into_receipt(entered.written)
        })
    }

    fn place_oco<'a>(&'a self, oco: &'a Approved<Oco>) -> Reply<'a, Vec<Receipt>> {
        Box::pin(async move {
            let entered = self.0.entered::<OcoBody>(&orders::place_oco(oco.get())).await?;
            let reports = entered.body.order_reports.into_iter();
            reports.map(|report| report.into_receipt(entered.written)).collect()
        })
    }

    fn cancel<'a>(&'a self, symbol: &'a str, client_order_id: &'a str) -> Reply<'a, Withdrawal> {
        Box::pin(async move {
            let entered = self.0.entered(&orders::cancel(symbol, client_order_id)).await?;
            let orders = match entered.body {
                CancelBody::One(order) => vec![order.into_order()?],
                CancelBody::List { reports } => {
                    reports.into_iter().map(OrderBody::into_order).collect::<Result<_, _>>()?
                }
            };
            Ok(Withdrawal { orders, written: entered.written })
        })
    }

    fn query<'a>(&'a self, symbol: &'a str, client_order_id: &'a str) -> Reply<'a, VenueOrder> {
        Box::pin(self.one_order(symbol, "origClientOrderId", client_order_id))
    }

    fn query_external<'a>(&'a self, symbol: &'a str, external_id: &'a str) -> Reply<'a, VenueOrder> {
        Box::pin(self.one_order(symbol, "orderId", external_id))
    }

    fn open_orders(&self) -> Reply<'_, Vec<VenueOrder>> {
        Box::pin(async move {
            let bodies: Vec<OrderBody> = self.0.signed(&Call::get("/api/v3/openOrders", Params::default())).await?;
            bodies.into_iter().map(OrderBody::into_order).collect()
        })
    }

    fn trades_since<'a>(&'a self, symbol: &'a str, seen: Seen) -> Reply<'a, Vec<VenueTrade>> {
        Box::pin(async move {
            let mut trades: Vec<VenueTrade> = Vec::new();
            let mut from = seen.trade_id.map_or(0, |last| last + 1);
            loop {
                let page = self.trades(symbol, ("fromId", &from.to_string())).await?;
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
            let page = self.trades(symbol, ("orderId", external_id)).await?;
            Ok(page.into_iter().map(VenueTrade::from).collect())
        })
    }

    fn balances(&self) -> Reply<'_, Vec<(String, Balance)>> {
        Box::pin(async move {
            let body: AccountBody = self.0.signed(&Call::get("/api/v3/account", Params::default())).await?;
            Ok(body.balances.into_iter().map(Into::into).collect())
        })
    }

    fn positions(&self) -> Reply<'_, Vec<VenuePosition>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn rules<'a>(&'a self, symbol: &'a str) -> Reply<'a, SymbolRules> {
        Box::pin(self.0.rules(symbol))
    }

    fn last_price<'a>(&'a self, symbol: &'a str) -> Reply<'a, Decimal> {
        Box::pin(self.0.last_price(symbol))
    }

    fn measure_clock(&self) -> Reply<'_, ()> {
        Box::pin(self.0.measure())
    }

    fn entries_throttled(&self) -> Option<String> {
        self.0.budget.entries_throttled()
    }

    fn health(&self) -> Health {
        Health { clock_offset_ms: Some(self.0.clock.offset_ms()), budgets: self.0.budget.shares() }
    }

    fn user_stream(&self, sink: Sink, pings: UnboundedReceiver<u64>) -> Running {
        let (events, orders) = (stream::run(self.0.clone(), sink, pings), order_entry::run(self.0.clone()));
        Box::pin(async {
            tokio::select! { () = events => {} () = orders => {} }
        })
    }

    fn price_stream(&self, sink: PriceSink, wanted: UnboundedReceiver<String>) -> Running {
        Box::pin(last_prices::run(Trades::of(&self.0), sink, wanted))
    }
}
