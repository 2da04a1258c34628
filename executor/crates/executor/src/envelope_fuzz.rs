//! Commands from anybody, and absurd ones from a signer: refused or read, never a panic, and nothing passes that was not signed.

use orders::exposure::Exposure;
use orders::guards::approve;
use orders::{Market, SymbolRules};
use rust_decimal::Decimal;

use super::tests::{envelope, key, keys, place, signed};
use super::*;
use crate::fact::{Entry, Fact};

fn unsigned() -> Vec<Value> {
    let bracket = serde_json::json!({"symbol": "BTCUSDT", "side": "sell", "type": "stop_limit", "quantity": "0.01", "price": "50000",
        "stop_price": "50010", "time_in_force": "gtc", "take_profit": "52000", "reduce_only": true, "reason": "r", "market_time_ms": 1});
    let oco = serde_json::json!({"symbol": "BTCUSDT", "side": "sell", "quantity": "1", "price": "52000", "stop_price": "49000"});
    let id = serde_json::json!({"order_id": "00000000-0000-4000-8000-000000000003", "reason": "r"});
    let replace =
        serde_json::json!({"order_id": "00000000-0000-4000-8000-000000000003", "quantity": "2", "price": "1"});
    let limits = serde_json::json!({"max_order_notional": "1000", "max_open_orders": 3, "price_collar": "0.1"});
    [
        ("place", place()),
        ("place", bracket),
        ("place_oco", oco),
        ("cancel", id),
        ("replace", replace),
        ("set_limits", limits),
    ]
    .into_iter()
    .chain(["cancel_all", "flatten", "pause", "resume", "kill"].map(|action| (action, serde_json::json!({}))))
    .map(|(action, payload)| {
        let mut envelope = envelope(action, payload);
        envelope["trace_id"] = "trace".into();
        envelope
    })
    .collect()
}

fn bytes(envelope: &Value) -> Vec<u8> {
    serde_json::to_vec(envelope).unwrap()
}

#[test]
fn nothing_passes_that_was_not_signed() {
    let good: Vec<Value> = unsigned().into_iter().map(|envelope| signed(envelope, &key())).collect();
    let corpus: Vec<Vec<u8>> = good.iter().map(bytes).collect();
    let keys = keys();
    fuzzing::run("forged envelopes", &corpus, |input| {
        let Ok(value) = serde_json::from_slice::<Value>(input) else { return "no JSON".into() };
        match keys.open(value) {
            Ok(command) => {
                let read: Value = serde_json::from_str(command.envelope.get()).unwrap();
                let is_signed = good.contains(&read);
                assert!(is_signed, "accepted, and nobody has signed it");
                command.action.name().into()
            }
            Err((_, refusal)) => outcome(&refusal),
        }
    });
}

#[test]
fn whatever_is_signed_is_read_or_refused() {
    let rules = SymbolRules {
        symbol: "BTCUSDT".into(),
        market: Market::Spot,
        base: "BTC".into(),
        quote: "USDT".into(),
        tick: Decimal::new(1, 2),
        min_price: Decimal::ZERO,
        max_price: Decimal::ZERO,
        step: Decimal::new(1, 5),
        min_quantity: Decimal::new(1, 5),
        max_quantity: Decimal::ZERO,
        market_max_quantity: Decimal::ZERO,
        min_notional: Decimal::from(5),
    };
    let collar: orders::Limits =
        serde_json::from_str(r#"{"price_collar":"0.1","max_order_notional":"1e6","max_position_notional":"1e6"}"#)
            .unwrap();
    let corpus: Vec<Vec<u8>> = unsigned().iter().map(bytes).collect();
    let keys = keys();
    fuzzing::run("signed envelopes", &corpus, |input| {
        let Ok(value @ Value::Object(_)) = serde_json::from_slice::<Value>(input) else { return "no object".into() };
        let command = match keys.open(signed(value, &key())) {
            Ok(command) => command,
            Err((_, refusal)) => return outcome(&refusal),
        };
        let name = command.action.name();
        let mut outcome = name.to_owned();
        if let Action::Place(place) = &command.action {
            let order = place.order(command.id, Market::Spot);
            let held = Decimal::from(999_999_999_999u64);
            let exposure = Exposure { last: Some(Decimal::from(50_000)), held, ..Exposure::default() };
            if let Err(refusal) = approve(order, &exposure, &collar, &rules) {
                outcome += &format!(": {:?}", refusal.code);
            }
        }
        let entry = Entry { account: command.account, at_ms: 0, fact: Fact::Command(command.envelope) };
        let journaled = serde_json::to_vec(&entry).unwrap();
        assert!(serde_json::from_slice::<Entry>(&journaled).is_ok(), "what is journaled can be read back");
        outcome
    });
}

/// The code and the first words: what differs in a number is no other outcome.
fn outcome(refusal: &Refusal) -> String {
    let words = refusal.message.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
    format!("{:?} {words}", refusal.code)
}
