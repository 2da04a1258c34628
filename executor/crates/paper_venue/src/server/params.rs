//! Request parameters: from a query string, a form body or a WebSocket message; never through a float.

use std::fmt;

use rust_decimal::Decimal;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::engine::{Refusal, Target};

const MAX_DECIMALS: usize = 8;
const MAX_DIGITS: usize = 15;

/// The `params` of a WebSocket request: strings, integers, booleans and lists; or why one cannot be taken.
pub(crate) struct Given(pub Result<Params, Refusal>);

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

    /// Reads a JSON object: strings, integers, booleans and lists.
    pub fn of_json(params: Map<String, Value>) -> Result<Self, Refusal> {
        let pairs = params.into_iter().map(|(name, value)| {
            let text = match value {
                Value::String(text) => text,
                Value::Bool(flag) => flag.to_string(),
                Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
                Value::Array(_) => value.to_string(),
                _ => return Err(not_a_text(&name)),
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

impl Default for Given {
    fn default() -> Self {
        Self(Ok(Params::default()))
    }
}

/// Read without a tree in between: it is a good part of a request's time.
impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Pairs)
    }
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Given;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Given, A::Error> {
        let mut params = Params(Vec::with_capacity(16));
        let mut refusal = None;
        while let Some(name) = map.next_key::<String>()? {
            let Some(text) = map.next_value::<Text>()?.0 else {
                refusal = refusal.or_else(|| Some(not_a_text(&name)));
                continue;
            };
            // As JSON has it: of two with one name the later counts.
            match params.0.iter_mut().find(|(known, _)| *known == name) {
                Some((_, value)) => *value = text,
                None => params.0.push((name, text)),
            }
        }
        Ok(Given(refusal.map_or(Ok(params), Err)))
    }
}

/// One value as a request carries it; none for what would be read through a float, or is no value.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self(None))
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self, E> {
        Ok(Self(Some(text.to_owned())))
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Self, E> {
        Ok(Self(Some(flag.to_string())))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self, E> {
        Ok(Self(Some(number.to_string())))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self, E> {
        Ok(Self(Some(number.to_string())))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self, A::Error> {
        let list = Value::deserialize(SeqAccessDeserializer::new(list))?;
        Ok(Self(Some(list.to_string())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self)
    }
}

fn not_a_text(name: &str) -> Refusal {
    Refusal::new(-1100, format!("Illegal value for parameter '{name}': send decimals as strings."))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(params: &str) -> Result<Vec<(String, String)>, i32> {
        let given: Given = serde_json::from_str(params).unwrap();
        given.0.map(|params| params.0).map_err(|refusal| refusal.code)
    }

    #[test]
    fn values_are_taken_as_they_are_sent() {
        let pairs =
            read(r#"{"symbol":"BTC\u0055SDT","timestamp":17,"on":true,"list":["A", 1],"symbol":"ETHUSDT"}"#).unwrap();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(pairs, [("symbol", "ETHUSDT"), ("timestamp", "17"), ("on", "true"), ("list", "[\"A\",1]")]);
    }

    #[test]
    fn what_would_go_through_a_float_or_is_no_value_is_refused() {
        for params in [r#"{"price":1.5}"#, r#"{"price":null}"#, r#"{"price":{"a":[1]},"b":"c"}"#, r#"{"id":1e30}"#] {
            assert_eq!(read(params), Err(-1100), "{params}");
        }
        assert!(serde_json::from_str::<Given>("[]").is_err());
    }
}
