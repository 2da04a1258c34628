//! The user data stream over the WebSocket API: `userDataStream.subscribe.signature`, and `ping` on the same connection, whose
//! answer comes behind every earlier event.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_tungstenite::tungstenite::Message;

use super::events::{PositionBody, ReportBody};
use crate::binance::Account;
use crate::conversation::{Conversation, Socket, dial, keep, say};
use crate::params::Params;
use crate::{Sink, StreamEvent};

pub async fn run(account: Arc<Account>, sink: Sink, pings: UnboundedReceiver<u64>) {
    keep(Events { account, sink }, pings).await;
}

struct Events {
    account: Arc<Account>,
    sink: Sink,
}

impl Conversation for Events {
    type Ask = u64;

    async fn open(&mut self) -> Result<Socket, String> {
        let mut socket = dial(&self.account.ws_api_url).await?;
        let params = self.account.signer.signed_json(Params::default(), self.account.clock.venue_ms());
        let params: Value = serde_json::from_str(&params).map_err(|error| error.to_string())?;
        let request = json!({"id": "subscribe", "method": "userDataStream.subscribe.signature", "params": params});
        let mut is_stale = false;
        let subscribed = say(&mut socket, &request, |answer| {
            if answer["id"] != "subscribe" {
                return None;
            }
            let error = &answer["error"];
            is_stale = error["code"] == -1021;
            Some(if answer["status"] == 200 {
                Ok(())
            } else {
                Err(format!("subscription refused: {} ({})", error["msg"], error["code"]))
            })
        });
        let subscribed = subscribed.await;
        if is_stale {
            self.account.measure().await.map_err(|error| error.to_string())?;
        }
        subscribed.map(|()| socket)
    }

    fn up(&mut self) {
        (self.sink)(StreamEvent::Up);
    }

    fn down(&mut self, reason: String) {
        (self.sink)(StreamEvent::Down(reason));
    }

    /// A ping while the connection was down promised nothing about this one.
    fn missed(&mut self, _: u64) {}

    fn ask(&mut self, number: u64) -> Option<Message> {
        Some(ping_request(&number.to_string()))
    }

    fn alive(&mut self) -> Message {
        ping_request("alive")
    }

    fn hear(&mut self, text: &str) -> Result<(), String> {
        // An event that cannot be read may have been a fill: only a reconciliation can tell.
        match read(text)? {
            Some(StreamEvent::Down(reason)) => return Err(reason),
            event => event.into_iter().for_each(&self.sink),
        }
        Ok(())
    }
}

fn ping_request(id: &str) -> Message {
    Message::text(json!({"id": id, "method": "ping"}).to_string())
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Kind<'a> {
    e: &'a str,
}

/// One message: an event, nothing of interest, or why it cannot be read.
fn read(text: &str) -> Result<Option<StreamEvent>, String> {
    let unreadable = |error: serde_json::Error| format!("unreadable message: {error}");
    let message: Envelope = serde_json::from_str(text).map_err(unreadable)?;
    let Some(event) = message.event.map(RawValue::get) else {
        let number = message.id.and_then(|id| id.get().trim_matches('"').parse().ok());
        return Ok(number.map(StreamEvent::Pong));
    };
    let Kind { e: kind } = serde_json::from_str(event).map_err(unreadable)?;
    Ok(match kind {
        "executionReport" => {
            let body: ReportBody = serde_json::from_str(event).map_err(unreadable)?;
            Some(StreamEvent::Report(Box::new(body.into_report().map_err(|error| error.to_string())?)))
        }
        "outboundAccountPosition" => {
            let body: PositionBody = serde_json::from_str(event).map_err(unreadable)?;
            Some(StreamEvent::Balances(body.balances.into_iter().map(Into::into).collect()))
        }
        "serverShutdown" | "eventStreamTerminated" => {
            Some(StreamEvent::Down("the venue is shutting the stream down".into()))
        }
        _ => None,
    })
}

#[cfg(test)]
#[path = "stream_fuzz.rs"]
mod fuzz;
#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
