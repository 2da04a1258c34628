//! Messages are those of OKX's documentation, shortened to what is read and what surrounds it.

use std::sync::Arc;

use orders::reconcile::Seen;
use orders::{Kind, Market, Status};
use rust_decimal::Decimal;
use tokio::sync::mpsc::unbounded_channel;

use super::stream::read;
use super::{Account, Okx};
use crate::connect::Access;
use crate::scripted::{Then, exit, serve};
use crate::{Reason, StreamEvent, Venue, VenueError};

const HEX: &str = "0123456789abcdef0123456789abcdef";
pub const SWAP: &str = r#"{"code":"0","msg":"","data":[{"instType":"SWAP","instId":"BTC-USDT-SWAP","instIdCode":10459,"uly":"BTC-USDT","baseCcy":"","quoteCcy":"","settleCcy":"USDT","ctVal":"0.01","ctMult":"1","ctValCcy":"BTC","ctType":"linear","tickSz":"0.1","lotSz":"0.01","minSz":"0.01","maxLmtSz":"100000000","maxMktSz":"12000","state":"live"},{"instType":"SWAP","instId":"BTC-USD-SWAP","settleCcy":"BTC","ctVal":"100","ctMult":"1","ctValCcy":"USD","ctType":"inverse","tickSz":"0.1","lotSz":"1","minSz":"1"}]}"#;
const PLACED: &str = r#"{"code":"0","msg":"","data":[{"clOrdId":"smc1","ordId":"312269865356374016","tag":"","ts":"1695190491421","sCode":"0","sMsg":""}],"inTime":"1695190491421339","outTime":"1695190491423240"}"#;
const ALGO_PLACED: &str = r#"{"code":"0","msg":"","data":[{"algoId":"12345689","clOrdId":"","algoClOrdId":"smc1","sCode":"0","sMsg":"","tag":""}]}"#;
const CASH: &str = r#"{"code":"0","msg":"","data":[{"acctLv":"1","posMode":"net_mode","uid":"4"}]}"#;
const NO_ORDER: &str = r#"{"code":"51603","msg":"Order does not exist","data":[]}"#;
const NOT_CANCELLED: &str = r#"{"code":"1","msg":"All operations failed","data":[{"ordId":"","clOrdId":"smc1","sCode":"51400","sMsg":"Cancellation failed as the order has been filled, canceled or does not exist."}]}"#;
const NOTHING: &str = r#"{"code":"0","msg":"","data":[]}"#;

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn at(url: &str, market: Market) -> Okx {
    at_both(url, &url.replace("http", "ws"), market)
}

pub fn at_both(url: &str, socket: &str, market: Market) -> Okx {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let access = Access {
        rest_url: url.into(),
        ws_api_url: format!("{socket}/ws/v5"),
        market_ws_url: format!("{socket}/ws/v5/public"),
        api_key: "key".into(),
        api_secret: "secret".into(),
        passphrase: "phrase".into(),
        testnet: false,
    };
    Okx::new(market, access).unwrap()
}

#[tokio::test]
async fn a_swap_is_ordered_in_contracts_and_known_in_base_units() {
    let server = serve(vec![Then::Answer(200, SWAP), Then::Answer(200, PLACED)]).await;
    let venue = at(&server.url, Market::Swap);
    let receipt = venue.place(&exit("BTC-USDT-SWAP", Kind::Limit, Market::Swap)).await.unwrap();
    assert_eq!((receipt.order.external_id.as_str(), receipt.order.status), ("312269865356374016", Status::Open));
    assert_eq!(receipt.order.quantity, decimal("0.01"));
    let asked = server.asked();
    assert_eq!(asked[0], "GET /api/v5/public/instruments?instType=SWAP&instId=BTC-USDT-SWAP");
    assert_eq!(
        asked[1],
        r#"POST /api/v5/trade/batch-orders [{"instId":"BTC-USDT-SWAP","tdMode":"cross","clOrdId":"smc1","side":"sell","ordType":"limit","sz":"1","px":"50000","reduceOnly":true}]"#
    );
}

