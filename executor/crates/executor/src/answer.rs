//! What a command is answered with.

use orders::guards::{Code, Refusal};
use orders::{Status, Tracked};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Accepted,
    Refused,
    /// Sent, and the venue's answer was lost: it is being asked for.
    Unknown,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// Absent where not even that could be read.
    pub command_id: Option<Uuid>,
    pub status: Verdict,
    /// `accepted`, `unknown`, or the refusal's code.
    pub code: String,
    pub message: String,
    /// Command in to answer out.
    pub latency_ms: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderAnswer>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OrderAnswer {
    pub order_id: Uuid,
    pub client_order_id: String,
    pub external_order_id: Option<String>,
    pub status: Status,
    pub filled_quantity: Decimal,
    pub average_price: Option<Decimal>,
}

impl Answer {
    pub fn accepted(command_id: Uuid, message: impl Into<String>) -> Self {
        Self::new(Some(command_id), Verdict::Accepted, "accepted".into(), message.into())
    }

    pub fn unknown(command_id: Uuid, message: impl Into<String>) -> Self {
        Self::new(Some(command_id), Verdict::Unknown, "unknown".into(), message.into())
    }

    pub fn refused(command_id: Option<Uuid>, refusal: &Refusal) -> Self {
        Self::new(command_id, Verdict::Refused, code_name(refusal.code), refusal.message.clone())
    }

    fn new(command_id: Option<Uuid>, status: Verdict, code: String, message: String) -> Self {
        Self { command_id, status, code, message, latency_ms: 0.0, order: None }
    }

    pub fn with_order(mut self, tracked: &Tracked) -> Self {
        self.order = Some(OrderAnswer {
            order_id: tracked.order.id,
            client_order_id: tracked.order.client_order_id.clone(),
            external_order_id: tracked.external_id.clone(),
            status: tracked.status,
            filled_quantity: tracked.filled.normalize(),
            average_price: tracked.average_price().map(|price| price.normalize()),
        });
        self
    }

    pub fn http_status(&self) -> u16 {
        match self.code.as_str() {
            "malformed" => 400,
            "bad_signature" | "unknown_key" | "expired" => 401,
            "oversized" => 413,
            "not_ready" => 503,
            _ => 200,
        }
    }
}

/// A code's name in JSON.
pub fn code_name(code: Code) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(name)) => name,
        _ => unreachable!("a code is written as a string"),
    }
}
