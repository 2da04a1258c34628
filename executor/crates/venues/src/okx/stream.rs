//! The private WebSockets. OKX tells of orders, balances and positions on one and of algo orders on another: the stream is up while
//! both are, and a ping is answered when both have.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_tungstenite::tungstenite::Message;

use super::Account;
use super::answers::{AccountBody, AlgoBody, OrderBody, PositionBody};
use super::requests::instrument_type;
use crate::conversation::{Conversation, Socket, dial, keep, say};
use crate::pongs::Pongs;
use crate::{Report, Sink, StreamEvent, VenueError};
use orders::Market;
use orders::reconcile::VenuePosition;

pub async fn run(account: Arc<Account>, sink: Sink, mut pings: UnboundedReceiver<u64>) {
    let both = Arc::new(Both { sink, state: Mutex::default() });
    let ((to_private, private_asks), (to_business, business_asks)) = (unbounded_channel(), unbounded_channel());
    let half = |which| Half { account: Arc::clone(&account), both: Arc::clone(&both), which, pongs: Pongs::default() };
    let (private, business) = (half(Which::Private), half(Which::Business));
    let fan_out = async move {
        while let Some(number) = pings.recv().await {
            let _ = to_private.send(number);
            let _ = to_business.send(number);
        }
    };
    tokio::join!(keep(private, private_asks), keep(business, business_asks), fan_out);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Private,
    Business,
}

/// What the two connections have in common.
struct Both {
    sink: Sink,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    private_up: bool,
    business_up: bool,
    /// Pings that one of the two has answered.
    half_answered: HashSet<u64>,
}

impl State {
    fn set(&mut self, which: Which, is_up: bool) {
        match which {
            Which::Private => self.private_up = is_up,
            Which::Business => self.business_up = is_up,
        }
        self.half_answered.clear();
    }
}

impl Both {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn up(&self, which: Which) {
        let mut state = self.state();
        state.set(which, true);
        if state.private_up && state.business_up {
            (self.sink)(StreamEvent::Up);
        }
    }

    fn down(&self, which: Which, reason: String) {
        self.state().set(which, false);
        (self.sink)(StreamEvent::Down(reason));
    }

    fn pong(&self, number: u64) {
        let mut state = self.state();
        if !state.half_answered.remove(&number) {
            state.half_answered.insert(number);
        } else {
            drop(state);
            (self.sink)(StreamEvent::Pong(number));
        }
    }
}

struct Half {
    account: Arc<Account>,
    both: Arc<Both>,
    which: Which,
    pongs: Pongs,
}

impl Half {
    fn url(&self) -> &str {
        match self.which {
            Which::Private => &self.account.private_url,
            Which::Business => &self.account.business_url,
        }
    }

    fn channels(&self) -> Vec<Value> {
        let book = instrument_type(self.account.market);
        match (self.which, self.account.market) {
            (Which::Private, Market::Spot) => {
                vec![json!({"channel": "orders", "instType": book}), json!({"channel": "account"})]
            }
            (Which::Private, Market::Swap) => vec![
                json!({"channel": "orders", "instType": book}),
                json!({"channel": "account"}),
                json!({"channel": "positions", "instType": book}),
            ],
            (Which::Business, _) => vec![
                json!({"channel": "orders-algo", "instType": book}),
                // Trailing stops.
                json!({"channel": "algo-advance", "instType": book}),
            ],
        }
    }

    fn ping(&mut self, number: Option<u64>) -> Message {
        self.pongs.sent(number);
        Message::text("ping")
    }
}

impl Conversation for Half {
    type Ask = u64;

