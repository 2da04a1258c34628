//! Faults on demand. Whether the n-th request or event of a target is hit follows from the seed, the kind, the target and n alone,
//! so the same seed over the same traffic gives the same faults; each one is logged with its number.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;

use super::clock;

/// How many of the latest faults the control API can name.
const REMEMBERED: usize = 10_000;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The request waits before anything is done.
    Delay,
    /// The connection ends before anything is done.
    DropRequest,
    /// It is done, and the connection ends without an answer.
    DropReply,
    /// A 5xx, and nothing is done.
    ErrorBefore,
    /// It is done, and the answer is a 5xx, or one of the two codes that leave the outcome open.
    ErrorAfter,
    /// It is done, and the answer breaks off in its middle.
    Garble,
    /// 429 with Retry-After, and nothing is done.
    TooMany,
    /// 418 with Retry-After, to this and every request until then.
    Ban,
    /// The venue's clock jumps.
    Clock,
    /// A connection ends: behind a request's answer, or instead of a stream's message.
    Disconnect,
    /// It is done, and the venue starts anew from its state file, without an answer.
    Restart,
    /// A user event comes twice.
    Duplicate,
    /// A user event comes behind the one after it.
    Reorder,
    /// A fill is told later than what came after it.
    Late,
    /// A user event or market message is left out.
    Gap,
}

/// What is to go wrong, and how badly.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    pub seed: u64,
    /// Chance of each kind at each request or event that it can hit, 0 to 1.
    pub chances: BTreeMap<Fault, f64>,
    /// These hit the next request or event of their target, in order, whatever the chances.
    pub next: Vec<Next>,
    /// Of a delay or a late fill, and of a restart's silence.
    pub longest_ms: u64,
    pub retry_after_s: u64,
    /// How far the clock may be off, either way.
    pub longest_skew_ms: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Next {
    pub fault: Fault,
    /// `POST /api/v3/order`, `ws order.place`, `event executionReport TRADE`, `stream btcusdt@trade`; the target begins with it.
    #[serde(default)]
    pub target: String,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 0,
            chances: BTreeMap::new(),
            next: Vec::new(),
            longest_ms: 100,
            retry_after_s: 1,
            longest_skew_ms: 5_000,
        }
    }
}

impl Plan {
    /// # Errors
    /// Names the chance that is none.
    pub fn check(&self) -> Result<(), String> {
        match self.chances.iter().find(|(_, chance)| !(0.0..=1.0).contains(*chance)) {
            Some((fault, chance)) => {
                Err(format!("faults: the chance of {fault:?} is {chance}; it must be within 0 and 1"))
            }
            None => Ok(()),
        }
    }

    fn is_empty(&self) -> bool {
        self.next.is_empty() && self.chances.values().all(|chance| *chance == 0.0)
    }
}

/// One injected fault. `opportunity`: the how-manieth request or event of this target it hit, from 1.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Injected {
    pub number: u64,
    pub fault: Fault,
    pub target: String,
    pub opportunity: u64,
    /// Decides how long, how far, which form.
    #[serde(skip)]
    draw: u64,
}

#[derive(Default)]
pub struct Faults {
    /// Without faults nothing but this is looked at.
    on: AtomicBool,
    inner: Mutex<Inner>,
    restart: Notify,
}

#[derive(Default)]
struct Inner {
    plan: Plan,
    opportunities: HashMap<(Fault, String), u64>,
    injected: BTreeMap<Fault, u64>,
    total: u64,
    log: std::collections::VecDeque<Injected>,
    banned_until: Option<Instant>,
}

/// What happens to one request.
#[derive(Default, Debug)]
pub(crate) struct Strike {
    pub before: Option<Before>,
    pub after: Option<After>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Before {
    Drop,
    Fail,
    /// Status 429 or 418, and the seconds to wait.
    Refuse(u16, u64),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum After {
    Drop,
    /// Which of the forms.
    Fail(u64),
    Garble,
    /// The answer is given first.
    Disconnect,
    Restart,
}

/// What happens to one user event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Telling {
    Now,
    Twice,
    Swapped,
    Late(Duration),
    Never,
    Cut,
}

impl Faults {
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let faults = Self::default();
        faults.set(plan);
        faults
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// From now on this plan; counts begin anew, numbers go on. The clock is right again where the plan does not shift it.
    pub(crate) fn set(&self, plan: Plan) {
        let mut inner = self.inner();
        if !plan.chances.contains_key(&Fault::Clock) {
            clock::shift(0);
        }
        inner.opportunities.clear();
        inner.banned_until = None;
        self.on.store(!plan.is_empty(), Ordering::Relaxed);
        inner.plan = plan;
    }

