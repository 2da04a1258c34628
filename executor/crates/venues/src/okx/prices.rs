//! Last prices from OKX's public trades.

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};
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
    arg: Channel,
    data: Vec<Print>,
}

#[derive(Deserialize)]
struct Channel {
    channel: String,
}

impl Tape for Trades {
    fn url(&self) -> &str {
        &self.url
    }

    fn subscription<'a>(&self, symbols: impl Iterator<Item = &'a String>) -> Message {
        let channels: Vec<Value> = symbols.map(|symbol| json!({"channel": "trades", "instId": symbol})).collect();
        Message::text(json!({"op": "subscribe", "args": channels}).to_string())
    }

    fn alive(&self) -> Message {
        Message::text("ping")
    }

    fn read(&self, text: &str, sink: &dyn Fn(&str, Decimal)) {
        if let Ok(trades) = serde_json::from_str::<TradesBody>(text)
            && trades.arg.channel == "trades"
        {
            trades.data.iter().for_each(|print| sink(&print.symbol, print.price));
        }
    }
}
