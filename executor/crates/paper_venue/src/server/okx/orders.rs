//! Orders and cancels.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::instruments::{contract, find};
use super::refusals::Bad;
use super::rest::{Answer, Call};
use crate::engine::{Input, Kind, NewOrder, NewTrailing, Order, Outcome, Product, Refusal, Side, Target, TimeInForce};

impl Call<'_> {
    pub fn text(&self, name: &str) -> Option<&str> {
        self.params.text(name).filter(|text| !text.is_empty())
    }

    /// The market of `instId`, in the account's own book.
    pub fn market(&self) -> Result<Option<usize>, Bad> {
        let Some(inst_id) = self.text("instId") else { return Ok(None) };
        let found = find(&self.store.venue, inst_id, self.product);
        found.map(Some).ok_or_else(|| Bad::new(51_001, "Instrument ID does not exist"))
    }

    fn decimal(&self, name: &str) -> Result<Option<Decimal>, Bad> {
        // -1 stands for "at market".
        if matches!(self.text(name), None | Some("-1")) {
            return Ok(None);
        }
        Ok(self.params.decimal(name)?)
    }

    fn submit(&mut self, input: &Input) -> Result<Outcome, Bad> {
        self.store.submit(input).map_err(|error| Bad { is_entry: true, ..error.refusal.into() })
    }
}

/// What every order says.
fn common(call: &Call) -> Result<NewOrder, Bad> {
    let market = call.market()?.ok_or_else(|| Bad::parameter("instId"))?;
    let side = match call.text("side") {
        Some("buy") => Side::Buy,
        Some("sell") => Side::Sell,
        _ => return Err(Bad::parameter("side")),
    };
    if call.text("attachAlgoOrds").is_some() {
        return Err(Bad::parameter("attachAlgoOrds"));
    }
    let size = call.decimal("sz")?.ok_or_else(|| Bad::parameter("sz"))?;
    Ok(NewOrder {
        quantity: Some(size * contract(call.product)),
        reduce_only: call.product == Product::Swap && call.text("reduceOnly") == Some("true"),
        ..NewOrder::market(call.store.venue.symbol_of(market), side)
    })
}

fn client_id(call: &Call, name: &str) -> Result<Option<String>, Bad> {
    let Some(id) = call.text(name) else { return Ok(None) };
    let is_good = id.len() <= 32 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_good { Ok(Some(id.to_owned())) } else { Err(Bad::parameter(name)) }
}

pub(crate) fn place(call: &mut Call) -> Answer {
    let common = common(call)?;
    let (kind, time_in_force) = match call.text("ordType") {
        Some("market") => (Kind::Market, None),
        Some("limit") => (Kind::Limit, Some(TimeInForce::Gtc)),
        Some("ioc") => (Kind::Limit, Some(TimeInForce::Ioc)),
        Some("fok") => (Kind::Limit, Some(TimeInForce::Fok)),
        Some("post_only") => (Kind::LimitMaker, None),
        _ => return Err(Bad::parameter("ordType")),
    };
    let in_quote = call.product == Product::Spot
        && kind == Kind::Market
        && call.text("tgtCcy").unwrap_or(if common.side == Side::Buy { "quote_ccy" } else { "base_ccy" })
            == "quote_ccy";
    let order = NewOrder {
        kind,
        time_in_force,
        price: if kind == Kind::Market { None } else { call.decimal("px")? },
        client_id: client_id(call, "clOrdId")?,
        quote_quantity: common.quantity.filter(|_| in_quote),
        quantity: common.quantity.filter(|_| !in_quote),
        ..common
    };
    let id = submit(call, order)?;
    let order = call.store.venue.order(id);
    Ok(vec![done(&[("ordId", &id.to_string()), ("clOrdId", &order.client_id)])])
}

