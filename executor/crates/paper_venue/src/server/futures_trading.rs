//! Orders and conditional orders of swap accounts.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::error::ApiError;
use super::futures::{Answer, account_of, flag, market_asked, market_of, venue};
use super::futures_reports as reports;
use super::operations::Call;
use super::params::Params;
use super::reports::page;
use crate::engine::{Input, Kind, NewOrder, NewTrailing, Order, Outcome, Refusal, Side, Target, TimeInForce};

/// Parameters that change an order's meaning and that are not built here.
const NOT_BUILT: [&str; 3] = ["priceMatch", "goodTillDate", "activationPrice"];

pub(crate) fn place(call: &mut Call) -> Answer {
    let params = call.params;
    let kind = match params.needed("type")? {
        "LIMIT" => Kind::Limit,
        "MARKET" => Kind::Market,
        "STOP" | "STOP_MARKET" | "TAKE_PROFIT" | "TAKE_PROFIT_MARKET" | "TRAILING_STOP_MARKET" => {
            let msg = "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.";
            return Err(Refusal::new(-4120, msg).into());
        }
        _ => return Err(invalid_type().into()),
    };
    let order = NewOrder {
        price: params.decimal("price")?,
        stop_price: params.decimal("stopPrice")?,
        client_id: params.client_id("newClientOrderId")?,
        ..common(params, kind)?
    };
    if params.text("newOrderRespType").is_some_and(|form| !["ACK", "RESULT"].contains(&form)) {
        return Err(Refusal::new(-1100, "Illegal value for parameter 'newOrderRespType': ACK or RESULT.").into());
    }
    let id = submit(call, order)?;
    Ok(reports::order(venue(call), venue(call).order(id)))
}

pub(crate) fn place_algo(call: &mut Call) -> Answer {
    let params = call.params;
    if params.needed("algoType")? != "CONDITIONAL" {
        return Err(Refusal::new(-1130, "Data sent for parameter 'algoType' is not valid.").into());
    }
    let (kind, trails) = match params.needed("type")? {
        "STOP" => (Kind::StopLossLimit, false),
        "STOP_MARKET" => (Kind::StopLoss, false),
        "TAKE_PROFIT" => (Kind::TakeProfitLimit, false),
        "TAKE_PROFIT_MARKET" => (Kind::TakeProfit, false),
        "TRAILING_STOP_MARKET" => (Kind::StopLoss, true),
        _ => return Err(invalid_type().into()),
    };
    let trailing = if trails { Some(trailing(params)?) } else { None };
    let order = NewOrder {
        price: params.decimal("price")?,
        stop_price: params.decimal("triggerPrice")?,
        client_id: params.client_id("clientAlgoId")?,
        close_position: flag(params, "closePosition")?,
        trailing,
        ..common(params, kind)?
    };
    let id = submit(call, order)?;
    Ok(reports::algo(venue(call), venue(call).order(id)))
}

fn trailing(params: &Params) -> Result<NewTrailing, Refusal> {
    let percent = params.decimal("callbackRate")?.ok_or_else(|| Refusal::missing("callbackRate"))?;
    if percent < Decimal::new(1, 1) || percent > Decimal::TEN {
        return Err(Refusal::new(-2007, "Invalid callBack rate."));
    }
    Ok(NewTrailing { callback: percent / Decimal::ONE_HUNDRED, activation: params.decimal("activatePrice")? })
}

