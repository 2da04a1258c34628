//! How much of the order rate is used. OKX sends no headers about it, so our own orders are counted.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::Budget;
use crate::pause::Pause;

const WINDOW: Duration = Duration::from_secs(2);
/// What OKX allows for one symbol in that time; entries leave a fifth of it to protection.
const ORDERS: usize = 60;
const FOR_ENTRIES: usize = ORDERS - ORDERS / 5;

#[derive(Default)]
pub struct Limits {
    pub pause: Pause,
    sent: Mutex<VecDeque<Instant>>,
}

impl Limits {
    /// An order is sent.
    pub fn count(&self) {
        let mut sent = self.sent.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        sent.push_back(Instant::now());
        if sent.len() > ORDERS {
            sent.pop_front();
        }
    }

    fn lately(&self) -> usize {
        let sent = self.sent.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        sent.iter().rev().take_while(|at| at.elapsed() < WINDOW).count()
    }

    pub fn shares(&self) -> Vec<Budget> {
        let used = u32::try_from(self.lately()).unwrap_or(u32::MAX);
        vec![Budget { name: "orders_2s", used, limit: ORDERS as u32 }]
    }

    pub fn entries_throttled(&self) -> Option<String> {
        let lately = self.lately();
        self.pause.entries_throttled().or_else(|| {
            (lately >= FOR_ENTRIES)
                .then(|| "the orders of two seconds are nearly used up; the rest is kept for exits".into())
        })
    }
}
