//! The WebSockets: the private stream, on which an account's events are told behind the answers that came before them; and the public
//! trades.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::BYBIT;
use super::market::taker;
use super::rest::verified;
use crate::engine::{MarketEvent, Venue, plain};
use crate::server::clock::now_ms;
use crate::server::connection;
use crate::server::hub::{Dialect, Outbox};
use crate::server::shared::Shared;

#[derive(Deserialize)]
struct Request {
    /// Comes back as it was sent.
    #[serde(default)]
    req_id: Value,
    op: String,
    #[serde(default)]
    args: Vec<Value>,
}

pub(crate) async fn private(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    serve(shared, upgrade, true)
}

pub(crate) async fn public(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    serve(shared, upgrade, false)
}

fn serve(shared: Arc<Shared>, upgrade: WebSocketUpgrade, is_private: bool) -> Response {
    upgrade.on_upgrade(move |socket| {
        let (outbox, messages) = Outbox::new(shared.next_connection());
        let answers = Arc::clone(&shared);
        // The account that has logged in.
        let login = Mutex::new(None);
        let on_text = move |outbox: &Outbox, text: &str| {
            let mut login = login.lock().unwrap_or_else(PoisonError::into_inner);
            answer(&answers, outbox, text, is_private, &mut login);
        };
        connection::serve(socket, shared, outbox, on_text, messages)
    })
}

fn answer(shared: &Shared, outbox: &Outbox, text: &str, is_private: bool, login: &mut Option<usize>) {
    let Ok(request) = serde_json::from_str::<Request>(text) else {
        return outbox.send(reply("", &Value::Null, Err("Invalid JSON".into())));
    };
    let id = &request.req_id;
    let mut store = shared.store();
    let result = match request.op.as_str() {
        "ping" if is_private => {
            let pong = json!({"req_id": id, "op": "pong", "args": [now_ms().to_string()], "conn_id": "paper"});
            return outbox.send(pong.to_string());
        }
        "ping" => {
            let pong = json!({"success": true, "ret_msg": "pong", "conn_id": "paper", "req_id": id, "op": "ping"});
            return outbox.send(pong.to_string());
        }
        "auth" if is_private => signed_in(shared, &request.args).and_then(|name| {
            *login = Some(store.venue.account_id(name).map_err(|refusal| refusal.msg)?);
            Ok(())
        }),
        "subscribe" if is_private => match login {
            Some(account) => {
                store.hub.subscribe_dialect(outbox, *account, Dialect::Bybit);
                Ok(())
            }
            None => Err("Request not authorized".into()),
        },
        "subscribe" => {
            for topic in request.args.iter().filter_map(Value::as_str) {
                store.hub.subscribe(&format!("{BYBIT}{topic}"), outbox, false);
            }
            Ok(())
        }
        "unsubscribe" => {
            for topic in request.args.iter().filter_map(Value::as_str) {
                store.hub.unsubscribe(&format!("{BYBIT}{topic}"), outbox);
            }
            Ok(())
        }
        other => Err(format!("Invalid op: {other}")),
    };
    outbox.send(reply(&request.op, id, result));
}

fn reply(op: &str, req_id: &Value, result: Result<(), String>) -> String {
    let success = result.is_ok();
    let message = result.err().unwrap_or_default();
    json!({"success": success, "ret_msg": message, "op": op, "req_id": req_id, "conn_id": "paper"}).to_string()
}

/// `[key, expires, signature]`: the name of the account.
pub(super) fn signed_in<'a>(shared: &'a Shared, args: &[Value]) -> Result<&'a str, String> {
    let (key, signature) = (args.first().and_then(Value::as_str), args.get(2).and_then(Value::as_str));
    // ccxt sends it as text.
    let expires = args.get(1).and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok()));
    let (Some(expires), Some(signature)) = (expires, signature) else { return Err("Params Error".into()) };
    let (name, secret) = shared.keys.holder(key).map_err(|_| "API key is invalid".to_owned())?;
    if expires <= now_ms() || !verified(secret, &format!("GET/realtime{expires}"), signature) {
        return Err("error sign!".into());
    }
    Ok(name)
}

