//! The user data stream over the WebSocket API: `userDataStream.subscribe.signature`, and `ping` on the same connection, whose
//! answer comes behind every earlier event.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::events::{PositionBody, ReportBody};
use crate::binance::Account;
use crate::binance::sign::Params;
use crate::{Sink, StreamEvent};

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A quiet stream is asked for a sign of life this often, and given up after twice that.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Binance ends a connection after 24 h; a reconnection of our choosing is better than one of its.
const LIFETIME: Duration = Duration::from_secs(23 * 3600);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub async fn run(account: Arc<Account>, sink: Sink, mut pings: UnboundedReceiver<u64>) {
    let mut wait = FIRST_WAIT;
    loop {
        let connected =
            timeout(CONNECT_TIMEOUT, connect(&account)).await.unwrap_or_else(|_| Err("no answer in time".into()));
        let reason = match connected {
            Ok(mut socket) => {
                wait = FIRST_WAIT;
                sink(StreamEvent::Up);
                // Pings of the old connection promised nothing about this one.
                while pings.try_recv().is_ok() {}
                match serve(&mut socket, &sink, &mut pings).await {
                    Some(reason) => reason,
                    None => return,
                }
            }
            Err(reason) => reason,
        };
        sink(StreamEvent::Down(reason));
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

async fn connect(account: &Account) -> Result<Socket, String> {
    // Latency of single small frames: no Nagle.
    let (mut socket, _) =
        connect_async_with_config(&account.ws_api_url, None, true).await.map_err(|error| error.to_string())?;
    let params = account.signer.signed_json(Params::default(), account.venue_ms());
    let request = format!(r#"{{"id":"subscribe","method":"userDataStream.subscribe.signature","params":{params}}}"#);
    socket.send(Message::text(request)).await.map_err(|error| error.to_string())?;
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message.map_err(|error| error.to_string())? else { continue };
        let answer: Value = serde_json::from_str(&text).map_err(|error| format!("unreadable answer: {error}"))?;
        if answer["id"] != "subscribe" {
            continue;
        }
        if answer["status"] == 200 {
            return Ok(socket);
        }
        if answer["error"]["code"] == -1021 {
            account.measure().await.map_err(|error| error.to_string())?;
        }
        return Err(format!("subscription refused: {} ({})", answer["error"]["msg"], answer["error"]["code"]));
    }
    Err("closed before it was subscribed".into())
}

/// Until the connection ends (why), or nobody wants it any more (`None`).
async fn serve(socket: &mut Socket, sink: &Sink, pings: &mut UnboundedReceiver<u64>) -> Option<String> {
    let born = Instant::now();
    let mut heard = Instant::now();
    let mut asked = false;
    loop {
        tokio::select! {
            message = socket.next() => {
                heard = Instant::now();
                asked = false;
                match message {
                    Some(Ok(Message::Text(text))) => match read(&text) {
                        Ok(Some(StreamEvent::Down(reason))) => return Some(reason),
                        Ok(event) => event.into_iter().for_each(sink),
                        // An event that cannot be read may have been a fill: only a reconciliation can tell.
                        Err(reason) => return Some(reason),
                    },
                    Some(Ok(Message::Close(_))) | None => return Some("closed by the venue".into()),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Some(error.to_string()),
                }
            }
            ping = pings.recv() => {
                let number = ping?;
                if let Err(error) = socket.send(ping_request(&number.to_string())).await {
                    return Some(error.to_string());
                }
            }
            () = tokio::time::sleep_until(heard + KEEP_ALIVE) => {
                if asked {
                    return Some("silent for too long".into());
                }
                asked = true;
                heard = Instant::now();
                if let Err(error) = socket.send(ping_request("alive")).await {
                    return Some(error.to_string());
                }
            }
        }
        if born.elapsed() > LIFETIME {
            return Some("renewed before the venue ends it".into());
        }
    }
}

fn ping_request(id: &str) -> Message {
    Message::text(json!({"id": id, "method": "ping"}).to_string())
}

/// One message: an event, nothing of interest, or why it cannot be read.
fn read(text: &str) -> Result<Option<StreamEvent>, String> {
    let mut message: Value = serde_json::from_str(text).map_err(|error| format!("unreadable message: {error}"))?;
    if let Some(number) = message["id"].as_str().and_then(|id| id.parse().ok()) {
        return Ok(Some(StreamEvent::Pong(number)));
    }
    let event = message["event"].take();
    let unreadable = |error: serde_json::Error| format!("unreadable event: {error}");
    Ok(match event["e"].as_str() {
        Some("executionReport") => {
            let body: ReportBody = serde_json::from_value(event).map_err(unreadable)?;
            Some(StreamEvent::Report(Box::new(body.into_report().map_err(|error| error.to_string())?)))
        }
        Some("outboundAccountPosition") => {
            let body: PositionBody = serde_json::from_value(event).map_err(unreadable)?;
            Some(StreamEvent::Balances(body.balances.into_iter().map(Into::into).collect()))
        }
        Some("serverShutdown" | "eventStreamTerminated") => {
            Some(StreamEvent::Down("the venue is shutting the stream down".into()))
        }
        _ => None,
    })
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
