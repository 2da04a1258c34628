//! The venue on the network: Binance's REST, WebSocket API and market streams, and the control API.

mod auth;
mod book;
mod clock;
mod connection;
mod control;
mod day;
mod error;
mod futures;
mod futures_account;
mod futures_control;
mod futures_market;
mod futures_reports;
mod futures_trading;
mod hub;
mod limits;
mod listen_keys;
mod market_data;
mod market_messages;
mod market_streams;
mod operations;
mod params;
mod reports;
mod rest;
mod shared;
mod store;
mod trading;
mod ws_api;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{any, get, post};

pub use shared::Shared;
pub use store::Store;

/// Largest request body, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// All routes.
pub fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/paper/v1/bar", post(control::bar))
        .route("/paper/v1/continue", post(control::go_on))
        .route("/paper/v1/funding", post(futures_control::funding))
        .route("/paper/v1/accounts/{name}", get(control::account))
        .route("/ws-api/v3", any(ws_api::spot))
        .route("/ws-fapi/v1", any(ws_api::futures))
        .route("/ws", any(market_streams::raw))
        .route("/ws/{*streams}", any(market_streams::raw))
        .route("/public/ws", any(market_streams::futures))
        .route("/market/ws", any(market_streams::futures))
        .route("/private/ws", any(market_streams::futures))
        .route("/stream", any(market_streams::combined))
        .fallback(rest::answer)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(shared)
}
