//! Against a venue in this process: what is asked of which book.

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::connect::Access;
use ::orders::Status;

/// Answers `METHOD path` as told; the order book knows nothing else.
struct Book {
    venue: Usdm,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Book {
    async fn answering(answers: &[(&str, Value)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let access = Access {
            rest_url: format!("http://{}", listener.local_addr().unwrap()),
            ws_api_url: "ws://127.0.0.1:1".into(),
            market_ws_url: "ws://127.0.0.1:1".into(),
            api_key: "key".into(),
            api_secret: "secret".into(),
            passphrase: String::new(),
            testnet: false,
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        let venue = Usdm(Arc::new(Account::new(Market::Swap, access).unwrap()));
        let answers: HashMap<String, Value> =
            answers.iter().map(|(name, answer)| ((*name).to_owned(), answer.clone())).collect();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).await.unwrap();
                let line = String::from_utf8_lossy(&request[..read]).split(" HTTP").next().unwrap().to_owned();
                let name = line.split('?').next().unwrap().to_owned();
                let (status, body) = match answers.get(&name) {
                    Some(answer) => ("200 OK", answer.to_string()),
                    None if name.starts_with("DELETE") => {
                        ("400 Bad", json!({"code": -2011, "msg": "Unknown order sent."}).to_string())
                    }
                    None => ("400 Bad", json!({"code": -2013, "msg": "Order does not exist."}).to_string()),
                };
                log.lock().unwrap().push(line);
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                stream.write_all((head + &body).as_bytes()).await.unwrap();
            }
        });
        Self { venue, asked }
    }

    fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|line| line.split("&recvWindow").next().unwrap().to_owned()).collect()
    }
}

fn algo(status: &str, became: &str) -> Value {
    json!({"algoId": 3358, "clientAlgoId": "smc7", "algoType": "CONDITIONAL", "orderType": "STOP_MARKET", "symbol": "BTCUSDT",
        "side": "SELL", "positionSide": "BOTH", "timeInForce": "GTC", "quantity": "0.002", "algoStatus": status,
        "actualOrderId": became, "triggerPrice": "49000.0", "price": "0", "reduceOnly": true, "createTime": 1763458576201_i64})
}

fn order() -> Value {
    json!({"orderId": 88, "symbol": "BTCUSDT", "status": "FILLED", "clientOrderId": "smc7", "price": "0", "avgPrice": "48990",
        "origQty": "0.002", "executedQty": "0.002", "timeInForce": "GTC", "type": "MARKET", "origType": "STOP_MARKET",
        "reduceOnly": true, "side": "SELL", "stopPrice": "49000", "time": 2, "updateTime": 3})
}

#[tokio::test]
async fn a_conditional_order_is_found_in_its_own_book() {
    let book = Book::answering(&[("GET /fapi/v1/algoOrder", algo("NEW", ""))]).await;
    let found = book.venue.query("BTCUSDT", "smc7").await.unwrap();
    assert_eq!((found.external_id.as_str(), found.status), ("algo-3358", Status::Open));
    assert_eq!((found.kind, found.stop_price), (Kind::StopLoss, Some(Decimal::from(49_000))));
    assert_eq!(
        book.asked(),
        ["GET /fapi/v1/order?symbol=BTCUSDT&origClientOrderId=smc7", "GET /fapi/v1/algoOrder?clientAlgoId=smc7"]
    );
}

#[tokio::test]
async fn what_a_conditional_order_has_become_counts() {
    let triggered = algo("FINISHED", "88");
    let trades = json!([{"symbol": "BTCUSDT", "id": 5, "orderId": 88, "price": "48990", "qty": "0.002", "commission": "0.04",
        "commissionAsset": "USDT", "time": 3, "maker": false}]);
    let book = Book::answering(&[("GET /fapi/v1/algoOrder", triggered), ("GET /fapi/v1/userTrades", trades)]).await;
    let trades = book.venue.order_trades("BTCUSDT", "algo-3358").await.unwrap();
    assert_eq!((trades.len(), trades[0].external_id.as_str()), (1, "88"));
    assert_eq!(book.asked().last().unwrap(), "GET /fapi/v1/userTrades?symbol=BTCUSDT&orderId=88&limit=1000");

    let book =
        Book::answering(&[("GET /fapi/v1/algoOrder", algo("FINISHED", "88")), ("GET /fapi/v1/order", order())]).await;
    let found = book.venue.query_external("BTCUSDT", "algo-3358").await.unwrap();
    assert_eq!((found.external_id.as_str(), found.status, found.kind), ("88", Status::Filled, Kind::StopLoss));
}

#[tokio::test]
async fn no_book_knowing_it_is_a_definite_answer() {
    let book = Book::answering(&[]).await;
    assert!(is_unknown(&book.venue.query("BTCUSDT", "smc7").await));
    assert!(is_unknown(&book.venue.cancel("BTCUSDT", "smc7").await));
}

#[tokio::test]
async fn a_cancel_tries_one_book_and_then_the_other() {
    let done = json!({"algoId": 3358, "clientAlgoId": "smc7", "code": "200", "msg": "success"});
    let book =
        Book::answering(&[("DELETE /fapi/v1/algoOrder", done), ("GET /fapi/v1/algoOrder", algo("CANCELED", ""))]).await;
    let cancelled = book.venue.cancel("BTCUSDT", "smc7").await.unwrap().orders;
    assert_eq!(cancelled[0].status, Status::Cancelled);
    assert_eq!(
        book.asked(),
        [
            "DELETE /fapi/v1/order?symbol=BTCUSDT&origClientOrderId=smc7",
            "DELETE /fapi/v1/algoOrder?clientAlgoId=smc7",
            "GET /fapi/v1/algoOrder?clientAlgoId=smc7",
        ]
    );
}

#[tokio::test]
async fn an_order_between_the_books_is_counted_once() {
    let mut resting = order();
    resting["status"] = "NEW".into();
    resting["executedQty"] = "0".into();
    let book = Book::answering(&[
        ("GET /fapi/v1/openAlgoOrders", json!([algo("NEW", "")])),
        ("GET /fapi/v1/openOrders", json!([resting])),
    ])
    .await;
    let open = book.venue.open_orders().await.unwrap();
    assert_eq!(open.iter().map(|order| order.external_id.as_str()).collect::<Vec<_>>(), ["88"]);
}

#[tokio::test]
async fn hedge_mode_is_refused_with_the_cure() {
    let held = json!([{"symbol": "BTCUSDT", "positionSide": "LONG", "positionAmt": "1", "entryPrice": "50000"}]);
    let book = Book::answering(&[("GET /fapi/v3/positionRisk", held)]).await;
    let error = book.venue.positions().await.unwrap_err();
    assert!(error.to_string().contains("one-way mode"), "{error}");
}
