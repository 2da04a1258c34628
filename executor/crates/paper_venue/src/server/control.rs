//! The control API: bars in, phase by phase; accounts out.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::faults::Plan;
use super::futures_control;
use super::shared::Shared;
use super::store::Store;
use crate::engine::{Bar, BarAnswer, Input, Interval, Outcome, Product, Refusal, plain};

#[derive(Deserialize)]
pub(crate) struct BarRequest {
    symbol: String,
    interval: Interval,
    #[serde(flatten)]
    bar: Bar,
}

#[derive(Deserialize)]
pub(crate) struct ContinueRequest {
    symbol: String,
}

pub(crate) async fn bar(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, ApiError> {
    authorize(&shared, &headers)?;
    let BarRequest { symbol, interval, mut bar } = parse(&body)?;
    // Binance's close times are the last millisecond of the bar; the next bar's open time means the same.
    bar.close_time_ms = bar.close_time_ms.min(bar.open_time_ms.saturating_add(interval.ms - 1));
    let mut store = shared.store();
    store.hub.release();
    let answer = match store.venue.foresee_bar(&symbol, interval, &bar)? {
        Some(answer) => answer,
        None => submit(&mut store, &Input::Bar { symbol, interval, bar })?,
    };
    Ok(Json(reply(&mut store, answer)))
}

pub(crate) async fn go_on(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, ApiError> {
    authorize(&shared, &headers)?;
    let ContinueRequest { symbol } = parse(&body)?;
    let mut store = shared.store();
    store.hub.release();
    let market = store.venue.market_id(&symbol)?;
    let answer = if store.venue.markets[market].is_mid_bar() {
        submit(&mut store, &Input::Continue { symbol })?
    } else {
        BarAnswer { done: true, duplicate: false }
    };
    Ok(Json(reply(&mut store, answer)))
}

/// The faults from now on, in place of those before.
pub(crate) async fn set_faults(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, ApiError> {
    authorize(&shared, &headers)?;
    let plan: Plan = parse(&body)?;
    plan.check().map_err(|problem| Refusal::new(-1100, format!("Request refused: {problem}.")))?;
    shared.faults.set(plan);
    Ok(Json(shared.faults.told()))
}

pub(crate) async fn faults(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    authorize(&shared, &headers)?;
    Ok(Json(shared.faults.told()))
}

pub(crate) async fn account(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    authorize(&shared, &headers)?;
    let store = shared.store();
    let venue = &store.venue;
    let Ok(id) = venue.account_id(&name) else {
        return Err(ApiError::new(StatusCode::NOT_FOUND, -1100, format!("No account {name:?}.")));
    };
    let account = &venue.accounts[id];
    let balances: serde_json::Map<String, Value> = account
        .balances
        .iter()
        .map(|(asset, balance)| (asset.clone(), json!({"free": plain(balance.free), "locked": plain(balance.locked)})))
        .collect();
    let positions: Vec<Value> = venue
        .markets
        .iter()
        .map(|market| {
            let base = account.balance(&market.rules.base);
            json!({"symbol": market.rules.symbol, "quantity": plain(base.free + base.locked)})
        })
        .collect();
    let positions = if account.product == Product::Swap { futures_control::positions(venue, id) } else { positions };
    let open_orders: Vec<Value> = venue
        .open_orders(id)
        .into_iter()
        .map(|order| {
            json!({
                "client_order_id": order.client_id, "symbol": venue.symbol_of(order.market),
                "side": order.side.name().to_lowercase(), "type": order.kind.name().to_lowercase(),
                "quantity": plain(order.quantity), "price": order.price.map(plain),
                "stop_price": order.stop_price.map(plain), "filled_quantity": plain(order.filled),
            })
        })
        .collect();
    let trades: Vec<Value> = account
        .trades
        .iter()
        .map(|trade| {
            let order = venue.order(trade.order);
            json!({
                "trade_id": trade.id, "order_id": trade.order, "client_order_id": order.client_id,
                "symbol": venue.symbol_of(order.market), "side": trade.side.name().to_lowercase(),
                "price": plain(trade.price), "quantity": plain(trade.quantity), "fee": plain(trade.fee),
                "fee_asset": trade.fee_asset, "maker": trade.maker, "time_ms": trade.time_ms,
            })
        })
        .collect();
    Ok(Json(json!({
        "balances": balances, "positions": positions, "open_orders": open_orders, "trades": trades,
        "clock_ms": venue.clock_ms,
    })))
}

fn submit(store: &mut Store, input: &Input) -> Result<BarAnswer, ApiError> {
    let outcome = store.submit(input)?;
    store.dispatch();
    match outcome {
        Outcome::Bar(answer) => Ok(answer),
        other => unreachable!("a bar gave {other:?}"),
    }
}

fn reply(store: &mut Store, answer: BarAnswer) -> Value {
    let mut reply = json!({
        "done": answer.done, "duplicate": answer.duplicate, "events": store.take_event_count(),
        "clock_ms": store.venue.clock_ms,
    });
    let lost = store.hub.take_lost();
    if lost > 0 {
        reply["lost"] = json!(lost);
    }
    reply
}

pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T, Refusal> {
    serde_json::from_str(body).map_err(|error| Refusal::new(-1100, format!("Request refused: {error}.")))
}

pub(crate) fn authorize(shared: &Shared, headers: &HeaderMap) -> Result<(), ApiError> {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let valid = token.is_some_and(|token| same(token.as_bytes(), shared.control_token.as_bytes()));
    if valid {
        return Ok(());
    }
    let msg = "Control token missing or wrong: send Authorization: Bearer <control_token of the config>.";
    Err(ApiError::new(StatusCode::UNAUTHORIZED, -2015, msg))
}

/// Compares in a time that does not depend on where the two differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}
