//! The WebSockets: the two private ones, on which an account's events are told in order with the answers, and orders are taken; and
//! public trades.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::OKX;
use super::events::Side;
use super::instruments::name;
use super::market::print;
use super::rest::verified;
use super::trade;
use crate::engine::{MarketEvent, Product, Venue};
use crate::server::clock::now_ms;
use crate::server::connection;
use crate::server::hub::{Dialect, Outbox};
use crate::server::shared::Shared;

const WINDOW_S: i64 = 30;

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    id: Value,
    op: String,
    #[serde(default)]
    args: Vec<Value>,
}

pub(crate) async fn private(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    serve(shared, upgrade, Some(Side::Private))
}

pub(crate) async fn business(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    serve(shared, upgrade, Some(Side::Business))
}

pub(crate) async fn public(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    serve(shared, upgrade, None)
}

fn serve(shared: Arc<Shared>, upgrade: WebSocketUpgrade, side: Option<Side>) -> Response {
    upgrade.read_buffer_size(connection::READ_BUFFER).on_upgrade(move |socket| {
        let (outbox, messages) = Outbox::new(shared.next_connection());
        let answers = Arc::clone(&shared);
        // The account that has logged in.
        let login = Mutex::new(None);
        let on_text = move |outbox: &Outbox, text: &str| {
            let mut login = login.lock().unwrap_or_else(PoisonError::into_inner);
            answer(&answers, outbox, text, side, &mut login);
        };
        connection::serve(socket, shared, outbox, on_text, messages)
    })
}

fn answer(shared: &Shared, outbox: &Outbox, text: &str, side: Option<Side>, login: &mut Option<(usize, String)>) {
    if text == "ping" {
        // Under the lock, so that it is behind every event that has happened.
        let _store = shared.store();
        return outbox.send("pong");
    }
    let Ok(request) = serde_json::from_str::<Request>(text) else {
        return outbox.send(error("60012", "Invalid request"));
    };
    if let (Some(operation), Some(Side::Private)) = (trade::operation(&request.op), side) {
        let Some((_, name)) = login else { return outbox.send(error("60011", "Please log in")) };
        return trade::answer(shared, outbox, (&request.id, &request.op, request.args), operation, name);
    }
    let mut store = shared.store();
    match (request.op.as_str(), side) {
        ("login", Some(_)) => match signed_in(shared, request.args.first()) {
            Some(name) => {
                *login = store.venue.account_id(name).ok().map(|account| (account, name.to_owned()));
                outbox.send(json!({"event": "login", "code": "0", "msg": "", "connId": "paper"}).to_string());
            }
            None => outbox.send(error("60009", "Login failed.")),
        },
        ("subscribe", Some(side)) => {
            let Some((account, _)) = *login else { return outbox.send(error("60011", "Please log in")) };
            store.hub.subscribe_dialect(outbox, account, Dialect::Okx(side));
            request.args.iter().for_each(|arg| outbox.send(subscribed("subscribe", arg)));
        }
        (op @ ("subscribe" | "unsubscribe"), None) => {
            for arg in &request.args {
                let (channel, inst_id) = (arg["channel"].as_str(), arg["instId"].as_str());
                let stream = format!("{OKX}{}:{}", channel.unwrap_or_default(), inst_id.unwrap_or_default());
                if op == "subscribe" {
                    store.hub.subscribe(&stream, outbox, false);
                } else {
                    store.hub.unsubscribe(&stream, outbox);
                }
                outbox.send(subscribed(op, arg));
            }
        }
        _ => outbox.send(error("60012", "Invalid request")),
    }
}

fn subscribed(op: &str, arg: &Value) -> String {
    json!({"event": op, "arg": arg, "connId": "paper"}).to_string()
}

fn error(code: &str, message: &str) -> String {
    json!({"event": "error", "code": code, "msg": message, "connId": "paper"}).to_string()
}

/// The name of the account that has signed the login.
fn signed_in<'a>(shared: &'a Shared, arg: Option<&Value>) -> Option<&'a str> {
    let text = |name: &str| arg?.get(name)?.as_str();
    let (name, secret) = shared.keys.holder(text("apiKey")).ok()?;
    let timestamp = text("timestamp")?;
    let is_fresh = (timestamp.parse::<i64>().ok()? - now_ms() / 1000).abs() <= WINDOW_S;
    let is_signed = verified(secret, &format!("{timestamp}GET/users/self/verify"), text("sign")?);
    (is_fresh && is_signed).then_some(name)
}

/// The message of a public channel (`trades:BTC-USDT`) for an event, if that channel tells it.
pub(crate) fn stream_message(venue: &Venue, event: &MarketEvent, stream: &str) -> Option<Value> {
    let inst_id = stream.strip_prefix("trades:")?;
    let MarketEvent::Trade { market, trade } = event else { return None };
    let market = &venue.markets[*market];
    let product = if inst_id.ends_with("-SWAP") { Product::Swap } else { Product::Spot };
    (name(market, product) == inst_id)
        .then(|| json!({"arg": {"channel": "trades", "instId": inst_id}, "data": [print(market, product, trade)]}))
}
