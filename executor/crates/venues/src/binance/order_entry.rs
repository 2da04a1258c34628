//! Order entry over the WebSocket API: a connection of its own, answers matched to requests by id. What is in flight when it ends is
//! lost, never sent again; what never left goes over REST.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::Account;
use super::client::{DEFAULT_WAIT, classify};
use super::symbols::RateLimitBody;
use crate::VenueError;
use crate::conversation::{Socket, dial};
use crate::http::TIMEOUT;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A socket that takes no bytes for this long is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// A quiet connection is asked for a sign of life this often, and given up after twice that.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Binance ends a connection after 24 h; its successor is up before that.
const LIFETIME: Duration = Duration::from_secs(23 * 3600);

/// The way in; closed while there is no connection.
#[derive(Default)]
pub struct OrderEntry(Mutex<Option<UnboundedSender<Request>>>);

struct Request {
    method: &'static str,
    params: String,
    reply: oneshot::Sender<Result<Answered, VenueError>>,
}

pub struct Answered {
    pub result: Box<RawValue>,
    /// When the request's last byte had been given to the socket.
    pub written: std::time::Instant,
}

/// An answer that has been read.
pub struct Entered<T> {
    pub body: T,
    /// As in [`Answered`]; unknown over REST.
    pub written: Option<std::time::Instant>,
}