/// A user event, which comes in Binance's words, in Bybit's: what it says of an order and of its fill are two messages there.
pub(crate) fn events(event: &Value) -> Vec<String> {
    let update = &event["o"];
    match event["e"].as_str() {
        Some("executionReport") => order_and_fill(event, "spot"),
        Some("ORDER_TRADE_UPDATE") => order_and_fill(update, "linear"),
        // Once it has triggered, the order's own events tell of it.
        Some("ALGO_UPDATE") if !matches!(update["X"].as_str(), Some("TRIGGERED" | "FINISHED")) => {
            vec![message("order", event, vec![waiting(update)])]
        }
        Some("outboundAccountPosition") => {
            let balances = event["B"].as_array().into_iter().flatten();
            let total = |free: &Value, locked: &Value| {
                let read = |value: &Value| {
                    value.as_str().and_then(|text| text.parse::<rust_decimal::Decimal>().ok()).unwrap_or_default()
                };
                let sum = read(free) + read(locked);
                plain(sum)
            };
            let coins: Vec<Value> = balances
                .map(|b| json!({"coin": b["a"], "walletBalance": total(&b["f"], &b["l"]), "locked": b["l"]}))
                .collect();
            vec![message("wallet", event, vec![json!({"accountType": "UNIFIED", "coin": coins})])]
        }
        Some("ACCOUNT_UPDATE") => {
            let list = |name: &str| event["a"][name].as_array().cloned().unwrap_or_default();
            let coins: Vec<Value> =
                list("B").iter().map(|b| json!({"coin": b["a"], "walletBalance": b["wb"], "locked": "0"})).collect();
            let positions = list("P").iter().map(position).collect();
            vec![
                message("position", event, positions),
                message("wallet", event, vec![json!({"accountType": "UNIFIED", "coin": coins})]),
            ]
        }
        _ => Vec::new(),
    }
}

fn message(topic: &str, event: &Value, data: Vec<Value>) -> String {
    json!({"id": "paper", "topic": topic, "creationTime": event["E"], "data": data}).to_string()
}

fn order_and_fill(o: &Value, category: &str) -> Vec<String> {
    let is = |name: &str, text: &str| o[name] == text;
    let (id, side) = (text_of(&o["i"]), if is("S", "BUY") { "Buy" } else { "Sell" });
    // A cancel has an id of its own; the order's is beside it.
    let link = if category == "spot" && o["C"].as_str().is_some_and(|id| !id.is_empty()) { &o["C"] } else { &o["c"] };
    let kind = o["o"].as_str().unwrap_or_default();
    let is_limit = kind.contains("LIMIT");
    let is_waiting =
        is("X", "NEW") && category == "spot" && kind != "LIMIT" && kind != "LIMIT_MAKER" && kind != "MARKET";
    let unfilled =
        o["z"].as_str().and_then(|text| text.parse::<rust_decimal::Decimal>().ok()).is_none_or(|z| z.is_zero());
    let status = match o["X"].as_str() {
        Some("NEW") if is_waiting && !o["w"].as_bool().unwrap_or(false) => "Untriggered",
        Some("NEW") => "New",
        Some("PENDING_NEW") => "Untriggered",
        Some("PARTIALLY_FILLED") => "PartiallyFilled",
        Some("FILLED") => "Filled",
        Some("REJECTED") => "Rejected",
        _ if unfilled => "Cancelled",
        _ => "PartiallyFilledCanceled",
    };
    let tif = if kind == "LIMIT_MAKER" || is("f", "GTX") { json!("PostOnly") } else { o["f"].clone() };
    let trigger = if category == "spot" { &o["P"] } else { &o["sp"] };
    let order_type = if is_limit { "Limit" } else { "Market" };
    let order = json!({
        "category": category, "symbol": o["s"], "orderId": id, "orderLinkId": link, "side": side,
        "orderType": order_type, "orderStatus": status, "timeInForce": tif, "price": o["p"], "qty": o["q"],
        "cumExecQty": o["z"], "triggerPrice": trigger, "triggerDirection": 0,
        "reduceOnly": o["R"].as_bool().unwrap_or(false), "rejectReason": "EC_NoError",
        "createdTime": text_of(if category == "spot" { &o["O"] } else { &o["T"] }), "updatedTime": text_of(&o["T"]),
    });
    let mut messages = Vec::new();
    if is("x", "TRADE") || is("x", "CALCULATED") {
        let exec_type = if is("x", "TRADE") { "Trade" } else { "BustTrade" };
        let fill = json!({
            "category": category, "symbol": o["s"], "orderId": id, "orderLinkId": link, "side": side,
            "orderType": order_type, "orderQty": o["q"], "orderPrice": o["p"], "execId": text_of(&o["t"]),
            "execPrice": o["L"], "execQty": o["l"], "execFee": o["n"].as_str().unwrap_or("0"), "feeCurrency": o["N"],
            "execType": exec_type, "isMaker": o["m"], "execTime": text_of(&o["T"]),
        });
        messages.push(message("execution", o, vec![fill]));
    }
    messages.push(message("order", o, vec![order]));
    messages
}

