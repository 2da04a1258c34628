//! Calls in ccxt's unified form, as recorded requests have them, so that our requests can be compared with another client's.

use orders::{Kind, Market, Order, Side, TimeInForce};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::connect::Protocol;
use crate::request::Request;
use crate::{binance, bybit, okx};

/// One call: a method's name and its arguments.
pub enum Call {
    Create(Create),
    Edit { id: String, symbol: Symbol, side: Side, amount: Decimal, price: Decimal },
    Cancel { id: Option<String>, symbol: Symbol, client_order_id: Option<String> },
    Fetch { id: Option<String>, symbol: Symbol, client_order_id: Option<String> },
    OpenOrders { symbol: Symbol },
    CancelAll { symbol: Symbol },
    MyTrades { symbol: Symbol },
    Balance,
    SetLeverage { leverage: Decimal, symbol: Symbol },
}

/// `create_order`.
pub struct Create {
    pub symbol: Symbol,
    pub is_market: bool,
    pub side: Side,
    pub amount: Decimal,
    pub price: Option<Decimal>,
    pub extra: Extra,
}

/// The params of `create_order`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Extra {
    pub client_order_id: Option<String>,
    pub post_only: bool,
    pub time_in_force: Option<TimeInForce>,
    pub reduce_only: bool,
    #[serde(deserialize_with = "plain")]
    pub stop_loss_price: Option<Decimal>,
    #[serde(deserialize_with = "plain")]
    pub take_profit_price: Option<Decimal>,
    #[serde(deserialize_with = "plain")]
    pub trailing_percent: Option<Decimal>,
    pub stop_loss: Option<Attached>,
    pub take_profit: Option<Attached>,
}

/// A stop or target that a venue attaches to an entry by itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attached {
    #[serde(deserialize_with = "plain")]
    pub trigger_price: Option<Decimal>,
}

/// `BTC/USDT`, or `BTC/USDT:USDT` for a swap.
pub struct Symbol {
    pub base: String,
    pub quote: String,
    pub settle: Option<String>,
}

impl Symbol {
    fn parse(text: &str) -> Option<Self> {
        let (pair, settle) = text.split_once(':').map_or((text, None), |(pair, settle)| (pair, Some(settle)));
        let (base, quote) = pair.split_once('/')?;
        Some(Self { base: base.into(), quote: quote.into(), settle: settle.map(Into::into) })
    }
}

impl Create {
    /// The order it asks for, its numbers as they came and its id and symbol left to the venue's words.
    pub fn order(&self) -> Order {
        let extra = &self.extra;
        let kind = match self.is_market {
            _ if extra.trailing_percent.is_some() => Kind::TrailingStop,
            _ if extra.take_profit_price.is_some() => Kind::TakeProfit,
            true if extra.stop_loss_price.is_some() => Kind::StopLoss,
            false if extra.stop_loss_price.is_some() => Kind::StopLimit,
            true => Kind::Market,
            false => Kind::Limit,
        };
        Order {
            id: Uuid::nil(),
            client_order_id: extra.client_order_id.clone().unwrap_or_default(),
            parent: None,
            market: if self.symbol.settle.is_some() { Market::Swap } else { Market::Spot },
            symbol: String::new(),
            side: self.side,
            kind,
            quantity: self.amount,
            price: self.price,
            stop_price: extra.stop_loss_price.or(extra.take_profit_price),
            trail: extra.trailing_percent.map(|percent| percent / Decimal::ONE_HUNDRED),
            time_in_force: extra.time_in_force,
            stop_loss: None,
            take_profit: None,
            reduce_only: extra.reduce_only,
            post_only: extra.post_only,
        }
    }
}

/// How a market's numbers are cut to what it takes.
pub struct Precision {
    pub tick: Decimal,
    pub step: Decimal,
}

impl Precision {
    /// Down to the step, as ccxt does.
    pub fn amount(&self, amount: Decimal) -> Decimal {
        (amount / self.step).trunc() * self.step
    }

    /// To the nearest tick, as ccxt does.
    pub fn price(&self, price: Decimal) -> Decimal {
        (price / self.tick).round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero) * self.tick
    }
}

