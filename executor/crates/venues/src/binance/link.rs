//! One connection of order entry as two sides share it: who orders writes on its own turn, without another task in between, and the
//! connection's task reads.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use futures_util::{SinkExt, StreamExt};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::order_entry::Answered;
use crate::VenueError;
use crate::conversation::Socket;

pub type Reply = oneshot::Sender<Result<Answered, VenueError>>;

pub struct Link {
    line: Mutex<Line>,
    /// For the connection's task: something could not be written, or has ended.
    pub changed: Notify,
}

struct Line {
    /// Or why it has ended.
    socket: Result<Socket, String>,
    in_flight: BTreeMap<u64, InFlight>,
    last_id: u64,
    /// Since when the socket takes no bytes; what is written then waits here.
    clogged: Option<Instant>,
    /// Orders go over another connection; this one only waits for the answers it owes.
    retired: bool,
}

pub struct InFlight {
    pub reply: Reply,
    /// When the request's last byte had been given to the socket.
    pub written: std::time::Instant,
}

impl Link {
    pub fn new(socket: Socket) -> Self {
        let line = Line { socket: Ok(socket), in_flight: BTreeMap::new(), last_id: 0, clogged: None, retired: false };
        Self { line: Mutex::new(line), changed: Notify::new() }
    }

    /// Writes one request; `params` is a JSON object. Its answer comes by `reply`.
    ///
    /// # Errors
    /// Why no byte of it has left.
    pub fn request(&self, method: &str, params: &str, reply: Reply) -> Result<(), String> {
        let mut line = self.line();
        if let Err(reason) = &line.socket {
            return Err(reason.clone());
        }
        if line.clogged.is_some() {
            return Err("the socket takes no bytes".into());
        }
        line.last_id += 1;
        let id = line.last_id;
        // Whether or not it fails: from here on something may have left.
        line.write(format!(r#"{{"id":{id},"method":"{method}","params":{params}}}"#));
        line.in_flight.insert(id, InFlight { reply, written: std::time::Instant::now() });
        let is_well = line.socket.is_ok() && line.clogged.is_none();
        drop(line);
        if !is_well {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Writes what no one waits for.
    pub fn say(&self, text: &str) {
        self.line().write(text.to_owned());
    }

    /// The next text; none for what needs no attention.
    ///
    /// # Errors
    /// Why nothing more comes.
    pub fn poll(&self, context: &mut Context<'_>) -> Poll<Result<Option<Utf8Bytes>, String>> {
        let line = &mut *self.line();
        let socket = match &mut line.socket {
            Ok(socket) => socket,
            Err(reason) => return Poll::Ready(Err(reason.clone())),
        };
        if line.clogged.is_some()
            && let Poll::Ready(flushed) = socket.poll_flush_unpin(context)
        {
            line.clogged = None;
            flushed.map_err(|error| error.to_string())?;
        }
        Poll::Ready(match ready!(socket.poll_next_unpin(context)) {
            Some(Ok(Message::Text(text))) => Ok(Some(text)),
            Some(Ok(Message::Close(_))) | None => Err("closed by the venue".into()),
            Some(Ok(_)) => Ok(None),
            Some(Err(error)) => Err(error.to_string()),
        })
    }

    /// The request that an answer belongs to.
    pub fn answered(&self, id: u64) -> Option<InFlight> {
        self.line().in_flight.remove(&id)
    }

    pub fn clogged(&self) -> Option<Instant> {
        self.line().clogged
    }

    pub fn retire(&self) {
        self.line().retired = true;
        self.changed.notify_one();
    }

    /// Retired, and owes nothing.
    pub fn is_done(&self) -> bool {
        let line = self.line();
        line.retired && line.in_flight.is_empty()
    }

    /// Nothing is written or read any more; what was in flight is lost.
    pub fn end(&self, reason: &str) {
        let mut line = self.line();
        if line.socket.is_ok() {
            line.socket = Err(reason.to_owned());
        }
        let lost = std::mem::take(&mut line.in_flight);
        drop(line);
        for waiting in lost.into_values() {
            let _ = waiting.reply.send(Err(VenueError::Lost(reason.to_owned())));
        }
        self.changed.notify_one();
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn write(&mut self, text: String) {
        let Ok(socket) = &mut self.socket else { return };
        let sent = socket.start_send_unpin(Message::text(text));
        // Who reads takes over what cannot leave at once: its own waker is the one that counts.
        match sent.map(|()| socket.poll_flush_unpin(&mut Context::from_waker(Waker::noop()))) {
            Ok(Poll::Ready(Ok(()))) => {}
            Ok(Poll::Pending) => self.clogged = self.clogged.or_else(|| Some(Instant::now())),
            Ok(Poll::Ready(Err(error))) | Err(error) => self.socket = Err(error.to_string()),
        }
    }
}
