//! The control API's part for swaps: funding in, positions out.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::control::{authorize, parse};
use super::error::ApiError;
use super::shared::Shared;
use crate::config::Amount;
use crate::engine::{Input, Outcome, Venue, plain};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FundingRequest {
    symbol: String,
    rate: Amount,
    time_ms: i64,
}

pub(crate) async fn funding(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, ApiError> {
    authorize(&shared, &headers)?;
    let FundingRequest { symbol, rate: Amount(rate), time_ms } = parse(&body)?;
    let mut store = shared.store();
    store.hub.release();
    let outcome = store.submit(&Input::Funding { symbol, rate, time_ms })?;
    store.dispatch();
    let Outcome::Funded { duplicate } = outcome else { unreachable!("funding gave {outcome:?}") };
    Ok(Json(json!({
        "duplicate": duplicate, "events": store.take_event_count(), "clock_ms": store.venue.clock_ms,
    })))
}

/// A swap account's positions, of the symbols that it ever traded.
pub(crate) fn positions(venue: &Venue, account: usize) -> Vec<Value> {
    let held = venue.accounts[account].positions.iter();
    held.map(|(&market, position)| {
        json!({
            "symbol": venue.symbol_of(market), "quantity": plain(position.quantity),
            "entry_price": plain(position.entry_price()), "realized_pnl": plain(position.realized),
            "leverage": position.leverage,
            "liquidation_price": venue.liquidation_price(account, market).map(plain),
        })
    })
    .collect()
}
