//! What commands ask for.

use orders::{Kind, Limits, Market, Oco, Order, Side, TimeInForce, ids};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

#[derive(Clone, Debug)]
pub enum Action {
    Place(Box<Place>),
    PlaceOco(Box<PlaceOco>),
    Replace(Box<Replace>),
    Cancel { order_id: Uuid },
    CancelAll { symbol: Option<String> },
    Flatten { symbol: Option<String> },
    Pause,
    Resume,
    Kill { flatten: bool },
    SetLimits(Limits),
}

impl Action {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Place(_) => "place",
            Self::PlaceOco(_) => "place_oco",
            Self::Replace(_) => "replace",
            Self::Cancel { .. } => "cancel",
            Self::CancelAll { .. } => "cancel_all",
            Self::Flatten { .. } => "flatten",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Kill { .. } => "kill",
            Self::SetLimits(_) => "set_limits",
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    pub symbol: String,
    pub side: Side,
    #[serde(rename = "type")]
    pub kind: Kind,
    pub quantity: Decimal,
    pub price: Option<Decimal>,
    pub stop_price: Option<Decimal>,
    pub trail: Option<Decimal>,
    pub time_in_force: Option<TimeInForce>,
    pub stop_loss: Option<Decimal>,
    pub take_profit: Option<Decimal>,
    #[serde(default)]
    pub reduce_only: Option<bool>,
    #[serde(default)]
    pub post_only: Option<bool>,
    #[serde(skip)]
    pub origin: Origin,
}

/// A stop and a target over one quantity, of which one fills.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceOco {
    pub symbol: String,
    pub side: Side,
    pub quantity: Decimal,
    /// Of the target, a limit order.
    pub price: Decimal,
    /// Of the stop, a market order once it is reached.
    pub stop_price: Decimal,
    pub reduce_only: Option<bool>,
    #[serde(skip)]
    pub origin: Origin,
}

/// What is to be different about a working order; what is not named stays.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    pub order_id: Uuid,
    /// Of the whole: what the old order has filled counts.
    pub quantity: Option<Decimal>,
    pub price: Option<Decimal>,
    pub stop_price: Option<Decimal>,
    #[serde(skip)]
    pub origin: Origin,
}

/// Who asked for an order, and why.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    pub session_id: Option<Uuid>,
    pub reason: Option<String>,
    pub market_time_ms: Option<i64>,
    pub version: Option<String>,
}

impl Origin {
    fn take(payload: &mut Value) -> Result<Self, String> {
        let mut own = Map::new();
        for name in ["session_id", "reason", "market_time_ms", "version"] {
            if let Some((name, value)) = payload.as_object_mut().and_then(|fields| fields.remove_entry(name)) {
                own.insert(name, value);
            }
        }
        read(Value::Object(own))
    }
}

impl PlaceOco {
    /// The target goes by the command's id, the stop is its leg.
    pub fn oco(&self, id: Uuid, market: Market) -> Oco {
        let order = |id: Uuid, kind: Kind| Order {
            id,
            client_order_id: ids::client_order_id(id),
            parent: None,
            market,
            symbol: self.symbol.clone(),
            side: self.side,
            kind,
            quantity: self.quantity,
            price: None,
            stop_price: None,
            trail: None,
            time_in_force: None,
            stop_loss: None,
            take_profit: None,
            reduce_only: self.reduce_only.unwrap_or(false),
            post_only: false,
        };
        let stop = order(ids::stop_leg(id, 1), Kind::StopLoss);
        Oco {
            client_list_id: ids::client_order_id(ids::protective_list(id, 1)),
            stop: Order { parent: Some(id), stop_price: Some(self.stop_price), ..stop },
            target: Order { price: Some(self.price), post_only: true, ..order(id, Kind::Limit) },
        }
    }
}

impl Place {
    pub fn order(&self, id: Uuid, market: Market) -> Order {
        Order {
            id,
            client_order_id: ids::client_order_id(id),
            parent: None,
            market,
            symbol: self.symbol.clone(),
            side: self.side,
            kind: self.kind,
            quantity: self.quantity,
            price: self.price,
            stop_price: self.stop_price,
            trail: self.trail,
            time_in_force: self.time_in_force,
            stop_loss: self.stop_loss,
            take_profit: self.take_profit,
            reduce_only: self.reduce_only.unwrap_or(false),
            post_only: self.post_only.unwrap_or(false),
        }
    }

