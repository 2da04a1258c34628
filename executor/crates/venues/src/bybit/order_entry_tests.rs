//! Messages are those of Bybit's documentation.

use orders::{Kind, Market};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;
use crate::bybit::Bybit;
use crate::bybit::tests::at_both;
use crate::order_entry::run;
use crate::scripted::{Peer, Scripted, Sockets, Then, exit, serve};
use crate::{Reason, Receipt, Venue};

const BY_REST: &str = r#"{"retCode":0,"retMsg":"OK","result":{"orderId":"by-rest","orderLinkId":"smc1"},"time":1}"#;
const TIME: &str =
    r#"{"retCode":0,"retMsg":"OK","result":{"timeSecond":"1688639403","timeNano":"1688639403423213947"},"time":1}"#;

/// A spot account, with orders over the peer's WebSocket.
async fn connected(rest: &[&'static str]) -> (Bybit, Sockets, Peer, Scripted) {
    let sockets = Sockets::open().await;
    let server = serve(rest.iter().map(|body| Then::Answer(200, body)).collect()).await;
    let venue = at_both(&server.url, sockets.url.clone(), Market::Spot);
    tokio::spawn(run(venue.0.clone()));
    let peer = logged_in_at(&sockets, &venue).await;
    (venue, sockets, peer, server)
}

async fn logged_in_at(sockets: &Sockets, venue: &Bybit) -> Peer {
    let mut peer = sockets.accept().await;
    let login = peer.heard().await;
    assert_eq!((&login["op"], &login["args"][0]), (&json!("auth"), &json!("key")));
    peer.tell(json!({"retCode": 0, "retMsg": "OK", "op": "auth", "connId": "c"})).await;
    while !venue.0.entry.is_up() {
        tokio::task::yield_now().await;
    }
    peer
}

fn place(venue: &Bybit) -> JoinHandle<Result<Receipt, VenueError>> {
    let venue = venue.clone();
    tokio::spawn(async move { venue.place(&exit("BTCUSDT", Kind::Limit, Market::Spot)).await })
}

fn answer(request: &Value, code: i64, message: &str, data: Value) -> Value {
    json!({"reqId": request["reqId"], "retCode": code, "retMsg": message, "op": request["op"], "data": data,
        "retExtInfo": {}, "header": {"X-Bapi-Limit": "20", "X-Bapi-Limit-Status": "3",
        "X-Bapi-Limit-Reset-Timestamp": "1714235558880", "Traceid": "t", "Timenow": "1714235558881"}, "connId": "c"})
}

#[tokio::test]
async fn an_order_goes_over_the_socket_as_it_would_over_rest() {
    let (venue, _sockets, mut peer, server) = connected(&[]).await;
    let placed = place(&venue);
    let request = peer.heard().await;
    assert_eq!(request["op"], "order.create");
    assert_eq!(request["header"]["X-BAPI-RECV-WINDOW"], "5000");
    assert!(request["header"]["X-BAPI-TIMESTAMP"].as_str().unwrap().parse::<i64>().is_ok());
    let order = json!({"category": "spot", "symbol": "BTCUSDT", "side": "Sell", "orderType": "Limit", "qty": "0.01",
        "price": "50000", "orderLinkId": "smc1"});
    assert_eq!(request["args"], json!([order]));
    peer.tell(answer(&request, 0, "OK", json!({"orderId": "1673523595617593600", "orderLinkId": "smc1"}))).await;
    let receipt = placed.await.unwrap().unwrap();
    assert_eq!(receipt.order.external_id, "1673523595617593600");
    assert!(receipt.written.is_some());
    // 17 of 20 orders of this second are used up.
    assert!(venue.entries_throttled().is_some());
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn codes_mean_what_they_mean_over_rest() {
    let (venue, _sockets, mut peer, server) = connected(&[]).await;
    let cases = [
        (170_131, "refused"),
        (10_404, "refused"),
        (10_016, "lost"),
        (10_429, "throttled"),
        (20_003, "throttled"),
        // Accepted, it says, and does not say what.
        (0, "lost"),
    ];
    for (code, expected) in cases {
        let placed = place(&venue);
        let request = peer.heard().await;
        peer.tell(answer(&request, code, "why", json!({}))).await;
        let got = match placed.await.unwrap() {
            Err(VenueError::Refused { .. }) => "refused",
            Err(VenueError::Lost(_)) => "lost",
            Err(VenueError::Throttled { banned: false, .. }) => "throttled",
            other => panic!("{other:?}"),
        };
        assert_eq!(got, expected, "{code}");
    }
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn what_is_in_flight_when_the_socket_ends_is_lost_and_sent_neither_way_again() {
    let (venue, sockets, mut peer, server) = connected(&[BY_REST]).await;
    let placed = place(&venue);
    peer.heard().await;
    drop(peer);
    assert!(matches!(placed.await.unwrap(), Err(VenueError::Lost(_))));
    let mut peer = logged_in_at(&sockets, &venue).await;
    assert!(peer.is_left_alone().await);
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn without_a_login_and_while_the_service_restarts_orders_go_over_rest() {
    let sockets = Sockets::open().await;
    let server = serve(vec![Then::Answer(200, BY_REST)]).await;
    let venue = at_both(&server.url, sockets.url.clone(), Market::Spot);
    tokio::spawn(run(venue.0.clone()));
    let mut peer = sockets.accept().await;
    peer.heard().await;
    peer.tell(json!({"retCode": 10004, "retMsg": "error sign!", "op": "auth", "connId": "c"})).await;
    assert_eq!(place(&venue).await.unwrap().unwrap().order.external_id, "by-rest");
    let refused = logged_in(&json!({"retCode": 10004, "retMsg": "error sign!", "op": "auth"}));
    assert_eq!(refused, Some(Err("login refused: error sign! (10004)".into())));

    let (venue, sockets, mut peer, server) = connected(&[BY_REST]).await;
    let placed = place(&venue);
    let request = peer.heard().await;
    peer.tell(answer(&request, 10_019, "service is restarting", json!({}))).await;
    assert_eq!(placed.await.unwrap().unwrap().order.external_id, "by-rest");
    assert_eq!(server.asked().len(), 1);
    // A successor is wanted at once.
    sockets.accept().await;
}

#[tokio::test]
async fn a_stale_timestamp_is_measured_again_and_the_order_sent_once_more() {
    let (venue, _sockets, mut peer, server) = connected(&[TIME]).await;
    let placed = place(&venue);
    let request = peer.heard().await;
    peer.tell(answer(&request, 10_002, "invalid request, please check your server timestamp", json!({}))).await;
    let again = peer.heard().await;
    assert_eq!(again["args"], request["args"]);
    peer.tell(answer(&again, 0, "OK", json!({"orderId": "7", "orderLinkId": "smc1"}))).await;
    assert_eq!(placed.await.unwrap().unwrap().order.external_id, "7");
    assert_eq!(server.asked(), ["GET /v5/market/time?"]);
}

#[tokio::test]
async fn both_kinds_of_a_spot_order_are_cancelled_over_the_socket() {
    let (venue, _sockets, mut peer, _server) = connected(&[]).await;
    let cancelled = {
        let venue = venue.clone();
        tokio::spawn(async move { venue.cancel("BTCUSDT", "smc1").await })
    };
    for _ in 0..2 {
        let request = peer.heard().await;
        assert_eq!((&request["op"], &request["args"][0]["orderLinkId"]), (&json!("order.cancel"), &json!("smc1")));
        peer.tell(answer(&request, 170_213, "Order does not exist.", json!({}))).await;
    }
    let gone = cancelled.await.unwrap();
    assert!(matches!(gone, Err(VenueError::Refused { reason: Reason::NoSuchOrder, .. })), "{gone:?}");
}

#[test]
fn an_answer_brings_its_request_back_and_the_rate() {
    let account = crate::bybit::tests::account(Market::Spot);
    let taken = r#"{"reqId":"12","retCode":0,"retMsg":"OK","op":"order.create","data":{"orderId":"1673523595617593600","orderLinkId":"1673523595617593601"},"retExtInfo":{},"header":{"X-Bapi-Limit":"20","X-Bapi-Limit-Status":"19","X-Bapi-Limit-Reset-Timestamp":"1714235558880","Traceid":"584a06d373f2fdcb3a4dfdd81d27df11","Timenow":"1714235558881"},"connId":"cojidqec0hv9fgvhtbt0-40e"}"#;
    let refused = r#"{"reqId":"13","retCode":170131,"retMsg":"Insufficient balance.","op":"order.create","data":{},"retExtInfo":{},"header":{"X-Bapi-Limit":"20","X-Bapi-Limit-Status":"18","X-Bapi-Limit-Reset-Timestamp":"1714236608944","Traceid":"3d7168a137bf32a947b7e5e6a575ac7f","Timenow":"1714236608946"},"connId":"cojifin88smerbj9t560-406"}"#;
    let Some((12, Ok(data))) = account.hear(taken).unwrap().answer else { panic!("not taken") };
    assert!(data.get().contains("1673523595617593600"));
    let Some((13, Err(error))) = account.hear(refused).unwrap().answer else { panic!("not refused") };
    assert!(matches!(error, VenueError::Refused { reason: Reason::InsufficientBalance, code: 170_131, .. }));
    assert_eq!(account.limits.shares()[0].used, 2);
}

#[test]
fn a_refusal_of_nobody_knows_what_ends_the_connection() {
    let account = crate::bybit::tests::account(Market::Spot);
    assert!(
        account.hear(r#"{"retCode":10005,"retMsg":"Permission denied","op":"order.create","connId":"c"}"#).is_err()
    );
    assert!(account.hear("not json").is_err());
    let pong =
        account.hear(r#"{"retCode":0,"retMsg":"OK","op":"pong","data":["1711002002529"],"connId":"c"}"#).unwrap();
    assert!(pong.answer.is_none() && !pong.is_ending);
}
