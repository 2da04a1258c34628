//! How much of the order rate is left, by Bybit's own headers; it counts by the second and for each path apart.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use hyper::HeaderMap;

use crate::Budget;
use crate::pause::Pause;

/// Entries leave this share of the second's orders to protection.
const RESERVE: f64 = 0.2;
const WINDOW: Duration = Duration::from_secs(1);

#[derive(Default)]
pub struct Limits {
    pub pause: Pause,
    orders: Mutex<Option<Orders>>,
}

struct Orders {
    left: u32,
    limit: u32,
    at: Instant,
}

impl Limits {
    /// Reads the answer to a new order.
    pub fn read(&self, headers: &HeaderMap) {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.parse::<u32>().ok();
        if let (Some(left), Some(limit)) = (number("x-bapi-limit-status"), number("x-bapi-limit")) {
            *self.orders.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
                Some(Orders { left, limit, at: Instant::now() });
        }
    }

    pub fn shares(&self) -> Vec<Budget> {
        let orders = self.orders.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let share = |orders: &Orders| {
            let used = if orders.at.elapsed() < WINDOW { orders.limit.saturating_sub(orders.left) } else { 0 };
            Budget { name: "orders_1s", used, limit: orders.limit }
        };
        orders.iter().map(share).collect()
    }

    pub fn entries_throttled(&self) -> Option<String> {
        let orders = self.orders.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_low = orders.as_ref().is_some_and(|orders| {
            orders.at.elapsed() < WINDOW && f64::from(orders.left) < f64::from(orders.limit) * RESERVE
        });
        self.pause
            .entries_throttled()
            .or_else(|| is_low.then(|| "this second's orders are nearly used up; the rest is kept for exits".into()))
    }
}

/// When a refusal for the rate says that it ends.
pub fn reset_in(headers: &HeaderMap, now_ms: i64) -> Option<Duration> {
    let at: i64 = headers.get("x-bapi-limit-reset-timestamp")?.to_str().ok()?.parse().ok()?;
    u64::try_from(at - now_ms).ok().map(Duration::from_millis)
}
