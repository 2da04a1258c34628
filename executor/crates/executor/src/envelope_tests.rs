use super::*;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::json;

pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub fn keys() -> Keys {
    Keys::new(vec![("k1".into(), key().verifying_key())])
}

pub fn signed(mut envelope: Value, key: &SigningKey) -> Value {
    let bytes = signed_form(&envelope);
    envelope["signature"] = json!(base64::engine::general_purpose::STANDARD.encode(key.sign(&bytes).to_bytes()));
    envelope
}

pub fn envelope(action: &str, payload: Value) -> Value {
    json!({"command_id": "00000000-0000-4000-8000-000000000001", "account": "00000000-0000-4000-8000-000000000002", "action": action,
        "payload": payload, "issued_at": "2026-01-01T00:00:00.000Z", "expires_at": "2026-01-01T00:00:30.000Z", "key_id": "k1"})
}

pub fn place() -> Value {
    json!({"symbol": "BTCUSDT", "side": "buy", "type": "limit", "quantity": "0.01", "price": "50000", "stop_loss": "49000"})
}

/// Of an absurd envelope that has no canonical form, something.
fn signed_form(envelope: &Value) -> Vec<u8> {
    envelope.as_object().and_then(|fields| serde_json_canonicalizer::to_vec(fields).ok()).unwrap_or_default()
}

fn code(envelope: Value) -> Code {
    keys().open(envelope).unwrap_err().1.code
}

#[test]
fn a_signed_order_is_read() {
    let command = keys().open(signed(envelope("place", place()), &key())).unwrap();
    let Action::Place(place) = &command.action else { panic!("not a place") };
    let order = place.order(command.id, orders::Market::Spot);
    assert_eq!(order.client_order_id, "smc00000000000040008000000000000001");
    assert_eq!((order.quantity, order.stop_loss), ("0.01".parse().unwrap(), Some("49000".parse().unwrap())));
    assert_eq!(command.expires_at_ms - command.issued_at_ms, 30_000);
}

#[test]
fn the_order_of_the_fields_does_not_matter() {
    let envelope = signed(envelope("place", place()), &key());
    let reversed: Map<String, Value> = envelope.as_object().unwrap().clone().into_iter().rev().collect();
    assert!(keys().open(Value::Object(reversed)).is_ok());
}

#[test]
fn any_change_after_signing_is_a_bad_signature() {
    let good = signed(envelope("place", place()), &key());
    for (field, value) in [
        ("command_id", json!("00000000-0000-4000-8000-000000000009")),
        ("account", json!("00000000-0000-4000-8000-000000000009")),
        ("action", json!("kill")),
        ("issued_at", json!("2026-01-01T00:00:01.000Z")),
        ("expires_at", json!("2026-01-01T01:00:30.000Z")),
        ("signature", json!("AAAA")),
        ("signature", json!(null)),
    ] {
        let mut tampered = good.clone();
        tampered[field] = value;
        assert_eq!(code(tampered), Code::BadSignature, "{field}");
    }
    let mut tampered = good.clone();
    tampered["payload"]["quantity"] = json!("0.1");
    assert_eq!(code(tampered), Code::BadSignature);
    assert_eq!(code(signed(envelope("place", place()), &SigningKey::from_bytes(&[8; 32]))), Code::BadSignature);
}

#[test]
fn an_unknown_key_is_told_apart() {
    let mut unknown = envelope("place", place());
    unknown["key_id"] = json!("k2");
    assert_eq!(code(signed(unknown, &key())), Code::UnknownKey);
}

#[test]
fn what_cannot_be_carried_out_as_written_is_malformed() {
    let with = |change: Value| {
        let mut payload = place();
        for (name, value) in change.as_object().unwrap() {
            payload[name] = value.clone();
        }
        payload
    };
    for payload in [
        with(json!({"quantity": 0.01})),
        with(json!({"quantity": "1e-2x"})),
        with(json!({"quantity": null})),
        with(json!({"price": null})),
        with(json!({"type": "market"})),
        with(json!({"side": "short"})),
        with(json!({"surprise": "1"})),
        with(json!({"symbol": "BTC/USDT"})),
        with(json!({"stop_price": "1"})),
        with(json!({"type": "stop_loss", "price": null, "stop_price": "1", "time_in_force": "GTC"})),
        json!([]),
    ] {
        assert_eq!(code(signed(envelope("place", payload.clone()), &key())), Code::Malformed, "{payload}");
    }
    assert_eq!(code(signed(envelope("buy", json!({})), &key())), Code::Malformed);
    assert_eq!(code(signed(envelope("cancel", json!({})), &key())), Code::Malformed);
    assert_eq!(code(signed(envelope("set_limits", json!({"price_collar": "-1"})), &key())), Code::Malformed);
    // What would overflow a Decimal once it is multiplied by a price.
    for (action, field) in [("place", "quantity"), ("place", "take_profit"), ("set_limits", "price_collar")] {
        let mut payload = if action == "place" { place() } else { json!({}) };
        payload[field] = json!("1e12");
        assert_eq!(code(signed(envelope(action, payload), &key())), Code::Malformed, "{action} {field}");
    }
    let mut extra = envelope("pause", json!({}));
    extra["extra"] = json!(1);
    assert_eq!(code(signed(extra, &key())), Code::Malformed);
    assert_eq!(code(json!("text")), Code::Malformed);
}

#[test]
fn a_command_holds_between_its_times_give_or_take_the_clocks() {
    let command = keys().open(signed(envelope("pause", json!({})), &key())).unwrap();
    let at = |ms: i64| check_times(&command, command.issued_at_ms + ms).map_err(|refusal| refusal.code);
    assert_eq!(at(0), Ok(()));
    assert_eq!(at(30_000 + CLOCK_SKEW_MS), Ok(()));
    assert_eq!(at(30_001 + CLOCK_SKEW_MS), Err(Code::Expired));
    assert_eq!(at(-CLOCK_SKEW_MS), Ok(()));
    assert_eq!(at(-CLOCK_SKEW_MS - 1), Err(Code::Expired));
}
