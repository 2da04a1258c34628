//! Binance USD-M futures: linear perpetuals in one-way mode. Conditional orders live in a book of their own (`algoOrder`) until they
//! trigger; the order that they become has an id of its own and their client order id.

mod answers;
mod events;
pub mod orders;
mod stream;

use std::sync::Arc;

use ::orders::reconcile::{Seen, VenueOrder, VenuePosition, VenueTrade};
use ::orders::{Approved, Kind, Market, Oco, Order, SymbolRules};
use rust_decimal::Decimal;
use serde::de::IgnoredAny;
use tokio::sync::mpsc::UnboundedReceiver;

use super::prices::Trades;
use super::sign::Call;
use super::{Account, order_entry};
use crate::last_prices;
use crate::params::Params;
use crate::{Balance, Health, Holds, PriceSink, Reason, Receipt, Reply, Running, Sink, Venue, VenueError, Withdrawal};
use answers::{AlgoBody, BalanceBody, OrderBody, PositionBody, TradeBody, algo_id};

const TRADES_A_PAGE: usize = 1000;

/// A USD-M account; cheap to clone.
#[derive(Clone)]
pub struct Usdm(pub Arc<Account>);

impl Usdm {
    async fn order(&self, symbol: &str, name: &'static str, id: &str) -> Result<VenueOrder, VenueError> {
        let body: OrderBody = self.0.signed(&Call::get(orders::ORDER, orders::by(symbol, name, id))).await?;
        body.into_order()
    }

    async fn algo(&self, name: &'static str, id: &str) -> Result<AlgoBody, VenueError> {
        let mut params = Params::default();
        params.add(name, id);
        self.0.signed(&Call::get(orders::ALGO_ORDER, params)).await
    }

    /// A conditional order, or what it has become.
    async fn settled(&self, algo: AlgoBody) -> Result<VenueOrder, VenueError> {
        match algo.became() {
            Some(id) => self.order(&algo.symbol, "orderId", id).await,
            None => algo.into_order(),
        }
    }

    async fn trades(&self, symbol: &str, filter: (&'static str, &str)) -> Result<Vec<TradeBody>, VenueError> {
        let mut params = orders::by(symbol, filter.0, filter.1);
        params.add("limit", TRADES_A_PAGE.to_string());
        self.0.signed(&Call::get("/fapi/v1/userTrades", params)).await
    }
}

fn is_unknown<T>(result: &Result<T, VenueError>) -> bool {
    matches!(result, Err(VenueError::Refused { reason: Reason::NoSuchOrder, .. }))
}

impl Venue for Usdm {
    fn market(&self) -> Market {
        Market::Swap
    }

    fn holds(&self) -> Holds {
        Holds { oco: false, trailing: true }
    }

    fn place<'a>(&'a self, order: &'a Approved<Order>) -> Reply<'a, Receipt> {
        Box::pin(async move {
            let call = orders::place(order.get());
            let (order, written) = if matches!(order.get().kind, Kind::Market | Kind::Limit) {
                let entered = self.0.entered::<OrderBody>(&call).await?;
                (entered.body.into_order()?, entered.written)
            } else {
                let entered = self.0.entered::<AlgoBody>(&call).await?;
                (entered.body.into_order()?, entered.written)
            };
            // What traded on arrival is asked for: the answer has only its sum.
            Ok(Receipt { order, fills: Vec::new(), written })
        })
    }

    fn place_oco<'a>(&'a self, _: &'a Approved<Oco>) -> Reply<'a, Vec<Receipt>> {
        Box::pin(async {
            let message = "futures have no order lists".into();
            Err(VenueError::Refused { reason: Reason::Unsupported, code: 0, message })
        })
    }

    /// The id alone does not tell a conditional order from another, so both books are asked; none is cancelled twice.
    fn cancel<'a>(&'a self, symbol: &'a str, client_order_id: &'a str) -> Reply<'a, Withdrawal> {
        Box::pin(async move {
            let order = self.0.entered::<OrderBody>(&orders::cancel(symbol, client_order_id)).await;
            if !is_unknown(&order) {
                let entered = order?;
                return Ok(Withdrawal { orders: vec![entered.body.into_order()?], written: entered.written });
            }
            let written = self.0.entered::<IgnoredAny>(&orders::cancel_algo(client_order_id)).await?.written;
            let algo = self.algo("clientAlgoId", client_order_id).await?;
            Ok(Withdrawal { orders: vec![self.settled(algo).await?], written })
        })
    }

    fn query<'a>(&'a self, symbol: &'a str, client_order_id: &'a str) -> Reply<'a, VenueOrder> {
        Box::pin(async move {
            let order = self.order(symbol, "origClientOrderId", client_order_id).await;
            if !is_unknown(&order) {
                return order;
            }
            let algo = self.algo("clientAlgoId", client_order_id).await?;
            self.settled(algo).await
        })
    }

    fn query_external<'a>(&'a self, symbol: &'a str, external_id: &'a str) -> Reply<'a, VenueOrder> {
        Box::pin(async move {
            match algo_id(external_id) {
                Some(id) => self.settled(self.algo("algoId", id).await?).await,
                None => self.order(symbol, "orderId", external_id).await,
            }
        })
    }

    fn open_orders(&self) -> Reply<'_, Vec<VenueOrder>> {
        Box::pin(async move {
            // The conditional ones first: one that triggers in between is then seen at least once.
            let waiting = Call::get("/fapi/v1/openAlgoOrders", Params::default());
            let waiting: Vec<AlgoBody> = self.0.signed(&waiting).await?;
            let resting = Call::get("/fapi/v1/openOrders", Params::default());
            let resting: Vec<OrderBody> = self.0.signed(&resting).await?;
            let resting: Vec<VenueOrder> = resting.into_iter().map(OrderBody::into_order).collect::<Result<_, _>>()?;
            let mut open: Vec<VenueOrder> = waiting
                .into_iter()
                .filter(|algo| algo.became().is_none())
                .map(AlgoBody::into_order)
                .collect::<Result<_, _>>()?;
            open.retain(|algo| resting.iter().all(|order| order.client_order_id != algo.client_order_id));
            open.extend(resting);
            Ok(open)
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
            let became = match algo_id(external_id) {
                Some(id) => self.algo("algoId", id).await?.became().map(str::to_owned),
                None => Some(external_id.to_owned()),
            };
            let Some(id) = became else { return Ok(Vec::new()) };
            let page = self.trades(symbol, ("orderId", &id)).await?;
            Ok(page.into_iter().map(VenueTrade::from).collect())
        })
    }

    fn balances(&self) -> Reply<'_, Vec<(String, Balance)>> {
        Box::pin(async move {
            let call = Call::get("/fapi/v3/balance", Params::default());
            let bodies: Vec<BalanceBody> = self.0.signed(&call).await?;
            Ok(bodies.into_iter().map(Into::into).collect())
        })
    }

    fn positions(&self) -> Reply<'_, Vec<VenuePosition>> {
        Box::pin(async move {
            let call = Call::get("/fapi/v3/positionRisk", Params::default());
            let bodies: Vec<PositionBody> = self.0.signed(&call).await?;
            bodies.into_iter().filter_map(|body| body.into_position().transpose()).collect()
        })
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

#[cfg(test)]
#[path = "usdm_tests.rs"]
mod tests;
