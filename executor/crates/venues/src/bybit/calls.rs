//! The venue's calls, in Bybit's words. Orders and cancels are acknowledged there before they are matched: what becomes of them comes
//! over the stream, or from a question.

use std::time::Instant;

use orders::reconcile::{Seen, VenueOrder, VenuePosition, VenueTrade};
use orders::{Approved, Kind, Market, Oco, Order, SymbolRules};
use rust_decimal::Decimal;
use serde::Deserialize;
use tokio::sync::mpsc::UnboundedReceiver;

use super::answers::{ExecutionBody, OrderBody, PositionBody, WalletBody};
use super::client::Page;
use super::instruments::InstrumentBody;
use super::order_entry::{CANCEL_ORDER, CREATE_ORDER};
use super::requests::{self, CancelOrder, CreateOrder, category, orders_of};
use super::{Account, Bybit};
use crate::clock::now_ms;
use crate::fields::maybe;
use crate::order_entry::run;
use crate::params::Params;
use crate::receipts::{acknowledged, either};
use crate::{Balance, Health, Holds, PriceSink, Reason, Receipt, Reply, Running, Sink, Venue, VenueError, Withdrawal};

const TIME: &str = "/v5/market/time";
const INSTRUMENTS: &str = "/v5/market/instruments-info";
const TICKERS: &str = "/v5/market/tickers";
const POSITIONS: &str = "/v5/position/list";
/// The coins that linear swaps settle in; positions and orders are listed for one of them at a time.
const SETTLE_COINS: [&str; 2] = ["USDT", "USDC"];
/// Executions can be asked for over at most this long at once.
const WINDOW_MS: i64 = 7 * 86_400_000;
/// Older ones are not kept.
const HISTORY_MS: i64 = 730 * 86_400_000;
/// An execution may be listed this much later than it happened.
const LISTED_LATE_MS: i64 = 60_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Acknowledged {
    order_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TimeBody {
    #[serde(deserialize_with = "crate::fields::or_zero")]
    time_nano: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TickerBody {
    #[serde(default, deserialize_with = "maybe")]
    last_price: Option<Decimal>,
}

impl Account {
    pub async fn measure(&self) -> Result<(), VenueError> {
        let asked = now_ms();
        let body: TimeBody = self.public(TIME, &Params::default()).await?;
        self.clock.measured(asked, body.time_nano / 1_000_000);
        Ok(())
    }

    fn of(&self, symbol: &str) -> Params {
        orders_of(self.market, symbol)
    }

    /// An order by one of its ids: open and lately finished ones are in one list, older ones in another.
    async fn find(&self, symbol: &str, id: (&'static str, &str)) -> Result<VenueOrder, VenueError> {
        for path in [requests::ORDERS, requests::ORDER_HISTORY] {
            let mut params = self.of(symbol);
            params.add(id.0, id.1);
            let page: Page<OrderBody> = self.get(path, &params).await?;
            if let Some(order) = page.list.into_iter().next() {
                return order.into_order();
            }
        }
        Err(no_such_order())
    }

    /// Plain spot orders and those that wait for a trigger are cancelled apart, and the id does not say which it is: both at once,
    /// because a stop is cancelled in a hurry. When the one that found it was written, where that is known.
    async fn cancel(&self, symbol: &str, client_order_id: &str) -> Result<Option<Instant>, VenueError> {
        match self.market {
            Market::Swap => self.cancel_among(symbol, client_order_id, None).await,
            Market::Spot => {
                let triggered = self.cancel_among(symbol, client_order_id, Some(requests::TRIGGERED));
                let plain = self.cancel_among(symbol, client_order_id, Some(requests::PLAIN));
                let (triggered, plain) = tokio::join!(triggered, plain);
                either(triggered, plain)
            }
        }
    }

    async fn cancel_among(
        &self,
        symbol: &str,
        client_order_id: &str,
        order_filter: Option<&'static str>,
    ) -> Result<Option<Instant>, VenueError> {
        let order_link_id = Some(client_order_id);
        let body = CancelOrder { category: category(self.market), symbol, order_id: None, order_link_id, order_filter };
        Ok(self.enter::<Acknowledged>(CANCEL_ORDER, &body).await?.written)
    }

    async fn executions(&self, params: impl Fn() -> Params) -> Result<Vec<VenueTrade>, VenueError> {
        let found: Vec<ExecutionBody> = self.list(requests::EXECUTIONS, params).await?;
        let trades = found.into_iter().filter(ExecutionBody::is_trade).map(|body| body.into_trade(self.market));
        let mut trades: Vec<VenueTrade> = trades.collect();
        trades.sort_by_key(|trade| trade.fill.time_ms);
        Ok(trades)
    }

    /// A list that linear swaps have for each settle coin.
    async fn of_all_coins<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, VenueError> {
        let mut all = Vec::new();
        for coin in SETTLE_COINS {
            let params = || {
                let mut params = Params::default();
                params.add("category", category(self.market)).add("settleCoin", coin).add("limit", "50");
                params
            };
            all.extend(self.list(path, params).await?);
        }
        Ok(all)
    }
}

fn no_such_order() -> VenueError {
    VenueError::Refused { reason: Reason::NoSuchOrder, code: 110_001, message: "the order does not exist".into() }
}

fn unsupported(message: &str) -> VenueError {
    VenueError::Refused { reason: Reason::Unsupported, code: 0, message: message.into() }
}

impl Venue for Bybit {
    fn market(&self) -> Market {
        self.0.market
    }

    /// Its OCO and trailing stops belong to a position or to its own pages: no order with an id of ours.
    fn holds(&self) -> Holds {
        Holds { oco: false, trailing: false }
    }

    fn place<'a>(&'a self, order: &'a Approved<Order>) -> Reply<'a, Receipt> {
        Box::pin(async move {
            let order = order.get();
            if order.kind == Kind::TrailingStop {
                return Err(unsupported("Bybit has no trailing order with an id of its own"));
            }
            let entered = self.0.enter::<Acknowledged>(CREATE_ORDER, &CreateOrder::new(order)).await?;
            let receipt = acknowledged(order, entered.body.order_id, self.0.clock.venue_ms());
            Ok(Receipt { written: entered.written, ..receipt })
        })
    }

    fn place_oco<'a>(&'a self, _: &'a Approved<Oco>) -> Reply<'a, Vec<Receipt>> {
        Box::pin(async { Err(unsupported("Bybit has no order list")) })
    }

    fn cancel<'a>(&'a self, symbol: &'a str, client_order_id: &'a str) -> Reply<'a, Withdrawal> {
        Box::pin(async move {
            let written = self.0.cancel(symbol, client_order_id).await?;
            // The cancel is under way for certain: a question that fails now must not look like a cancel that failed.
            let order = self.0.find(symbol, ("orderLinkId", client_order_id)).await;
            Ok(Withdrawal { orders: order.into_iter().collect(), written })
        })
    }

    fn query<'a>(&'a self, symbol: &'a str, client_order_id: &'a str) -> Reply<'a, VenueOrder> {
        Box::pin(self.0.find(symbol, ("orderLinkId", client_order_id)))
    }

    fn query_external<'a>(&'a self, symbol: &'a str, external_id: &'a str) -> Reply<'a, VenueOrder> {
        Box::pin(self.0.find(symbol, ("orderId", external_id)))
    }

    fn open_orders(&self) -> Reply<'_, Vec<VenueOrder>> {
        Box::pin(async move {
            let bodies: Vec<OrderBody> = match self.0.market {
                Market::Swap => self.0.of_all_coins(requests::ORDERS).await?,
                Market::Spot => {
                    let params = || {
                        let mut params = Params::default();
                        params.add("category", "spot").add("limit", "50");
                        params
                    };
                    self.0.list(requests::ORDERS, params).await?
                }
            };
            bodies.into_iter().map(OrderBody::into_order).collect()
        })
    }

    fn trades_since<'a>(&'a self, symbol: &'a str, seen: Seen) -> Reply<'a, Vec<VenueTrade>> {
        Box::pin(async move {
            let until = self.0.clock.venue_ms() + LISTED_LATE_MS;
            let mut from = (seen.time_ms - LISTED_LATE_MS).max(until - HISTORY_MS);
            let mut trades = Vec::new();
            while from < until {
                let to = (from + WINDOW_MS).min(until);
                let params = || {
                    let mut params = self.0.of(symbol);
                    params.add("startTime", from.to_string()).add("endTime", to.to_string()).add("limit", "100");
                    params
                };
                trades.extend(self.0.executions(params).await?);
                from = to;
            }
            Ok(trades)
        })
    }

    fn order_trades<'a>(&'a self, symbol: &'a str, external_id: &'a str) -> Reply<'a, Vec<VenueTrade>> {
        Box::pin(async move {
            let params = || {
                let mut params = self.0.of(symbol);
                params.add("orderId", external_id).add("limit", "100");
                params
            };
            self.0.executions(params).await
        })
    }

    fn balances(&self) -> Reply<'_, Vec<(String, Balance)>> {
        Box::pin(async move {
            let accounts: Page<WalletBody> = self.0.get(requests::WALLET, &requests::wallet()).await?;
            Ok(accounts.list.into_iter().flat_map(|account| account.coin).map(Into::into).collect())
        })
    }

    fn positions(&self) -> Reply<'_, Vec<VenuePosition>> {
        Box::pin(async move {
            if self.0.market == Market::Spot {
                return Ok(Vec::new());
            }
            let bodies: Vec<PositionBody> = self.0.of_all_coins(POSITIONS).await?;
            Ok(bodies.into_iter().map(Into::into).collect())
        })
    }

    fn rules<'a>(&'a self, symbol: &'a str) -> Reply<'a, SymbolRules> {
        Box::pin(async move {
            let page: Page<InstrumentBody> = self.0.public(INSTRUMENTS, &self.0.of(symbol)).await?;
            let found = page.list.into_iter().find(|body| body.symbol == symbol);
            found.map(|body| body.into_rules(self.0.market)).ok_or_else(|| VenueError::Refused {
                reason: Reason::UnknownSymbol,
                code: 10_001,
                message: format!("Bybit does not list {symbol}"),
            })
        })
    }

    fn last_price<'a>(&'a self, symbol: &'a str) -> Reply<'a, Decimal> {
        Box::pin(async move {
            let page: Page<TickerBody> = self.0.public(TICKERS, &self.0.of(symbol)).await?;
            let price = page.list.into_iter().find_map(|ticker| ticker.last_price);
            price.ok_or_else(|| VenueError::Lost("the venue's answer has no price".into()))
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
