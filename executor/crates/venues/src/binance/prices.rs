//! Last prices from the public trade streams, for what the executor watches over by itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::Message;

use super::Account;
use crate::PriceSink;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct TradeEvent {
    e: String,
    s: String,
    p: Decimal,
}

pub async fn run(account: Arc<Account>, sink: PriceSink, mut wanted: UnboundedReceiver<String>) {
    let mut symbols = BTreeSet::new();
    let mut wait = FIRST_WAIT;
    loop {
        if symbols.is_empty() {
            let Some(symbol) = wanted.recv().await else { return };
            symbols.insert(symbol);
        }
        match follow(&account, &sink, &mut wanted, &mut symbols, &mut wait).await {
            Some(reason) => tracing::warn!(%reason, "the price stream is down; connecting again"),
            None => return,
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Until the connection ends (why), or nobody wants it any more (`None`).
async fn follow(
    account: &Account,
    sink: &PriceSink,
    wanted: &mut UnboundedReceiver<String>,
    symbols: &mut BTreeSet<String>,
    wait: &mut Duration,
) -> Option<String> {
    let url = format!("{}/ws", account.market_ws_url);
    let (mut socket, _) = match connect_async_with_config(&url, None, true).await {
        Ok(connected) => connected,
        Err(error) => return Some(error.to_string()),
    };
    *wait = FIRST_WAIT;
    if let Err(error) = socket.send(subscription(symbols.iter())).await {
        return Some(error.to_string());
    }
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    if let Ok(trade) = serde_json::from_str::<TradeEvent>(&text)
                        && trade.e == "trade"
                    {
                        sink(&trade.s, trade.p);
                    }
                }
                Some(Ok(Message::Close(_))) | None => return Some("closed by the venue".into()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Some(error.to_string()),
            },
            symbol = wanted.recv() => {
                let symbol = symbol?;
                if symbols.insert(symbol.clone())
                    && let Err(error) = socket.send(subscription(std::iter::once(&symbol))).await
                {
                    return Some(error.to_string());
                }
            }
        }
    }
}

fn subscription<'a>(symbols: impl Iterator<Item = &'a String>) -> Message {
    let streams: Vec<String> = symbols.map(|symbol| format!("{}@trade", symbol.to_lowercase())).collect();
    Message::text(json!({"method": "SUBSCRIBE", "params": streams, "id": 1}).to_string())
}
