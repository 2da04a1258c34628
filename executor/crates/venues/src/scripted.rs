//! For tests: a server that answers what is written down and remembers what it was asked; the other end of a WebSocket; and an order
//! to send.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use orders::guards::approve_exit;
use orders::{Approved, Kind, Market, Order, Side, SymbolRules};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

pub enum Then {
    Answer(u16, &'static str),
    /// Status, one header, body.
    With(u16, (&'static str, String), &'static str),
    /// Reads the request, and closes.
    HangUp,
}

pub struct Scripted {
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// `METHOD target body` of each request so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Answers one request after another; then there is nobody any more.
pub async fn serve(script: Vec<Then>) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        for then in script {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read(&mut stream).await;
            seen.lock().unwrap().push(request);
            let (status, header, body) = match then {
                Then::HangUp => continue,
                Then::Answer(status, body) => (status, String::new(), body),
                Then::With(status, (name, value), body) => (status, format!("{name}: {value}\r\n"), body),
            };
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status} -\r\nContent-Length: {length}\r\nConnection: close\r\n{header}\r\n{body}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    Scripted { url, asked }
}

async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                let mut words = head.split(' ');
                let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                return format!("{method} {target} {body}").trim_end().to_owned();
            }
        }
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.unwrap();
        assert!(count > 0, "the client went away in the middle of a request");
        bytes.extend_from_slice(&part[..count]);
    }
}

/// Takes WebSockets.
pub struct Sockets {
    pub url: String,
    listener: TcpListener,
}

pub struct Peer(WebSocketStream<TcpStream>);

impl Sockets {
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { url: format!("ws://{}", listener.local_addr().unwrap()), listener }
    }

    pub async fn accept(&self) -> Peer {
        Peer(accept_async(self.listener.accept().await.unwrap().0).await.unwrap())
    }
}

impl Peer {
    /// The next message, which is JSON.
    pub async fn heard(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.0.next().await.unwrap().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    pub async fn tell(&mut self, what: Value) {
        self.say(&what.to_string()).await;
    }

    pub async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// Whether nothing comes for a while, or ever again.
    pub async fn is_left_alone(&mut self) -> bool {
        match timeout(Duration::from_millis(200), self.0.next()).await {
            Err(_) | Ok(None | Some(Err(_))) => true,
            Ok(Some(Ok(message))) => !message.is_text(),
        }
    }
}

/// An approved sale of 0.01: at market, at 50,000, with a stop at 49,000.5 or trailing by a per cent.
pub fn exit(symbol: &str, kind: Kind, market: Market) -> Approved<Order> {
    let decimal = |text: &str| text.parse::<Decimal>().unwrap();
    let zero = Decimal::ZERO;
    let rules = SymbolRules {
        symbol: symbol.into(),
        market,
        base: "BTC".into(),
        quote: "USDT".into(),
        tick: zero,
        min_price: zero,
        max_price: zero,
        step: zero,
        min_quantity: zero,
        max_quantity: zero,
        market_max_quantity: zero,
        min_notional: zero,
    };
    let order = Order {
        id: uuid::Uuid::nil(),
        client_order_id: "smc1".into(),
        parent: None,
        market,
        symbol: symbol.into(),
        side: Side::Sell,
        kind,
        quantity: decimal("0.010"),
        price: kind.needs_price().then(|| decimal("50000")),
        stop_price: kind.needs_stop_price().then(|| decimal("49000.5")),
        trail: (kind == Kind::TrailingStop).then(|| decimal("0.01")),
        time_in_force: None,
        stop_loss: None,
        take_profit: None,
        reduce_only: market == Market::Swap,
        post_only: false,
    };
    approve_exit(order, &rules).unwrap()
}
