//! Messages are those of Bybit's documentation, shortened to what is read and what surrounds it.

use std::time::Duration;

use orders::reconcile::Seen;
use orders::{Approved, Kind, Market, Order, Status};
use rust_decimal::Decimal;
use tokio::sync::mpsc::unbounded_channel;

use super::stream::{Heard, read};
use super::{Account, Bybit};
use crate::connect::Access;
use crate::scripted::{Then, exit, serve};
use crate::{Reason, StreamEvent, Venue, VenueError};

const ACCEPTED: &str = r#"{"retCode":0,"retMsg":"OK","result":{"orderId":"1321003749386327552","orderLinkId":"smc1"},"retExtInfo":{},"time":1672211918471}"#;
const EMPTY: &str =
    r#"{"retCode":0,"retMsg":"OK","result":{"list":[],"nextPageCursor":"","category":"spot"},"time":1}"#;
const GONE: &str = r#"{"retCode":170213,"retMsg":"Order does not exist.","result":{},"retExtInfo":{},"time":1}"#;

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn at(url: &str, market: Market) -> Bybit {
    at_both(url, url.replace("http", "ws"), market)
}

pub fn at_both(url: &str, socket: String, market: Market) -> Bybit {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let access = Access {
        rest_url: url.into(),
        ws_api_url: socket.clone(),
        market_ws_url: socket,
        api_key: "key".into(),
        api_secret: "secret".into(),
        passphrase: String::new(),
        testnet: false,
    };
    Bybit::new(market, access).unwrap()
}

pub fn account(market: Market) -> std::sync::Arc<Account> {
    at("http://127.0.0.1:1", market).0
}

fn order(kind: Kind, market: Market) -> Approved<Order> {
    exit("BTCUSDT", kind, market)
}

#[tokio::test]
async fn an_order_is_taken_as_resting_until_the_stream_says_more() {
    let server = serve(vec![Then::Answer(200, ACCEPTED)]).await;
    let receipt = at(&server.url, Market::Spot).place(&order(Kind::StopLoss, Market::Spot)).await.unwrap();
    assert_eq!((receipt.order.external_id.as_str(), receipt.order.status), ("1321003749386327552", Status::Open));
    let sent = r#"POST /v5/order/create {"category":"spot","symbol":"BTCUSDT","side":"Sell","orderType":"Market","qty":"0.01","marketUnit":"baseCoin","orderLinkId":"smc1","orderFilter":"tpslOrder","triggerDirection":2,"triggerPrice":"49000.5","reduceOnly":true}"#;
    assert_eq!(server.asked(), [sent]);
}

