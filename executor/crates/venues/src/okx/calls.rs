//! The venue's calls, in OKX's words. Orders and cancels are acknowledged there before they are matched: what becomes of them comes
//! over the stream, or from a question.

use std::time::Instant;

use orders::reconcile::{Seen, VenueOrder, VenuePosition, VenueTrade};
use orders::{Approved, Market, Oco, Order, SymbolRules};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

use super::answers::{AccountBody, AlgoBody, OrderBody, PositionBody};
use super::client::Done;
use super::finding::{Found, Name};
use super::ids;
use super::order_entry::{CANCEL_ORDER, ORDER};
use super::requests::{self, OrderRef, PlaceAlgo, PlaceOrder, TradeMode, instrument_type, is_algo};
use super::{Account, Okx};
use crate::clock::now_ms;
use crate::fields::or_zero;
use crate::order_entry::{Entered, run};
use crate::params::Params;
use crate::receipts::{acknowledged, either};
use crate::{Balance, Health, Holds, PriceSink, Reason, Receipt, Reply, Running, Sink, Venue, VenueError, Withdrawal};

const TIME: &str = "/api/v5/public/time";
const TICKER: &str = "/api/v5/market/ticker";
const CONFIG: &str = "/api/v5/account/config";
const POSITIONS: &str = "/api/v5/account/positions";
const OPEN_ALGOS: &str = "/api/v5/trade/orders-algo-pending";
const CANCEL_ALGOS: &str = "/api/v5/trade/cancel-algos";
/// They are listed apart.
const ALGO_TYPES: [&str; 3] = ["conditional,oco", "trigger", "move_order_stop"];
/// A fill may be listed this much later than it happened.
const LISTED_LATE_MS: i64 = 60_000;

#[derive(Deserialize)]
struct TimeBody {
    #[serde(deserialize_with = "or_zero")]
    ts: i64,
}

#[derive(Deserialize)]
struct TickerBody {
    last: Decimal,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigBody {
    /// 1: spot only; above: with margin.
    acct_lv: String,
    pos_mode: String,
}

impl Account {
    pub async fn measure(&self) -> Result<(), VenueError> {
        let asked = now_ms();
        let body: Vec<TimeBody> = self.public(TIME, &Params::default()).await?;
        let time = body.first().ok_or_else(|| VenueError::Lost("the venue's answer has no time".into()))?;
        self.clock.measured(asked, time.ts);
        Ok(())
    }

    /// How spot's algo orders are paid for: an account with margin refuses them in cash mode.
    pub async fn algo_mode(&self) -> Result<TradeMode, VenueError> {
        if self.market == Market::Swap {
            return Ok(TradeMode::Cross);
        }
        let ask = || async {
            let config = self.config().await?;
            Ok(if config.acct_lv == "1" { TradeMode::Cash } else { TradeMode::Cross })
        };
        self.algo_mode.get_or_try_init(ask).await.copied()
    }

    /// Long and short at once is not what the executor's positions are.
    pub async fn check_position_mode(&self) -> Result<(), VenueError> {
        if self.market == Market::Spot || self.config().await?.pos_mode == "net_mode" {
            return Ok(());
        }
        Err(VenueError::Refused {
            reason: Reason::Unsupported,
            code: 0,
            message: "the account is in long/short mode; switch it to net mode in OKX's settings".into(),
        })
    }

    async fn config(&self) -> Result<ConfigBody, VenueError> {
        let bodies: Vec<ConfigBody> = self.get(CONFIG, &Params::default()).await?;
        let body = bodies.into_iter().next();
        body.ok_or_else(|| VenueError::Lost("the venue's answer has no configuration".into()))
    }