    /// Now that the request has been acted upon.
    pub(crate) fn ask_for_restart(&self) {
        self.restart.notify_one();
    }

    /// Ends when a fault asks for a restart; the value is how long the venue is to be away.
    pub async fn restart(&self) -> Duration {
        self.restart.notified().await;
        let inner = self.inner();
        let draw =
            inner.log.iter().rev().find(|injected| injected.fault == Fault::Restart).map_or(0, |found| found.draw);
        Duration::from_millis(draw % (inner.plan.longest_ms + 1))
    }

    /// `{seed, total, injected: {kind: n}, log: [...]}`.
    pub(crate) fn told(&self) -> Value {
        let inner = self.inner();
        serde_json::json!({
            "seed": inner.plan.seed, "total": inner.total, "injected": inner.injected, "log": inner.log,
        })
    }

    /// How long a request waits before anything is done.
    pub(crate) fn delay(&self, target: &str) -> Duration {
        if !self.is_on() {
            return Duration::ZERO;
        }
        let mut inner = self.inner();
        let longest = inner.plan.longest_ms.max(1);
        inner.hits(Fault::Delay, target).map_or(Duration::ZERO, |draw| Duration::from_millis(1 + draw % longest))
    }

    pub(crate) fn on_request(&self, target: &str) -> Strike {
        if !self.is_on() {
            return Strike::default();
        }
        let mut inner = self.inner();
        let mut strike = Strike::default();
        let retry_after = inner.plan.retry_after_s;
        if let Some(left) = inner.banned_until.and_then(|until| until.checked_duration_since(Instant::now())) {
            strike.before = Some(Before::Refuse(418, left.as_secs() + 1));
            return strike;
        }
        if let Some(draw) = inner.hits(Fault::Clock, target) {
            let most = i64::try_from(inner.plan.longest_skew_ms).unwrap_or(i64::MAX / 4);
            clock::shift((draw % (2 * most as u64 + 1)) as i64 - most);
        }
        let before = [
            (Fault::DropRequest, Before::Drop),
            (Fault::ErrorBefore, Before::Fail),
            (Fault::TooMany, Before::Refuse(429, retry_after)),
            (Fault::Ban, Before::Refuse(418, retry_after)),
        ];
        for (fault, what) in before {
            if strike.before.is_none() && inner.hits(fault, target).is_some() {
                strike.before = Some(what);
            }
        }
        if strike.before == Some(Before::Refuse(418, retry_after)) {
            inner.banned_until = Some(Instant::now() + Duration::from_secs(retry_after));
        }
        if strike.before.is_some() {
            return strike;
        }
        for fault in [Fault::Restart, Fault::DropReply, Fault::ErrorAfter, Fault::Garble, Fault::Disconnect] {
            if strike.after.is_some() {
                break;
            }
            let Some(draw) = inner.hits(fault, target) else { continue };
            strike.after = Some(match fault {
                Fault::ErrorAfter => After::Fail(draw),
                Fault::Garble => After::Garble,
                Fault::Disconnect => After::Disconnect,
                Fault::Restart => After::Restart,
                _ => After::Drop,
            });
        }
        strike
    }

    /// `event`: in Binance's JSON; only fills can be late.
    pub(crate) fn on_event(&self, event: &Value) -> Telling {
        if !self.is_on() {
            return Telling::Now;
        }
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kind = word(if event["o"]["x"].is_null() { &event["x"] } else { &event["o"]["x"] });
        let target = format!("event {} {kind}", word(&event["e"]));
        let target = target.trim_end();
        let mut inner = self.inner();
        if kind == "TRADE"
            && let Some(draw) = inner.hits(Fault::Late, target)
        {
            return Telling::Late(Duration::from_millis(1 + draw % inner.plan.longest_ms.max(1)));
        }
        let kinds = [
            (Fault::Gap, Telling::Never),
            (Fault::Disconnect, Telling::Cut),
            (Fault::Reorder, Telling::Swapped),
            (Fault::Duplicate, Telling::Twice),
        ];
        kinds.into_iter().find(|(fault, _)| inner.hits(*fault, target).is_some()).map_or(Telling::Now, |(_, how)| how)
    }

