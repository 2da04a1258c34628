//! Order entry over a WebSocket: one login, then orders and cancels, each with a timestamp and an id that its answer brings back.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::orders;
use super::refusals::{Bad, translated};
use super::rest::{Call, check_fresh};
use super::stream::signed_in;
use crate::engine::Product;
use crate::server::clock::now_ms;
use crate::server::connection;
use crate::server::hub::Outbox;
use crate::server::params::Params;
use crate::server::shared::Shared;
use crate::server::store::Store;
use crate::server::ws_faults::{self, Failure};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    /// Comes back as it was sent, or not at all.
    req_id: Option<Value>,
    op: String,
    #[serde(default)]
    header: Map<String, Value>,
    #[serde(default)]
    args: Vec<Value>,
}

pub(crate) async fn trade(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.read_buffer_size(connection::READ_BUFFER).on_upgrade(move |socket| {
        let (outbox, messages) = Outbox::new(shared.next_connection());
        let answers = Arc::clone(&shared);
        // The name of the account that has logged in.
        let login = Mutex::new(None);
        let on_text = move |outbox: &Outbox, text: &str| {
            let mut login = login.lock().unwrap_or_else(PoisonError::into_inner);
            answer(&answers, outbox, text, &mut login);
        };
        connection::serve(socket, shared, outbox, on_text, messages)
    })
}

fn answer(shared: &Shared, outbox: &Outbox, text: &str, login: &mut Option<String>) {
    let Ok(request) = serde_json::from_str::<Request>(text) else {
        return outbox.send(reply(None, "", Err(Bad::parameter("Invalid JSON"))));
    };
    let Request { req_id, op, header, args } = request;
    let id = req_id.as_ref();
    match (op.as_str(), login.as_deref()) {
        ("ping", _) => {
            let pong = json!({"retCode": 0, "retMsg": "OK", "op": "pong", "data": [now_ms().to_string()],
                "connId": "paper"});
            outbox.send(pong.to_string());
        }
        ("auth", Some(_)) => outbox.send(reply(id, &op, Err(Bad::new(20_001, "Repeat auth")))),
        ("auth", None) => {
            let result = signed_in(shared, &args).map(|name| *login = Some(name.to_owned()));
            let result = result.map(|()| json!({})).map_err(|message| Bad::new(10_004, message));
            outbox.send(reply(id, &op, result));
        }
        (_, None) => outbox.send(reply(id, &op, Err(Bad::new(10_005, "Permission denied, log in first")))),
        (_, Some(name)) => {
            let failed = |failure| reply(id, &op, Err(bad(failure)));
            let act = |store: &mut Store| reply(id, &op, run(store, name, &op, &header, args));
            ws_faults::answer(shared, outbox, &op, failed, act);
        }
    }
}

fn run(
    store: &mut Store,
    name: &str,
    op: &str,
    header: &Map<String, Value>,
    mut args: Vec<Value>,
) -> Result<Value, Bad> {
    let operation = match op {
        "order.create" => orders::create,
        "order.cancel" => orders::cancel,
        _ => return Err(Bad::new(10_404, format!("The paper venue does not have {op}"))),
    };
    let text = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or_default();
    check_fresh(text("X-BAPI-TIMESTAMP"), text("X-BAPI-RECV-WINDOW"))?;
    let Some(Value::Object(fields)) = args.pop().filter(|_| args.is_empty()) else {
        return Err(Bad::parameter("args must hold one order"));
    };
    let params = Params::of_json(fields).map_err(|refusal| Bad::parameter(refusal.msg))?;
    let account = store.venue.account_id(name).map_err(|refusal| translated(refusal, Product::Spot))?;
    operation(&mut Call { store, params: &params, account, name })
}

fn bad(failure: Failure) -> Bad {
    match failure {
        Failure::Unavailable => Bad::new(10_016, "Service is restarting"),
        Failure::Refused(..) => Bad::new(10_429, "Requests too frequent"),
        Failure::Unknown(form) if form % 2 == 0 => Bad::new(10_000, "Server Timeout"),
        Failure::Unknown(_) => Bad::new(10_016, "Internal server error"),
    }
}

fn reply(id: Option<&Value>, op: &str, result: Result<Value, Bad>) -> String {
    let (code, message, data) = match result {
        Ok(data) => (0, "OK".to_owned(), data),
        Err(bad) => (bad.code, bad.message, json!({})),
    };
    let mut frame = json!({"retCode": code, "retMsg": message, "op": op, "connId": "paper"});
    if let Some(id) = id {
        frame["reqId"] = id.clone();
    }
    if op != "auth" {
        frame["data"] = data;
        frame["retExtInfo"] = json!({});
        frame["header"] = json!({"Timenow": now_ms().to_string()});
    }
    frame.to_string()
}
