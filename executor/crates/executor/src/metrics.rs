//! What the program counts, and its exposition in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where an order is on its way, counted from the arrival of its command.
#[derive(Clone, Copy)]
pub enum Stage {
    /// The command's last byte has been read.
    Received,
    /// Its signature is good.
    Verified,
    /// The journal holds it on the disk.
    Journaled,
    /// The request is handed to the venue's connection.
    Written,
    /// The venue's answer is in.
    Acknowledged,
}

/// Where the cancel is that a tick calls for, counted from when the tick was read.
#[derive(Clone, Copy)]
pub enum TickStage {
    /// The journal holds it on the disk.
    Journaled,
    /// The request is handed to the venue's connection.
    Written,
}

const TICK_STAGES: [&str; 2] = ["journaled", "written"];
const STAGES: [&str; 5] = ["received", "verified", "journaled", "written", "acknowledged"];
/// Upper bounds in microseconds, and as Prometheus wants them.
const BOUNDS: [(u64, &str); 17] = [
    (10, "0.00001"),
    (20, "0.00002"),
    (50, "0.00005"),
    (100, "0.0001"),
    (200, "0.0002"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_000, "0.002"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (20_000, "0.02"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (200_000, "0.2"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (10_000_000, "10"),
];

pub static METRICS: Metrics = Metrics::new();

pub struct Metrics {
    order_path: [Histogram; STAGES.len()],
    tick_path: [Histogram; TICK_STAGES.len()],
    journal_sync: Histogram,
    /// Commands by action and by what they were answered with.
    commands: Mutex<BTreeMap<(&'static str, String), u64>>,
    refusals: Mutex<BTreeMap<String, u64>>,
    repeated: AtomicU64,
}

struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    const fn new() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BOUNDS.len() + 1], sum_us: AtomicU64::new(0) }
    }

    fn observe(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|(bound, _)| *bound < us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    fn write(&self, page: &mut String, name: &str, label: &str) {
        let mut total = 0;
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS.iter().map(|(_, text)| *text).chain(["+Inf"])) {
            total += bucket.load(Ordering::Relaxed);
            let separator = if label.is_empty() { "" } else { "," };
            let _ = writeln!(page, "{name}_bucket{{{label}{separator}le=\"{bound}\"}} {total}");
        }
        let labels = if label.is_empty() { String::new() } else { format!("{{{label}}}") };
        let us = self.sum_us.load(Ordering::Relaxed);
        let _ = writeln!(page, "{name}_sum{labels} {}.{:06}", us / 1_000_000, us % 1_000_000);
        let _ = writeln!(page, "{name}_count{labels} {total}");
    }
}

impl Metrics {
    const fn new() -> Self {
        Self {
            order_path: [const { Histogram::new() }; STAGES.len()],
            tick_path: [const { Histogram::new() }; TICK_STAGES.len()],
            journal_sync: Histogram::new(),
            commands: Mutex::new(BTreeMap::new()),
            refusals: Mutex::new(BTreeMap::new()),
            repeated: AtomicU64::new(0),
        }
    }

    /// A command that came in at `received` has reached `stage` at `now`.
    pub fn reached(&self, stage: Stage, received: Instant, now: Instant) {
        self.order_path[stage as usize].observe(now.saturating_duration_since(received));
    }

    /// What a tick that was read at `tick` calls for has reached `stage` at `now`.
    pub fn tick_reached(&self, stage: TickStage, tick: Instant, now: Instant) {
        self.tick_path[stage as usize].observe(now.saturating_duration_since(tick));
    }

    pub fn journal_synced(&self, time: Duration) {
        self.journal_sync.observe(time);
    }

    pub fn answered(&self, action: &'static str, code: &str) {
        *lock(&self.commands).entry((action, code.to_owned())).or_default() += 1;
    }

    pub fn refused(&self, code: &str) {
        *lock(&self.refusals).entry(code.to_owned()).or_default() += 1;
    }