    async fn place(&self, order: &Order) -> Result<Receipt, VenueError> {
        let contract = self.contract(&order.symbol).await.map_err(unsent)?;
        let entered = if is_algo(order.kind) {
            let mode = self.algo_mode().await.map_err(unsent)?;
            self.limits.count();
            let body = self.post(requests::PLACE_ALGO, &PlaceAlgo::new(order, contract, mode)).await?;
            Entered { body, written: None }
        } else {
            self.limits.count();
            let body = PlaceOrder::new(order, contract);
            self.enter(ORDER, (&order.symbol, &body), (requests::PLACE, &[&body])).await?
        };
        let Done { ord_id, algo_id, .. } = entered.body;
        let external_id = if is_algo(order.kind) { algo_id } else { ord_id };
        if external_id.is_empty() {
            return Err(VenueError::Lost("the venue's answer names no order".into()));
        }
        let receipt = acknowledged(order, external_id, self.clock.venue_ms());
        Ok(Receipt { written: entered.written, ..receipt })
    }

    /// The id does not say whether it is a plain order or an algo order: both at once, because a stop is cancelled in a hurry. If it
    /// is neither, it may have triggered.
    async fn cancel(&self, symbol: &str, client_order_id: &str) -> Result<Withdrawal, VenueError> {
        let name = Name::Client(client_order_id);
        let id = ids::theirs(client_order_id);
        let plain = self.cancel_plain(OrderRef { inst_id: symbol, ord_id: None, cl_ord_id: Some(id) });
        let algos = json!([{"instId": symbol, "algoClOrdId": id}]);
        let waiting = async { self.post(CANCEL_ALGOS, &algos).await.map(|_| None) };
        let (plain, waiting) = tokio::join!(plain, waiting);
        match either(plain, waiting) {
            // The cancel is under way for certain: a question that fails now must not look like a cancel that failed.
            Ok(written) => {
                let orders = self.find(symbol, name).await.into_iter().map(Found::into_order).collect();
                return Ok(Withdrawal { orders, written });
            }
            Err(VenueError::Refused { reason: Reason::NoSuchOrder, .. }) => {}
            Err(error) => return Err(error),
        }
        let found = self.find(symbol, name).await?;
        if let Found::Triggered(order, child) = &found
            && !order.status.is_terminal()
        {
            let written = self.cancel_plain(OrderRef { inst_id: symbol, ord_id: Some(child), cl_ord_id: None }).await?;
            let orders = self.find(symbol, name).await.into_iter().map(Found::into_order).collect();
            return Ok(Withdrawal { orders, written });
        }
        Ok(Withdrawal { orders: vec![found.into_order()], written: None })
    }

    async fn cancel_plain(&self, order: OrderRef<'_>) -> Result<Option<Instant>, VenueError> {
        Ok(self.enter(CANCEL_ORDER, (order.inst_id, &order), (requests::CANCEL, &order)).await?.written)
    }

    async fn open_orders(&self) -> Result<Vec<VenueOrder>, VenueError> {
        self.learn_contracts().await?;
        let by_type = || {
            let mut params = Params::default();
            params.add("instType", instrument_type(self.market));
            params
        };
        let plain: Vec<OrderBody> =
            self.list(requests::OPEN_ORDERS, by_type, |order: &OrderBody| order.ord_id.clone()).await?;
        let mut orders = Vec::new();
        for order in plain {
            if let Some(contract) = self.contracts.size(self.market, &order.inst_id) {
                orders.push(self.noted(order).into_order(contract)?);
            }
        }
        for kind in ALGO_TYPES {
            let params = || {
                let mut params = by_type();
                params.add("ordType", kind);
                params
            };
            for algo in self.list(OPEN_ALGOS, params, |algo: &AlgoBody| algo.algo_id.clone()).await? {
                if let Some(contract) = self.contracts.size(self.market, &algo.inst_id) {
                    orders.push(algo.into_order(contract)?);
                }
            }
        }
        Ok(orders)
    }
}

/// A failure of what had to be known before an order could be sent: the order certainly was not.
fn unsent(error: VenueError) -> VenueError {
    match error {
        VenueError::Lost(reason) => VenueError::NotSent(reason),
        error => error,
    }
}

impl Venue for Okx {
    fn market(&self) -> Market {
        self.0.market
    }

    /// Its OCO is one order with one id, and says nothing of the legs that the executor knows; stops and targets rest apart.
    fn holds(&self) -> Holds {
        Holds { oco: false, trailing: true }
    }

