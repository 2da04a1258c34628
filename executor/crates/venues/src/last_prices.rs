//! Last prices from a venue's public trades, for what the executor watches over by itself.

use std::collections::BTreeSet;
use std::time::Instant;

use rust_decimal::Decimal;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_tungstenite::tungstenite::Message;

use crate::PriceSink;
use crate::conversation::{Conversation, Socket, dial, keep};

/// How a venue is asked for trades, and tells of them.
pub trait Tape: Send {
    fn url(&self) -> &str;
    fn subscription<'a>(&self, symbols: impl Iterator<Item = &'a String>) -> Message;
    fn alive(&self) -> Message;
    /// Hands over the symbol and price of each trade in `text`.
    fn read(&self, text: &str, sink: &dyn Fn(&str, Decimal));
}

struct Following<T> {
    tape: T,
    sink: PriceSink,
    symbols: BTreeSet<String>,
}

pub async fn run(tape: impl Tape + Sync, sink: PriceSink, mut wanted: UnboundedReceiver<String>) {
    // No connection until there is something to watch.
    let Some(first) = wanted.recv().await else { return };
    keep(Following { tape, sink, symbols: BTreeSet::from([first]) }, wanted).await;
}

impl<T: Tape + Sync> Conversation for Following<T> {
    type Ask = String;

    async fn open(&mut self) -> Result<Socket, String> {
        use futures_util::SinkExt;
        let mut socket = dial(self.tape.url()).await?;
        let subscription = self.tape.subscription(self.symbols.iter());
        socket.send(subscription).await.map_err(|error| error.to_string())?;
        Ok(socket)
    }

    fn up(&mut self) {}

    fn down(&mut self, reason: String) {
        tracing::warn!(%reason, "the price stream is down; connecting again");
    }

    fn missed(&mut self, symbol: String) {
        self.symbols.insert(symbol);
    }

    fn ask(&mut self, symbol: String) -> Option<Message> {
        let is_new = self.symbols.insert(symbol.clone());
        is_new.then(|| self.tape.subscription(std::iter::once(&symbol)))
    }

    fn alive(&mut self) -> Message {
        self.tape.alive()
    }

    fn hear(&mut self, text: &str) -> Result<(), String> {
        let heard = Instant::now();
        self.tape.read(text, &|symbol, price| (self.sink)(symbol, price, heard));
        Ok(())
    }
}

/// A trade on a tape.
#[derive(serde::Deserialize)]
pub struct Print {
    #[serde(alias = "s", alias = "instId")]
    pub symbol: String,
    #[serde(alias = "p", alias = "px")]
    pub price: Decimal,
}