    async fn open(&mut self) -> Result<Socket, String> {
        self.pongs.forget();
        if self.which == Which::Private {
            // What events are read with, and what the first stop would otherwise wait for.
            let prepare = async {
                self.account.learn_contracts().await?;
                self.account.check_position_mode().await?;
                self.account.algo_mode().await
            };
            prepare.await.map_err(|error| error.to_string())?;
        }
        let mut socket = dial(self.url()).await?;
        let login = self.account.signer.login(self.account.clock.venue_ms());
        say(&mut socket, &json!({"op": "login", "args": [login]}), |answer| good("login", answer)).await?;
        let channels = self.channels();
        let mut left = channels.len();
        say(&mut socket, &json!({"op": "subscribe", "args": channels}), |answer| match good("subscribe", answer)? {
            Ok(()) => {
                left -= 1;
                (left == 0).then_some(Ok(()))
            }
            refused => Some(refused),
        })
        .await?;
        Ok(socket)
    }

    fn up(&mut self) {
        self.both.up(self.which);
    }

    fn down(&mut self, reason: String) {
        self.both.down(self.which, reason);
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
        if text == "pong" {
            if let Some(number) = self.pongs.came() {
                self.both.pong(number);
            }
            return Ok(());
        }
        for event in read(text, &self.account).map_err(|error| error.to_string())? {
            (self.both.sink)(event);
        }
        Ok(())
    }
}

/// Whether an answer grants what was asked for; `None`: it is another message.
pub fn good(asked: &str, answer: &Value) -> Option<Result<(), String>> {
    match answer["event"].as_str() {
        Some("error") => Some(Err(format!("{asked} refused: {} ({})", answer["msg"], answer["code"]))),
        Some(event) if event == asked => Some(Ok(())),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(default)]
    event: &'a str,
    arg: Option<Channel<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Channel<'a> {
    channel: &'a str,
}

/// One message. An event that cannot be read may have been a fill: only a reconciliation can tell.
pub fn read(text: &str, account: &Account) -> Result<Vec<StreamEvent>, VenueError> {
    let frame: Frame<'_> = serde_json::from_str(text).map_err(unreadable)?;
    if frame.event == "notice" {
        return Err(VenueError::Lost("the venue is about to close the connection".into()));
    }
    let (Some(arg), Some(data)) = (frame.arg, frame.data) else { return Ok(Vec::new()) };
    Ok(match arg.channel {
        "orders" => {
            let mut events = Vec::new();
            for body in list::<OrderBody>(data)? {
                // Another kind of contract than those traded here.
                let Some(contract) = account.contracts.size(account.market, &body.inst_id) else { continue };
                let body = account.noted(body);
                let (fill, message) = (body.fill(contract), body.msg.clone());
                events.push(report(Report { order: body.into_order(contract)?, fill, message }));
            }
            events
        }
        "orders-algo" | "algo-advance" => {
            let mut events = Vec::new();
            for body in list::<AlgoBody>(data)? {
                let Some(contract) = account.contracts.size(account.market, &body.inst_id) else { continue };
                account.remember(&body.algo_id, body.children());
                let is_well = matches!(body.fail_code.as_str(), "" | "0");
                let message = if is_well { String::new() } else { format!("OKX's code {}", body.fail_code) };
                events.push(report(Report { order: body.into_order(contract)?, fill: None, message }));
            }
            events
        }
        "account" => {
            let details = list::<AccountBody>(data)?.into_iter().flat_map(|account| account.details);
            vec![StreamEvent::Balances(details.map(Into::into).collect())]
        }
        "positions" => vec![StreamEvent::Positions(account.positions_of(list(data)?))],
        _ => Vec::new(),
    })
}

impl Account {
    pub fn positions_of(&self, bodies: Vec<PositionBody>) -> Vec<VenuePosition> {
        let position = |body: PositionBody| {
            let contract = self.contracts.size(self.market, &body.inst_id)?;
            Some(body.into_position(contract))
        };
        bodies.into_iter().filter_map(position).collect()
    }
}

fn report(report: Report) -> StreamEvent {
    StreamEvent::Report(Box::new(report))
}

fn list<T: DeserializeOwned>(data: &RawValue) -> Result<Vec<T>, VenueError> {
    serde_json::from_str(data.get()).map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> VenueError {
    VenueError::Lost(format!("unreadable event: {error}"))
}
