//! Order entry over a WebSocket: a connection of its own, answers matched to requests by id. What is in flight when it ends is lost,
//! never sent again; what never left goes over REST.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::VenueError;
use crate::conversation::Socket;
use crate::http::TIMEOUT;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// A connection that has lived this long was a good one: after it the waits begin small again.
const SETTLED: Duration = Duration::from_secs(1);
/// For the connection and the login.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A socket that takes no bytes for this long is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// A quiet connection is asked for a sign of life this often, and given up after twice that.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Venues end a connection after 24 h; its successor is up before that.
const LIFETIME: Duration = Duration::from_secs(23 * 3600);

/// A venue's words for it.
pub trait Wire: Send + Sync + 'static {
    fn entry(&self) -> &OrderEntry;
    /// Connects and logs in.
    fn open(&self) -> impl Future<Output = Result<Socket, String>> + Send;
    /// A request; its answer brings `id` back. `order` is one JSON object.
    fn request(&self, id: u64, operation: &str, order: &str) -> String;
    /// A message that the venue must answer.
    fn alive(&self) -> &'static str;
    /// One message came. An error ends the connection, and says why.
    fn hear(&self, text: &str) -> Result<Heard, String>;
}

#[derive(Default, Debug)]
pub struct Heard {
    /// Of which request, and the venue's word on it.
    pub answer: Option<(u64, Result<Box<RawValue>, VenueError>)>,
    /// The venue takes no more requests here, and still answers those that it has.
    pub is_ending: bool,
}

/// The way in; closed while there is no connection.
#[derive(Default)]
pub struct OrderEntry(Mutex<Option<UnboundedSender<Request>>>);

struct Request {
    operation: &'static str,
    order: String,
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

impl Answered {
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, VenueError> {
        serde_json::from_str(self.result.get())
            .map_err(|error| VenueError::Lost(format!("the venue's answer is unreadable: {error}")))
    }
}

impl OrderEntry {
    /// Sends one request. `order` is a JSON object.
    ///
    /// # Errors
    /// [`VenueError::NotSent`] only if it certainly was not taken; otherwise the venue's refusal, or [`VenueError::Lost`].
    pub async fn send(&self, operation: &'static str, order: String) -> Result<Answered, VenueError> {
        let down = || VenueError::NotSent("order entry over the WebSocket is down".into());
        let (reply, answer) = oneshot::channel();
        let sent = match self.lock().as_ref() {
            Some(requests) => requests.send(Request { operation, order, reply }),
            None => return Err(down()),
        };
        sent.map_err(|_| down())?;
        match timeout(TIMEOUT, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(VenueError::Lost("the connection was given up".into())),
            Err(_) => Err(VenueError::Lost(format!("no answer in {TIMEOUT:?}"))),
        }
    }

    #[cfg(test)]
    pub fn is_up(&self) -> bool {
        self.lock().as_ref().is_some_and(|requests| !requests.is_closed())
    }

    fn lock(&self) -> MutexGuard<'_, Option<UnboundedSender<Request>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a connection until it is dropped. A connection that grows old, or that the venue is about to end, gets its successor first
/// and then waits for the answers it owes.
pub async fn run<W: Wire>(wire: Arc<W>) {
    let mut connections = JoinSet::new();
    let mut wait = FIRST_WAIT;
    let mut is_down = true;
    loop {
        while connections.try_join_next().is_some() {}
        let opened = timeout(CONNECT_TIMEOUT, wire.open()).await;
        let reason = match opened {
            Ok(Ok(socket)) => {
                let born = Instant::now();
                let (sender, requests) = unbounded_channel();
                let (over, heard) = oneshot::channel();
                let connection = Connection {
                    wire: Arc::clone(&wire),
                    socket,
                    requests,
                    in_flight: BTreeMap::new(),
                    last_id: 0,
                    over: Some(over),
                };
                connections.spawn(connection.run());
                *wire.entry().lock() = Some(sender);
                if std::mem::take(&mut is_down) {
                    tracing::info!("orders go over the WebSocket");
                }
                let over = heard.await;
                let is_settled = born.elapsed() > SETTLED;
                if is_settled {
                    wait = FIRST_WAIT;
                }
                match over {
                    Ok(Over::GrownOld) if is_settled => continue,
                    Ok(Over::GrownOld) => "the venue is about to end every connection".into(),
                    Ok(Over::Failed(reason)) => reason,
                    Err(_) => "the connection was given up".into(),
                }
            }
            Ok(Err(reason)) => reason,
            Err(_) => "no connection in time".to_owned(),
        };
        is_down = true;
        tracing::warn!(%reason, "order entry over the WebSocket is down; orders go over REST until it is back");
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

struct Connection<W> {
    wire: Arc<W>,
    socket: Socket,
    requests: UnboundedReceiver<Request>,
    in_flight: BTreeMap<u64, InFlight>,
    last_id: u64,
    /// Told once that a successor is wanted, and why.
    over: Option<oneshot::Sender<Over>>,
}

enum Over {
    GrownOld,
    Failed(String),
}

struct InFlight {
    reply: oneshot::Sender<Result<Answered, VenueError>>,
    written: Instant,
}

impl<W: Wire> Connection<W> {
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
        self.tell(Over::Failed(reason));
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
            let renewal = self.over.is_some().then_some(ends);
            let next_check = [overdue, renewal].into_iter().flatten().fold(heard + KEEP_ALIVE, Instant::min);
            tokio::select! {
                message = self.socket.next() => {
                    heard = Instant::now();
                    asked = false;
                    let problem = match message {
                        Some(Ok(Message::Text(text))) => self.hear(&text).err(),
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
                        self.tell(Over::GrownOld);
                        continue;
                    }
                    if asked || self.write_text(self.wire.alive().into()).await.is_err() {
                        return "silent for too long".into();
                    }
                    asked = true;
                    heard = Instant::now();
                }
            }
        }
    }

    fn tell(&mut self, what: Over) {
        if let Some(over) = self.over.take() {
            let _ = over.send(what);
        }
    }

    async fn write(&mut self, request: Request) -> Result<(), String> {
        // Who asked has given up: it must not be carried out any more.
        if request.reply.is_closed() {
            return Ok(());
        }
        self.last_id += 1;
        let id = self.last_id;
        let written = self.write_text(self.wire.request(id, request.operation, &request.order)).await;
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
    fn hear(&mut self, text: &str) -> Result<(), String> {
        let heard = self.wire.hear(text)?;
        if heard.is_ending {
            self.tell(Over::GrownOld);
        }
        let Some((id, result)) = heard.answer else { return Ok(()) };
        let Some(waiting) = self.in_flight.remove(&id) else { return Ok(()) };
        let written = waiting.written.into_std();
        let _ = waiting.reply.send(result.map(|result| Answered { result, written }));
        Ok(())
    }
}

#[cfg(test)]
#[path = "order_entry_tests.rs"]
mod tests;
