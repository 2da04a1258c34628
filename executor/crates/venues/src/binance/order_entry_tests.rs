//! Against a venue in this process that answers as it is told to.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::*;
use crate::binance::spot::orders::cancel;
use crate::connect::Access;
use orders::Market;

struct Desk {
    account: Arc<Account>,
    ws: TcpListener,
    /// Requests that came over REST.
    over_rest: Arc<AtomicUsize>,
}

impl Desk {
    async fn open() -> Self {
        let (ws, rest) = (listen().await, listen().await);
        let access = Access {
            rest_url: format!("http://{}", rest.local_addr().unwrap()),
            ws_api_url: format!("ws://{}", ws.local_addr().unwrap()),
            market_ws_url: "ws://127.0.0.1:1".into(),
            api_key: "key".into(),
            api_secret: "secret".into(),
            passphrase: String::new(),
            testnet: false,
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        let account = Arc::new(Account::new(Market::Spot, access).unwrap());
        let over_rest = Arc::new(AtomicUsize::new(0));
        tokio::spawn(answer_rest(rest, Arc::clone(&over_rest)));
        Self { account, ws, over_rest }
    }

    /// Starts order entry and takes its connection.
    async fn connected(&self) -> WebSocketStream<TcpStream> {
        tokio::spawn(run(Arc::clone(&self.account)));
        self.next_connection().await
    }

    /// Takes the next connection, and waits until orders go over it.
    async fn next_connection(&self) -> WebSocketStream<TcpStream> {
        let before = self.entrance();
        let socket = accept_async(self.ws.accept().await.unwrap().0).await.unwrap();
        while self.entrance().is_none_or(|now| before.as_ref().is_some_and(|before| Arc::ptr_eq(&now, before))) {
            tokio::task::yield_now().await;
        }
        socket
    }

    fn entrance(&self) -> Option<Arc<Link>> {
        self.account.entry.lock().clone()
    }

    fn cancel(&self, id: &'static str) -> tokio::task::JoinHandle<Result<Value, VenueError>> {
        let account = Arc::clone(&self.account);
        tokio::spawn(async move { account.entered::<Value>(&cancel("BTCUSDT", id)).await.map(|entered| entered.body) })
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// Answers each request with `"rest"`.
async fn answer_rest(listener: TcpListener, count: Arc<AtomicUsize>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let _ = stream.read(&mut request).await.unwrap();
        count.fetch_add(1, Ordering::SeqCst);
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\n\"rest\"";
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

async fn heard(socket: &mut WebSocketStream<TcpStream>) -> Value {
    loop {
        if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

async fn say(socket: &mut WebSocketStream<TcpStream>, answer: &Value) {
    socket.send(Message::text(answer.to_string())).await.unwrap();
}

#[tokio::test]
async fn answers_find_their_requests_in_any_order() {
    let desk = Desk::open().await;
    let mut socket = desk.connected().await;
    let first = desk.cancel("one");
    let one = heard(&mut socket).await;
    let second = desk.cancel("two");
    let two = heard(&mut socket).await;
    assert_eq!((&one["method"], &one["params"]["origClientOrderId"]), (&json!("order.cancel"), &json!("one")));
    assert_ne!(one["id"], two["id"]);
    for request in [&two, &one] {
        let result = &request["params"]["origClientOrderId"];
        say(&mut socket, &json!({"id": request["id"], "status": 200, "result": result})).await;
    }
    assert_eq!(first.await.unwrap(), Ok(json!("one")));
    assert_eq!(second.await.unwrap(), Ok(json!("two")));
    assert_eq!(desk.over_rest.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_was_in_flight_when_the_connection_ended_is_lost_and_not_sent_again() {
    let desk = Desk::open().await;
    let mut socket = desk.connected().await;
    let asked = desk.cancel("one");
    heard(&mut socket).await;
    drop(socket);
    assert!(matches!(asked.await.unwrap(), Err(VenueError::Lost(_))));
    assert_eq!(desk.over_rest.load(Ordering::SeqCst), 0);
    let mut socket = desk.next_connection().await;
    let nothing = timeout(Duration::from_millis(200), socket.next()).await;
    assert!(nothing.is_err(), "it was sent again: {nothing:?}");
}

#[tokio::test]
async fn without_a_connection_orders_go_over_rest() {
    let desk = Desk::open().await;
    assert_eq!(desk.cancel("one").await.unwrap(), Ok(json!("rest")));
    assert_eq!(desk.over_rest.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn errors_tell_a_refusal_from_an_open_outcome() {
    let desk = Desk::open().await;
    let mut socket = desk.connected().await;
    let cases = [
        (json!({"status": 400, "error": {"code": -2011, "msg": "Unknown order sent."}}), "refused"),
        (json!({"status": 400, "error": {"code": -1007, "msg": "Timeout waiting for response."}}), "lost"),
        (json!({"status": 504, "error": {"code": -1, "msg": "Gateway."}}), "lost"),
        (
            json!({"status": 429, "error": {"code": -1003, "msg": "Too many.", "data": {"serverTime": 1000, "retryAfter": 4000}}}),
            "throttled",
        ),
    ];
    for (answer, expected) in cases {
        let asked = desk.cancel("one");
        let mut answer = answer;
        answer["id"] = heard(&mut socket).await["id"].clone();
        say(&mut socket, &answer).await;
        let got = match asked.await.unwrap() {
            Err(VenueError::Refused { .. }) => "refused",
            Err(VenueError::Lost(_)) => "lost",
            Err(VenueError::Throttled { retry_after, banned: false }) => {
                assert_eq!(retry_after, Duration::from_secs(3));
                "throttled"
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(got, expected);
    }
    assert!(desk.account.budget.entries_throttled().is_some());
    assert_eq!(desk.over_rest.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_connection_that_owes_an_answer_for_too_long_is_given_up() {
    let desk = Desk::open().await;
    let mut socket = desk.connected().await;
    let asked = desk.cancel("one");
    heard(&mut socket).await;
    tokio::time::pause();
    tokio::time::advance(TIMEOUT + Duration::from_secs(1)).await;
    tokio::time::resume();
    assert!(matches!(asked.await.unwrap(), Err(VenueError::Lost(_))));
    // The next one goes over a new connection.
    let mut socket = timeout(Duration::from_secs(5), desk.next_connection()).await.expect("a new connection");
    let second = desk.cancel("two");
    let request = heard(&mut socket).await;
    say(&mut socket, &json!({"id": request["id"], "status": 200, "result": "two"})).await;
    assert_eq!(second.await.unwrap(), Ok(json!("two")));
}

#[tokio::test]
async fn a_connection_that_the_venue_will_end_is_succeeded_before_it_ends() {
    let desk = Desk::open().await;
    let mut old = desk.connected().await;
    let owed = desk.cancel("old");
    let request = heard(&mut old).await;
    say(&mut old, &json!({"event": {"e": "serverShutdown", "E": 1}})).await;
    let mut new = desk.next_connection().await;
    let asked = desk.cancel("new");
    let next = heard(&mut new).await;
    say(&mut new, &json!({"id": next["id"], "status": 200, "result": "new"})).await;
    assert_eq!(asked.await.unwrap(), Ok(json!("new")));
    say(&mut old, &json!({"id": request["id"], "status": 200, "result": "owed"})).await;
    assert_eq!(owed.await.unwrap(), Ok(json!("owed")));
    assert_eq!(desk.over_rest.load(Ordering::SeqCst), 0);
}
