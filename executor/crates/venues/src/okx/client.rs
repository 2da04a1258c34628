//! Sends a request and tells what its answer means.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Account;
use super::codes::{RATE_WAIT, STALE_TIMESTAMP, UNKNOWN_INSTRUMENT, classify};
use crate::VenueError;
use crate::clock::in_time;
use crate::order_entry::Entered;
use crate::params::Params;
use crate::request::Request;

/// Every answer's frame; `data` is always a list.
#[derive(Deserialize)]
pub struct Envelope<'a> {
    /// Over a WebSocket: of the request; empty where the message answers none.
    #[serde(default)]
    pub id: String,
    /// Over a WebSocket: of a message that answers no request.
    #[serde(default)]
    pub event: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    msg: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl Envelope<'_> {
    pub fn told(&self) -> String {
        format!("{} ({})", self.msg, self.code)
    }
}

/// As order entry over the WebSocket wants it: an instrument's code, its name beside it being of no account.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ByCode<'a, T> {
    inst_id_code: u64,
    #[serde(flatten)]
    order: &'a T,
}

/// What became of one entry of a request that changes something.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    #[serde(default)]
    pub ord_id: String,
    #[serde(default)]
    pub algo_id: String,
    #[serde(default)]
    s_code: String,
    #[serde(default)]
    s_msg: String,
}

impl Done {
    fn is_refused(&self) -> bool {
        !matches!(self.s_code.as_str(), "" | "0")
    }
}

impl Account {
    pub async fn public<T: DeserializeOwned>(&self, path: &str, params: &Params) -> Result<Vec<T>, VenueError> {
        let query = params.encoded();
        let question = if query.is_empty() { "" } else { "?" };
        let data = self.exchange(Request::public(format!("{}{path}{question}{query}", self.http.base))).await?;
        read(&data)
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str, params: &Params) -> Result<Vec<T>, VenueError> {
        read(&self.signed(|| self.signer.get(&self.http.base, path, params, self.clock.venue_ms())).await?)
    }

    /// A request with one entry, which changes something.
    pub async fn post(&self, path: &str, body: &impl Serialize) -> Result<Done, VenueError> {
        let data = self.signed(|| self.signer.post(&self.http.base, path, body, self.clock.venue_ms())).await?;
        self.only(read(&data)?)
    }

    /// A new order or the cancel of one: over the WebSocket where it is up, else over REST (`path`, `rest`). Only what certainly was not
    /// taken is sent the other way.
    pub async fn enter(
        &self,
        operation: &'static str,
        (symbol, order): (&str, &impl Serialize),
        (path, rest): (&str, &impl Serialize),
    ) -> Result<Entered<Done>, VenueError> {
        let Some(inst_id_code) = self.contracts.code(symbol) else {
            return Ok(Entered { body: self.post(path, rest).await?, written: None });
        };
        let order = serde_json::to_string(&ByCode { inst_id_code, order }).expect("a request's body is always JSON");
        match self.entry.send(operation, order).await {
            Ok(answer) => Ok(Entered { body: self.only(answer.read()?)?, written: Some(answer.written) }),
            // Demo trading's order channel refuses codes that its REST tells.
            Err(VenueError::NotSent(_) | VenueError::Refused { code: UNKNOWN_INSTRUMENT, .. }) => {
                Ok(Entered { body: self.post(path, rest).await?, written: None })
            }
            Err(error) => Err(error),
        }
    }

    fn only(&self, done: Vec<Done>) -> Result<Done, VenueError> {
        match done.into_iter().next() {
            Some(done) if done.is_refused() => Err(self.refused(&done.s_code, done.s_msg)),
            Some(done) => Ok(done),
            None => Err(VenueError::Lost("the venue's answer says nothing of the order".into())),
        }
    }

    /// All pages of a list; `id` names the entry that the next page comes after.
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        params: impl Fn() -> Params,
        id: impl Fn(&T) -> String,
    ) -> Result<Vec<T>, VenueError> {
        let mut all: Vec<T> = Vec::new();
        loop {
            let mut params = params();
            params.add("limit", PAGE.to_string());
            if let Some(last) = all.last() {
                params.add("after", id(last));
            }
            let page: Vec<T> = self.get(path, &params).await?;
            let is_last = page.len() < PAGE;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    async fn signed(&self, request: impl Fn() -> Request) -> Result<String, VenueError> {
        in_time(STALE_TIMESTAMP, || self.exchange(request()), self.measure()).await
    }

    /// The answer's data.
    async fn exchange(&self, request: Request) -> Result<String, VenueError> {
        let (parts, body) = self.http.send(request.into_http()?).await?;
        let status = parts.status.as_u16();
        if status >= 500 {
            return Err(VenueError::Lost(format!("the venue answered {status}")));
        }
        if status == 429 {
            self.limits.pause.take(RATE_WAIT, false);
            return Err(VenueError::Throttled { retry_after: RATE_WAIT, banned: false });
        }
        let envelope: Envelope<'_> = serde_json::from_slice(&body).map_err(|error| unreadable(&error))?;
        Ok(self.opened(&envelope)?.map_or("[]", RawValue::get).to_owned())
    }

    /// A frame's data.
    pub fn opened<'a>(&self, envelope: &Envelope<'a>) -> Result<Option<&'a RawValue>, VenueError> {
        if envelope.code == "0" {
            return Ok(envelope.data);
        }
        // Where an entry is refused, it has the reason; the frame says only that there was one.
        let data = envelope.data.map_or("[]", RawValue::get);
        let entries: Vec<Done> = serde_json::from_str(data).unwrap_or_default();
        Err(match entries.into_iter().find(Done::is_refused) {
            Some(done) => self.refused(&done.s_code, done.s_msg),
            None => self.refused(&envelope.code, envelope.msg.clone()),
        })
    }

    fn refused(&self, code: &str, message: String) -> VenueError {
        let Ok(code) = code.parse() else {
            return VenueError::Lost(format!("the venue answered with code {code:?}"));
        };
        let error = classify(code, message);
        if let VenueError::Throttled { retry_after, banned } = &error {
            self.limits.pause.take(*retry_after, *banned);
        }
        error
    }
}

/// The most that OKX lists at once.
const PAGE: usize = 100;

fn read<T: DeserializeOwned>(data: &str) -> Result<Vec<T>, VenueError> {
    serde_json::from_str(data).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> VenueError {
    VenueError::Lost(format!("the venue's answer is unreadable: {error}"))
}
