//! The engine's "no" in OKX's codes.

use crate::engine::Refusal;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    pub code: i64,
    pub message: String,
    /// It concerns one entry of a request that changes something: its code is told there, the frame's is 1.
    pub is_entry: bool,
}

impl Bad {
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), is_entry: false }
    }

    /// A parameter that cannot be used.
    pub fn parameter(name: &str) -> Self {
        Self::new(51_000, format!("Parameter {name} error"))
    }
}

impl From<Refusal> for Bad {
    fn from(refusal: Refusal) -> Self {
        let has = |text: &str| refusal.msg.contains(text);
        let code = match refusal.code {
            -1121 => 51_001,
            -2019 => 51_008,
            -2022 => 51_169,
            -2011 => 51_400,
            -2013 => 51_603,
            -2010 if has("insufficient balance") => 51_008,
            _ if has("Duplicate") => 51_016,
            _ if has("trigger immediately") => 51_280,
            _ if has("LOT_SIZE") => 51_121,
            _ if has("NOTIONAL") => 51_020,
            _ if has("PRICE") => 51_006,
            _ => 51_000,
        };
        Self::new(code, refusal.msg)
    }
}
