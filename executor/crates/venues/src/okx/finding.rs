//! Where an order is kept: among the plain ones, among the algo orders, or as the plain order that an algo order has placed.

use orders::Fill;
use orders::reconcile::{VenueOrder, VenueTrade};

use super::Account;
use super::answers::{AlgoBody, FillBody, OrderBody};
use super::ids;
use super::requests::{self, OrderRef, instrument_type};
use crate::params::Params;
use crate::{Reason, VenueError};

const ALGO: &str = "/api/v5/trade/order-algo";
const FILLS: &str = "/api/v5/trade/fills";
/// The newer fills are listed at once, the older ones elsewhere.
const LATELY_MS: i64 = 2 * 86_400_000;

/// One of an order's names.
#[derive(Clone, Copy)]
pub enum Name<'a> {
    /// Ours.
    Client(&'a str),
    /// Theirs: an algo order's own, or a plain order's.
    External(&'a str),
}

pub enum Found {
    Plain(VenueOrder),
    Waiting(VenueOrder),
    /// It has triggered: as its child stands, and the child's order id.
    Triggered(VenueOrder, String),
}

impl Found {
    pub fn into_order(self) -> VenueOrder {
        match self {
            Self::Plain(order) | Self::Waiting(order) | Self::Triggered(order, _) => order,
        }
    }
}

pub fn no_such_order() -> VenueError {
    VenueError::Refused { reason: Reason::NoSuchOrder, code: 51_603, message: "the order does not exist".into() }
}

/// A list's first entry, where "no such order" means that it is empty.
fn first<T>(result: Result<Vec<T>, VenueError>) -> Result<Option<T>, VenueError> {
    match result {
        Ok(list) => Ok(list.into_iter().next()),
        Err(VenueError::Refused { reason: Reason::NoSuchOrder, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Account {
    pub async fn find(&self, symbol: &str, name: Name<'_>) -> Result<Found, VenueError> {
        let contract = self.contract(symbol).await?;
        let reference = match name {
            Name::Client(id) => OrderRef { inst_id: symbol, ord_id: None, cl_ord_id: Some(ids::theirs(id)) },
            Name::External(id) => OrderRef { inst_id: symbol, ord_id: Some(id), cl_ord_id: None },
        };
        if let Some(order) = first(self.get::<OrderBody>(requests::ORDER, &reference.params()).await)? {
            return Ok(Found::Plain(self.noted(order).into_order(contract)?));
        }
        let algo = self.algo(name).await?.ok_or_else(no_such_order)?;
        if let Some(child) = self.remember(&algo.algo_id, algo.children()).pop() {
            let reference = OrderRef { inst_id: symbol, ord_id: Some(&child), cl_ord_id: None };
            if let Some(order) = first(self.get::<OrderBody>(requests::ORDER, &reference.params()).await)? {
                let status = algo.into_order(contract)?;
                let order = order.into_order(contract)?;
                // What was asked for stands in the algo order; how far it has come, in its child.
                let (client_order_id, external_id) = (status.client_order_id.clone(), status.external_id.clone());
                let found = VenueOrder {
                    client_order_id,
                    external_id,
                    status: order.status,
                    executed: order.executed,
                    ..status
                };
                return Ok(Found::Triggered(found, child));
            }
        }
        Ok(Found::Waiting(algo.into_order(contract)?))
    }

    async fn algo(&self, name: Name<'_>) -> Result<Option<AlgoBody>, VenueError> {
        let mut params = Params::default();
        match name {
            Name::Client(id) => params.add("algoClOrdId", ids::theirs(id)),
            Name::External(id) => params.add("algoId", id),
        };
        first(self.get(ALGO, &params).await)
    }

    /// Takes note of whose child an order is.
    pub fn noted(&self, order: OrderBody) -> OrderBody {
        if !order.algo_id.is_empty() {
            self.remember(&order.algo_id, vec![order.ord_id.clone()]);
        }
        order
    }

    pub fn remember(&self, algo_id: &str, children: Vec<String>) -> Vec<String> {
        let mut known = self.children.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.extend(children.iter().map(|child| (child.clone(), algo_id.to_owned())));
        children
    }

    /// The algo order that has placed this one, if one is known to have.
    fn parent(&self, order_id: &str) -> Option<String> {
        self.children.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(order_id).cloned()
    }

    /// The fills of an order, plain or algo.
    pub async fn fills_of(&self, symbol: &str, external_id: &str) -> Result<Vec<VenueTrade>, VenueError> {
        let contract = self.contract(symbol).await?;
        let mut orders = vec![external_id.to_owned()];
        let mut bodies = self.fills(symbol, Some(external_id), FILLS, None).await?;
        if bodies.is_empty() {
            let algo = self.algo(Name::External(external_id)).await?;
            orders = algo.map(|algo| self.remember(external_id, algo.children())).unwrap_or(orders);
            for path in [FILLS, requests::FILLS_OF_MONTHS] {
                for order in &orders {
                    bodies.extend(self.fills(symbol, Some(order), path, None).await?);
                }
                if !bodies.is_empty() {
                    break;
                }
            }
        }
        let trade = |body: FillBody| trade(external_id.to_owned(), body.inst_id.clone(), body.into_fill(contract));
        Ok(bodies.into_iter().rev().map(trade).collect())
    }

    /// The fills since `from_ms`, each with the order that it was asked for by.
    pub async fn fills_since(&self, symbol: &str, from_ms: i64) -> Result<Vec<VenueTrade>, VenueError> {
        let contract = self.contract(symbol).await?;
        let is_late = self.clock.venue_ms() - from_ms < LATELY_MS;
        let path = if is_late { FILLS } else { requests::FILLS_OF_MONTHS };
        let mut trades = Vec::new();
        for body in self.fills(symbol, None, path, Some(from_ms)).await?.into_iter().rev() {
            // A child has no client order id; nor has what was ordered on OKX's own pages.
            if body.cl_ord_id.is_empty() && self.parent(&body.ord_id).is_none() {
                let reference = OrderRef { inst_id: symbol, ord_id: Some(&body.ord_id), cl_ord_id: None };
                first(self.get(requests::ORDER, &reference.params()).await)?.map(|order| self.noted(order));
            }
            let external_id = self.parent(&body.ord_id).unwrap_or_else(|| body.ord_id.clone());
            trades.push(trade(external_id, body.inst_id.clone(), body.into_fill(contract)));
        }
        Ok(trades)
    }

    /// Newest first.
    async fn fills(
        &self,
        symbol: &str,
        order: Option<&str>,
        path: &str,
        from_ms: Option<i64>,
    ) -> Result<Vec<FillBody>, VenueError> {
        let params = || {
            let mut params = Params::default();
            params.add("instType", instrument_type(self.market)).add("instId", symbol);
            if let Some(order) = order {
                params.add("ordId", order);
            }
            if let Some(from) = from_ms {
                params.add("begin", from.to_string());
            }
            params
        };
        self.list(path, params, |fill: &FillBody| fill.bill_id.clone()).await
    }
}

fn trade(external_id: String, symbol: String, fill: Fill) -> VenueTrade {
    VenueTrade { external_id, symbol, fill }
}