    fn place<'a>(&'a self, order: &'a Approved<Order>) -> Reply<'a, Receipt> {
        Box::pin(self.0.place(order.get()))
    }

    fn place_oco<'a>(&'a self, _: &'a Approved<Oco>) -> Reply<'a, Vec<Receipt>> {
        Box::pin(async {
            let message = "OKX's OCO has no ids for its legs".into();
            Err(VenueError::Refused { reason: Reason::Unsupported, code: 0, message })
        })
    }

    fn cancel<'a>(&'a self, symbol: &'a str, client_order_id: &'a str) -> Reply<'a, Withdrawal> {
        Box::pin(self.0.cancel(symbol, client_order_id))
    }

    fn query<'a>(&'a self, symbol: &'a str, client_order_id: &'a str) -> Reply<'a, VenueOrder> {
        Box::pin(async move { Ok(self.0.find(symbol, Name::Client(client_order_id)).await?.into_order()) })
    }

    fn query_external<'a>(&'a self, symbol: &'a str, external_id: &'a str) -> Reply<'a, VenueOrder> {
        Box::pin(async move { Ok(self.0.find(symbol, Name::External(external_id)).await?.into_order()) })
    }

    fn open_orders(&self) -> Reply<'_, Vec<VenueOrder>> {
        Box::pin(self.0.open_orders())
    }

    fn trades_since<'a>(&'a self, symbol: &'a str, seen: Seen) -> Reply<'a, Vec<VenueTrade>> {
        Box::pin(self.0.fills_since(symbol, (seen.time_ms - LISTED_LATE_MS).max(0)))
    }

    fn order_trades<'a>(&'a self, symbol: &'a str, external_id: &'a str) -> Reply<'a, Vec<VenueTrade>> {
        Box::pin(self.0.fills_of(symbol, external_id))
    }

    fn balances(&self) -> Reply<'_, Vec<(String, Balance)>> {
        Box::pin(async move {
            let accounts: Vec<AccountBody> = self.0.get(requests::BALANCE, &Params::default()).await?;
            Ok(accounts.into_iter().flat_map(|account| account.details).map(Into::into).collect())
        })
    }

    fn positions(&self) -> Reply<'_, Vec<VenuePosition>> {
        Box::pin(async move {
            if self.0.market == Market::Spot {
                return Ok(Vec::new());
            }
            self.0.learn_contracts().await?;
            let mut params = Params::default();
            params.add("instType", instrument_type(self.0.market));
            let bodies: Vec<PositionBody> = self.0.get(POSITIONS, &params).await?;
            Ok(self.0.positions_of(bodies))
        })
    }

    fn rules<'a>(&'a self, symbol: &'a str) -> Reply<'a, SymbolRules> {
        Box::pin(self.0.rules_of(symbol))
    }

    fn last_price<'a>(&'a self, symbol: &'a str) -> Reply<'a, Decimal> {
        Box::pin(async move {
            let mut params = Params::default();
            params.add("instId", symbol);
            let tickers: Vec<TickerBody> = self.0.public(TICKER, &params).await?;
            let ticker = tickers.first().ok_or_else(|| VenueError::Lost("the venue's answer has no price".into()))?;
            Ok(ticker.last)
        })
    }

    fn measure_clock(&self) -> Reply<'_, ()> {
        Box::pin(self.0.measure())
    }

    fn entries_throttled(&self) -> Option<String> {
        self.0.limits.entries_throttled()
    }

    fn health(&self) -> Health {
        Health { clock_offset_ms: Some(self.0.clock.offset_ms()), budgets: self.0.limits.shares() }
    }

    fn user_stream(&self, sink: Sink, pings: UnboundedReceiver<u64>) -> Running {
        let (events, orders) = (super::stream::run(self.0.clone(), sink, pings), run(self.0.clone()));
        Box::pin(async {
            tokio::select! { () = events => {} () = orders => {} }
        })
    }

    fn price_stream(&self, sink: PriceSink, wanted: UnboundedReceiver<String>) -> Running {
        Box::pin(crate::last_prices::run(super::prices::tape(&self.0), sink, wanted))
    }
}
