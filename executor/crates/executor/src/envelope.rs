//! Command envelopes: what they say, and whether who signed them may say it.

use base64::Engine;
use ed25519_dalek::{Signature, VerifyingKey};
use orders::guards::{Code, Refusal};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::action::{Action, read_action};
use crate::clock::parse_iso;

/// How far the clocks of signer and executor may differ.
pub const CLOCK_SKEW_MS: i64 = 3_000;

/// A command whose signature is good.
#[derive(Clone, Debug)]
pub struct Command {
    pub id: Uuid,
    pub account: Uuid,
    pub action: Action,
    pub reason: Option<String>,
    /// The request behind it, as the signer names it: in every log line of the order.
    pub trace: Option<String>,
    pub issued_at_ms: i64,
    pub expires_at_ms: i64,
    /// As it was signed, its signature behind it, for the journal.
    pub envelope: Box<RawValue>,
}

const FIELDS: [&str; 8] =
    ["command_id", "account", "action", "payload", "issued_at", "expires_at", "key_id", "signature"];
/// Signed as well, where it is there.
const TRACE: &str = "trace_id";

/// The keys that may sign commands.
pub struct Keys(Vec<(String, VerifyingKey)>);

/// A refusal, with the command id if it could be read.
pub type Refused = (Option<Uuid>, Refusal);

impl Keys {
    pub fn new(keys: Vec<(String, VerifyingKey)>) -> Self {
        Self(keys)
    }

    /// Reads and verifies an envelope. Expiry is not judged here: a repeated command gets its first answer while that is kept (`forgetting.rs`).
    ///
    /// # Errors
    /// `malformed`, `unknown_key` or `bad_signature`.
    pub fn open(&self, mut envelope: Value) -> Result<Command, Refused> {
        let Some(fields) = envelope.as_object_mut() else {
            return Err((None, malformed("the body must be a JSON object")));
        };
        let id = fields.get("command_id").and_then(Value::as_str).and_then(|text| Uuid::try_parse(text).ok());
        let refuse = |refusal: Refusal| (id, refusal);
        for name in FIELDS {
            if !fields.contains_key(name) {
                return Err(refuse(malformed(format!("the envelope has no {name}"))));
            }
        }
        if let Some(name) = fields.keys().find(|name| !FIELDS.contains(&name.as_str()) && *name != TRACE) {
            return Err(refuse(malformed(format!("the envelope has an unknown field {name:?}"))));
        }
        let signature = fields.remove("signature").unwrap_or_default();
        let envelope = self.verify(fields, signature.as_str().unwrap_or_default()).map_err(refuse)?;
        let command_id = id.ok_or_else(|| refuse(malformed("command_id must be a UUID")))?;
        parse(command_id, fields, envelope).map_err(|message| refuse(malformed(message)))
    }

    /// The canonical form of what is signed, with its signature.
    fn verify(&self, fields: &Map<String, Value>, signature: &str) -> Result<Box<RawValue>, Refusal> {
        let key_id = fields["key_id"].as_str().unwrap_or_default();
        let Some((_, key)) = self.0.iter().find(|(id, _)| id == key_id) else {
            return Err(Refusal::new(Code::UnknownKey, "key_id names no key of this executor"));
        };
        let mut signed = serde_json_canonicalizer::to_vec(fields).map_err(|error| malformed(error.to_string()))?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(signature).ok();
        match bytes.and_then(|bytes| Signature::from_slice(&bytes).ok()) {
            Some(signature) if key.verify_strict(&signed, &signature).is_ok() => {}
            _ => return Err(Refusal::new(Code::BadSignature, "the signature does not fit the envelope")),
        }
        // Base64 needs no escaping.
        signed.pop();
        signed.extend_from_slice(b",\"signature\":\"");
        signed.extend_from_slice(signature.as_bytes());
        signed.extend_from_slice(b"\"}");
        let text = String::from_utf8(signed).map_err(|error| malformed(error.to_string()))?;
        RawValue::from_string(text).map_err(|error| malformed(error.to_string()))
    }
}

/// Whether a command may still, and already, be carried out.
///
/// # Errors
/// `expired`.
pub fn check_times(command: &Command, now_ms: i64) -> Result<(), Refusal> {
    if now_ms > command.expires_at_ms + CLOCK_SKEW_MS {
        return Err(Refusal::new(Code::Expired, "the command has expired: sign a new one"));
    }
    if now_ms < command.issued_at_ms - CLOCK_SKEW_MS {
        return Err(Refusal::new(Code::Expired, "the command is issued in the future: compare the clocks"));
    }
    Ok(())
}

fn malformed(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::Malformed, message)
}

/// It goes into logs as it is.
fn is_trace(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn parse(id: Uuid, fields: &mut Map<String, Value>, envelope: Box<RawValue>) -> Result<Command, String> {
    let payload = fields.remove("payload").filter(Value::is_object).ok_or("payload must be an object")?;
    let mut numbers = payload.as_object().into_iter().flatten();
    if let Some((name, _)) = numbers.find(|(_, value)| value.is_f64()) {
        return Err(format!("payload.{name} must be a decimal string: a JSON number loses digits"));
    }
    let text = |name: &str| fields[name].as_str().ok_or_else(|| format!("{name} must be a string"));
    let time =
        |name: &str| parse_iso(text(name)?).ok_or_else(|| format!("{name} must be like 2026-01-31T12:00:00.000Z"));
    let account = Uuid::try_parse(text("account")?).map_err(|_| "account must be a UUID".to_owned())?;
    let (action, reason) = read_action(text("action")?, payload)?;
    let (issued_at_ms, expires_at_ms) = (time("issued_at")?, time("expires_at")?);
    let trace = match fields.get(TRACE) {
        None => None,
        Some(Value::String(trace)) if is_trace(trace) => Some(trace.clone()),
        Some(_) => return Err("trace_id must be 1 to 64 of the characters A-Z a-z 0-9 . _ -".into()),
    };
    Ok(Command { id, account, action, reason, trace, issued_at_ms, expires_at_ms, envelope })
}

#[cfg(test)]
#[path = "envelope_fuzz.rs"]
mod fuzz;
#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