#[tokio::test]
async fn stops_and_trailing_stops_are_algo_orders() {
    let script = [CASH, ALGO_PLACED, ALGO_PLACED].map(|body| Then::Answer(200, body));
    let server = serve(script.into()).await;
    let venue = at(&server.url, Market::Spot);
    let receipt = venue.place(&exit("BTC-USDT", Kind::StopLoss, Market::Spot)).await.unwrap();
    assert_eq!(receipt.order.external_id, "12345689");
    venue.place(&exit("BTC-USDT", Kind::TrailingStop, Market::Spot)).await.unwrap();
    let asked = server.asked();
    assert_eq!(
        asked[1],
        r#"POST /api/v5/trade/order-algo {"instId":"BTC-USDT","tdMode":"cash","algoClOrdId":"smc1","side":"sell","ordType":"conditional","sz":"0.01","slTriggerPx":"49000.5","slOrdPx":"-1","slTriggerPxType":"last"}"#
    );
    assert!(asked[2].contains(r#""ordType":"move_order_stop","sz":"0.01","callbackRatio":"0.01"}"#), "{}", asked[2]);
}

#[tokio::test]
async fn an_order_whose_answer_is_lost_is_sent_once_and_unknown() {
    let unknown = [
        Then::HangUp,
        Then::Answer(503, "busy"),
        Then::Answer(200, "{\"code\":"),
        Then::Answer(200, r#"{"code":"50004","msg":"Endpoint request timeout","data":[]}"#),
        Then::Answer(200, r#"{"code":"1","msg":"","data":[{"ordId":"","sCode":"51149","sMsg":"Order timed out"}]}"#),
        // Accepted, it says, and does not say what.
        Then::Answer(200, NOTHING),
        Then::Answer(200, r#"{"code":"0","msg":"","data":[{"ordId":"","sCode":"0","sMsg":""}]}"#),
    ];
    for then in unknown {
        let server = serve(vec![then]).await;
        let result = at(&server.url, Market::Spot).place(&exit("BTC-USDT", Kind::Limit, Market::Spot)).await;
        assert!(matches!(result, Err(VenueError::Lost(_))), "{result:?}");
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn what_had_to_be_known_first_and_was_not_means_that_nothing_was_sent() {
    let server = serve(vec![Then::HangUp]).await;
    let result = at(&server.url, Market::Swap).place(&exit("BTC-USDT-SWAP", Kind::Limit, Market::Swap)).await;
    assert!(matches!(result, Err(VenueError::NotSent(_))), "{result:?}");
}

#[tokio::test]
async fn refusals_are_told_by_their_own_code_not_the_frames() {
    let cases = [
        ("51008", Reason::InsufficientBalance),
        ("51020", Reason::FilterNotional),
        ("51121", Reason::FilterLot),
        ("51016", Reason::DuplicateOrder),
        ("51280", Reason::WouldTrigger),
        ("51001", Reason::UnknownSymbol),
        ("50113", Reason::Other),
    ];
    for (code, expected) in cases {
        let body = format!(r#"{{"code":"1","msg":"","data":[{{"sCode":"{code}","sMsg":"why"}}]}}"#);
        let server = serve(vec![Then::Answer(200, Box::leak(body.into_boxed_str()))]).await;
        let result = at(&server.url, Market::Spot).place(&exit("BTC-USDT", Kind::Limit, Market::Spot)).await;
        let Err(VenueError::Refused { reason, message, .. }) = result else { panic!("{result:?}") };
        assert_eq!((reason, message.as_str()), (expected, "why"));
    }
}

#[tokio::test]
async fn a_rate_refusal_stops_entries() {
    let server = serve(vec![Then::Answer(429, r#"{"code":"50011","msg":"Too Many Requests","data":[]}"#)]).await;
    let venue = at(&server.url, Market::Spot);
    let result = venue.place(&exit("BTC-USDT", Kind::Limit, Market::Spot)).await;
    assert!(matches!(result, Err(VenueError::Throttled { banned: false, .. })), "{result:?}");
    assert!(venue.entries_throttled().is_some());
}

#[test]
fn entries_leave_the_last_fifth_of_the_rate_to_exits() {
    let venue = at("http://127.0.0.1:1", Market::Spot);
    (0..47).for_each(|_| venue.0.limits.count());
    assert_eq!(venue.entries_throttled(), None);
    venue.0.limits.count();
    assert!(venue.entries_throttled().is_some());
}

#[tokio::test]
async fn a_stop_that_has_triggered_stands_as_its_child_does_under_its_own_ids() {
    let algo = r#"{"code":"0","msg":"","data":[{"instType":"SPOT","instId":"BTC-USDT","ordId":"77","ordIdList":["77"],"algoId":"12345689","algoClOrdId":"0123456789abcdef0123456789abcdef","sz":"0.01","ordType":"conditional","side":"sell","state":"effective","slTriggerPx":"49000.5","slOrdPx":"-1","tpTriggerPx":"","cTime":"1724751378980"}]}"#;
    let child = r#"{"code":"0","msg":"","data":[{"instId":"BTC-USDT","ordId":"77","clOrdId":"","algoId":"12345689","algoClOrdId":"0123456789abcdef0123456789abcdef","side":"sell","ordType":"market","state":"filled","px":"","sz":"0.01","accFillSz":"0.01","cTime":"1724751379000"}]}"#;
    let fills = r#"{"code":"0","msg":"","data":[{"instId":"BTC-USDT","ordId":"77","clOrdId":"","billId":"2","tradeId":"21","fillPx":"48999","fillSz":"0.006","feeCcy":"USDT","fee":"-0.29","execType":"T","ts":"1724751379002"},{"instId":"BTC-USDT","ordId":"77","clOrdId":"","billId":"1","tradeId":"20","fillPx":"49000","fillSz":"0.004","feeCcy":"USDT","fee":"-0.2","execType":"T","ts":"1724751379001"}]}"#;
    let script = [NO_ORDER, algo, child, fills, NOTHING, algo, fills].map(|body| Then::Answer(200, body));
    let server = serve(script.into()).await;
    let venue = at(&server.url, Market::Spot);
    let id = format!("smc{HEX}");
    let order = venue.query("BTC-USDT", &id).await.unwrap();
    assert_eq!((order.client_order_id, order.external_id.as_str()), (id, "12345689"));
    assert_eq!((order.status, order.kind, order.executed), (Status::Filled, Kind::StopLoss, decimal("0.01")));
    // Its fills are booked under the algo order, from either list.
    let trades =
        venue.trades_since("BTC-USDT", Seen { trade_id: None, time_ms: crate::clock::now_ms() }).await.unwrap();
    let seen: Vec<_> = trades.iter().map(|t| (t.external_id.as_str(), t.fill.trade_id.as_str())).collect();
    assert_eq!(seen, [("12345689", "20"), ("12345689", "21")]);
    assert_eq!(trades[0].fill.fee, decimal("0.2"));
    let trades = venue.order_trades("BTC-USDT", "12345689").await.unwrap();
    assert_eq!(trades.iter().map(|trade| trade.fill.quantity).sum::<Decimal>(), decimal("0.01"));
    let asked = server.asked();
    assert!(asked[0].ends_with(&format!("clOrdId={HEX}")) && asked[1].ends_with(&format!("algoClOrdId={HEX}")));
    assert!(asked[6].starts_with("GET /api/v5/trade/fills?") && asked[6].contains("ordId=77"), "{asked:?}");
}

#[tokio::test]
async fn a_stop_that_has_triggered_is_cancelled_as_its_child() {
    let algo = r#"{"code":"0","msg":"","data":[{"instId":"BTC-USDT","ordId":"77","algoId":"5","algoClOrdId":"x1","sz":"0.01","ordType":"conditional","side":"sell","state":"effective","slTriggerPx":"49000.5","slOrdPx":"48900"}]}"#;
    let child = |state: &str| {
        let body = format!(
            r#"{{"code":"0","msg":"","data":[{{"instId":"BTC-USDT","ordId":"77","algoId":"5","algoClOrdId":"x1","side":"sell","ordType":"limit","state":"{state}","px":"48900","sz":"0.01","accFillSz":"0.004"}}]}}"#
        );
        &*Box::leak(body.into_boxed_str())
    };
    let (before, after) = (child("partially_filled"), child("canceled"));
    let script = [NOT_CANCELLED, NOT_CANCELLED, NO_ORDER, algo, before, PLACED, NO_ORDER, algo, after];
    let server = serve(script.map(|body| Then::Answer(200, body)).into()).await;
    let orders = at(&server.url, Market::Spot).cancel("BTC-USDT", "x1").await.unwrap().orders;
    assert_eq!(
        (orders[0].status, orders[0].kind, orders[0].executed),
        (Status::Cancelled, Kind::StopLimit, decimal("0.004"))
    );
    assert_eq!(server.asked()[5], r#"POST /api/v5/trade/cancel-order {"instId":"BTC-USDT","ordId":"77"}"#);
}

#[tokio::test]
async fn an_order_that_is_nowhere_does_not_exist() {
    let server = serve(vec![Then::Answer(200, NO_ORDER), Then::Answer(200, NO_ORDER)]).await;
    let result = at(&server.url, Market::Spot).query("BTC-USDT", "smc1").await;
    assert!(matches!(result, Err(VenueError::Refused { reason: Reason::NoSuchOrder, .. })), "{result:?}");
}

#[tokio::test]
async fn a_symbols_rules_are_in_base_units_and_inverse_swaps_are_none_of_ours() {
    let spot = r#"{"code":"0","msg":"","data":[{"instType":"SPOT","instId":"BTC-USDT","baseCcy":"BTC","quoteCcy":"USDT","ctVal":"","ctMult":"","ctType":"","tickSz":"0.1","lotSz":"0.00000001","minSz":"0.00001","maxLmtSz":"9999999999","maxMktSz":"1000000"}]}"#;
    let script = [SWAP, SWAP, spot].map(|body| Then::Answer(200, body));
    let server = serve(script.into()).await;
    let swaps = at(&server.url, Market::Swap);
    let rules = swaps.rules("BTC-USDT-SWAP").await.unwrap();
    assert_eq!(
        (rules.step, rules.min_quantity, rules.market_max_quantity),
        (decimal("0.0001"), decimal("0.0001"), decimal("120"))
    );
    assert_eq!((rules.base.as_str(), rules.quote.as_str(), rules.market), ("BTC", "USDT", Market::Swap));
    let inverse = swaps.rules("BTC-USD-SWAP").await;
    assert!(matches!(inverse, Err(VenueError::Refused { reason: Reason::UnknownSymbol, .. })), "{inverse:?}");
    let rules = at(&server.url, Market::Spot).rules("BTC-USDT").await.unwrap();
    assert_eq!((rules.step, rules.market_max_quantity), (decimal("0.00000001"), Decimal::ZERO));
}

/// A swap account that knows its contracts.
pub async fn swap_account() -> Arc<Account> {
    let server = serve(vec![Then::Answer(200, SWAP)]).await;
    let venue = at(&server.url, Market::Swap);
    venue.0.learn_contracts().await.unwrap();
    venue.0
}

#[tokio::test]
async fn an_order_event_carries_its_fill_in_base_units() {
    let text = r#"{"arg":{"channel":"orders","instType":"SWAP","uid":"614488474791936"},"data":[{"accFillSz":"1","algoClOrdId":"","algoId":"","avgPx":"61000","cTime":"1708587373361","clOrdId":"0123456789abcdef0123456789abcdef","code":"0","execType":"M","fee":"-0.01","feeCcy":"USDT","fillFee":"-0.006","fillFeeCcy":"USDT","fillPx":"61000","fillSz":"0.5","fillTime":"1708587373362","instId":"BTC-USDT-SWAP","instType":"SWAP","msg":"","ordId":"680800019749904384","ordType":"post_only","posSide":"net","px":"61000","reduceOnly":"true","side":"sell","state":"partially_filled","sz":"3","tgtCcy":"","tradeId":"744876980","uTime":"1708587373362"},{"instId":"BTC-USD-SWAP","ordId":"9","side":"buy","ordType":"limit","state":"live","sz":"1"}]}"#;
    let events = read(text, &*swap_account().await).unwrap();
    let [StreamEvent::Report(report)] = &events[..] else { panic!("{events:?}") };
    let fill = report.fill.as_ref().unwrap();
    assert_eq!((fill.quantity, fill.fee, fill.is_maker), (decimal("0.005"), decimal("0.006"), true));
    let order = &report.order;
    assert_eq!(
        (order.executed, order.quantity, order.status),
        (decimal("0.01"), decimal("0.03"), Status::PartiallyFilled)
    );
    assert_eq!(order.client_order_id, format!("smc{HEX}"));
    assert!(order.post_only && order.reduce_only);
}

#[tokio::test]
async fn an_algo_orders_failure_is_a_rejection_with_its_code() {
    let text = r#"{"arg":{"channel":"orders-algo","instType":"SWAP"},"data":[{"algoClOrdId":"0123456789abcdef0123456789abcdef","algoId":"581878926302093312","clOrdId":"","failCode":"51008","instId":"BTC-USDT-SWAP","ordId":"","ordIdList":[],"ordType":"conditional","side":"sell","slOrdPx":"-1","slTriggerPx":"60000","state":"order_failed","sz":"2","tpTriggerPx":"","reduceOnly":"true","cTime":"1685002746818"}]}"#;
    let events = read(text, &*swap_account().await).unwrap();
    let [StreamEvent::Report(report)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((report.order.status, report.message.as_str()), (Status::Rejected, "OKX's code 51008"));
    assert_eq!((report.order.kind, report.order.stop_price), (Kind::StopLoss, Some(decimal("60000"))));
}

#[tokio::test]
async fn balances_positions_strangers_and_what_cannot_be_read() {
    let account = swap_account().await;
    let text = r#"{"arg":{"channel":"account","uid":"1"},"data":[{"uTime":"1","totalEq":"9","details":[{"ccy":"USDT","cashBal":"100","availBal":"70","frozenBal":"30"},{"ccy":"BTC","cashBal":"1","availBal":"","frozenBal":"0.25"}]}]}"#;
    let [StreamEvent::Balances(balances)] = &read(text, &account).unwrap()[..] else { panic!("no balances") };
    assert_eq!((balances[0].1.free, balances[1].1.free), (decimal("70"), decimal("0.75")));
    let text = r#"{"arg":{"channel":"positions","instType":"SWAP"},"data":[{"instId":"BTC-USDT-SWAP","posSide":"net","pos":"-20","avgPx":"61000.5"},{"instId":"BTC-USD-SWAP","posSide":"net","pos":"1","avgPx":"1"}]}"#;
    let [StreamEvent::Positions(positions)] = &read(text, &account).unwrap()[..] else { panic!("no positions") };
    assert_eq!(positions.len(), 1);
    assert_eq!((positions[0].quantity, positions[0].entry_price), (decimal("-0.2"), Some(decimal("61000.5"))));
    assert_eq!(read(r#"{"event":"channel-conn-count","channel":"orders","connCount":"2"}"#, &account), Ok(vec![]));
    let orders = |data: &str| format!(r#"{{"arg":{{"channel":"orders"}},"data":{data}}}"#);
    let unknown =
        r#"[{"instId":"BTC-USDT-SWAP","ordId":"1","side":"buy","ordType":"limit","state":"new-to-us","sz":"1"}]"#;
    let notice =
        r#"{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade."}"#;
    for text in ["not json", &orders("7"), &orders(unknown), notice] {
        assert!(read(text, &account).is_err(), "{text}");
    }
}

/// Both connections, over real sockets: login and channels on each, up when both are, and the pong when both have answered.
#[tokio::test]
async fn the_stream_is_up_while_both_connections_are() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;

    // REST and sockets are at different addresses here; elsewhere they are as well.
    let rest = serve([CASH, CASH].map(|body| Then::Answer(200, body)).into()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = format!("ws://{}/ws/v5", listener.local_addr().unwrap());
    let venue = at(&rest.url, Market::Spot);
    let Ok(mut account) = Arc::try_unwrap(venue.0) else { panic!("shared") };
    (account.private_url, account.business_url) = (format!("{socket}/private"), format!("{socket}/business"));
    let (told, mut events) = unbounded_channel();
    let (pings, requests) = unbounded_channel();
    let sink = Box::new(move |event| drop(told.send(event)));
    tokio::spawn(super::stream::run(Arc::new(account), sink, requests));
    let mut sockets = Vec::new();
    for _ in 0..2 {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let Some(Ok(Message::Text(login))) = socket.next().await else { panic!("gone") };
        assert!(login.contains(r#""op":"login""#) && login.contains("phrase"));
        socket.send(Message::text(r#"{"event":"login","code":"0","msg":"","connId":"a"}"#)).await.unwrap();
        let Some(Ok(Message::Text(text))) = socket.next().await else { panic!("gone") };
        let channels = serde_json::from_str::<serde_json::Value>(&text).unwrap()["args"].as_array().unwrap().len();
        assert!(events.try_recv().is_err());
        for _ in 0..channels {
            socket.send(Message::text(r#"{"event":"subscribe","arg":{"channel":"x"}}"#)).await.unwrap();
        }
        sockets.push(socket);
    }
    assert_eq!(events.recv().await, Some(StreamEvent::Up));
    pings.send(3).unwrap();
    for socket in &mut sockets {
        assert!(events.try_recv().is_err());
        let Some(Ok(Message::Text(text))) = socket.next().await else { panic!("gone") };
        assert_eq!(text, "ping");
        socket.send(Message::text("pong")).await.unwrap();
    }
    assert_eq!(events.recv().await, Some(StreamEvent::Pong(3)));
    sockets.pop();
    assert!(matches!(events.recv().await, Some(StreamEvent::Down(_))));
}