pub(crate) fn place_algo(call: &mut Call) -> Answer {
    let common = common(call)?;
    let (stop, target) = (call.decimal("slTriggerPx")?, call.decimal("tpTriggerPx")?);
    let (kind, price, trailing) = match (call.text("ordType"), stop, target) {
        (Some("move_order_stop"), None, None) => {
            let callback = call.decimal("callbackRatio")?.ok_or_else(|| Bad::parameter("callbackRatio"))?;
            (Kind::StopLoss, None, Some(NewTrailing { callback, activation: call.decimal("activePx")? }))
        }
        (Some("conditional"), Some(_), None) => match call.decimal("slOrdPx")? {
            None => (Kind::StopLoss, None, None),
            price => (Kind::StopLossLimit, price, None),
        },
        (Some("conditional"), None, Some(_)) => match call.decimal("tpOrdPx")? {
            None => (Kind::TakeProfit, None, None),
            price => (Kind::TakeProfitLimit, price, None),
        },
        _ => return Err(Bad::parameter("ordType")),
    };
    let client_id = match client_id(call, "algoClOrdId")? {
        None => client_id(call, "clOrdId")?,
        id => id,
    };
    let time_in_force = price.map(|_| TimeInForce::Gtc);
    let order = NewOrder { kind, time_in_force, price, stop_price: stop.or(target), client_id, trailing, ..common };
    let id = submit(call, order)?;
    let order = call.store.venue.order(id);
    Ok(vec![done(&[("algoId", &order.algo_id().to_string()), ("algoClOrdId", &order.client_id)])])
}

fn submit(call: &mut Call, order: NewOrder) -> Result<u64, Bad> {
    match call.submit(&Input::Place { account: call.name.to_owned(), order })? {
        Outcome::Placed(id) => Ok(id),
        other => unreachable!("placing gave {other:?}"),
    }
}

fn done(ids: &[(&str, &str)]) -> Value {
    let mut done = json!({"sCode": "0", "sMsg": "", "tag": ""});
    for (name, id) in ids {
        done[*name] = json!(id);
    }
    done
}

/// The order meant: in the book by `ordId` or `clOrdId`, or waiting by `algoId` or `algoClOrdId`.
pub(super) fn named<'a>(call: &'a Call, is_algo: bool) -> Result<Option<&'a Order>, Bad> {
    let (venue, market) = (&call.store.venue, call.market()?);
    let ids = if is_algo { ("algoId", "algoClOrdId") } else { ("ordId", "clOrdId") };
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    let target = match (call.text(ids.0), call.text(ids.1)) {
        (Some(id), _) if is_algo => Target::Id(Order::of_algo_id(number(id))),
        (Some(id), _) => Target::Id(number(id)),
        (None, Some(id)) => Target::ClientId(id.to_owned()),
        (None, None) => return Err(Bad::new(51_003, "Either client order ID or order ID is required")),
    };
    let meant = |order: &&Order| match &target {
        _ if is_algo => order.kind.has_trigger(),
        // What an algo order has become has no client order id.
        Target::ClientId(_) => !order.kind.has_trigger(),
        Target::Id(_) => order.is_in_engine(),
    };
    let found = venue.find_order_anywhere(call.account, &target).filter(meant);
    Ok(found.filter(|order| market.is_none_or(|market| order.market == market)))
}

pub(crate) fn cancel(call: &mut Call) -> Answer {
    cancel_one(call, false)
}

pub(crate) fn cancel_algo(call: &mut Call) -> Answer {
    cancel_one(call, true)
}

fn cancel_one(call: &mut Call, is_algo: bool) -> Answer {
    let found = named(call, is_algo)?.filter(|order| order.is_open() && order.is_in_engine() != is_algo);
    let refused = || Bad { is_entry: true, ..Refusal::unknown_order_to_cancel().into() };
    let order = found.ok_or_else(refused)?;
    let (id, symbol) = (order.id, call.store.venue.symbol_of(order.market).to_owned());
    let answer = if is_algo {
        done(&[("algoId", &order.algo_id().to_string()), ("algoClOrdId", &order.client_id)])
    } else {
        done(&[("ordId", &id.to_string()), ("clOrdId", &order.client_id)])
    };
    let account = call.name.to_owned();
    call.submit(&Input::Cancel { account, symbol, order: Target::Id(id), new_client_id: None })?;
    Ok(vec![answer])
}