/// A conditional order that has not triggered.
fn waiting(o: &Value) -> Value {
    let status = match o["X"].as_str() {
        Some("NEW") => "Untriggered",
        Some("REJECTED") => "Rejected",
        _ => "Deactivated",
    };
    let (kind, buys) = (o["o"].as_str().unwrap_or_default(), o["S"] == "BUY");
    let rises = kind.starts_with("TAKE_PROFIT") != buys;
    let is_limit = matches!(kind, "STOP" | "TAKE_PROFIT");
    let id = o["aid"].as_u64().map(crate::engine::Order::of_algo_id).unwrap_or_default();
    json!({
        "category": "linear", "symbol": o["s"], "orderId": id.to_string(), "orderLinkId": o["caid"],
        "side": if buys { "Buy" } else { "Sell" }, "orderType": if is_limit { "Limit" } else { "Market" },
        "orderStatus": status, "timeInForce": o["f"], "price": o["p"], "qty": o["q"], "cumExecQty": "0",
        "triggerPrice": o["tp"], "triggerDirection": if rises { 1 } else { 2 }, "reduceOnly": o["R"],
        "rejectReason": if status == "Rejected" { o["rm"].clone() } else { json!("EC_NoError") },
        "createdTime": "0", "updatedTime": "0",
    })
}

fn position(p: &Value) -> Value {
    let amount = p["pa"].as_str().unwrap_or("0");
    let (side, size) = match amount.strip_prefix('-') {
        Some(size) => ("Sell", size),
        None if amount.trim_matches(['0', '.']).is_empty() => ("", "0"),
        None => ("Buy", amount),
    };
    json!({"category": "linear", "symbol": p["s"], "side": side, "size": size, "entryPrice": p["ep"], "positionIdx": 0})
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The message of a public topic for an event, if that topic tells it.
pub(crate) fn stream_message(venue: &Venue, event: &MarketEvent, topic: &str) -> Option<Value> {
    let symbol = topic.strip_prefix("publicTrade.")?;
    let MarketEvent::Trade { market, trade } = event else { return None };
    (venue.symbol_of(*market) == symbol).then(|| {
        json!({
            "topic": topic, "type": "snapshot", "ts": trade.time_ms,
            "data": [{"T": trade.time_ms, "s": symbol, "S": taker(trade), "v": plain(trade.quantity),
                "p": plain(trade.price), "i": trade.id.to_string(), "BT": false}],
        })
    })
}