    /// A command that had come before got its first answer again.
    pub fn repeated(&self) {
        self.repeated.fetch_add(1, Ordering::Relaxed);
    }

    /// The program's part of the exposition.
    pub fn page(&self) -> String {
        let mut page = String::new();
        heading(
            &mut page,
            "smc_order_path_seconds",
            "histogram",
            "From a command's arrival to each stage of its order.",
        );
        for (histogram, stage) in self.order_path.iter().zip(STAGES) {
            histogram.write(&mut page, "smc_order_path_seconds", &format!("stage=\"{stage}\""));
        }
        heading(
            &mut page,
            "smc_tick_path_seconds",
            "histogram",
            "From a tick that calls for a cancel to each stage of that.",
        );
        for (histogram, stage) in self.tick_path.iter().zip(TICK_STAGES) {
            histogram.write(&mut page, "smc_tick_path_seconds", &format!("stage=\"{stage}\""));
        }
        heading(&mut page, "smc_journal_sync_seconds", "histogram", "Time of one fdatasync of the journal.");
        self.journal_sync.write(&mut page, "smc_journal_sync_seconds", "");
        heading(&mut page, "smc_commands_total", "counter", "Commands by action and code of the answer.");
        for ((action, code), count) in lock(&self.commands).iter() {
            let _ = writeln!(page, "smc_commands_total{{action=\"{action}\",code=\"{code}\"}} {count}");
        }
        heading(&mut page, "smc_refusals_total", "counter", "Refused commands by code.");
        for (code, count) in lock(&self.refusals).iter() {
            let _ = writeln!(page, "smc_refusals_total{{code=\"{code}\"}} {count}");
        }
        heading(
            &mut page,
            "smc_commands_repeated_total",
            "counter",
            "Commands that came again and got their first answer.",
        );
        let _ = writeln!(page, "smc_commands_repeated_total {}", self.repeated.load(Ordering::Relaxed));
        page
    }
}

/// What a metric is called, of which type it is, and what it says.
pub fn heading(page: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn lock<T>(counters: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    counters.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_is_cumulative_and_its_bounds_include_their_value() {
        let histogram = Histogram::new();
        for us in [10, 11, 100, 60_000_000] {
            histogram.observe(Duration::from_micros(us));
        }
        let mut page = String::new();
        histogram.write(&mut page, "x", "stage=\"a\"");
        for line in [
            "x_bucket{stage=\"a\",le=\"0.00001\"} 1",
            "x_bucket{stage=\"a\",le=\"0.00002\"} 2",
            "x_bucket{stage=\"a\",le=\"0.0001\"} 3",
            "x_bucket{stage=\"a\",le=\"10\"} 3",
            "x_bucket{stage=\"a\",le=\"+Inf\"} 4",
            "x_sum{stage=\"a\"} 60.000121",
            "x_count{stage=\"a\"} 4",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} not in\n{page}");
        }
    }

    #[test]
    fn bounds_are_what_their_text_says() {
        for (us, text) in BOUNDS {
            let seconds: rust_decimal::Decimal = text.parse().unwrap();
            assert_eq!(seconds * rust_decimal::Decimal::from(1_000_000), rust_decimal::Decimal::from(us));
        }
        assert!(BOUNDS.is_sorted_by_key(|(us, _)| *us));
    }

    #[test]
    fn refusals_are_counted_by_code() {
        let metrics = Metrics::new();
        metrics.refused("killed");
        metrics.refused("killed");
        metrics.refused("expired");
        metrics.answered("place", "killed");
        let page = metrics.page();
        assert!(page.contains("smc_refusals_total{code=\"killed\"} 2"));
        assert!(page.contains("smc_refusals_total{code=\"expired\"} 1"));
        assert!(page.contains("smc_commands_total{action=\"place\",code=\"killed\"} 1"));
    }
}
