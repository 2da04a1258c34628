//! What the venue's own headers say is used up of its rate limits.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use hyper::HeaderMap;

use super::symbols::{Interval, RateLimitBody, RateLimitKind};
use crate::{Budget as Share, VenueError};

/// Entries stop here; the rest is for cancels, protection and questions.
const ENTRY_SHARE: f64 = 0.8;
/// Binance spot's limits, until exchangeInfo has been read.
const WEIGHT_A_MINUTE: u32 = 6000;
const ORDERS_IN_TEN_SECONDS: u32 = 100;

#[derive(Default)]
pub struct Budget(Mutex<Used>);

#[derive(Default)]
struct Used {
    weight: Option<(u32, Instant)>,
    orders: Option<(u32, Instant)>,
    blocked_until: Option<Instant>,
    banned: bool,
    weight_limit: Option<u32>,
    orders_limit: Option<u32>,
}

impl Budget {
    pub fn read(&self, headers: &HeaderMap) {
        let count = |name: &str| {
            headers.get(name).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u32>().ok())
        };
        let now = Instant::now();
        let mut used = self.used();
        if let Some(weight) = count("x-mbx-used-weight-1m") {
            used.weight = Some((weight, now));
        }
        if let Some(orders) = count("x-mbx-order-count-10s") {
            used.orders = Some((orders, now));
        }
    }

    /// The venue's own limits, as exchangeInfo lists them, and what is used of them, as answers over the WebSocket say.
    pub fn learn(&self, limits: &[RateLimitBody]) {
        let now = Instant::now();
        let mut used = self.used();
        for limit in limits {
            let count = limit.count.map(|count| (count, now));
            match (limit.kind, limit.interval, limit.interval_num) {
                (RateLimitKind::RequestWeight, Interval::Minute, 1) => {
                    used.weight_limit = Some(limit.limit);
                    used.weight = count.or(used.weight);
                }
                (RateLimitKind::Orders, Interval::Second, 10) => {
                    used.orders_limit = Some(limit.limit);
                    used.orders = count.or(used.orders);
                }
                _ => {}
            }
        }
    }

    /// The venue asks to wait: nothing but cancels and protection goes out until then, and nothing at all after a ban.
    pub fn block(&self, retry_after: Duration, banned: bool) -> VenueError {
        let mut used = self.used();
        used.blocked_until = Some(Instant::now() + retry_after);
        used.banned = banned;
        VenueError::Throttled { retry_after, banned }
    }

    /// How long a ban (418) still holds; nothing may be sent until then.
    pub fn banned_for(&self) -> Option<Duration> {
        let used = self.used();
        used.blocked_until.filter(|_| used.banned).and_then(|until| until.checked_duration_since(Instant::now()))
    }

    pub fn entries_throttled(&self) -> Option<String> {
        let used = self.used();
        let now = Instant::now();
        if let Some(left) = used.blocked_until.and_then(|until| until.checked_duration_since(now)) {
            return Some(format!("the venue asked to wait; {} s are left", left.as_secs() + 1));
        }
        let over = |count: Option<(u32, Instant)>, limit: u32, window: Duration| {
            count.is_some_and(|(count, at)| now - at < window && f64::from(count) > f64::from(limit) * ENTRY_SHARE)
        };
        if over(used.weight, used.weight_limit.unwrap_or(WEIGHT_A_MINUTE), Duration::from_secs(60))
            || over(used.orders, used.orders_limit.unwrap_or(ORDERS_IN_TEN_SECONDS), Duration::from_secs(10))
        {
            return Some("the venue's rate budget is nearly used up; the rest is kept for exits".into());
        }
        None
    }

    /// What is used of each, while the window it was told of lasts.
    pub fn shares(&self) -> Vec<Share> {
        let used = self.used();
        let share = |name, count: Option<(u32, Instant)>, limit: u32, window: Duration| {
            let lately = count.filter(|(_, at)| at.elapsed() < window).map_or(0, |(count, _)| count);
            Share { name, used: lately, limit }
        };
        vec![
            share("weight_1m", used.weight, used.weight_limit.unwrap_or(WEIGHT_A_MINUTE), Duration::from_secs(60)),
            share(
                "orders_10s",
                used.orders,
                used.orders_limit.unwrap_or(ORDERS_IN_TEN_SECONDS),
                Duration::from_secs(10),
            ),
        ]
    }

    fn used(&self) -> std::sync::MutexGuard<'_, Used> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(orders: &str) -> HeaderMap {
        HeaderMap::from_iter([("x-mbx-order-count-10s".parse().unwrap(), orders.parse().unwrap())])
    }

    #[test]
    fn entries_stop_before_the_budget_is_used_up() {
        let budget = Budget::default();
        assert_eq!(budget.entries_throttled(), None);
        budget.read(&headers("80"));
        assert_eq!(budget.entries_throttled(), None);
        budget.read(&headers("81"));
        assert!(budget.entries_throttled().is_some());
        assert_eq!(budget.banned_for(), None);
        let larger = r#"[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":200}]"#;
        budget.learn(&serde_json::from_str::<Vec<RateLimitBody>>(larger).unwrap());
        assert_eq!(budget.entries_throttled(), None);
    }

    #[test]
    fn a_429_stops_entries_and_a_418_everything() {
        let budget = Budget::default();
        budget.block(Duration::from_secs(60), false);
        assert!(budget.entries_throttled().is_some());
        assert_eq!(budget.banned_for(), None);
        budget.block(Duration::from_secs(60), true);
        assert!(budget.banned_for().is_some());
    }
}
