//! Who listens to what.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::ws::Utf8Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::bybit;
use super::clock::now_ms;
use super::faults::{Faults, Telling};
use super::held::Out;
use super::listen_keys::ListenKeys;
use super::market_messages::{bare, stream_message};
use super::okx;
use crate::engine::{MarketEvent, Venue};

/// Messages that may wait for a slow reader before its connection is closed.
const OUTBOX: usize = 16_384;

/// The way to one connection's peer. Messages leave in the order they were put in.
#[derive(Clone)]
pub(crate) struct Outbox {
    pub id: u64,
    sender: mpsc::Sender<Out>,
    overflowed: Arc<AtomicBool>,
}

impl Outbox {
    pub fn new(id: u64) -> (Self, mpsc::Receiver<Out>) {
        let (sender, receiver) = mpsc::channel(OUTBOX);
        (Self { id, sender, overflowed: Arc::default() }, receiver)
    }

    pub fn send(&self, text: impl Into<Utf8Bytes>) {
        self.put(Out::Answer(text.into()));
    }

    /// Ends the connection behind what was sent, without a farewell.
    pub fn cut(&self) {
        self.put(Out::Cut);
    }

    fn put(&self, out: Out) {
        if self.sender.try_send(out).is_err() {
            // A message is lost, so the connection is over: better a gap that the peer sees than one it does not.
            self.overflowed.store(true, Ordering::Relaxed);
        }
    }

    pub fn has_overflowed(&self) -> bool {
        self.overflowed.load(Ordering::Relaxed)
    }
}

struct UserStream {
    form: UserForm,
    account: usize,
    outbox: Outbox,
}

/// How a user stream's events are written.
#[derive(PartialEq, Eq)]
enum UserForm {
    /// Over the WebSocket API: with the subscription's number.
    Subscription(u64),
    /// By listenKey (swap): bare, or with the key as the stream's name.
    ListenKey { combined: bool },
    /// In another venue's words.
    Dialect(Dialect),
}

/// Whose words, where they are not Binance's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Bybit,
    Okx(okx::Side),
}

impl Dialect {
    fn events(self, venue: &Venue, event: &Value) -> Vec<String> {
        match self {
            Self::Bybit => bybit::events(event),
            Self::Okx(side) => okx::events(venue, event, side),
        }
    }
}

struct Listener {
    /// Messages are wrapped with the stream's name.
    combined: bool,
    outbox: Outbox,
}

#[derive(Default)]
pub(crate) struct Hub {
    pub listen_keys: ListenKeys,
    users: Vec<UserStream>,
    streams: HashMap<String, Vec<Listener>>,
    last_subscription: HashMap<u64, u64>,
    pub faults: Arc<Faults>,
    /// User events that a fault left out since the last [`Hub::take_lost`].
    lost: u64,
}

impl Hub {
    /// Subscribes a connection to an account's events; none if it already is.
    pub fn subscribe_user(&mut self, outbox: &Outbox, account: usize) -> Option<u64> {
        if self.users.iter().any(|user| user.outbox.id == outbox.id && user.account == account) {
            return None;
        }
        let next = self.last_subscription.entry(outbox.id).or_insert(0);
        let subscription = *next;
        *next += 1;
        self.users.push(UserStream { form: UserForm::Subscription(subscription), account, outbox: outbox.clone() });
        Some(subscription)
    }

    /// Subscribes a connection to an account's events in another venue's words.
    pub fn subscribe_dialect(&mut self, outbox: &Outbox, account: usize, dialect: Dialect) {
        let form = UserForm::Dialect(dialect);
        if !self.users.iter().any(|user| user.outbox.id == outbox.id && user.account == account && user.form == form) {
            self.users.push(UserStream { form, account, outbox: outbox.clone() });
        }
    }

    /// Ends one of a connection's user streams, or all of them.
    pub fn unsubscribe_user(&mut self, outbox: &Outbox, subscription: Option<u64>) {
        let ends = |user: &UserStream| {
            user.outbox.id == outbox.id
                && subscription.is_none_or(|subscription| user.form == UserForm::Subscription(subscription))
        };
        self.users.retain(|user| !ends(user));
    }

