//! The venue's "no", in Binance's codes.

/// A refused request: Binance's error code and message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} {msg}")]
pub struct Refusal {
    pub code: i32,
    pub msg: String,
}

impl Refusal {
    pub fn new(code: i32, msg: impl Into<String>) -> Self {
        Self { code, msg: msg.into() }
    }

    pub fn filter(name: &str) -> Self {
        Self::new(-1013, format!("Filter failure: {name}"))
    }

    pub fn missing(parameter: &str) -> Self {
        Self::new(-1102, format!("Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed."))
    }

    pub fn not_required(parameter: &str) -> Self {
        Self::new(-1106, format!("Parameter '{parameter}' sent when not required."))
    }

    pub fn invalid_symbol() -> Self {
        Self::new(-1121, "Invalid symbol.")
    }

    pub fn insufficient_balance() -> Self {
        Self::new(-2010, "Account has insufficient balance for requested action.")
    }

    pub fn unknown_order_to_cancel() -> Self {
        Self::new(-2011, "Unknown order sent.")
    }

    pub fn no_such_order() -> Self {
        Self::new(-2013, "Order does not exist.")
    }
}
