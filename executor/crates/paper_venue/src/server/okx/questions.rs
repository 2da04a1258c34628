//! What is asked about orders and fills. Lists are newest first; `after` goes on behind an id.

use serde_json::Value;

use super::answers;
use super::orders::named;
use super::refusals::Bad;
use super::rest::{Answer, Call};
use crate::engine::{Order, Refusal};

const PAGE: usize = 100;

pub(crate) fn order(call: &mut Call) -> Answer {
    let order = named(call, false)?.ok_or_else(Refusal::no_such_order)?;
    Ok(vec![answers::order(&call.store.venue, order)])
}

pub(crate) fn algo(call: &mut Call) -> Answer {
    let order = named(call, true)?.ok_or_else(Refusal::no_such_order)?;
    Ok(vec![answers::algo(&call.store.venue, order)])
}

pub(crate) fn open(call: &mut Call) -> Answer {
    orders(call, |order| order.is_open() && order.is_in_engine(), answers::order, |order| order.id)
}

pub(crate) fn history(call: &mut Call) -> Answer {
    orders(call, |order| !order.is_open() && order.is_in_engine(), answers::order, |order| order.id)
}

/// `ordType` names the kinds that are wanted.
pub(crate) fn open_algos(call: &mut Call) -> Answer {
    let kinds = call.text("ordType").ok_or_else(|| Bad::parameter("ordType"))?.to_owned();
    let (conditional, trailing) = (kinds.contains("conditional"), kinds.contains("move_order_stop"));
    let is_wanted = move |order: &Order| {
        let is_waiting = order.is_open() && !order.is_in_engine();
        is_waiting && if order.trailing.is_some() { trailing } else { conditional }
    };
    orders(call, is_wanted, answers::algo, Order::algo_id)
}

fn orders(
    call: &Call,
    is_meant: impl Fn(&Order) -> bool,
    told: fn(&crate::engine::Venue, &Order) -> Value,
    id: fn(&Order) -> u64,
) -> Answer {
    let (venue, market, after) = (&call.store.venue, call.market()?, after(call)?);
    let meant = venue.orders_of(call.account).rev().filter(|order| {
        is_meant(order)
            && market.is_none_or(|market| order.market == market)
            && after.is_none_or(|after| id(order) < after)
    });
    Ok(meant.take(limit(call)?).map(|order| told(venue, order)).collect())
}

pub(crate) fn fills(call: &mut Call) -> Answer {
    let (venue, market, after) = (&call.store.venue, call.market()?, after(call)?);
    let (order, begin) = (call.params.id("ordId")?, call.params.integer("begin")?);
    let meant = venue.accounts[call.account].trades.iter().rev().filter(|trade| {
        market.is_none_or(|market| trade.market == market)
            && order.is_none_or(|order| trade.order == order)
            && begin.is_none_or(|begin| trade.time_ms >= begin)
            && after.is_none_or(|after| trade.id < after)
    });
    Ok(meant.take(limit(call)?).map(|trade| answers::fill(venue, trade)).collect())
}

fn after(call: &Call) -> Result<Option<u64>, Bad> {
    Ok(call.params.id("after")?)
}

fn limit(call: &Call) -> Result<usize, Bad> {
    Ok(call.params.limit(PAGE, PAGE)?)
}