impl Call {
    /// # Errors
    /// A text that says what of the call is not understood.
    pub fn parse(method: &str, input: &[Value]) -> Result<Self, String> {
        let missing = |what: &str| format!("{method}: {what} is missing or not understood");
        let text = |at: usize| input.get(at).and_then(Value::as_str).map(str::to_owned);
        let symbol = |at: usize| text(at).and_then(|text| Symbol::parse(&text)).ok_or_else(|| missing("the symbol"));
        let decimal = |at: usize| input.get(at).and_then(to_decimal);
        let client_order_id = |at: usize| {
            let id = input.get(at).and_then(|params| params.get("clientOrderId")).and_then(Value::as_str);
            id.map(str::to_owned)
        };
        let side = |at: usize| match text(at).as_deref() {
            Some("buy") => Ok(Side::Buy),
            Some("sell") => Ok(Side::Sell),
            _ => Err(missing("the side")),
        };
        Ok(match method {
            "create_order" => Self::Create(Create {
                symbol: symbol(0)?,
                is_market: match text(1).as_deref() {
                    Some("market") => true,
                    Some("limit") => false,
                    _ => return Err(missing("the order type")),
                },
                side: side(2)?,
                amount: decimal(3).ok_or_else(|| missing("the amount"))?,
                price: decimal(4),
                extra: match input.get(5) {
                    None | Some(Value::Null) => Extra::default(),
                    Some(params) => Extra::deserialize(params).map_err(|error| format!("{method}: {error}"))?,
                },
            }),
            "edit_order" => Self::Edit {
                id: text(0).ok_or_else(|| missing("the id"))?,
                symbol: symbol(1)?,
                side: side(3)?,
                amount: decimal(4).ok_or_else(|| missing("the amount"))?,
                price: decimal(5).ok_or_else(|| missing("the price"))?,
            },
            "cancel_order" => Self::Cancel { id: text(0), symbol: symbol(1)?, client_order_id: client_order_id(2) },
            "fetch_order" => Self::Fetch { id: text(0), symbol: symbol(1)?, client_order_id: client_order_id(2) },
            "fetch_open_orders" => Self::OpenOrders { symbol: symbol(0)? },
            "cancel_all_orders" => Self::CancelAll { symbol: symbol(0)? },
            "fetch_my_trades" => Self::MyTrades { symbol: symbol(0)? },
            "fetch_balance" => Self::Balance,
            "set_leverage" => {
                Self::SetLeverage { leverage: decimal(0).ok_or_else(|| missing("the leverage"))?, symbol: symbol(1)? }
            }
            _ => return Err(format!("{method}: no such method here")),
        })
    }
}

/// A JSON number by its text, never by way of a binary fraction.
fn to_decimal(value: &Value) -> Option<Decimal> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()
}

fn plain<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    to_decimal(&value).map(Some).ok_or_else(|| serde::de::Error::custom(format!("{value} is not a number")))
}

/// The request that the venue's client would send for a call at `timestamp_ms`, to the venue's own address.
///
/// # Errors
/// A text that says what of the call is not understood, or which request the venue has not.
pub fn sign(
    protocol: Protocol,
    market: Market,
    keys: Keys,
    timestamp_ms: i64,
    method: &str,
    input: &[Value],
) -> Result<Request, String> {
    let call = Call::parse(method, input)?;
    match protocol {
        Protocol::Binance => {
            let signer = binance::sign::Signer::new(keys.api_key, keys.secret);
            binance::unified::request(&call, market, &signer, timestamp_ms)
        }
        Protocol::Bybit => {
            let signer = bybit::sign::Signer::new(keys.api_key, keys.secret);
            bybit::unified::request(&call, market, "https://api.bybit.com", &signer, timestamp_ms)
        }
        Protocol::Okx => {
            let signer = okx::sign::Signer::new(keys.api_key, keys.secret, keys.password, false);
            okx::unified::request(&call, market, "https://www.okx.com", &signer, timestamp_ms)
        }
    }
}

/// An account's keys, under ccxt's names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Keys {
    pub api_key: String,
    pub secret: String,
    /// OKX's passphrase.
    #[serde(default)]
    pub password: String,
}
