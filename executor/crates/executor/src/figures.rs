//! An account in numbers, for metrics, readiness and the status page.

use std::fmt::Write;
use std::time::Duration;

use orders::Status;
use uuid::Uuid;
use venues::Health;

use crate::account::Account;
use crate::metrics::heading;

pub struct Figures {
    pub exchange: &'static str,
    /// Agrees with its venue.
    pub ready: bool,
    pub entries_permitted: bool,
    /// How long entries go on without a word from the database; `None`: no lease is needed.
    pub lease_left: Option<Duration>,
    pub epoch: Option<i64>,
    pub killed: bool,
    pub paused: bool,
    pub open_orders: usize,
    /// Sent, and the venue is being asked what became of them.
    pub unknown_orders: usize,
    pub unprotected: usize,
    pub sink_pending: usize,
    /// Times the user stream came up, and was lost: each loss is a gap that a reconciliation closes.
    pub stream_ups: u64,
    pub stream_gaps: u64,
    pub differences: u64,
    /// Facts in the journal.
    pub facts: u64,
    pub health: Health,
}

impl Account {
    pub fn figures(&mut self) -> Figures {
        let unprotected = self.state.unprotected().len();
        let lease = &self.controls.lease;
        let unknown = |status| matches!(status, Status::Unknown);
        Figures {
            exchange: self.exchange,
            ready: self.ready,
            entries_permitted: lease.permits_entries(),
            lease_left: lease.is_needed().then(|| lease.left()),
            epoch: lease.epoch(),
            killed: self.state.killed,
            paused: self.state.paused,
            open_orders: self.state.working.len(),
            unknown_orders: self.state.working_orders().filter(|tracked| unknown(tracked.status)).count(),
            unprotected,
            sink_pending: self.sink_pending(),
            stream_ups: self.controls.stream_ups,
            stream_gaps: self.controls.stream_gaps,
            differences: self.controls.differences,
            facts: self.state.facts,
            health: self.venue.health(),
        }
    }
}

/// The accounts' part of the exposition.
pub fn page(accounts: &[(Uuid, Option<Figures>)], silence: Duration) -> String {
    let mut page = String::new();
    let known: Vec<(&Uuid, &Figures)> =
        accounts.iter().filter_map(|(id, figures)| figures.as_ref().map(|figures| (id, figures))).collect();
    let mut all = |name: &str, kind: &str, help: &str, value: &dyn Fn(&Figures) -> Option<String>| {
        heading(&mut page, name, kind, help);
        for (id, figures) in &known {
            if let Some(value) = value(figures) {
                let _ = writeln!(page, "{name}{{account=\"{id}\",exchange=\"{}\"}} {value}", figures.exchange);
            }
        }
    };
    let flag = |is: bool| Some(u8::from(is).to_string());
    let count = |n: usize| Some(n.to_string());
    all("smc_ready", "gauge", "Journal and venue agree.", &|f| flag(f.ready));
    all("smc_entries_permitted", "gauge", "The lease is held, or none is needed.", &|f| flag(f.entries_permitted));
    all("smc_lease_left_seconds", "gauge", "How long entries go on without the database.", &|f| {
        f.lease_left.map(|left| format!("{:.3}", left.as_secs_f64()))
    });
    all("smc_lease_epoch", "gauge", "Of the lease that is held.", &|f| f.epoch.map(|epoch| epoch.to_string()));
    all("smc_killed", "gauge", "The kill switch is set.", &|f| flag(f.killed));
    all("smc_paused", "gauge", "No entries by command.", &|f| flag(f.paused));
    all("smc_open_orders", "gauge", "Orders that are not finished.", &|f| count(f.open_orders));
    all("smc_unknown_orders", "gauge", "Of these, those whose outcome is being asked for.", &|f| {
        count(f.unknown_orders)
    });
    all("smc_unprotected", "gauge", "Entries whose fills lack the protection asked for.", &|f| count(f.unprotected));
    all("smc_sink_pending", "gauge", "Rows that Postgres does not hold yet.", &|f| count(f.sink_pending));
    all("smc_stream_connections_total", "counter", "Times the user stream came up.", &|f| {
        Some(f.stream_ups.to_string())
    });
    all("smc_stream_gaps_total", "counter", "Times it was lost; each is closed by a reconciliation.", &|f| {
        Some(f.stream_gaps.to_string())
    });
    all("smc_reconciled_differences_total", "counter", "Differences that reconciliations found.", &|f| {
        Some(f.differences.to_string())
    });
    all("smc_facts_total", "counter", "Records of the account in the journal.", &|f| Some(f.facts.to_string()));
    all("smc_clock_offset_seconds", "gauge", "The venue's clock less ours, as last measured.", &|f| {
        f.health.clock_offset_ms.map(|ms| {
            format!(
                "{}.{:03}",
                if ms < 0 { "-" } else { "" }.to_owned() + &(ms.abs() / 1000).to_string(),
                ms.abs() % 1000
            )
        })
    });
    heading(&mut page, "smc_rate_budget_used_ratio", "gauge", "Share of a venue's rate limit that is used up.");
    for (id, figures) in &known {
        for budget in &figures.health.budgets {
            let (name, exchange, share) = (budget.name, figures.exchange, budget.share());
            let _ = writeln!(
                page,
                "smc_rate_budget_used_ratio{{account=\"{id}\",exchange=\"{exchange}\",budget=\"{name}\"}} {share:.4}"
            );
        }
    }
    heading(
        &mut page,
        "smc_heartbeat_silence_seconds",
        "gauge",
        "Since the controller's last heartbeat, or the start.",
    );
    let _ = writeln!(page, "smc_heartbeat_silence_seconds {:.1}", silence.as_secs_f64());
    page
}
