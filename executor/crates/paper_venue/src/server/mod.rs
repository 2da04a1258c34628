//! The venue on the network: Binance's REST, WebSocket API and market streams, Bybit's in [`bybit`], OKX's in [`okx`], and the control API.

mod auth;
mod book;
mod bybit;
mod clock;
mod connection;
mod control;
mod day;
mod depth_control;
mod error;
mod faults;
mod faulty;
mod futures;
mod futures_account;
mod futures_control;
mod futures_market;
mod futures_reports;
mod futures_trading;
mod held;
mod hub;
mod limits;
mod line;
mod listen_keys;
mod market_data;
mod market_messages;
mod market_streams;
mod okx;
mod operations;
mod order_lists;
mod params;
mod reports;
mod rest;
mod shared;
mod store;
mod trading;
mod ws_api;
mod ws_faults;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post};

use line::Cut;

pub use faults::{Faults, Plan};
pub use line::Lines;
pub use shared::Shared;
pub use store::Store;

/// Largest request body, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// All routes.
pub fn router(shared: Arc<Shared>) -> IntoMakeServiceWithConnectInfo<Router, Cut> {
    let router = Router::new()
        .route("/paper/v1/bar", post(control::bar))
        .route("/paper/v1/continue", post(control::go_on))
        .route("/paper/v1/l2", post(depth_control::l2).layer(DefaultBodyLimit::max(depth_control::MAX_BATCH)))
        .route("/paper/v1/funding", post(futures_control::funding))
        .route("/paper/v1/accounts/{name}", get(control::account))
        .route("/ws-api/v3", any(ws_api::spot))
        .route("/ws-fapi/v1", any(ws_api::futures))
        .route("/ws", any(market_streams::raw))
        .route("/ws/{*streams}", any(market_streams::raw))
        .route("/{category}/ws", any(market_streams::futures))
        .route("/{category}/ws/{*streams}", any(market_streams::futures))
        .route("/stream", any(market_streams::combined))
        .route("/api/v5/{*path}", any(okx::answer))
        .route("/ws/v5/private", any(okx::private))
        .route("/ws/v5/business", any(okx::business))
        .route("/ws/v5/public", any(okx::public))
        .route("/v5/private", any(bybit::private))
        .route("/v5/trade", any(bybit::trade))
        .route("/v5/public/{category}", any(bybit::public))
        .route("/v5/{*path}", any(bybit::answer))
        .route("/paper/v1/faults", get(control::faults).post(control::set_faults))
        .fallback(rest::answer)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(Arc::clone(&shared), faulty::around))
        .with_state(shared);
    router.into_make_service_with_connect_info()
}
