//! Orders, cancels, and what is asked about them.

use serde_json::{Value, json};

use super::answers;
use super::refusals::{Bad, translated};
use super::rest::Call;
use crate::engine::{Input, Kind, NewOrder, Order, Outcome, Product, Refusal, Side, Target, TimeInForce};
use crate::server::error::ApiError;

type Answer = Result<Value, Bad>;

impl Call<'_> {
    pub fn product(&self) -> Product {
        self.store.venue.accounts[self.account].product
    }

    pub fn bad(&self, refusal: Refusal) -> Bad {
        translated(refusal, self.product())
    }

    /// The account's own book is the only one that it can be asked for.
    fn check_category(&self) -> Result<(), Bad> {
        let own = answers::category(self.product());
        match self.params.text("category") {
            Some(category) if category == own => Ok(()),
            _ => Err(Bad::parameter(format!("category must be {own} for this account"))),
        }
    }

    fn market(&self) -> Result<Option<usize>, Bad> {
        let symbol = self.params.text("symbol").filter(|symbol| !symbol.is_empty());
        symbol.map(|symbol| self.store.venue.market_id(symbol).map_err(|refusal| self.bad(refusal))).transpose()
    }

    fn target(&self) -> Option<Target> {
        let text = |name: &str| self.params.text(name).filter(|text| !text.is_empty());
        match (text("orderId"), text("orderLinkId")) {
            // An id that is no number is none of the venue's.
            (Some(id), _) => Some(Target::Id(id.parse().unwrap_or(0))),
            (None, Some(id)) => Some(Target::ClientId(id.to_owned())),
            (None, None) => None,
        }
    }

    fn submit(&mut self, input: &Input) -> Result<Outcome, Bad> {
        let product = self.product();
        self.store.submit(input).map_err(|error: ApiError| translated(error.refusal, product))
    }
}

fn is_waiting(order: &Order) -> bool {
    order.kind.has_trigger() && !order.working
}

pub(crate) fn create(call: &mut Call) -> Answer {
    call.check_category()?;
    let (product, params) = (call.product(), call.params);
    let needed = |name: &str| params.needed(name).map_err(|refusal| translated(refusal, product));
    let decimal = |name: &str| match params.text(name) {
        None | Some("") => Ok(None),
        Some(_) => params.decimal(name).map_err(|refusal| translated(refusal, product)),
    };
    for name in ["takeProfit", "stopLoss", "trailingStop"] {
        if params.text(name).is_some_and(|text| !text.is_empty()) {
            return Err(Bad::parameter(format!("{name} is not supported by the paper venue")));
        }
    }
    let side = match needed("side")? {
        "Buy" => Side::Buy,
        "Sell" => Side::Sell,
        _ => return Err(Bad::parameter("Side invalid")),
    };
    let symbol = needed("symbol")?;
    let market = call.market()?.ok_or_else(|| Bad::parameter("symbol is missing"))?;
    let (stop_price, quantity) = (decimal("triggerPrice")?, decimal("qty")?);
    let is_market = match needed("orderType")? {
        "Market" => true,
        "Limit" => false,
        _ => return Err(Bad::parameter("OrderType invalid")),
    };
    let rises = match (params.text("triggerDirection"), stop_price) {
        (Some("1"), _) => true,
        (Some("2"), _) => false,
        // Spot finds it out by itself.
        (_, Some(stop)) => call.store.venue.markets[market].last_price.is_some_and(|last| stop > last),
        (_, None) => false,
    };
    let in_favour = rises == (side == Side::Sell);
    let kind = match (stop_price.is_some(), is_market, in_favour) {
        (false, true, _) => Kind::Market,
        (false, false, _) if params.text("timeInForce") == Some("PostOnly") => Kind::LimitMaker,
        (false, false, _) => Kind::Limit,
        (true, true, false) => Kind::StopLoss,
        (true, false, false) => Kind::StopLossLimit,
        (true, true, true) => Kind::TakeProfit,
        (true, false, true) => Kind::TakeProfitLimit,
    };
    let time_in_force = match (kind, params.text("timeInForce")) {
        (Kind::Limit, Some("IOC")) => Some(TimeInForce::Ioc),
        (Kind::Limit, Some("FOK")) => Some(TimeInForce::Fok),
        (Kind::Limit | Kind::StopLossLimit | Kind::TakeProfitLimit, _) => Some(TimeInForce::Gtc),
        _ => None,
    };
    let counts_quote = product == Product::Spot
        && kind == Kind::Market
        && params.text("marketUnit").unwrap_or(if side == Side::Buy { "quoteCoin" } else { "baseCoin" }) == "quoteCoin";
    let order = NewOrder {
        kind,
        time_in_force,
        quantity: quantity.filter(|_| !counts_quote),
        quote_quantity: quantity.filter(|_| counts_quote),
        price: if is_market { None } else { decimal("price")? },
        stop_price,
        client_id: params.client_id("orderLinkId").map_err(|refusal| translated(refusal, product))?,
        reduce_only: product == Product::Swap && params.text("reduceOnly") == Some("true"),
        ..NewOrder::market(symbol, side)
    };
    let Outcome::Placed(id) = call.submit(&Input::Place { account: call.name.to_owned(), order })? else {
        unreachable!("placing gives an order")
    };
    Ok(acknowledged(call.store.venue.order(id)))
}

