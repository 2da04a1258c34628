//! Order entry over the WebSocket API: a connection of its own, answers matched to requests by id. What is in flight when it ends is
//! lost, never sent again; what never left goes over REST.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::Account;
use super::client::{DEFAULT_WAIT, classify};
use super::link::Link;
use super::symbols::RateLimitBody;
use crate::VenueError;
use crate::conversation::dial;
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

/// The way in: the connection that orders go over, where there has been one.
#[derive(Default)]
pub struct OrderEntry(Mutex<Option<Arc<Link>>>);

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
        let down = |reason: &str| VenueError::NotSent(format!("order entry over the WebSocket is down: {reason}"));
        let link = self.lock().clone().ok_or_else(|| down("not yet connected"))?;
        let (reply, answer) = oneshot::channel();
        link.request(method, &params, reply).map_err(|reason| down(&reason))?;
        match timeout(TIMEOUT, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(VenueError::Lost("the connection was given up".into())),
            Err(_) => {
                // Most likely nobody is there any more: what comes next must not be lost as well.
                link.end("an answer is overdue");
                Err(VenueError::Lost(format!("no answer in {TIMEOUT:?}")))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Link>>> {
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
                let link = Arc::new(Link::new(socket));
                let (ageing, aged) = oneshot::channel();
                let connection =
                    Connection { account: Arc::clone(&account), link: Arc::clone(&link), ageing: Some(ageing) };
                connections.spawn(connection.run());
                if let Some(old) = account.entry.lock().replace(link) {
                    old.retire();
                }
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
    link: Arc<Link>,
    /// Told once that a successor is wanted.
    ageing: Option<oneshot::Sender<()>>,
}

impl Drop for Connection {
    /// Also where its task is dropped: nobody would read any answers.
    fn drop(&mut self) {
        self.link.end("the connection was given up");
    }
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
        self.link.end(&reason);
    }

    /// Until the connection ends: why.
    async fn serve(&mut self) -> String {
        let ends = Instant::now() + LIFETIME;
        let mut heard = Instant::now();
        let mut asked = false;
        loop {
            if self.link.is_done() {
                return "succeeded by another".into();
            }
            let stuck = self.link.clogged().map(|since| since + WRITE_TIMEOUT);
            let renewal = self.ageing.is_some().then_some(ends);
            let next_check = [stuck, renewal].into_iter().flatten().fold(heard + KEEP_ALIVE, Instant::min);
            tokio::select! {
                biased;
                text = poll_fn(|context| self.link.poll(context)) => {
                    heard = Instant::now();
                    asked = false;
                    if let Err(reason) = text.and_then(|text| text.map_or(Ok(()), |text| self.answered(&text))) {
                        return reason;
                    }
                }
                () = self.link.changed.notified() => {}
                () = sleep_until(next_check) => {
                    let now = Instant::now();
                    if stuck.is_some_and(|stuck| stuck <= now) {
                        return format!("the socket took no bytes for {WRITE_TIMEOUT:?}");
                    }
                    if renewal.is_some_and(|renewal| renewal <= now) {
                        self.grow_old();
                        continue;
                    }
                    if asked {
                        return "silent for too long".into();
                    }
                    self.link.say(r#"{"id":0,"method":"ping"}"#);
                    asked = true;
                    heard = now;
                }
            }
        }
    }

    fn grow_old(&mut self) {
        if let Some(ageing) = self.ageing.take() {
            let _ = ageing.send(());
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
        let Some(waiting) = answer.id.and_then(|id| self.link.answered(id)) else { return Ok(()) };
        let result = match (answer.status, answer.result, answer.error) {
            (200, Some(result), _) => Ok(Answered { result: result.to_owned(), written: waiting.written }),
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