#[tokio::test]
async fn an_order_whose_answer_is_lost_is_sent_once_and_unknown() {
    let unknown = [
        Then::HangUp,
        Then::Answer(502, "bad gateway"),
        Then::Answer(200, "{\"retCode\":"),
        Then::Answer(200, r#"{"retCode":10016,"retMsg":"Internal server error","result":{}}"#),
        Then::Answer(200, r#"{"retCode":170146,"retMsg":"Order creation timeout","result":{}}"#),
        // Accepted, it says, and does not say what.
        Then::Answer(200, r#"{"retCode":0,"retMsg":"OK","result":{}}"#),
    ];
    for then in unknown {
        let server = serve(vec![then]).await;
        let result = at(&server.url, Market::Spot).place(&order(Kind::Limit, Market::Spot)).await;
        assert!(matches!(result, Err(VenueError::Lost(_))), "{result:?}");
        assert_eq!(server.asked().len(), 1);
    }
    let nobody = at("http://127.0.0.1:1", Market::Spot).place(&order(Kind::Limit, Market::Spot)).await;
    assert!(matches!(nobody, Err(VenueError::NotSent(_))), "{nobody:?}");
}

#[tokio::test]
async fn a_stale_timestamp_is_measured_again_and_the_order_sent_once_more() {
    let stale = r#"{"retCode":10002,"retMsg":"invalid request, please check your server timestamp","result":{}}"#;
    let time =
        r#"{"retCode":0,"retMsg":"OK","result":{"timeSecond":"1688639403","timeNano":"1688639403423213947"},"time":1}"#;
    let script = vec![Then::Answer(200, stale), Then::Answer(200, time), Then::Answer(200, ACCEPTED)];
    let server = serve(script).await;
    let venue = at(&server.url, Market::Spot);
    venue.place(&order(Kind::Limit, Market::Spot)).await.unwrap();
    assert_eq!(server.asked().len(), 3);
    assert!((venue.0.clock.venue_ms() - 1_688_639_403_423).abs() < 60_000);
}

#[tokio::test]
async fn a_rate_refusal_stops_entries_and_a_refused_address_everything() {
    let limited = r#"{"retCode":10006,"retMsg":"Too many visits!","result":{}}"#;
    let server =
        serve(vec![Then::Answer(200, limited), Then::Answer(403, "403, access too frequent. Please try it later")])
            .await;
    let venue = at(&server.url, Market::Spot);
    let first = venue.place(&order(Kind::Limit, Market::Spot)).await;
    assert!(matches!(first, Err(VenueError::Throttled { banned: false, .. })), "{first:?}");
    assert!(venue.entries_throttled().is_some());
    let ban = venue.balances().await;
    assert!(matches!(ban, Err(VenueError::Throttled { banned: true, .. })), "{ban:?}");
    let silent = venue.open_orders().await;
    let Err(VenueError::Throttled { retry_after, banned: true }) = silent else { panic!("{silent:?}") };
    assert!(retry_after > Duration::from_secs(590));
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn entries_leave_the_last_fifth_of_a_second_to_exits() {
    let left = |left: &str| Then::With(200, ("X-Bapi-Limit-Status", format!("{left}\r\nX-Bapi-Limit: 20")), ACCEPTED);
    let server = serve(vec![left("4"), left("3")]).await;
    let venue = at(&server.url, Market::Spot);
    venue.place(&order(Kind::Limit, Market::Spot)).await.unwrap();
    assert_eq!(venue.entries_throttled(), None);
    venue.place(&order(Kind::Limit, Market::Spot)).await.unwrap();
    assert!(venue.entries_throttled().is_some());
}

#[tokio::test]
async fn a_spot_stop_is_cancelled_where_stops_are_kept() {
    let cancelled = r#"{"retCode":0,"result":{"list":[{"symbol":"BTCUSDT","orderType":"Market","orderLinkId":"smc1","orderId":"7","orderStatus":"Deactivated","side":"Sell","qty":"0.01","cumExecQty":"0","price":"0","triggerPrice":"49000.5","triggerDirection":0,"timeInForce":"GTC","createdTime":"1672217748287"}]}}"#;
    let server = serve(vec![Then::Answer(200, GONE), Then::Answer(200, ACCEPTED), Then::Answer(200, cancelled)]).await;
    let orders = at(&server.url, Market::Spot).cancel("BTCUSDT", "smc1").await.unwrap().orders;
    assert_eq!((orders[0].status, orders[0].kind), (Status::Cancelled, Kind::StopLoss));
    let asked = server.asked();
    for filter in ["Order", "tpslOrder"] {
        let cancel =
            format!(r#"{{"category":"spot","symbol":"BTCUSDT","orderLinkId":"smc1","orderFilter":"{filter}"}}"#);
        assert!(asked[..2].contains(&format!("POST /v5/order/cancel {cancel}")), "{asked:?}");
    }
    assert_eq!(asked[2], "GET /v5/order/realtime?category=spot&symbol=BTCUSDT&orderLinkId=smc1");
}

#[tokio::test]
async fn an_order_that_neither_list_knows_does_not_exist() {
    let server = serve(vec![Then::Answer(200, EMPTY), Then::Answer(200, EMPTY)]).await;
    let result = at(&server.url, Market::Spot).query("BTCUSDT", "smc1").await;
    assert!(matches!(result, Err(VenueError::Refused { reason: Reason::NoSuchOrder, .. })), "{result:?}");
    assert!(server.asked()[1].starts_with("GET /v5/order/history?"));
}

#[tokio::test]
async fn executions_come_oldest_first_through_all_pages() {
    let page = |cursor: &'static str, list: &'static str| {
        let body = format!(r#"{{"retCode":0,"result":{{"nextPageCursor":"{cursor}","list":[{list}]}}}}"#);
        Then::Answer(200, Box::leak(body.into_boxed_str()))
    };
    let server = serve(vec![
        page("132766%3A2%2C132766%3A2", r#"{"symbol":"ETHUSDT","orderId":"a","side":"Buy","execId":"t3","execPrice":"1190.15","execQty":"0.1","execFee":"0.07","execType":"Trade","execTime":"1672282722429","isMaker":true}"#),
        page("", r#"{"symbol":"ETHUSDT","orderId":"","side":"Buy","execId":"f","execPrice":"1190","execQty":"9","execType":"Funding","execTime":"1672282722400"},{"symbol":"ETHUSDT","orderId":"a","side":"Buy","execId":"t2","execPrice":"1190.1","execQty":"0.2","execFee":"0.1","execType":"Trade","execTime":"1672282722300"}"#),
    ])
    .await;
    let venue = at(&server.url, Market::Swap);
    let seen = Seen { trade_id: None, time_ms: crate::clock::now_ms() - 1000 };
    let trades = venue.trades_since("ETHUSDT", seen).await.unwrap();
    let ids: Vec<&str> = trades.iter().map(|trade| trade.fill.trade_id.as_str()).collect();
    assert_eq!(ids, ["t2", "t3"]);
    assert_eq!((trades[1].fill.fee_asset.as_str(), trades[1].fill.is_maker), ("USDT", true));
    assert!(server.asked()[1].ends_with("&limit=100&cursor=132766%3A2%2C132766%3A2"), "{:?}", server.asked());
}

#[tokio::test]
async fn a_symbols_rules_are_read_on_either_market() {
    let spot = r#"{"retCode":0,"result":{"category":"spot","list":[{"symbol":"BTCUSDT","baseCoin":"BTC","quoteCoin":"USDT","innovation":"0","status":"Trading","lotSizeFilter":{"basePrecision":"0.000001","quotePrecision":"0.00000001","minOrderQty":"0.000048","maxOrderQty":"71.73956243","minOrderAmt":"1","maxOrderAmt":"4000000"},"priceFilter":{"tickSize":"0.01"}}]}}"#;
    let linear = r#"{"retCode":0,"result":{"list":[{"symbol":"BTCUSDT","contractType":"LinearPerpetual","baseCoin":"BTC","quoteCoin":"USDT","priceFilter":{"minPrice":"0.10","maxPrice":"1999999.80","tickSize":"0.10"},"lotSizeFilter":{"maxOrderQty":"1190.000","minOrderQty":"0.001","qtyStep":"0.001","postOnlyMaxOrderQty":"1190.000","maxMktOrderQty":"500.000","minNotionalValue":"5"}}]}}"#;
    let server = serve(vec![Then::Answer(200, spot), Then::Answer(200, linear), Then::Answer(200, EMPTY)]).await;
    let rules = at(&server.url, Market::Spot).rules("BTCUSDT").await.unwrap();
    assert_eq!((rules.tick, rules.step), (decimal("0.01"), decimal("0.000001")));
    assert_eq!((rules.min_quantity, rules.min_notional), (decimal("0.000048"), decimal("1")));
    let rules = at(&server.url, Market::Swap).rules("BTCUSDT").await.unwrap();
    assert_eq!((rules.step, rules.market_max_quantity), (decimal("0.001"), decimal("500")));
    assert_eq!((rules.min_notional, rules.market), (decimal("5"), Market::Swap));
    let none = at(&server.url, Market::Spot).rules("NOPE").await;
    assert!(matches!(none, Err(VenueError::Refused { reason: Reason::UnknownSymbol, .. })), "{none:?}");
}

#[tokio::test]
async fn balances_are_split_into_free_and_locked() {
    let wallet = r#"{"retCode":0,"result":{"list":[{"accountType":"UNIFIED","coin":[{"coin":"USDT","walletBalance":"1000","locked":"100","totalOrderIM":"20","totalPositionIM":"30","availableToWithdraw":""},{"coin":"BTC","walletBalance":"","locked":""}]}]}}"#;
    let server = serve(vec![Then::Answer(200, wallet)]).await;
    let balances = at(&server.url, Market::Swap).balances().await.unwrap();
    assert_eq!((balances[0].1.free, balances[0].1.locked), (decimal("850"), decimal("150")));
    assert_eq!(balances[1].1.free, Decimal::ZERO);
}

fn events(text: &str, market: Market) -> Vec<StreamEvent> {
    match read(text, &account(market)) {
        Ok(Heard::Events(events)) => events,
        Ok(Heard::Pong) => panic!("a pong"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn an_execution_is_a_fill_that_leaves_the_orders_state_open() {
    let text = r#"{"id":"592324803b2785-26fa-4214-9963-bdd4727f07be","topic":"execution","creationTime":1672364174455,"data":[{"category":"linear","symbol":"XRPUSDT","execFee":"0.005061","execId":"7e2ae69c-4edf-5800-a352-893d52b446aa","execPrice":"0.3374","execQty":"25","execType":"Trade","execValue":"8.435","isMaker":false,"feeRate":"0.0006","tradeIv":"","markPrice":"0.3391","leavesQty":"0","orderId":"f6e324ff-99c2-4e89-9739-3086e47f9381","orderLinkId":"smc1","orderPrice":"0.3207","orderQty":"25","orderType":"Market","stopOrderType":"UNKNOWN","side":"Sell","execTime":"1672364174443","isLeverage":"0","seq":4688002127}]}"#;
    let [StreamEvent::Report(report)] = &events(text, Market::Swap)[..] else { panic!("not one report") };
    let fill = report.fill.as_ref().unwrap();
    assert_eq!((fill.price, fill.quantity, fill.time_ms), (decimal("0.3374"), decimal("25"), 1_672_364_174_443));
    assert_eq!((fill.fee, fill.fee_asset.as_str()), (decimal("0.005061"), "USDT"));
    assert_eq!((report.order.status, report.order.client_order_id.as_str()), (Status::PartiallyFilled, "smc1"));
    // The account trades the other book.
    assert_eq!(events(text, Market::Spot), []);
}

#[test]
fn an_orders_end_is_told_with_its_reason() {
    let text = r#"{"id":"5923240c6880ab","topic":"order","creationTime":1672364262474,"data":[{"symbol":"BTCUSDT","orderId":"5cf98598","side":"Buy","orderType":"Limit","cancelType":"UNKNOWN","price":"72.5","qty":"1","timeInForce":"PostOnly","orderStatus":"Rejected","orderLinkId":"smc1","reduceOnly":false,"leavesQty":"","cumExecQty":"0","avgPrice":"","createdTime":"1672364262444","updatedTime":"1672364262457","rejectReason":"EC_PostOnlyWillTakeLiquidity","triggerPrice":"","triggerDirection":0,"category":"spot"}]}"#;
    let [StreamEvent::Report(report)] = &events(text, Market::Spot)[..] else { panic!("not one report") };
    assert_eq!((report.order.status, report.message.as_str()), (Status::Rejected, "EC_PostOnlyWillTakeLiquidity"));
    assert!(report.order.post_only && report.fill.is_none());
}

#[test]
fn wallets_and_positions_are_read() {
    let text = r#"{"id":"x","topic":"wallet","creationTime":1,"data":[{"accountType":"UNIFIED","coin":[{"coin":"BTC","equity":"1","walletBalance":"1.5","locked":"0.5"}]}]}"#;
    let [StreamEvent::Balances(balances)] = &events(text, Market::Spot)[..] else { panic!("no balances") };
    assert_eq!((balances[0].0.as_str(), balances[0].1.free), ("BTC", decimal("1")));
    let text = r#"{"topic":"position","data":[{"category":"linear","symbol":"BTCUSDT","side":"Sell","size":"0.2","entryPrice":"61000.5","positionIdx":0},{"category":"linear","symbol":"ETHUSDT","side":"","size":"0","entryPrice":"0"}]}"#;
    let [StreamEvent::Positions(positions)] = &events(text, Market::Swap)[..] else { panic!("no positions") };
    assert_eq!((positions[0].quantity, positions[0].entry_price), (decimal("-0.2"), Some(decimal("61000.5"))));
    assert_eq!((positions[1].quantity, positions[1].entry_price), (Decimal::ZERO, None));
}

#[test]
fn pongs_strangers_and_what_cannot_be_read_are_told_apart() {
    let pong = r#"{"req_id":"","op":"pong","args":["1675418560633"],"conn_id":"cfcb4ocsvfriu23r3er0-1b"}"#;
    assert!(matches!(read(pong, &account(Market::Spot)), Ok(Heard::Pong)));
    assert_eq!(events(r#"{"topic":"greeks","data":[{}]}"#, Market::Spot), []);
    for text in ["not json", r#"{"topic":"order","data":[{"symbol":1}]}"#, r#"{"topic":"execution","data":7}"#] {
        assert!(read(text, &account(Market::Spot)).is_err(), "{text}");
    }
}

/// The whole conversation, over a real socket: login, subscription, an event, and the pong behind it.
#[tokio::test]
async fn the_stream_logs_in_tells_events_and_answers_pings_behind_them() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let venue = at(&format!("http://{}", listener.local_addr().unwrap()), Market::Spot);
    let server = tokio::spawn(async move {
        // Order entry dials as well, and may be first.
        let mut others = Vec::new();
        let stream = loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 64];
            let length = stream.peek(&mut head).await.unwrap();
            if String::from_utf8_lossy(&head[..length]).contains("/private") {
                break stream;
            }
            others.push(stream);
        };
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let mut heard: Vec<serde_json::Value> = Vec::new();
        let answers = [
            vec![r#"{"success":true,"ret_msg":"","op":"auth","conn_id":"1"}"#],
            vec![r#"{"success":true,"ret_msg":"","op":"subscribe","conn_id":"1"}"#],
            vec![
                r#"{"topic":"wallet","data":[{"coin":[{"coin":"BTC","walletBalance":"1"}]}]}"#,
                r#"{"req_id":"","op":"pong","args":["1"],"conn_id":"1"}"#,
            ],
        ];
        for answer in answers {
            let Some(Ok(Message::Text(text))) = socket.next().await else { panic!("gone") };
            heard.push(serde_json::from_str(&text).unwrap());
            for text in answer {
                socket.send(Message::text(text)).await.unwrap();
            }
        }
        socket.close(None).await.unwrap();
        heard
    });
    let (told, mut events) = unbounded_channel();
    let (pings, requests) = unbounded_channel();
    let stream = venue.user_stream(Box::new(move |event| drop(told.send(event))), requests);
    let stream = tokio::spawn(stream);
    assert_eq!(events.recv().await, Some(StreamEvent::Up));
    pings.send(17).unwrap();
    assert!(matches!(events.recv().await, Some(StreamEvent::Balances(_))));
    assert_eq!(events.recv().await, Some(StreamEvent::Pong(17)));
    assert!(matches!(events.recv().await, Some(StreamEvent::Down(_))));
    let heard = server.await.unwrap();
    assert_eq!((&heard[0]["op"], &heard[0]["args"][0]), (&"auth".into(), &"key".into()));
    assert_eq!(heard[1]["args"], serde_json::json!(["order", "execution", "wallet", "position"]));
    drop(pings);
    stream.await.unwrap();
}
