//! Order entry over the private WebSocket: requests with an id that their answer brings back. They name an instrument by its code.

use serde_json::{Map, Value, json};

use super::instruments::{code, name};
use super::orders;
use super::refusals::Bad;
use super::rest::{Answer, Call, refused};
use crate::engine::Product;
use crate::server::clock::now_ms;
use crate::server::hub::Outbox;
use crate::server::params::Params;
use crate::server::shared::Shared;
use crate::server::store::Store;
use crate::server::ws_faults::{self, Failure};

type Operation = fn(&mut Call) -> Answer;

pub(super) fn operation(op: &str) -> Option<Operation> {
    match op {
        "order" | "batch-orders" => Some(orders::place),
        "cancel-order" | "batch-cancel-orders" => Some(orders::cancel),
        _ => None,
    }
}

/// `name`: of the account that has logged in.
pub(super) fn answer(
    shared: &Shared,
    outbox: &Outbox,
    (id, op, args): (&Value, &str, Vec<Value>),
    operation: Operation,
    name: &str,
) {
    let came = now_ms();
    let failed = |failure| reply(id, op, came, Err(bad(failure)));
    let act = |store: &mut Store| reply(id, op, came, run(store, name, operation, args));
    ws_faults::answer(shared, outbox, op, failed, act);
}

fn run(store: &mut Store, account_name: &str, operation: Operation, mut args: Vec<Value>) -> Answer {
    let Some(Value::Object(mut fields)) = args.pop().filter(|_| args.is_empty()) else {
        return Err(Bad::new(60_013, "The paper venue takes one entry at a time"));
    };
    let account = store.venue.account_id(account_name)?;
    let product = store.venue.accounts[account].product;
    name_instrument(store, product, &mut fields)?;
    let params = Params::of_json(fields)?;
    operation(&mut Call { store, params: &params, account, name: account_name, product })
}

/// An `instId` is not looked at, as OKX has not since March 2026.
fn name_instrument(store: &Store, product: Product, fields: &mut Map<String, Value>) -> Result<(), Bad> {
    let asked = fields.remove("instIdCode").filter(|asked| !asked.is_null());
    let asked = asked.ok_or_else(|| Bad::new(50_014, "Parameter instIdCode can not be empty"))?;
    let markets = &store.venue.markets;
    let found = (0..markets.len()).find(|market| asked == json!(code(*market, product)));
    let found =
        found.ok_or_else(|| Bad::new(51_001, "Instrument ID, Instrument ID code or Spread ID doesn't exist."))?;
    fields.insert("instId".into(), json!(name(&markets[found], product)));
    Ok(())
}

fn bad(failure: Failure) -> Bad {
    match failure {
        Failure::Unavailable => Bad::new(50_001, "Service temporarily unavailable"),
        Failure::Refused(..) => Bad::new(50_011, "Too Many Requests"),
        Failure::Unknown(form) if form % 2 == 0 => {
            Bad::new(50_004, "API endpoint request timeout (does not mean that the request was successful or failed)")
        }
        Failure::Unknown(_) => Bad::new(50_026, "System error"),
    }
}

fn reply(id: &Value, op: &str, came: i64, result: Answer) -> String {
    let (code, message, data) = result.map_or_else(refused, |data| ("0".into(), String::new(), data));
    let micros = |ms: i64| format!("{ms}000");
    json!({"id": id, "op": op, "code": code, "msg": message, "data": data, "inTime": micros(came),
        "outTime": micros(now_ms())})
    .to_string()
}