fn acknowledged(order: &Order) -> Value {
    json!({"orderId": order.id.to_string(), "orderLinkId": order.client_id})
}

pub(crate) fn cancel(call: &mut Call) -> Answer {
    call.check_category()?;
    let market = call.market()?.ok_or_else(|| Bad::parameter("symbol is missing"))?;
    let target = call.target().ok_or_else(|| Bad::parameter("orderId or orderLinkId is missing"))?;
    let venue = &call.store.venue;
    let meant = |order: &&Order| {
        // On spot, plain orders and those that wait for a trigger are cancelled apart.
        call.product() == Product::Swap
            || is_waiting(order) == (call.params.text("orderFilter").is_some_and(|filter| filter != "Order"))
    };
    let found = venue.find_order(call.account, market, &target).filter(|order| order.is_open()).filter(meant);
    let order = found.ok_or_else(|| call.bad(Refusal::no_such_order()))?;
    let (id, symbol, answer) = (order.id, venue.symbol_of(market).to_owned(), acknowledged(order));
    cancel_one(call, id, symbol)?;
    Ok(answer)
}

fn cancel_one(call: &mut Call, id: u64, symbol: String) -> Result<(), Bad> {
    let account = call.name.to_owned();
    call.submit(&Input::Cancel { account, symbol, order: Target::Id(id), new_client_id: None })?;
    Ok(())
}

pub(crate) fn cancel_all(call: &mut Call) -> Answer {
    call.check_category()?;
    let market = call.market()?;
    let mut cancelled = Vec::new();
    loop {
        let venue = &call.store.venue;
        let open = venue.open_orders(call.account).into_iter();
        // A leg may take another with it, so the next one is asked for anew each time.
        let Some(order) = open.into_iter().find(|order| market.is_none_or(|market| order.market == market)) else {
            break;
        };
        let (id, symbol) = (order.id, venue.symbol_of(order.market).to_owned());
        cancelled.push(acknowledged(order));
        cancel_one(call, id, symbol)?;
    }
    Ok(json!({"list": cancelled, "success": "1"}))
}

/// Open orders; by an id, also those that are done.
pub(crate) fn open_and_recent(call: &mut Call) -> Answer {
    call.check_category()?;
    let (venue, market) = (&call.store.venue, call.market()?);
    let orders: Vec<&Order> = match call.target() {
        Some(target) => by_id(call, market, &target),
        None => {
            let mut open = venue.open_orders(call.account);
            open.retain(|order| market.is_none_or(|market| order.market == market));
            open.reverse();
            open
        }
    };
    page(call, orders.into_iter().map(|order| answers::order(venue, order)).collect())
}

/// Orders that are done, newest first.
pub(crate) fn history(call: &mut Call) -> Answer {
    call.check_category()?;
    let (venue, market) = (&call.store.venue, call.market()?);
    let orders: Vec<&Order> = match call.target() {
        Some(target) => by_id(call, market, &target),
        None => {
            let done = venue.orders_of(call.account).rev().filter(|order| !order.is_open());
            done.filter(|order| market.is_none_or(|market| order.market == market)).collect()
        }
    };
    page(call, orders.into_iter().map(|order| answers::order(venue, order)).collect())
}

fn by_id<'a>(call: &'a Call, market: Option<usize>, target: &Target) -> Vec<&'a Order> {
    let found = call.store.venue.find_order_anywhere(call.account, target);
    found.filter(|order| market.is_none_or(|market| order.market == market)).into_iter().collect()
}

/// Newest first.
pub(crate) fn executions(call: &mut Call) -> Answer {
    call.check_category()?;
    let (venue, market) = (&call.store.venue, call.market()?);
    let integer = |name: &str| call.params.integer(name).map_err(|refusal| Bad::parameter(refusal.msg));
    let (start, end) = (integer("startTime")?, integer("endTime")?);
    if let (Some(start), Some(end)) = (start, end)
        && end - start > 7 * 86_400_000
    {
        return Err(Bad::parameter("The time range between startTime and endTime cannot exceed 7 days"));
    }
    let order = call.target().map(|target| by_id(call, market, &target).first().map_or(0, |order| order.id));
    let meant = venue.accounts[call.account].trades.iter().rev().filter(|trade| {
        market.is_none_or(|market| trade.market == market)
            && order.is_none_or(|order| trade.order == order)
            && start.is_none_or(|start| trade.time_ms >= start)
            && end.is_none_or(|end| trade.time_ms <= end)
    });
    page(call, meant.map(|trade| answers::execution(venue, trade)).collect())
}

/// One page of a list; the cursor is how many came before.
fn page(call: &Call, all: Vec<Value>) -> Answer {
    let limit = call.params.limit(50, 100).map_err(|refusal| Bad::parameter(refusal.msg))?;
    let from: usize = match call.params.text("cursor") {
        None | Some("") => 0,
        Some(cursor) => cursor.parse().map_err(|_| Bad::parameter("cursor invalid"))?,
    };
    let next = if from + limit < all.len() { (from + limit).to_string() } else { String::new() };
    let list: Vec<Value> = all.into_iter().skip(from).take(limit).collect();
    Ok(json!({"category": answers::category(call.product()), "list": list, "nextPageCursor": next}))
}
