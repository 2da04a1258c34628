//! Against a venue in this process that answers as it is told to.

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;
use crate::Reason;
use crate::conversation::{dial, say};
use crate::scripted::{Peer, Sockets};

/// A venue of few words: it logs in with `true`, answers `{id, result}` or `{id, code}`, and announces its end with `{ending}`.
struct Words {
    url: String,
    entry: OrderEntry,
}

impl Wire for Words {
    fn entry(&self) -> &OrderEntry {
        &self.entry
    }

    async fn open(&self) -> Result<Socket, String> {
        let mut socket = dial(&self.url).await?;
        let granted = |answer: &Value| Some(if answer["granted"] == true { Ok(()) } else { Err("refused".into()) });
        say(&mut socket, &json!("login"), granted).await?;
        Ok(socket)
    }

    fn request(&self, id: u64, operation: &str, order: &str) -> String {
        format!(r#"{{"id":{id},"op":"{operation}","order":{order}}}"#)
    }

    fn alive(&self) -> &'static str {
        r#""ping""#
    }

    fn hear(&self, text: &str) -> Result<Heard, String> {
        let said: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let result = match said["code"].as_i64() {
            Some(code) => Err(VenueError::Refused { reason: Reason::Other, code, message: String::new() }),
            None => Ok(serde_json::value::to_raw_value(&said["result"]).unwrap()),
        };
        Ok(Heard { answer: said["id"].as_u64().map(|id| (id, result)), is_ending: said["ending"] == true })
    }
}

struct Desk {
    words: Arc<Words>,
    sockets: Sockets,
}

impl Desk {
    async fn open() -> Self {
        let sockets = Sockets::open().await;
        let words = Arc::new(Words { url: sockets.url.clone(), entry: OrderEntry::default() });
        tokio::spawn(run(Arc::clone(&words)));
        Self { words, sockets }
    }

    /// Takes the next connection and its login.
    async fn accept(&self, granted: bool) -> Peer {
        let mut peer = self.sockets.accept().await;
        assert_eq!(peer.heard().await, "login");
        peer.tell(json!({"granted": granted})).await;
        peer
    }

    /// The same, and waits until orders go over it.
    async fn connected(&self) -> Peer {
        let before = self.words.entry.lock().clone();
        let peer = self.accept(true).await;
        let is_new = |now: &UnboundedSender<Request>| before.as_ref().is_none_or(|before| !now.same_channel(before));
        while !self.words.entry.lock().as_ref().is_some_and(is_new) {
            tokio::task::yield_now().await;
        }
        peer
    }

    fn send(&self, order: &Value) -> JoinHandle<Result<Value, VenueError>> {
        let (words, order) = (Arc::clone(&self.words), order.to_string());
        tokio::spawn(async move { words.entry.send("place", order).await?.read() })
    }
}

async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn answers_and_refusals_find_their_requests_in_any_order() {
    let desk = Desk::open().await;
    let mut peer = desk.connected().await;
    let first = desk.send(&json!(1));
    let one = peer.heard().await;
    assert_eq!((&one["op"], &one["order"]), (&json!("place"), &json!(1)));
    let second = desk.send(&json!(2));
    let two = peer.heard().await;
    peer.tell(json!({"id": two["id"], "result": "two"})).await;
    peer.tell(json!({"id": 77, "result": "nobody's"})).await;
    peer.tell(json!({"id": one["id"], "code": 5})).await;
    assert_eq!(second.await.unwrap(), Ok(json!("two")));
    assert!(matches!(first.await.unwrap(), Err(VenueError::Refused { code: 5, .. })));
}

#[tokio::test]
async fn what_was_in_flight_when_the_connection_ended_is_lost_and_not_sent_again() {
    let desk = Desk::open().await;
    let mut peer = desk.connected().await;
    let asked = desk.send(&json!(1));
    peer.heard().await;
    drop(peer);
    assert!(matches!(asked.await.unwrap(), Err(VenueError::Lost(_))));
    let mut peer = desk.connected().await;
    assert!(peer.is_left_alone().await, "it was sent again");
}

#[tokio::test]
async fn nothing_is_sent_before_the_login_is_granted() {
    let desk = Desk::open().await;
    let mut peer = desk.accept(false).await;
    assert!(matches!(desk.send(&json!(1)).await.unwrap(), Err(VenueError::NotSent(_))));
    assert!(peer.is_left_alone().await);
    // It comes back, and then orders go.
    let mut peer = desk.connected().await;
    let asked = desk.send(&json!(2));
    let request = peer.heard().await;
    peer.tell(json!({"id": request["id"], "result": "taken"})).await;
    assert_eq!(asked.await.unwrap(), Ok(json!("taken")));
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_ends_the_connection() {
    let desk = Desk::open().await;
    let mut peer = desk.connected().await;
    let asked = desk.send(&json!(1));
    peer.heard().await;
    peer.say("{\"id\":").await;
    assert!(matches!(asked.await.unwrap(), Err(VenueError::Lost(_))));
    desk.connected().await;
}

#[tokio::test]
async fn a_connection_that_owes_an_answer_for_too_long_is_given_up() {
    let desk = Desk::open().await;
    let mut peer = desk.connected().await;
    let asked = desk.send(&json!(1));
    peer.heard().await;
    pass(TIMEOUT + Duration::from_secs(1)).await;
    assert!(matches!(asked.await.unwrap(), Err(VenueError::Lost(_))));
    timeout(Duration::from_secs(5), desk.connected()).await.expect("a new connection");
}

#[tokio::test]
async fn a_silent_connection_is_asked_for_a_sign_of_life_and_then_given_up() {
    let desk = Desk::open().await;
    let mut peer = desk.connected().await;
    pass(KEEP_ALIVE + Duration::from_secs(1)).await;
    assert_eq!(peer.heard().await, "ping");
    peer.tell(json!("pong")).await;
    // The pong has been heard once this has.
    let asked = desk.send(&json!(1));
    let request = peer.heard().await;
    peer.tell(json!({"id": request["id"], "result": 1})).await;
    asked.await.unwrap().unwrap();
    for _ in 0..2 {
        pass(KEEP_ALIVE + Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
    }
    timeout(Duration::from_secs(5), desk.connected()).await.expect("a new connection");
}

#[tokio::test]
async fn a_connection_that_grows_old_is_succeeded_before_it_ends() {
    let desk = Desk::open().await;
    let mut old = desk.connected().await;
    let owed = desk.send(&json!("old"));
    let request = old.heard().await;
    old.tell(json!({"ending": true})).await;
    let mut new = desk.connected().await;
    let asked = desk.send(&json!("new"));
    let next = new.heard().await;
    new.tell(json!({"id": next["id"], "result": "new"})).await;
    assert_eq!(asked.await.unwrap(), Ok(json!("new")));
    old.tell(json!({"id": request["id"], "result": "owed"})).await;
    assert_eq!(owed.await.unwrap(), Ok(json!("owed")));
}