impl OrderEntry {
    /// Sends one request. `params` is a signed JSON object.
    ///
    /// # Errors
    /// [`VenueError::NotSent`] only if no byte of it has left; otherwise the venue's refusal, or [`VenueError::Lost`].
    pub async fn send(&self, method: &'static str, params: String) -> Result<Answered, VenueError> {
        let down = || VenueError::NotSent("order entry over the WebSocket is down".into());
        let (reply, answer) = oneshot::channel();
        let sent = match self.lock().as_ref() {
            Some(requests) => requests.send(Request { method, params, reply }),
            None => return Err(down()),
        };
        sent.map_err(|_| down())?;
        match timeout(TIMEOUT, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(VenueError::Lost("the connection was given up".into())),
            Err(_) => Err(VenueError::Lost(format!("no answer in {TIMEOUT:?}"))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<UnboundedSender<Request>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a connection until it is dropped. A connection that grows old, or that the venue is about to end, gets its successor first
/// and then waits for the answers it owes.
pub async fn run(account: Arc<Account>) {
    let mut connections = JoinSet::new();
    let mut wait = FIRST_WAIT;
    loop {
        while connections.try_join_next().is_some() {}
        let connecting = dial(&account.ws_api_url);
        let reason = match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(socket)) => {
                wait = FIRST_WAIT;
                let (sender, requests) = unbounded_channel();
                let (ageing, aged) = oneshot::channel();
                let connection = Connection {
                    account: Arc::clone(&account),
                    socket,
                    requests,
                    in_flight: BTreeMap::new(),
                    last_id: 0,
                    ageing: Some(ageing),
                };
                connections.spawn(connection.run());
                *account.entry.lock() = Some(sender);
                match aged.await {
                    Ok(()) => continue,
                    Err(_) => "the connection ended".to_owned(),
                }
            }
            Ok(Err(reason)) => reason,
            Err(_) => "no connection in time".to_owned(),
        };
        tracing::warn!(%reason, "order entry over the WebSocket is down; orders go over REST until it is back");
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

struct Connection {
    account: Arc<Account>,
    socket: Socket,
    requests: UnboundedReceiver<Request>,
    in_flight: BTreeMap<u64, InFlight>,
    last_id: u64,
    /// Told once that a successor is wanted.
    ageing: Option<oneshot::Sender<()>>,
}

struct InFlight {
    reply: oneshot::Sender<Result<Answered, VenueError>>,
    written: Instant,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerBody<'a> {
    id: Option<u64>,
    #[serde(default)]
    status: u16,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<ErrorBody>,
    #[serde(default)]
    rate_limits: Vec<RateLimitBody>,
    event: Option<EventBody>,
}

#[derive(Deserialize)]
struct ErrorBody {
    code: i64,
    msg: String,
    data: Option<WaitBody>,
}

/// Where a 429 or 418 says until when.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WaitBody {
    server_time: Option<u64>,
    retry_after: Option<u64>,
}

impl ErrorBody {
    fn wait(&self) -> Option<Duration> {
        let data = self.data.as_ref()?;
        Some(Duration::from_millis(data.retry_after?.saturating_sub(data.server_time?)))
    }
}

#[derive(Deserialize)]
struct EventBody {
    e: String,
}

impl Connection {
    async fn run(mut self) {
        let reason = self.serve().await;
        // From here on nothing is taken; what was taken and not written has not left.
        self.requests.close();
        while let Ok(request) = self.requests.try_recv() {
            let _ = request.reply.send(Err(VenueError::NotSent(reason.clone())));
        }
        for waiting in std::mem::take(&mut self.in_flight).into_values() {
            let _ = waiting.reply.send(Err(VenueError::Lost(reason.clone())));
        }
    }

    /// Until the connection ends: why.
    async fn serve(&mut self) -> String {
        let ends = Instant::now() + LIFETIME;
        let mut heard = Instant::now();
        let mut asked = false;
        let mut has_successor = false;
        loop {
            if has_successor && self.in_flight.is_empty() {
                return "succeeded by another".into();
            }
            let oldest = self.in_flight.first_key_value().map(|(_, oldest)| oldest.written);
            let overdue = oldest.map(|written| written + TIMEOUT);
            let renewal = self.ageing.is_some().then_some(ends);
            let next_check = [overdue, renewal].into_iter().flatten().fold(heard + KEEP_ALIVE, Instant::min);
            tokio::select! {
                message = self.socket.next() => {
                    heard = Instant::now();
                    asked = false;
                    let problem = match message {
                        Some(Ok(Message::Text(text))) => self.answered(&text).err(),
                        Some(Ok(Message::Close(_))) | None => Some("closed by the venue".into()),
                        Some(Ok(_)) => None,
                        Some(Err(error)) => Some(error.to_string()),
                    };
                    if let Some(reason) = problem {
                        return reason;
                    }
                }
                request = self.requests.recv(), if !has_successor => match request {
                    Some(request) => {
                        if let Err(reason) = self.write(request).await {
                            return reason;
                        }
                    }
                    None => has_successor = true,
                },
                () = sleep_until(next_check) => {
                    if overdue.is_some_and(|overdue| overdue <= Instant::now()) {
                        // Most likely nobody is there any more: what comes next must not be lost as well.
                        return "an answer is overdue".into();
                    }
                    if renewal.is_some_and(|renewal| renewal <= Instant::now()) {
                        self.grow_old();
                        continue;
                    }
                    if asked || self.write_text(r#"{"id":0,"method":"ping"}"#.into()).await.is_err() {
                        return "silent for too long".into();
                    }
                    asked = true;
                    heard = Instant::now();
                }
            }
        }
    }

    fn grow_old(&mut self) {
        if let Some(ageing) = self.ageing.take() {
            let _ = ageing.send(());
        }
    }

    async fn write(&mut self, request: Request) -> Result<(), String> {
        // Who asked has given up: it must not be carried out any more.
        if request.reply.is_closed() {
            return Ok(());
        }
        self.last_id += 1;
        let id = self.last_id;
        let text = format!(r#"{{"id":{id},"method":"{}","params":{}}}"#, request.method, request.params);
        let written = self.write_text(text).await;
        let waiting = InFlight { reply: request.reply, written: Instant::now() };
        self.in_flight.insert(id, waiting);
        written
    }

    async fn write_text(&mut self, text: String) -> Result<(), String> {
        match timeout(WRITE_TIMEOUT, self.socket.send(Message::text(text))).await {
            Ok(written) => written.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the socket took no bytes for {WRITE_TIMEOUT:?}")),
        }
    }

    /// One message from the venue.
    ///
    /// # Errors
    /// Why nothing on this connection can be trusted any more.
    fn answered(&mut self, text: &str) -> Result<(), String> {
        let answer: AnswerBody<'_> =
            serde_json::from_str(text).map_err(|error| format!("an unreadable answer: {error}"))?;
        if answer.event.is_some_and(|event| event.e == "serverShutdown") {
            self.grow_old();
            return Ok(());
        }
        self.account.budget.learn(&answer.rate_limits);
        let Some(waiting) = answer.id.and_then(|id| self.in_flight.remove(&id)) else { return Ok(()) };
        let result = match (answer.status, answer.result, answer.error) {
            (200, Some(result), _) => Ok(Answered { result: result.to_owned(), written: waiting.written.into_std() }),
            (status @ (429 | 418), _, error) => {
                let told = error.and_then(|error| error.wait()).unwrap_or(DEFAULT_WAIT);
                Err(self.account.budget.block(told, status == 418))
            }
            (status, _, Some(error)) if status < 500 => Err(classify(error.code, error.msg)),
            (status, ..) => Err(VenueError::Lost(format!("the venue answered {status}"))),
        };
        let _ = waiting.reply.send(result);
        Ok(())
    }
}

#[cfg(test)]
#[path = "order_entry_tests.rs"]
mod tests;
