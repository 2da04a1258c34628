//! The private WebSocket: orders, executions, wallet and positions. The answer to a ping comes behind every earlier event.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_tungstenite::tungstenite::Message;

use super::Account;
use super::answers::{ExecutionBody, OrderBody, PositionBody, WalletBody};
use super::requests::category;
use crate::conversation::{Conversation, Socket, dial, keep, say};
use crate::pongs::Pongs;
use crate::{Sink, StreamEvent, VenueError};

const TOPICS: [&str; 4] = ["order", "execution", "wallet", "position"];
/// How long the signature of a login may be used.
const LOGIN_MS: i64 = 10_000;

pub async fn run(account: Arc<Account>, sink: Sink, pings: UnboundedReceiver<u64>) {
    keep(Private { account, sink, pongs: Pongs::default() }, pings).await;
}

struct Private {
    account: Arc<Account>,
    sink: Sink,
    pongs: Pongs,
}

impl Conversation for Private {
    type Ask = u64;

    async fn open(&mut self) -> Result<Socket, String> {
        self.pongs.forget();
        let mut socket = dial(&self.account.private_url).await?;
        let (key, expires, signature) = self.account.signer.login(self.account.clock.venue_ms() + LOGIN_MS);
        say(&mut socket, &json!({"op": "auth", "args": [key, expires, signature]}), answer_to("auth")).await?;
        say(&mut socket, &json!({"op": "subscribe", "args": TOPICS}), answer_to("subscribe")).await?;
        Ok(socket)
    }

    fn up(&mut self) {
        (self.sink)(StreamEvent::Up);
    }

    fn down(&mut self, reason: String) {
        (self.sink)(StreamEvent::Down(reason));
    }

    /// A ping of the old connection promised nothing about the next one.
    fn missed(&mut self, _: u64) {}

    fn ask(&mut self, number: u64) -> Option<Message> {
        Some(self.ping(Some(number)))
    }

    fn alive(&mut self) -> Message {
        self.ping(None)
    }

    fn hear(&mut self, text: &str) -> Result<(), String> {
        let heard = read(text, &self.account).map_err(|error| error.to_string())?;
        match heard {
            Heard::Events(events) => events.into_iter().for_each(&self.sink),
            Heard::Pong => {
                if let Some(number) = self.pongs.came() {
                    (self.sink)(StreamEvent::Pong(number));
                }
            }
        }
        Ok(())
    }
}

impl Private {
    fn ping(&mut self, number: Option<u64>) -> Message {
        self.pongs.sent(number);
        Message::text(json!({"op": "ping"}).to_string())
    }
}

fn answer_to(op: &'static str) -> impl FnMut(&Value) -> Option<Result<(), String>> {
    move |answer| {
        (answer["op"] == op).then(|| {
            let refused = || format!("{op} refused: {}", answer["ret_msg"].as_str().unwrap_or("no reason given"));
            answer["success"].as_bool().filter(|good| *good).map(|_| ()).ok_or_else(refused)
        })
    }
}

pub enum Heard {
    Events(Vec<StreamEvent>),
    Pong,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(default)]
    topic: &'a str,
    #[serde(default)]
    op: &'a str,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// One message. An event that cannot be read may have been a fill: only a reconciliation can tell.
pub fn read(text: &str, account: &Account) -> Result<Heard, VenueError> {
    let unreadable = |error: serde_json::Error| VenueError::Lost(format!("unreadable event: {error}"));
    let frame: Frame<'_> = serde_json::from_str(text).map_err(unreadable)?;
    if frame.op == "pong" || frame.op == "ping" {
        return Ok(Heard::Pong);
    }
    let (book, data) = (category(account.market), frame.data.map_or("[]", RawValue::get));
    let events = match frame.topic {
        "order" => {
            let orders = list::<OrderBody>(data)?.into_iter().filter(|body| body.category == book);
            orders.map(|body| Ok(StreamEvent::Report(Box::new(body.into_report()?)))).collect::<Result<_, _>>()?
        }
        "execution" => {
            let executions = list::<ExecutionBody>(data)?.into_iter();
            let ours = executions.filter(|body| body.category == book && body.is_trade());
            let report = |body: ExecutionBody| Ok(StreamEvent::Report(Box::new(body.into_report(account.market)?)));
            ours.map(report).collect::<Result<_, _>>()?
        }
        "wallet" => {
            let coins = list::<WalletBody>(data)?.into_iter().flat_map(|account| account.coin);
            vec![StreamEvent::Balances(coins.map(Into::into).collect())]
        }
        "position" => {
            let positions = list::<PositionBody>(data)?.into_iter().filter(|body| body.category == book);
            vec![StreamEvent::Positions(positions.map(Into::into).collect())]
        }
        _ => Vec::new(),
    };
    Ok(Heard::Events(events))
}

fn list<T: DeserializeOwned>(data: &str) -> Result<Vec<T>, VenueError> {
    serde_json::from_str(data).map_err(|error| VenueError::Lost(format!("unreadable event: {error}")))
}