/// What every order carries.
fn common(params: &Params, kind: Kind) -> Result<NewOrder, Refusal> {
    if let Some(name) = NOT_BUILT.into_iter().find(|name| params.text(name).is_some_and(|text| text != "NONE")) {
        return Err(Refusal::new(-1106, format!("Parameter '{name}' is not supported by the paper venue.")));
    }
    if params.text("positionSide").is_some_and(|side| side != "BOTH") {
        return Err(Refusal::new(-4061, "Order's position side does not match user's setting."));
    }
    let side = match params.needed("side")? {
        "BUY" => Side::Buy,
        "SELL" => Side::Sell,
        _ => return Err(Refusal::new(-1117, "Invalid side.")),
    };
    let limited = matches!(kind, Kind::Limit | Kind::StopLossLimit | Kind::TakeProfitLimit);
    let (kind, time_in_force) = match params.text("timeInForce") {
        // Only Binance's plain limit orders must name it.
        None if kind == Kind::Limit => return Err(Refusal::missing("timeInForce")),
        None => (kind, Some(TimeInForce::Gtc)),
        Some("GTC") => (kind, Some(TimeInForce::Gtc)),
        Some("IOC") => (kind, Some(TimeInForce::Ioc)),
        Some("FOK") => (kind, Some(TimeInForce::Fok)),
        Some("GTX") if kind == Kind::Limit => (Kind::LimitMaker, None),
        Some(_) => return Err(Refusal::new(-1115, "Invalid timeInForce.")),
    };
    if kind.has_trigger() && time_in_force.is_some_and(|tif| tif != TimeInForce::Gtc) {
        return Err(Refusal::new(-1115, "Invalid timeInForce: conditional orders are GTC here."));
    }
    Ok(NewOrder {
        kind,
        time_in_force: time_in_force.filter(|_| limited),
        quantity: params.decimal("quantity")?,
        reduce_only: flag(params, "reduceOnly")?,
        ..NewOrder::market(params.needed("symbol")?, side)
    })
}

fn submit(call: &mut Call, order: NewOrder) -> Result<u64, ApiError> {
    let account = call.account.to_owned();
    match call.store.submit(&Input::Place { account, order })? {
        Outcome::Placed(id) => Ok(id),
        other => unreachable!("placing gave {other:?}"),
    }
}

/// The order meant, where it is one of the kind asked for.
fn find<'a>(call: &'a Call, algo: bool) -> Result<Option<&'a Order>, Refusal> {
    let account = account_of(call)?;
    let order = if algo {
        let target = match call.params.target("algoId", "clientAlgoId")? {
            Target::Id(id) => Target::Id(Order::of_algo_id(id)),
            by_client_id => by_client_id,
        };
        venue(call).find_order_anywhere(account, &target).filter(|order| order.kind.has_trigger())
    } else {
        let (market, target) = (market_of(call)?, call.params.target("orderId", "origClientOrderId")?);
        venue(call).find_order(account, market, &target).filter(|order| order.is_in_engine())
    };
    Ok(order)
}

fn cancel_order(call: &mut Call, id: u64) -> Result<(), ApiError> {
    let symbol = venue(call).symbol_of(venue(call).order(id).market).to_owned();
    let account = call.account.to_owned();
    call.store.submit(&Input::Cancel { account, symbol, order: Target::Id(id), new_client_id: None })?;
    Ok(())
}

pub(crate) fn cancel(call: &mut Call) -> Answer {
    let id = find(call, false)?.filter(|order| order.is_open()).ok_or_else(Refusal::unknown_order_to_cancel)?.id;
    cancel_order(call, id)?;
    Ok(reports::order(venue(call), venue(call).order(id)))
}

pub(crate) fn cancel_algo(call: &mut Call) -> Answer {
    let order = find(call, true)?.filter(|order| order.is_open() && !order.is_in_engine());
    let id = order.ok_or_else(Refusal::unknown_order_to_cancel)?.id;
    cancel_order(call, id)?;
    let order = venue(call).order(id);
    Ok(json!({"algoId": order.algo_id(), "clientAlgoId": order.client_id, "code": "200", "msg": "success"}))
}

pub(crate) fn cancel_all(call: &mut Call) -> Answer {
    cancel_each(call, true)
}

pub(crate) fn cancel_all_algo(call: &mut Call) -> Answer {
    cancel_each(call, false)
}

