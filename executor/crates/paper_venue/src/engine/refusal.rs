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

    pub fn duplicate() -> Self {
        Self::new(-2010, "Duplicate order sent.")
    }

    pub fn would_match() -> Self {
        Self::new(-2010, "Order would immediately match and take.")
    }

    pub fn reduce_only() -> Self {
        Self::new(-2022, "ReduceOnly Order is rejected.")
    }

    pub fn margin() -> Self {
        Self::new(-2019, "Margin is insufficient.")
    }

    pub fn no_such_order() -> Self {
        Self::new(-2013, "Order does not exist.")
    }

    /// The same refusal in the codes of Binance's swaps.
    #[must_use]
    pub fn into_swap(self) -> Self {
        let swap = [
            ("Filter failure: PRICE_FILTER", -4014, "Price not increased by tick size."),
            ("Filter failure: LOT_SIZE", -1111, "Precision is over the maximum defined for this asset."),
            (
                "Filter failure: NOTIONAL",
                -4164,
                "Order's notional must be no smaller than the minimum (unless you choose reduce only).",
            ),
            (
                "Filter failure: PERCENT_PRICE_BY_SIDE",
                -4131,
                "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
            ),
            ("Filter failure: MAX_NUM_ORDERS", -2025, "Reach max open order limit."),
            ("Filter failure: MAX_NUM_ALGO_ORDERS", -4045, "Reach max stop order limit."),
            ("Duplicate order sent.", -4116, "ClientOrderId is duplicated."),
            ("Stop price would trigger immediately.", -2021, "Order would immediately trigger."),
            (
                "Order would immediately match and take.",
                -5022,
                "Due to the order could not be executed as maker, the Post Only order will be rejected.",
            ),
        ];
        swap.into_iter().find(|(msg, ..)| *msg == self.msg).map_or(self, |(_, code, msg)| Self::new(code, msg))
    }
}
