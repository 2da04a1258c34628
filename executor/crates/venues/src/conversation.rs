//! A WebSocket conversation that is kept up: connect, subscribe, ask for signs of life, come back after a failure.

use std::future::Future;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

const FIRST_WAIT: Duration = Duration::from_millis(100);
/// As long as the user stream is away, fills are not heard of and get no stop. Venues allow a connection a second and more.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// A connection that has lived this long was a good one: after it the waits begin small again.
const SETTLED: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Between our signs of life. Silence for more than twice as long ends the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Venues end a connection after 24 h; a reconnection of our choosing is better than one of theirs.
const LIFETIME: Duration = Duration::from_secs(23 * 3600);

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What is said on one connection, and what comes of the answers.
pub trait Conversation: Send {
    /// What is asked for while it runs.
    type Ask: Send;
    /// Connects, and returns when all that is wanted is subscribed.
    fn open(&mut self) -> impl Future<Output = Result<Socket, String>> + Send;
    fn up(&mut self);
    fn down(&mut self, reason: String);
    /// Something was asked while there was no connection.
    fn missed(&mut self, ask: Self::Ask);
    /// What to send for something asked, if anything.
    fn ask(&mut self, ask: Self::Ask) -> Option<Message>;
    /// A message that the venue must answer.
    fn alive(&mut self) -> Message;
    /// One message came. An error ends the connection, and says why.
    fn hear(&mut self, text: &str) -> Result<(), String>;
}

/// Runs until nobody can ask any more, or it is dropped.
pub async fn keep<C: Conversation>(mut talk: C, mut asks: UnboundedReceiver<C::Ask>) {
    let mut wait = FIRST_WAIT;
    loop {
        loop {
            match asks.try_recv() {
                Ok(ask) => talk.missed(ask),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        let opened =
            timeout(CONNECT_TIMEOUT, talk.open()).await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let reason = match opened {
            Ok(mut socket) => {
                let born = Instant::now();
                talk.up();
                let Some(reason) = serve(&mut talk, &mut socket, &mut asks).await else { return };
                if born.elapsed() > SETTLED {
                    wait = FIRST_WAIT;
                }
                reason
            }
            Err(reason) => reason,
        };
        talk.down(reason);
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Until the connection ends (why), or nobody can ask any more (`None`).
async fn serve<C: Conversation>(
    talk: &mut C,
    socket: &mut Socket,
    asks: &mut UnboundedReceiver<C::Ask>,
) -> Option<String> {
    let born = Instant::now();
    let mut heard = born;
    let mut tick = tokio::time::interval_at(born + KEEP_ALIVE, KEEP_ALIVE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            message = socket.next() => {
                heard = Instant::now();
                match message {
                    Some(Ok(Message::Text(text))) => match talk.hear(&text) {
                        Ok(()) => continue,
                        Err(reason) => return Some(reason),
                    },
                    Some(Ok(Message::Close(_))) | None => return Some("closed by the venue".into()),
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => return Some(error.to_string()),
                }
            }
            ask = asks.recv() => talk.ask(ask?),
            _ = tick.tick() => {
                if heard.elapsed() > KEEP_ALIVE * 2 {
                    return Some("silent for too long".into());
                }
                if born.elapsed() > LIFETIME {
                    return Some("renewed before the venue ends it".into());
                }
                Some(talk.alive())
            }
        };
        if let Some(message) = message
            && let Err(error) = socket.send(message).await
        {
            return Some(error.to_string());
        }
    }
}

/// Read at once, at most. The buffer is cleared before each read: the usual 128 KiB would cost more than all else there is to it.
const READ_BUFFER: usize = 4096;

/// Connects, without Nagle's delay of small frames.
pub async fn dial(url: &str) -> Result<Socket, String> {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    let connected = connect_async_with_config(url, Some(config), true).await;
    let (socket, _) = connected.map_err(|error| error.to_string())?;
    Ok(socket)
}

/// Sends `request` and waits for the answer that `is_it` finds good (`Some(Ok)`) or bad (`Some(Err)`).
pub async fn say(
    socket: &mut Socket,
    request: &Value,
    mut is_it: impl FnMut(&Value) -> Option<Result<(), String>>,
) -> Result<(), String> {
    socket.send(Message::text(request.to_string())).await.map_err(|error| error.to_string())?;
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message.map_err(|error| error.to_string())? else { continue };
        let answer: Value = serde_json::from_str(&text).map_err(|error| format!("unreadable answer: {error}"))?;
        if let Some(result) = is_it(&answer) {
            return result;
        }
    }
    Err("closed before it was subscribed".into())
}
