use super::read;
use crate::StreamEvent;
use orders::Status;

#[test]
fn a_cancel_report_names_the_order_that_was_cancelled() {
    let text = r#"{"subscriptionId":0,"event":{"e":"executionReport","E":1499405658658,"s":"ETHBTC","c":"cancel-1","S":"BUY","o":"LIMIT",
        "f":"GTC","q":"1.00000000","p":"0.10264410","P":"0.00000000","F":"0.00000000","g":-1,"C":"smc1","x":"CANCELED","X":"CANCELED",
        "r":"NONE","i":4293153,"l":"0.00000000","z":"0.40000000","L":"0.00000000","n":"0","N":null,"T":1499405658657,"t":-1,"v":3,
        "I":8641984,"w":true,"m":false,"M":false,"O":1499405658657,"Z":"0","Y":"0","Q":"0"}}"#;
    let Ok(Some(StreamEvent::Report(report))) = read(text) else { panic!("not read") };
    assert_eq!(report.order.client_order_id, "smc1");
    assert_eq!(report.order.status, Status::Cancelled);
    assert_eq!(report.order.executed, "0.4".parse().unwrap());
    assert_eq!(report.order.stop_price, None);
    assert_eq!(report.fill, None);
}

#[test]
fn a_trade_report_carries_its_fill() {
    let text = r#"{"subscriptionId":0,"event":{"e":"executionReport","E":2,"s":"BTCUSDT","c":"smc2","S":"SELL","o":"LIMIT_MAKER",
        "f":"GTC","q":"1","p":"100","P":"0","C":"","x":"TRADE","X":"PARTIALLY_FILLED","r":"NONE","i":7,"l":"0.3","z":"0.3","L":"100",
        "n":"0.03","N":"USDT","T":1700000000000,"t":42,"m":true}}"#;
    let Ok(Some(StreamEvent::Report(report))) = read(text) else { panic!("not read") };
    let fill = report.fill.unwrap();
    assert_eq!((fill.trade_id.as_str(), fill.is_maker, fill.time_ms), ("42", true, 1_700_000_000_000));
    assert_eq!((fill.fee_asset.as_str(), fill.fee), ("USDT", "0.03".parse().unwrap()));
    assert!(report.order.post_only);
}

#[test]
fn pongs_shutdowns_and_strangers_are_told_apart() {
    assert_eq!(read(r#"{"id":"17","status":200,"result":{}}"#), Ok(Some(StreamEvent::Pong(17))));
    assert_eq!(read(r#"{"id":"alive","status":200,"result":{}}"#), Ok(None));
    assert_eq!(read(r#"{"event":{"e":"listStatus"}}"#), Ok(None));
    assert!(matches!(read(r#"{"event":{"e":"serverShutdown","E":1}}"#), Ok(Some(StreamEvent::Down(_)))));
    assert!(read(r#"{"event":{"e":"executionReport","s":1}}"#).is_err());
    assert!(read("not json").is_err());
}

#[test]
fn balances_are_read() {
    let text = r#"{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":1,"u":1,"B":[{"a":"BTC","f":"1.5","l":"0.5"}]}}"#;
    let Ok(Some(StreamEvent::Balances(balances))) = read(text) else { panic!("not read") };
    assert_eq!(balances.len(), 1);
    assert_eq!(balances[0].1.locked, "0.5".parse().unwrap());
}
