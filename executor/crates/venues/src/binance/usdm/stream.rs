//! The user data stream: a listen key, a connection that it opens, and renewals of the key. A question on that connection is
//! answered behind every earlier event.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_tungstenite::tungstenite::Message;

use super::answers::ListenKeyBody;
use super::events::{AccountUpdate, AlgoUpdate, OrderUpdate};
use crate::binance::Account;
use crate::conversation::{Conversation, Socket, dial, keep};
use crate::{Sink, StreamEvent, VenueError};

const LISTEN_KEY: &str = "/fapi/v1/listenKey";
/// A key lives for an hour without renewal.
const RENEWAL: Duration = Duration::from_secs(20 * 60);
const RENEWAL_RETRY: Duration = Duration::from_secs(60);

pub async fn run(account: Arc<Account>, sink: Sink, pings: UnboundedReceiver<u64>) {
    tokio::select! {
        () = renew(&account) => {}
        () = keep(Events { account: Arc::clone(&account), sink }, pings) => {}
    }
}

/// Renews whatever key is in force: an account has one at a time.
async fn renew(account: &Account) {
    let mut wait = RENEWAL;
    loop {
        tokio::time::sleep(wait).await;
        let renewed = account.with_key::<serde::de::IgnoredAny>(Method::PUT, LISTEN_KEY).await;
        wait = if renewed.is_ok() { RENEWAL } else { RENEWAL_RETRY };
        if let Err(error) = renewed {
            // Should the key end, the stream says so and takes a new one.
            tracing::warn!(%error, "the user stream's key could not be renewed; trying again");
        }
    }
}

struct Events {
    account: Arc<Account>,
    sink: Sink,
}

impl Conversation for Events {
    type Ask = u64;

    async fn open(&mut self) -> Result<Socket, String> {
        let key: Result<ListenKeyBody, VenueError> = self.account.with_key(Method::POST, LISTEN_KEY).await;
        let key = key.map_err(|error| error.to_string())?.listen_key;
        dial(&format!("{}/private/ws?listenKey={key}", self.account.market_ws_url)).await
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
        Some(question(number))
    }

    fn alive(&mut self) -> Message {
        question(ALIVE)
    }

    fn hear(&mut self, text: &str) -> Result<(), String> {
        // An event that cannot be read may have been a fill: only a reconciliation can tell.
        for event in read(text)? {
            match event {
                StreamEvent::Down(reason) => return Err(reason),
                event => (self.sink)(event),
            }
        }
        Ok(())
    }
}

/// Pings are numbered from 1.
const ALIVE: u64 = 0;

fn question(id: u64) -> Message {
    Message::text(format!(r#"{{"method":"LIST_SUBSCRIPTIONS","id":{id}}}"#))
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    e: &'a str,
    #[serde(rename = "T", default)]
    time: i64,
    id: Option<u64>,
    #[serde(borrow)]
    o: Option<&'a RawValue>,
    #[serde(borrow)]
    a: Option<&'a RawValue>,
}

/// One message: its events, none if it is of no interest, or why it cannot be read.
fn read(text: &str) -> Result<Vec<StreamEvent>, String> {
    let unreadable = |error: serde_json::Error| format!("unreadable message: {error}");
    let message: Envelope = serde_json::from_str(text).map_err(unreadable)?;
    if let Some(number) = message.id {
        return Ok(if number == ALIVE { Vec::new() } else { vec![StreamEvent::Pong(number)] });
    }
    let (order, account) = (message.o.map_or("", RawValue::get), message.a.map_or("", RawValue::get));
    let refused = |error: VenueError| error.to_string();
    Ok(match message.e {
        "ORDER_TRADE_UPDATE" => {
            let update: OrderUpdate = serde_json::from_str(order).map_err(unreadable)?;
            vec![StreamEvent::Report(Box::new(update.into_report().map_err(refused)?))]
        }
        "ALGO_UPDATE" => {
            let update: AlgoUpdate = serde_json::from_str(order).map_err(unreadable)?;
            let report = update.into_report(message.time).map_err(refused)?;
            report.into_iter().map(|report| StreamEvent::Report(Box::new(report))).collect()
        }
        "ACCOUNT_UPDATE" => {
            let update: AccountUpdate = serde_json::from_str(account).map_err(unreadable)?;
            update.into_events()
        }
        "listenKeyExpired" => vec![StreamEvent::Down("the stream's key has expired".into())],
        "MARGIN_CALL" => {
            tracing::error!("the venue calls for margin: positions are near their liquidation");
            Vec::new()
        }
        _ => Vec::new(),
    })
}

#[cfg(test)]
#[path = "stream_fuzz.rs"]
mod fuzz;
#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
