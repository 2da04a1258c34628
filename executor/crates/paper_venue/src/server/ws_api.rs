//! The WebSocket API: requests and, once subscribed, the account's events, on one connection, in order.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::clock::now_ms;
use super::connection;
use super::error::ApiError;
use super::faulty::{failed, throttled, unavailable};
use super::hub::Outbox;
use super::limits::Used;
use super::operations::{Access, Call, by_ws_name};
use super::params::Given;
use super::shared::Shared;
use super::store::Store;
use super::ws_faults::{self, Failure};
use crate::engine::Refusal;

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    id: Value,
    method: String,
    #[serde(default)]
    params: Given,
}

pub(crate) async fn spot(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    serve(shared, upgrade, false)
}

pub(crate) async fn futures(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    serve(shared, upgrade, true)
}

fn serve(shared: Arc<Shared>, upgrade: WebSocketUpgrade, futures: bool) -> Response {
    upgrade.read_buffer_size(connection::READ_BUFFER).on_upgrade(move |socket| {
        let (outbox, messages) = Outbox::new(shared.next_connection());
        let answers = Arc::clone(&shared);
        let on_text = move |outbox: &Outbox, text: &str| answer(&answers, outbox, text, futures);
        connection::serve(socket, shared, outbox, on_text, messages)
    })
}

fn answer(shared: &Shared, outbox: &Outbox, text: &str, futures: bool) {
    let request: Request = match serde_json::from_str(text) {
        Ok(request) => request,
        Err(error) => {
            let refusal = Refusal::new(-1135, format!("Invalid JSON Request: {error}."));
            return outbox.send(reply(&Value::Null, Err(refusal.into()), Used::default()));
        }
    };
    let Request { id, method, params } = request;
    let told = |failure| match failure {
        Failure::Unavailable => reply(&id, Err(unavailable()), Used::default()),
        Failure::Refused(status, seconds) => refusal(&id, status, seconds),
        Failure::Unknown(form) => reply(&id, Err(failed(form)), Used::default()),
    };
    let act = |store: &mut Store| {
        let mut used = Used::default();
        let result = run(shared, store, outbox, (&method, params), &mut used, futures);
        reply(&id, result, used)
    };
    ws_faults::answer(shared, outbox, &method, told, act);
}

/// 429 and 418, with the time until which to wait where Binance puts it.
fn refusal(id: &Value, status: u16, seconds: u64) -> String {
    let mut error = throttled(status).json();
    let now = now_ms();
    error["data"] = json!({"serverTime": now, "retryAfter": now + 1000 * seconds as i64});
    json!({"id": id, "status": status, "error": error, "rateLimits": []}).to_string()
}

fn run(
    shared: &Shared,
    store: &mut Store,
    outbox: &Outbox,
    (method, params): (&str, Given),
    used: &mut Used,
    futures: bool,
) -> Result<String, ApiError> {
    let params = params.0?;
    let signer = || shared.keys.account(params.text("apiKey"), params.signed_text().as_bytes(), &params);
    match method {
        "userDataStream.subscribe.signature" if !futures => {
            *used = shared.limits().take_weight(2)?;
            let account = store.venue.account_id(signer()?)?;
            let subscription = store.hub.subscribe_user(outbox, account);
            let subscription =
                subscription.ok_or_else(|| Refusal::new(-2035, "Subscription already active for this account."))?;
            Ok(format!(r#"{{"subscriptionId":{subscription}}}"#))
        }
        "userDataStream.unsubscribe" => {
            *used = shared.limits().take_weight(2)?;
            store.hub.unsubscribe_user(outbox, params.id("subscriptionId")?);
            Ok("{}".to_owned())
        }
        name => {
            let Some(operation) = by_ws_name(name, futures) else {
                let msg = format!("Method '{name}' is not one of the paper venue's.");
                return Err(ApiError::new(StatusCode::BAD_REQUEST, -1020, msg));
            };
            *used = shared.limits().take_weight(operation.weight)?;
            let account = if operation.access == Access::Public { "" } else { signer()? };
            operation.admit(&store.venue, account)?;
            if operation.access == Access::Order {
                shared.limits().take_order(account, used)?;
            }
            operation.run(&mut Call { store, params: &params, account })
        }
    }
}

/// Written out by hand: it is a good part of an answer's time.
fn reply(id: &Value, result: Result<String, ApiError>, used: Used) -> String {
    let mut text = String::with_capacity(1280);
    let _ = match result {
        Ok(result) => write!(text, r#"{{"id":{id},"status":200,"result":{result},"rateLimits":"#),
        Err(error) => {
            write!(text, r#"{{"id":{id},"status":{},"error":{},"rateLimits":"#, error.status.as_u16(), error.json())
        }
    };
    used.tell(&mut text);
    text.push('}');
    text
}