fn cancel_each(call: &mut Call, in_engine: bool) -> Answer {
    let (account, market) = (account_of(call)?, market_of(call)?);
    let open = venue(call).open_orders(account);
    let meant = |order: &&Order| order.market == market && order.is_in_engine() == in_engine;
    let ids: Vec<u64> = open.into_iter().filter(meant).map(|order| order.id).collect();
    for id in ids {
        cancel_order(call, id)?;
    }
    Ok(json!({"code": 200, "msg": "The operation of cancel all open order is done."}))
}

pub(crate) fn order(call: &mut Call) -> Answer {
    let order = find(call, false)?.ok_or_else(Refusal::no_such_order)?;
    Ok(reports::order(venue(call), order))
}

pub(crate) fn open_order(call: &mut Call) -> Answer {
    let order = find(call, false)?.filter(|order| order.is_open()).ok_or_else(Refusal::no_such_order)?;
    Ok(reports::order(venue(call), order))
}

pub(crate) fn algo_order(call: &mut Call) -> Answer {
    let order = find(call, true)?.ok_or_else(Refusal::no_such_order)?;
    Ok(reports::algo(venue(call), order))
}

pub(crate) fn open_orders(call: &mut Call) -> Answer {
    let market = market_asked(call)?;
    let orders = venue(call).open_orders(account_of(call)?);
    let meant = |order: &&Order| order.is_in_engine() && market.is_none_or(|market| order.market == market);
    Ok(orders.into_iter().filter(meant).map(|order| reports::order(venue(call), order)).collect())
}

pub(crate) fn open_algo_orders(call: &mut Call) -> Answer {
    let market = market_asked(call)?;
    let orders = venue(call).open_orders(account_of(call)?);
    let meant = |order: &&Order| !order.is_in_engine() && market.is_none_or(|market| order.market == market);
    Ok(orders.into_iter().filter(meant).map(|order| reports::algo(venue(call), order)).collect())
}

pub(crate) fn all_orders(call: &mut Call) -> Answer {
    let from = call.params.id("orderId")?;
    let orders = history(call, from, |order| order.is_in_engine(), |order| order.id)?;
    Ok(orders.into_iter().map(|order| reports::order(venue(call), order)).collect())
}

pub(crate) fn all_algo_orders(call: &mut Call) -> Answer {
    let from = call.params.id("algoId")?;
    let orders = history(call, from, |order| order.kind.has_trigger(), Order::algo_id)?;
    Ok(orders.into_iter().map(|order| reports::algo(venue(call), order)).collect())
}

fn history<'a>(
    call: &'a Call,
    from: Option<u64>,
    of_kind: fn(&Order) -> bool,
    id: fn(&Order) -> u64,
) -> Result<Vec<&'a Order>, Refusal> {
    let (account, market) = (account_of(call)?, market_of(call)?);
    let (start, end) = (call.params.integer("startTime")?, call.params.integer("endTime")?);
    let matching = venue(call).orders_of(account).filter(|order| {
        order.market == market
            && of_kind(order)
            && from.is_none_or(|from| id(order) >= from)
            && start.is_none_or(|start| order.created_ms >= start)
            && end.is_none_or(|end| order.created_ms <= end)
    });
    Ok(page(matching, call.params.limit(500, 1000)?, from.is_some() || start.is_some()))
}

pub(crate) fn user_trades(call: &mut Call) -> Answer {
    let (account, market, params) = (account_of(call)?, market_of(call)?, call.params);
    let (order, from) = (params.id("orderId")?, params.id("fromId")?);
    let (start, end) = (params.integer("startTime")?, params.integer("endTime")?);
    let matching = venue(call).accounts[account].trades.iter().filter(|trade| {
        trade.market == market
            && order.is_none_or(|order| trade.order == order)
            && from.is_none_or(|from| trade.id >= from)
            && start.is_none_or(|start| trade.time_ms >= start)
            && end.is_none_or(|end| trade.time_ms <= end)
    });
    let shown = page(matching, params.limit(500, 1000)?, from.is_some() || start.is_some());
    Ok(shown.into_iter().map(|trade| reports::trade(venue(call), trade)).collect::<Value>())
}

fn invalid_type() -> Refusal {
    Refusal::new(-1116, "Invalid orderType.")
}
