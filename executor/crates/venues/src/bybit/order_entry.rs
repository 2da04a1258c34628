//! Orders and cancels over the trade WebSocket, in Bybit's words. As over REST, an answer says no more than that the request was accepted.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Account;
use super::requests::{CANCEL, CREATE};
use super::sign::RECV_WINDOW;
use crate::VenueError;
use crate::conversation::{Socket, dial, say};
use crate::order_entry::{Heard, OrderEntry, Wire};

/// How long the signature of a login may be used.
const LOGIN_MS: i64 = 10_000;
/// The service restarts: what it has is carried out, nothing more is taken.
const RESTARTING: i64 = 10_019;

/// An operation's names over the WebSocket and over REST.
pub const CREATE_ORDER: (&str, &str) = ("order.create", CREATE);
pub const CANCEL_ORDER: (&str, &str) = ("order.cancel", CANCEL);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Frame<'a> {
    #[serde(default)]
    req_id: String,
    #[serde(default)]
    ret_code: i64,
    #[serde(default)]
    ret_msg: String,
    #[serde(default)]
    op: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    header: Header,
}

#[derive(Deserialize, Default)]
struct Header {
    #[serde(rename = "X-Bapi-Limit")]
    limit: Option<String>,
    #[serde(rename = "X-Bapi-Limit-Status")]
    left: Option<String>,
    #[serde(rename = "X-Bapi-Limit-Reset-Timestamp")]
    reset: Option<String>,
}

impl Wire for Account {
    fn entry(&self) -> &OrderEntry {
        &self.entry
    }

    async fn open(&self) -> Result<Socket, String> {
        let mut socket = dial(&self.trade_url).await?;
        let (key, expires, signature) = self.signer.login(self.clock.venue_ms() + LOGIN_MS);
        say(&mut socket, &json!({"op": "auth", "args": [key, expires, signature]}), logged_in).await?;
        Ok(socket)
    }

    fn request(&self, id: u64, operation: &str, order: &str) -> String {
        let now = self.clock.venue_ms();
        format!(
            r#"{{"reqId":"{id}","header":{{"X-BAPI-TIMESTAMP":"{now}","X-BAPI-RECV-WINDOW":"{RECV_WINDOW}"}},"op":"{operation}","args":[{order}]}}"#
        )
    }

    fn alive(&self) -> &'static str {
        r#"{"op":"ping"}"#
    }

    fn hear(&self, text: &str) -> Result<Heard, String> {
        let frame: Frame<'_> = serde_json::from_str(text).map_err(|error| format!("an unreadable answer: {error}"))?;
        if frame.op == CREATE_ORDER.0 {
            let number = |text: &Option<String>| text.as_ref()?.parse().ok();
            self.limits.note(number(&frame.header.left), number(&frame.header.limit));
        }
        let Ok(id) = frame.req_id.parse() else {
            // A refusal of some request; nobody knows of which.
            let is_well = frame.ret_code == 0;
            return if is_well { Ok(Heard::default()) } else { Err(format!("{} ({})", frame.ret_msg, frame.ret_code)) };
        };
        let result = match frame.ret_code {
            0 => Ok(frame.data.unwrap_or(RawValue::NULL).to_owned()),
            RESTARTING => Err(VenueError::NotSent(frame.ret_msg)),
            code => {
                let reset = frame.header.reset.and_then(|at| at.parse().ok());
                Err(self.refused(code, frame.ret_msg, reset))
            }
        };
        Ok(Heard { answer: Some((id, result)), is_ending: frame.ret_code == RESTARTING })
    }
}

fn logged_in(answer: &Value) -> Option<Result<(), String>> {
    (answer["op"] == "auth").then(|| match answer["retCode"].as_i64() {
        Some(0) => Ok(()),
        _ => Err(format!("login refused: {} ({})", answer["retMsg"].as_str().unwrap_or_default(), answer["retCode"])),
    })
}

#[cfg(test)]
#[path = "order_entry_tests.rs"]
mod tests;
