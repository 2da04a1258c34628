//! Request parameters: from a query string, a form body or a WebSocket message; never through a float.

use rust_decimal::Decimal;
use serde_json::{Map, Value};

use crate::engine::{Refusal, Target};

const MAX_DECIMALS: usize = 8;
const MAX_DIGITS: usize = 15;

/// Names and decoded values, in the order they were sent.
#[derive(Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads `a=1&b=2`, percent-encoded.
    pub fn read(&mut self, encoded: &str) -> Result<(), Refusal> {
        for pair in encoded.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if self.text(&name).is_some() {
                return Err(Refusal::new(-1101, format!("Duplicate values for parameter '{name}' detected.")));
            }
            self.0.push((name, value));
        }
        Ok(())
    }

    /// Reads the `params` of a WebSocket request: strings, integers and booleans.
    pub fn of_json(params: Map<String, Value>) -> Result<Self, Refusal> {
        let pairs = params.into_iter().map(|(name, value)| {
            let text = match value {
                Value::String(text) => text,
                Value::Bool(flag) => flag.to_string(),
                Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
                Value::Array(_) => value.to_string(),
                _ => {
                    let msg = format!("Illegal value for parameter '{name}': send decimals as strings.");
                    return Err(Refusal::new(-1100, msg));
                }
            };
            Ok((name, text))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// What a WebSocket signature covers: all but the signature itself, sorted by name.
    pub fn signed_text(&self) -> String {
        let mut pairs: Vec<&(String, String)> = self.0.iter().filter(|(name, _)| name != "signature").collect();
        pairs.sort();
        let mut text = String::with_capacity(512);
        for (name, value) in pairs {
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(name);
            text.push('=');
            text.push_str(value);
        }
        text
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn needed(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name).filter(|value| !value.is_empty()).ok_or_else(|| Refusal::missing(name))
    }

    pub fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.text(name).map(|text| text.parse().map_err(|_| illegal(name, "^[0-9]{1,20}$"))).transpose()
    }

    pub fn id(&self, name: &str) -> Result<Option<u64>, Refusal> {
        self.text(name).map(|text| text.parse().map_err(|_| illegal(name, "^[0-9]{1,20}$"))).transpose()
    }

    /// A decimal with at most 8 decimals.
    pub fn decimal(&self, name: &str) -> Result<Option<Decimal>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > MAX_DIGITS || !digits(whole) || !digits(decimals) {
            return Err(illegal(name, "^([0-9]{1,15})(\\.[0-9]{1,8})?$"));
        }
        if decimals.trim_end_matches('0').len() > MAX_DECIMALS {
            return Err(Refusal::new(-1111, format!("Parameter '{name}' has too much precision.")));
        }
        text.trim_end_matches('.').parse().map(Some).map_err(|_| illegal(name, "^([0-9]{1,15})(\\.[0-9]{1,8})?$"))
    }

    /// A client order id; Binance's character set and length.
    pub fn client_id(&self, name: &str) -> Result<Option<String>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b".:/_-".contains(&byte);
        if (1..=36).contains(&text.len()) && text.bytes().all(legal) {
            Ok(Some(text.to_owned()))
        } else {
            Err(illegal(name, "^[\\.A-Z\\:/a-z0-9_-]{1,36}$"))
        }
    }

    /// An order or list, named by its id or else by its client id.
    pub fn target(&self, id: &str, client_id: &str) -> Result<Target, Refusal> {
        if let Some(id) = self.id(id)? {
            return Ok(Target::Id(id));
        }
        match self.text(client_id).filter(|text| !text.is_empty()) {
            Some(client_id) => Ok(Target::ClientId(client_id.to_owned())),
            None => Err(Refusal::new(
                -1102,
                format!("Param '{client_id}' or '{id}' must be sent, but both were empty/null!"),
            )),
        }
    }

    /// `limit`, `default` if not sent, cut to `max`.
    pub fn limit(&self, default: usize, max: usize) -> Result<usize, Refusal> {
        let limit = self.id("limit")?.map_or(default, |limit| usize::try_from(limit).unwrap_or(max));
        Ok(limit.clamp(1, max))
    }

    /// The symbols asked for by `symbol` or `symbols`; none: all.
    pub fn symbols(&self) -> Result<Option<Vec<String>>, Refusal> {
        match (self.text("symbol"), self.text("symbols")) {
            (Some(symbol), _) => Ok(Some(vec![symbol.to_owned()])),
            (None, Some(list)) => {
                serde_json::from_str(list).map(Some).map_err(|_| illegal("symbols", "[\"SYMBOL\",...]"))
            }
            (None, None) => Ok(None),
        }
    }
}

fn illegal(name: &str, range: &str) -> Refusal {
    Refusal::new(-1100, format!("Illegal characters found in parameter '{name}'; legal range is '{range}'."))
}

fn decoded(text: &str) -> Result<String, Refusal> {
    let malformed = || Refusal::new(-1100, "Illegal characters found in a parameter: malformed percent-encoding.");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit().ok_or_else(malformed)?, digit().ok_or_else(malformed)?);
                (high * 16 + low) as u8
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| malformed())
}