    /// Whether the fields fit the type of order.
    fn verify(&self) -> Result<(), String> {
        let kind = self.kind.name();
        verify_amounts([
            ("quantity", Some(self.quantity)),
            ("price", self.price),
            ("stop_price", self.stop_price),
            ("stop_loss", self.stop_loss),
            ("take_profit", self.take_profit),
        ])?;
        let trails = self.kind == Kind::TrailingStop;
        if trails != self.trail.is_some() {
            return Err("a trailing_stop order needs a trail, and no other takes one".into());
        }
        if self.trail.is_some_and(|trail| trail <= Decimal::ZERO || trail >= Decimal::ONE) {
            return Err("trail is a fraction of the price, above 0 and below 1: 0.01 is one per cent".into());
        }
        for (name, given, needed) in [
            ("price", self.price.is_some(), self.kind.needs_price()),
            ("stop_price", self.stop_price.is_some(), self.kind.needs_stop_price()),
        ] {
            if needed && !given {
                return Err(format!("a {kind} order needs a {name}"));
            }
            // Where a trailing stop has a stop_price, it begins to follow from there.
            if given && !needed && !(trails && name == "stop_price") {
                return Err(format!("a {kind} order takes no {name}"));
            }
        }
        verify_symbol(&self.symbol)?;
        if self.post_only == Some(true)
            && (self.kind != Kind::Limit || self.time_in_force.is_some_and(|tif| tif != TimeInForce::Gtc))
        {
            return Err("post_only is for limit orders that stay".into());
        }
        if self.time_in_force.is_some() && !self.kind.needs_price() {
            return Err(format!("a {kind} order takes no time_in_force"));
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CancelPayload {
    order_id: Uuid,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SymbolPayload {
    symbol: Option<String>,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KillPayload {
    reason: Option<String>,
    flatten: Option<bool>,
}

/// No quantity, price or limit of an order in earnest is as large (Binance itself ends at 9.2e10): with amounts below it no product
/// of two and no sum over ten thousand orders overflows a Decimal.
const TOO_LARGE: Decimal = Decimal::from_parts(0xD4A5_1000, 0xE8, 0, false, 0);

fn verify_amounts<const N: usize>(amounts: [(&str, Option<Decimal>); N]) -> Result<(), String> {
    match amounts.into_iter().find(|(_, amount)| amount.is_some_and(|amount| amount.abs() >= TOO_LARGE)) {
        Some((name, _)) => Err(format!("{name} must be below {TOO_LARGE}")),
        None => Ok(()),
    }
}

fn verify_symbol(symbol: &str) -> Result<(), String> {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if !symbol.split('-').all(is_word) {
        return Err("symbol must be the venue's id, like BTCUSDT, or BTC-USDT-SWAP at OKX".into());
    }
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(payload: Value) -> Result<T, String> {
    serde_json::from_value(payload).map_err(|error| format!("payload: {error}"))
}

/// Reads what a command asks for, and its reason.
pub fn read_action(action: &str, mut payload: Value) -> Result<(Action, Option<String>), String> {
    Ok(match action {
        "place" => {
            let origin = Origin::take(&mut payload)?;
            let place = Place { origin, ..read(payload)? };
            place.verify().map_err(|message| format!("payload: {message}"))?;
            let reason = place.origin.reason.clone();
            (Action::Place(Box::new(place)), reason)
        }
        "place_oco" => {
            let origin = Origin::take(&mut payload)?;
            let pair = PlaceOco { origin, ..read(payload)? };
            verify_symbol(&pair.symbol)
                .and_then(|()| {
                    verify_amounts([
                        ("quantity", Some(pair.quantity)),
                        ("price", Some(pair.price)),
                        ("stop_price", Some(pair.stop_price)),
                    ])
                })
                .map_err(|message| format!("payload: {message}"))?;
            let reason = pair.origin.reason.clone();
            (Action::PlaceOco(Box::new(pair)), reason)
        }
        "replace" => {
            let origin = Origin::take(&mut payload)?;
            let change = Replace { origin, ..read(payload)? };
            if change.quantity.or(change.price).or(change.stop_price).is_none() {
                return Err("payload: name a quantity, price or stop_price that is to be different".into());
            }
            verify_amounts([("quantity", change.quantity), ("price", change.price), ("stop_price", change.stop_price)])
                .map_err(|message| format!("payload: {message}"))?;
            let reason = change.origin.reason.clone();
            (Action::Replace(Box::new(change)), reason)
        }
        "cancel" => {
            let CancelPayload { order_id, reason } = read(payload)?;
            (Action::Cancel { order_id }, reason)
        }
        "cancel_all" => {
            let SymbolPayload { symbol, reason } = read(payload)?;
            (Action::CancelAll { symbol }, reason)
        }
        "flatten" => {
            let SymbolPayload { symbol, reason } = read(payload)?;
            (Action::Flatten { symbol }, reason)
        }
        "pause" => (Action::Pause, read::<KillPayload>(payload)?.reason),
        "resume" => (Action::Resume, read::<KillPayload>(payload)?.reason),
        "kill" => {
            let KillPayload { reason, flatten } = read(payload)?;
            (Action::Kill { flatten: flatten.unwrap_or(false) }, reason)
        }
        "set_limits" => {
            let limits: Limits = read(payload)?;
            let negative = |value: Option<Decimal>| value.is_some_and(|value| value.is_sign_negative());
            if negative(limits.max_order_notional)
                || negative(limits.max_position_notional)
                || negative(limits.price_collar)
            {
                return Err("payload: a limit cannot be negative".into());
            }
            verify_amounts([
                ("max_order_notional", limits.max_order_notional),
                ("max_position_notional", limits.max_position_notional),
                ("price_collar", limits.price_collar),
            ])
            .map_err(|message| format!("payload: {message}"))?;
            (Action::SetLimits(limits), None)
        }
        other => return Err(format!("unknown action {other:?}")),
    })
}