    /// Subscribes a connection to a market stream, or to the user stream that a listenKey names.
    pub fn subscribe(&mut self, stream: &str, outbox: &Outbox, combined: bool) {
        if let Some(account) = self.listen_keys.account(bare(stream)) {
            let form = UserForm::ListenKey { combined };
            return self.users.push(UserStream { form, account, outbox: outbox.clone() });
        }
        let listeners = self.streams.entry(stream.to_owned()).or_default();
        if listeners.iter().all(|listener| listener.outbox.id != outbox.id) {
            listeners.push(Listener { combined, outbox: outbox.clone() });
        }
    }

    pub fn unsubscribe(&mut self, stream: &str, outbox: &Outbox) {
        if let Some(listeners) = self.streams.get_mut(stream) {
            listeners.retain(|listener| listener.outbox.id != outbox.id);
            if listeners.is_empty() {
                self.streams.remove(stream);
            }
        }
    }

    pub fn streams_of(&self, outbox: &Outbox) -> Vec<&str> {
        let listens = |listeners: &[Listener]| listeners.iter().any(|listener| listener.outbox.id == outbox.id);
        self.streams.iter().filter(|(_, listeners)| listens(listeners)).map(|(name, _)| bare(name)).collect()
    }

    pub fn forget(&mut self, outbox: &Outbox) {
        self.users.retain(|user| user.outbox.id != outbox.id);
        self.streams.retain(|_, listeners| {
            listeners.retain(|listener| listener.outbox.id != outbox.id);
            !listeners.is_empty()
        });
        self.last_subscription.remove(&outbox.id);
    }

    pub fn tell_user(&mut self, venue: &Venue, account: usize, event: &Value) {
        let mut expired = false;
        for user in self.users.iter().filter(|user| user.account == account) {
            let texts = match user.form {
                UserForm::Dialect(dialect) => dialect.events(venue, event),
                UserForm::Subscription(number) => vec![subscribed(number, event)],
                UserForm::ListenKey { .. } if !self.listen_keys.is_alive(account) => {
                    expired = true;
                    let key = self.listen_keys.text(account);
                    vec![json!({"e": "listenKeyExpired", "E": now_ms(), "listenKey": key}).to_string()]
                }
                UserForm::ListenKey { combined: false } => vec![event.to_string()],
                UserForm::ListenKey { combined: true } => {
                    vec![format!(r#"{{"stream":"{}","data":{event}}}"#, self.listen_keys.text(account))]
                }
            };
            let telling = self.faults.on_event(event);
            match telling {
                Telling::Never => self.lost += 1,
                Telling::Cut => user.outbox.cut(),
                _ => texts.into_iter().for_each(|text| user.outbox.put(Out::Event(text.into(), telling))),
            }
        }
        if expired {
            self.end_listen_key(account);
        }
    }

    /// Ends the account's key and the streams that it opened.
    pub fn end_listen_key(&mut self, account: usize) {
        self.listen_keys.end(account);
        self.users.retain(|user| user.account != account || !matches!(user.form, UserForm::ListenKey { .. }));
    }

    /// Lets out what faults hold back: the market is not to move on over an event that nobody could have heard.
    pub fn release(&self) {
        if self.faults.is_on() {
            self.users.iter().for_each(|user| user.outbox.put(Out::Release));
        }
    }

    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    pub fn tell_market(&self, venue: &Venue, event: &MarketEvent) {
        for (stream, listeners) in &self.streams {
            let Some(message) = stream_message(venue, event, stream) else { continue };
            if self.faults.loses_message(bare(stream)) {
                continue;
            }
            for listener in listeners {
                let text = if listener.combined {
                    format!(r#"{{"stream":"{}","data":{message}}}"#, bare(stream))
                } else {
                    message.to_string()
                };
                listener.outbox.send(text);
            }
        }
    }
}

/// An event as it goes over the WebSocket API.
fn subscribed(number: u64, event: &Value) -> String {
    let mut text = format!(r#"{{"subscriptionId":{number},"event":"#).into_bytes();
    text.reserve(1024);
    match serde_json::to_writer(&mut text, event) {
        Ok(()) => text.push(b'}'),
        Err(error) => unreachable!("an event is always JSON: {error}"),
    }
    String::from_utf8(text).unwrap_or_else(|_| unreachable!("JSON is UTF-8"))
}
