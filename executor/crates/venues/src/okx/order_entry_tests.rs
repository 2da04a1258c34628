//! Messages are those of OKX's documentation.

use orders::{Kind, Market};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;
use crate::okx::Okx;
use crate::okx::tests::{SWAP, at_both};
use crate::order_entry::run;
use crate::scripted::{Peer, Scripted, Sockets, Then, exit, serve};
use crate::{Reason, Receipt, Venue, VenueError};

const BY_REST: &str = r#"{"code":"0","msg":"","data":[{"clOrdId":"smc1","ordId":"3","sCode":"0","sMsg":""}]}"#;

/// A swap account, with orders over the peer's WebSocket. Its instruments have been asked for over REST.
async fn connected(rest: &[&'static str]) -> (Okx, Sockets, Peer, Scripted) {
    let sockets = Sockets::open().await;
    let script = [SWAP].iter().chain(rest).map(|body| Then::Answer(200, body));
    let server = serve(script.collect()).await;
    let venue = at_both(&server.url, &sockets.url, Market::Swap);
    tokio::spawn(run(venue.0.clone()));
    let mut peer = sockets.accept().await;
    let login = peer.heard().await;
    assert_eq!((&login["op"], &login["args"][0]["apiKey"]), (&json!("login"), &json!("key")));
    peer.tell(json!({"event": "login", "code": "0", "msg": "", "connId": "c"})).await;
    while !venue.0.entry.is_up() {
        tokio::task::yield_now().await;
    }
    (venue, sockets, peer, server)
}

fn place(venue: &Okx, kind: Kind) -> JoinHandle<Result<Receipt, VenueError>> {
    let venue = venue.clone();
    tokio::spawn(async move { venue.place(&exit("BTC-USDT-SWAP", kind, Market::Swap)).await })
}

fn answer(request: &Value, code: &str, entry: Value) -> Value {
    json!({"id": request["id"], "op": request["op"], "code": code, "msg": "", "data": [entry],
        "inTime": "1695190491421339", "outTime": "1695190491423240"})
}

#[tokio::test]
async fn an_order_goes_over_the_socket_and_names_its_instrument_by_the_code() {
    let (venue, _sockets, mut peer, server) = connected(&[]).await;
    let placed = place(&venue, Kind::Limit);
    let request = peer.heard().await;
    assert_eq!(request["op"], "order");
    let order = json!({"instIdCode": 10459, "instId": "BTC-USDT-SWAP", "tdMode": "cross", "clOrdId": "smc1",
        "side": "sell", "ordType": "limit", "sz": "1", "px": "50000", "reduceOnly": true});
    assert_eq!(request["args"], json!([order]));
    peer.tell(answer(&request, "0", json!({"ordId": "12345689", "clOrdId": "smc1", "sCode": "0", "sMsg": ""}))).await;
    let receipt = placed.await.unwrap().unwrap();
    assert_eq!(receipt.order.external_id, "12345689");
    assert!(receipt.written.is_some());
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn codes_mean_what_they_mean_over_rest() {
    let (venue, _sockets, mut peer, server) = connected(&[]).await;
    let cases = [
        ("51008", "refused"),
        ("50113", "refused"),
        ("51149", "lost"),
        ("50011", "throttled"),
        // Accepted, it says, and does not say what.
        ("0", "lost"),
    ];
    for (code, expected) in cases {
        let placed = place(&venue, Kind::Limit);
        let request = peer.heard().await;
        let frame = if code == "0" { "0" } else { "1" };
        peer.tell(answer(&request, frame, json!({"ordId": "", "clOrdId": "", "sCode": code, "sMsg": "why"}))).await;
        let got = match placed.await.unwrap() {
            Err(VenueError::Refused { .. }) => "refused",
            Err(VenueError::Lost(_)) => "lost",
            Err(VenueError::Throttled { banned: false, .. }) => "throttled",
            other => panic!("{other:?}"),
        };
        assert_eq!(got, expected, "{code}");
    }
    assert!(venue.entries_throttled().is_some());
    // A frame's own code, without an entry.
    let placed = place(&venue, Kind::Limit);
    let id = peer.heard().await["id"].clone();
    peer.tell(json!({"id": id, "op": "order", "code": "60013", "msg": "Invalid args", "data": []})).await;
    assert!(matches!(placed.await.unwrap(), Err(VenueError::Refused { code: 60_013, .. })));
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_code_that_the_order_channel_does_not_know_sends_the_order_over_rest() {
    let (venue, _sockets, mut peer, server) = connected(&[BY_REST]).await;
    let placed = place(&venue, Kind::Limit);
    let request = peer.heard().await;
    let unknown = "Instrument ID, Instrument ID code or Spread ID doesn't exist.";
    peer.tell(answer(&request, "1", json!({"ordId": "", "sCode": "51001", "sMsg": unknown}))).await;
    assert_eq!(placed.await.unwrap().unwrap().order.external_id, "3");
    assert!(server.asked()[1].starts_with("POST /api/v5/trade/batch-orders"), "{:?}", server.asked());
}

#[tokio::test]
async fn what_is_in_flight_when_the_socket_ends_is_lost_and_not_sent_over_rest() {
    let (venue, _sockets, mut peer, server) = connected(&[BY_REST]).await;
    let placed = place(&venue, Kind::Limit);
    peer.heard().await;
    drop(peer);
    assert!(matches!(placed.await.unwrap(), Err(VenueError::Lost(_))));
    assert!(server.asked().iter().all(|asked| !asked.starts_with("POST")), "{:?}", server.asked());
}

#[tokio::test]
async fn a_stop_is_an_algo_order_and_goes_over_rest() {
    let algo = r#"{"code":"0","msg":"","data":[{"algoId":"5","algoClOrdId":"smc1","sCode":"0","sMsg":""}]}"#;
    let (venue, _sockets, mut peer, _server) = connected(&[algo]).await;
    assert_eq!(place(&venue, Kind::StopLoss).await.unwrap().unwrap().order.external_id, "5");
    assert!(peer.is_left_alone().await);
}

#[tokio::test]
async fn a_cancel_goes_both_ways_at_once() {
    let gone = r#"{"code":"1","msg":"","data":[{"algoId":"","sCode":"51400","sMsg":"gone"}]}"#;
    let no_order = r#"{"code":"51603","msg":"Order does not exist","data":[]}"#;
    let (venue, _sockets, mut peer, server) = connected(&[gone, no_order, no_order]).await;
    let cancelled = tokio::spawn(async move { venue.cancel("BTC-USDT-SWAP", "smc1").await });
    let request = peer.heard().await;
    assert_eq!((&request["op"], &request["args"][0]["clOrdId"]), (&json!("cancel-order"), &json!("smc1")));
    peer.tell(answer(&request, "1", json!({"ordId": "", "clOrdId": "smc1", "sCode": "51400", "sMsg": "gone"}))).await;
    let result = cancelled.await.unwrap();
    assert!(matches!(result, Err(VenueError::Refused { reason: Reason::NoSuchOrder, .. })), "{result:?}");
    assert!(server.asked()[1].starts_with("POST /api/v5/trade/cancel-algos"), "{:?}", server.asked());
}

#[tokio::test]
async fn an_answer_brings_its_request_back() {
    let account = crate::okx::tests::swap_account().await;
    let taken = r#"{"id":"1512","op":"order","data":[{"clOrdId":"","ordId":"12345689","tag":"","ts":"1695190491421","sCode":"0","sMsg":""}],"code":"0","msg":"","inTime":"1695190491421339","outTime":"1695190491423240"}"#;
    let refused = r#"{"id":"1513","op":"order","data":[{"clOrdId":"","ordId":"","tag":"","ts":"1695190491421","sCode":"51008","sMsg":"Order failed. Insufficient USDT balance in account"}],"code":"1","msg":"","inTime":"1695190491421339","outTime":"1695190491423240"}"#;
    let Some((1512, Ok(data))) = account.hear(taken).unwrap().answer else { panic!("not taken") };
    assert!(data.get().contains("12345689"));
    let Some((1513, Err(error))) = account.hear(refused).unwrap().answer else { panic!("not refused") };
    assert!(matches!(error, VenueError::Refused { reason: Reason::InsufficientBalance, code: 51_008, .. }));
}

#[tokio::test]
async fn other_messages_are_signs_of_life_a_notice_or_the_end() {
    let account = crate::okx::tests::swap_account().await;
    let counted = r#"{"event":"channel-conn-count","channel":"orders","connCount":"2","connId":"c"}"#;
    for text in ["pong", counted] {
        let heard = account.hear(text).unwrap();
        assert!(heard.answer.is_none() && !heard.is_ending, "{text}");
    }
    let notice =
        r#"{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade."}"#;
    assert!(account.hear(notice).unwrap().is_ending);
    let error = account.hear(r#"{"event":"error","code":"60011","msg":"Please log in","connId":"c"}"#);
    assert_eq!(error.err().as_deref(), Some("Please log in (60011)"));
    assert!(account.hear("not json").is_err());
}
