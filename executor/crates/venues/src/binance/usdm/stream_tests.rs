use super::read;
use crate::StreamEvent;
use orders::{Kind, Status};

fn report(text: &str) -> crate::Report {
    match read(text).unwrap().pop() {
        Some(StreamEvent::Report(report)) => *report,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_trade_carries_its_fill_and_the_kind_it_was_placed_as() {
    let text = r#"{"e":"ORDER_TRADE_UPDATE","E":1568879465651,"T":1568879465650,"o":{"s":"BTCUSDT","c":"smc1","S":"SELL","o":"MARKET",
        "f":"GTC","q":"0.003","p":"0","ap":"7100.5","sp":"7103.04","x":"TRADE","X":"PARTIALLY_FILLED","i":8886774,"l":"0.001","z":"0.002",
        "L":"7100.5","N":"USDT","n":"0.0028","T":1568879465650,"t":5,"b":"0","a":"9.91","m":false,"R":true,"wt":"CONTRACT_PRICE",
        "ot":"STOP_MARKET","ps":"BOTH","cp":false,"rp":"-1.5","pP":false,"si":0,"ss":0,"V":"EXPIRE_MAKER","pm":"NONE","gtd":0}}"#;
    let report = report(text);
    assert_eq!((report.order.client_order_id.as_str(), report.order.external_id.as_str()), ("smc1", "8886774"));
    assert_eq!((report.order.kind, report.order.status), (Kind::StopLoss, Status::PartiallyFilled));
    assert_eq!(report.order.executed, "0.002".parse().unwrap());
    assert!(report.order.reduce_only);
    let fill = report.fill.unwrap();
    assert_eq!((fill.trade_id.as_str(), fill.is_maker, fill.time_ms), ("5", false, 1_568_879_465_650));
    assert_eq!((fill.quantity, fill.fee), ("0.001".parse().unwrap(), "0.0028".parse().unwrap()));
}

#[test]
fn a_new_order_carries_no_commission() {
    let text = r#"{"e":"ORDER_TRADE_UPDATE","E":1,"T":1,"o":{"s":"BTCUSDT","c":"smc1","S":"BUY","o":"LIMIT","f":"GTX","q":"1","p":"9",
        "ap":"0","sp":"0","x":"NEW","X":"NEW","i":1,"l":"0","z":"0","L":"0","T":1,"t":0,"m":false,"R":false,"ot":"LIMIT","ps":"BOTH"}}"#;
    let report = report(text);
    assert_eq!((report.fill, report.order.post_only, report.order.stop_price), (None, true, None));
}

fn algo(status: &str) -> String {
    format!(
        r#"{{"e":"ALGO_UPDATE","T":1750515742297,"E":1750515742303,"o":{{"caid":"smc7","aid":2148719,"at":"CONDITIONAL",
        "o":"TRAILING_STOP_MARKET","s":"BNBUSDT","S":"SELL","ps":"BOTH","f":"GTC","q":"0.01","X":"{status}","ai":"","ap":"0.00000",
        "aq":"0.00000","act":"0","tp":"0","p":"0","V":"EXPIRE_MAKER","wt":"CONTRACT_PRICE","pm":"NONE","cp":false,"pP":false,
        "R":true,"tt":0,"gtd":0,"rm":"","cr":"1","AP":"750"}}}}"#
    )
}

#[test]
fn a_conditional_order_is_told_of_until_it_triggers() {
    let waiting = report(&algo("NEW"));
    assert_eq!((waiting.order.client_order_id.as_str(), waiting.order.external_id.as_str()), ("smc7", "algo-2148719"));
    assert_eq!((waiting.order.kind, waiting.order.status), (Kind::TrailingStop, Status::Open));
    assert_eq!(waiting.order.trail, Some("0.01".parse().unwrap()));
    assert_eq!(waiting.order.stop_price, Some("750".parse().unwrap()));
    assert_eq!(report(&algo("CANCELED")).order.status, Status::Cancelled);
    assert_eq!(report(&algo("REJECTED")).order.status, Status::Expired);
    for status in ["TRIGGERING", "TRIGGERED", "FINISHED"] {
        assert_eq!(read(&algo(status)), Ok(vec![]), "the order that it has become is told of by itself");
    }
}

#[test]
fn wallet_and_positions_come_together() {
    let text = r#"{"e":"ACCOUNT_UPDATE","E":1,"T":1,"a":{"m":"ORDER","B":[{"a":"USDT","wb":"122624.12","cw":"100.12","bc":"50"}],
        "P":[{"s":"BTCUSDT","pa":"-0.5","ep":"6563.66","bep":"0","cr":"200","up":"0","mt":"cross","iw":"0","ps":"BOTH"}]}}"#;
    let events = read(text).unwrap();
    let [StreamEvent::Balances(balances), StreamEvent::Positions(positions)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(balances[0].0, "USDT");
    assert_eq!(balances[0].1.free, "122624.12".parse().unwrap());
    assert_eq!(positions[0].quantity, "-0.5".parse().unwrap());
    assert_eq!(positions[0].entry_price, Some("6563.66".parse().unwrap()));
}

#[test]
fn answers_ends_and_strangers_are_told_apart() {
    assert_eq!(read(r#"{"result":["key"],"id":17}"#), Ok(vec![StreamEvent::Pong(17)]));
    assert_eq!(read(r#"{"result":["key"],"id":0}"#), Ok(vec![]));
    assert_eq!(read(r#"{"e":"TRADE_LITE","E":1,"T":1,"s":"BTCUSDT"}"#), Ok(vec![]));
    assert!(matches!(read(r#"{"e":"listenKeyExpired","E":1}"#).unwrap()[..], [StreamEvent::Down(_)]));
    assert!(read(r#"{"e":"ORDER_TRADE_UPDATE","E":1,"T":1,"o":{"s":1}}"#).is_err());
    assert!(read("not json").is_err());
}
