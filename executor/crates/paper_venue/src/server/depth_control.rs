//! The control API's part for order books: Binance's own messages in, in lockstep with whoever trades on them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::control::{authorize, parse};
use super::error::ApiError;
use super::shared::Shared;
use crate::config::Amount;
use crate::engine::{Diff, Input, Outcome, PriceLevel, Refusal, Snapshot, Tick, TickTrade};

/// Largest batch, in bytes.
pub(crate) const MAX_BATCH: usize = 8 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    symbol: String,
    events: Vec<Message>,
}

/// A depth snapshot, a depthUpdate or a trade, as Binance sends it; of futures too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Snapshot {
        #[serde(rename = "lastUpdateId")]
        last: u64,
        bids: Vec<(Amount, Amount)>,
        asks: Vec<(Amount, Amount)>,
    },
    Diff {
        #[serde(rename = "E")]
        time_ms: i64,
        #[serde(rename = "U")]
        first: u64,
        #[serde(rename = "u")]
        last: u64,
        #[serde(default, rename = "pu")]
        previous: Option<u64>,
        #[serde(rename = "b")]
        bids: Vec<(Amount, Amount)>,
        #[serde(rename = "a")]
        asks: Vec<(Amount, Amount)>,
    },
    Trade {
        #[serde(rename = "t")]
        id: u64,
        #[serde(rename = "T")]
        time_ms: i64,
        #[serde(rename = "p")]
        price: Amount,
        #[serde(rename = "q")]
        quantity: Amount,
        #[serde(rename = "m")]
        buyer_is_maker: bool,
    },
}

/// Works through the events until one of them caused user events, so that they can be answered before the market goes on.
pub(crate) async fn l2(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, ApiError> {
    authorize(&shared, &headers)?;
    let Batch { symbol, events } = parse(&body)?;
    let ticks: Vec<Tick> = events.into_iter().map(Tick::try_from).collect::<Result<_, _>>()?;
    let mut store = shared.store();
    store.venue.market_id(&symbol)?;
    store.hub.release();
    let (mut applied, mut gap, total) = (0, false, ticks.len());
    for tick in ticks {
        let outcome = store.submit(&Input::Tick { symbol: symbol.clone(), tick })?;
        let Outcome::Tick { gap: missing } = outcome else { unreachable!("a tick gave {outcome:?}") };
        applied += 1;
        gap |= missing;
        if store.has_user_events() || missing {
            break;
        }
        store.dispatch();
    }
    store.dispatch();
    Ok(Json(json!({
        "applied": applied, "done": applied == total, "gap": gap, "events": store.take_event_count(),
        "clock_ms": store.venue.clock_ms,
    })))
}

impl TryFrom<Message> for Tick {
    type Error = Refusal;

    fn try_from(message: Message) -> Result<Self, Refusal> {
        Ok(match message {
            Message::Snapshot { last, bids, asks } => {
                Self::Snapshot(Snapshot { last, bids: levels(&bids)?, asks: levels(&asks)? })
            }
            Message::Diff { time_ms, first, last, previous, bids, asks } => {
                let (bids, asks) = (levels(&bids)?, levels(&asks)?);
                Self::Diff(Diff { time_ms, first, last, previous, bids, asks })
            }
            Message::Trade { id, time_ms, price: Amount(price), quantity: Amount(quantity), buyer_is_maker } => {
                if price.is_zero() || price.is_sign_negative() || quantity.is_sign_negative() {
                    return Err(Refusal::new(-1100, format!("Trade {id} refused: its price must be above zero.")));
                }
                Self::Trade(TickTrade { id, time_ms, price, quantity, buyer_is_maker })
            }
        })
    }
}

fn levels(levels: &[(Amount, Amount)]) -> Result<Vec<PriceLevel>, Refusal> {
    let valid = levels.iter().all(|(Amount(price), Amount(quantity))| {
        !price.is_zero() && price.is_sign_positive() && (quantity.is_zero() || quantity.is_sign_positive())
    });
    if !valid {
        return Err(Refusal::new(-1100, "Depth refused: prices must be above zero, quantities not below."));
    }
    Ok(levels.iter().map(|(Amount(price), Amount(quantity))| (price.normalize(), quantity.normalize())).collect())
}