    /// Whether a market message is left out.
    pub(crate) fn loses_message(&self, stream: &str) -> bool {
        self.is_on() && self.inner().hits(Fault::Gap, &format!("stream {stream}")).is_some()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Counts the opportunity; a hit is logged, and gives a number to decide its size by.
    fn hits(&mut self, fault: Fault, target: &str) -> Option<u64> {
        let asked = self.plan.next.iter().position(|next| next.fault == fault && target.starts_with(&next.target));
        let chance = self.plan.chances.get(&fault).copied().unwrap_or(0.0);
        if asked.is_none() && chance == 0.0 {
            return None;
        }
        let count = self.opportunities.entry((fault, target.to_owned())).or_insert(0);
        *count += 1;
        let opportunity = *count;
        let start = mixed(self.plan.seed ^ hashed(&format!("{fault:?} {target}")));
        let draw = mixed(start.wrapping_add(opportunity));
        match asked {
            Some(position) => {
                self.plan.next.remove(position);
            }
            // 53 bits: as many as a double holds.
            None if (draw >> 11) as f64 / (1u64 << 53) as f64 >= chance => return None,
            None => {}
        }
        let draw = mixed(draw);
        self.total += 1;
        *self.injected.entry(fault).or_insert(0) += 1;
        tracing::info!(number = self.total, ?fault, target, opportunity, "fault");
        if self.log.len() == REMEMBERED {
            self.log.pop_front();
        }
        self.log.push_back(Injected { number: self.total, fault, target: target.to_owned(), opportunity, draw });
        Some(draw)
    }
}

/// SplitMix64's finishing steps: neighbouring numbers give unrelated ones.
fn mixed(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// FNV-1a, which does not change from one build to the next.
fn hashed(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Faults {
        Faults::new(serde_json::from_str(text).unwrap())
    }

    fn fill() -> Value {
        serde_json::json!({"e": "executionReport", "x": "TRADE"})
    }

    fn schedule(seed: u64) -> Vec<bool> {
        let faults = faults(&format!(r#"{{"seed":{seed},"chances":{{"drop_reply":0.2,"duplicate":0.5}}}}"#));
        (0..500).map(|_| faults.on_request("POST /api/v3/order").after.is_some()).collect()
    }

    #[test]
    fn a_seed_gives_the_same_faults_whatever_happens_elsewhere() {
        let alone = schedule(7);
        let faults = faults(r#"{"seed":7,"chances":{"drop_reply":0.2,"duplicate":0.5}}"#);
        let among_others: Vec<bool> = (0..500)
            .map(|_| {
                faults.on_request("GET /api/v3/time");
                faults.on_event(&fill());
                faults.on_request("POST /api/v3/order").after.is_some()
            })
            .collect();
        assert_eq!(alone, among_others);
        assert_ne!(alone, schedule(8));
        let hits = alone.iter().filter(|hit| **hit).count();
        assert!((70..130).contains(&hits), "{hits} of 500 at a chance of 0.2");
    }

    #[test]
    fn what_is_asked_for_hits_once_and_is_logged() {
        let faults = faults(r#"{"next":[{"fault":"drop_request","target":"POST /api/v3/order"}]}"#);
        assert_eq!(faults.on_request("GET /api/v3/order").before, None);
        assert_eq!(faults.on_request("POST /api/v3/order").before, Some(Before::Drop));
        assert_eq!(faults.on_request("POST /api/v3/order").before, None);
        assert_eq!(faults.told()["log"][0]["target"], "POST /api/v3/order");
        assert_eq!(faults.told()["injected"]["drop_request"], 1);
    }

    #[test]
    fn a_ban_holds_for_everything_until_it_is_over() {
        let faults = faults(r#"{"retry_after_s":60,"next":[{"fault":"ban"}]}"#);
        assert_eq!(faults.on_request("GET /api/v3/time").before, Some(Before::Refuse(418, 60)));
        assert!(matches!(faults.on_request("POST /api/v3/order").before, Some(Before::Refuse(418, _))));
    }

    #[test]
    fn without_a_plan_nothing_is_counted() {
        let faults = Faults::default();
        assert!(!faults.is_on());
        assert_eq!(faults.on_event(&fill()), Telling::Now);
        assert!(serde_json::from_str::<Plan>(r#"{"chances":{"drop_reply":2}}"#).unwrap().check().is_err());
    }
}
