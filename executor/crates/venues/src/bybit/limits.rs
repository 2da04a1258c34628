//! How much of the order rate is left, by Bybit's own headers; it counts by the second and for each path apart.

use std::str::FromStr;
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
    /// What the answer to a new order says.
    pub fn note(&self, left: Option<u32>, limit: Option<u32>) {
        if let (Some(left), Some(limit)) = (left, limit) {
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

/// A number among an answer's headers.
pub fn number<T: FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}
