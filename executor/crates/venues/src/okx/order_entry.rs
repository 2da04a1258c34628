//! Plain orders and their cancels over a private WebSocket of their own, in OKX's words; algo orders are taken over REST alone. As over
//! REST, an answer says no more than that the request was accepted.

use serde_json::json;
use serde_json::value::RawValue;

use super::Account;
use super::client::Envelope;
use super::stream::good;
use crate::conversation::{Socket, dial, say};
use crate::order_entry::{Heard, OrderEntry, Wire};

pub const ORDER: &str = "order";
pub const CANCEL_ORDER: &str = "cancel-order";

impl Wire for Account {
    fn entry(&self) -> &OrderEntry {
        &self.entry
    }

    async fn open(&self) -> Result<Socket, String> {
        self.learn_codes().await.map_err(|error| error.to_string())?;
        let mut socket = dial(&self.private_url).await?;
        let login = self.signer.login(self.clock.venue_ms());
        say(&mut socket, &json!({"op": "login", "args": [login]}), |answer| good("login", answer)).await?;
        Ok(socket)
    }

    fn request(&self, id: u64, operation: &str, order: &str) -> String {
        format!(r#"{{"id":"{id}","op":"{operation}","args":[{order}]}}"#)
    }

    fn alive(&self) -> &'static str {
        "ping"
    }

    fn hear(&self, text: &str) -> Result<Heard, String> {
        if text == "pong" {
            return Ok(Heard::default());
        }
        let frame: Envelope<'_> =
            serde_json::from_str(text).map_err(|error| format!("an unreadable answer: {error}"))?;
        match (frame.event.as_str(), frame.id.parse()) {
            // Before a service upgrade.
            ("notice", _) => Ok(Heard { answer: None, is_ending: true }),
            (_, Ok(id)) => {
                let result = self.opened(&frame).map(|data| data.unwrap_or(RawValue::NULL).to_owned());
                Ok(Heard { answer: Some((id, result)), is_ending: false })
            }
            // Of some request; nobody knows of which.
            ("error", _) => Err(frame.told()),
            _ => Ok(Heard::default()),
        }
    }
}

#[cfg(test)]
#[path = "order_entry_tests.rs"]
mod tests;
