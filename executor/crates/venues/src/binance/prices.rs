//! Last prices from the public trade streams.

use std::sync::Arc;

use orders::Market;
use rust_decimal::Decimal;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::Account;
use crate::last_prices::{Print, Tape};

pub struct Trades {
    url: String,
    /// A symbol's stream.
    stream: &'static str,
}

impl Trades {
    pub fn of(account: &Arc<Account>) -> Self {
        let (folder, stream) = match account.market {
            Market::Spot => ("/ws", "@trade"),
            // The futures book tells of single trades nowhere in its documents; these are of 100 ms at most.
            Market::Swap => ("/market/ws", "@aggTrade"),
        };
        Self { url: format!("{}{folder}", account.market_ws_url), stream }
    }
}

impl Tape for Trades {
    fn url(&self) -> &str {
        &self.url
    }

    fn subscription<'a>(&self, symbols: impl Iterator<Item = &'a String>) -> Message {
        let streams: Vec<String> = symbols.map(|symbol| symbol.to_lowercase() + self.stream).collect();
        Message::text(json!({"method": "SUBSCRIBE", "params": streams, "id": 1}).to_string())
    }

    fn alive(&self) -> Message {
        Message::text(json!({"method": "LIST_SUBSCRIPTIONS", "id": 2}).to_string())
    }

    fn read(&self, text: &str, sink: &dyn Fn(&str, Decimal)) {
        // Answers to subscriptions are no trades.
        if let Ok(trade) = serde_json::from_str::<Print>(text) {
            sink(&trade.symbol, trade.price);
        }
    }
}
