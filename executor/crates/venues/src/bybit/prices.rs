//! Last prices from Bybit's public trades.

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::Account;
use crate::last_prices::{Print, Tape};

pub struct Trades {
    url: String,
}

pub fn tape(account: &Account) -> Trades {
    Trades { url: account.public_url.clone() }
}

#[derive(Deserialize)]
struct TradesBody {
    topic: String,
    data: Vec<Print>,
}

impl Tape for Trades {
    fn url(&self) -> &str {
        &self.url
    }

    fn subscription<'a>(&self, symbols: impl Iterator<Item = &'a String>) -> Message {
        let topics: Vec<String> = symbols.map(|symbol| format!("publicTrade.{symbol}")).collect();
        Message::text(json!({"op": "subscribe", "args": topics}).to_string())
    }

    fn alive(&self) -> Message {
        Message::text(json!({"op": "ping"}).to_string())
    }

    fn read(&self, text: &str, sink: &dyn Fn(&str, Decimal)) {
        if let Ok(trades) = serde_json::from_str::<TradesBody>(text)
            && trades.topic.starts_with("publicTrade.")
        {
            trades.data.iter().for_each(|print| sink(&print.symbol, print.price));
        }
    }
}
