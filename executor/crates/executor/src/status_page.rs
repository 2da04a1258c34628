//! The status page: an account as a person wants to see it, in plain text.

use std::fmt::Write;

use uuid::Uuid;

use crate::figures::Figures;
use crate::snapshot::Snapshot;

pub fn of(id: Uuid, figures: Option<&Figures>, snapshot: Option<&Snapshot>) -> String {
    let mut page = format!("account {id}\n");
    let (Some(figures), Some(snapshot)) = (figures, snapshot) else {
        return page + "  does not answer: it is stopping, or its task is held up\n\n";
    };
    let mut line = |name: &str, text: String| {
        let _ = writeln!(page, "  {name:<12} {text}");
    };
    line("exchange", figures.exchange.into());
    let mut state = vec![if figures.ready { "reconciled" } else { "NOT RECONCILED: no entries" }];
    state.extend(figures.killed.then_some("KILLED: no entries"));
    state.extend(figures.paused.then_some("paused: no entries"));
    state.extend((!figures.entries_permitted).then_some("NO LEASE: no entries"));
    line("state", state.join(", "));
    line(
        "lease",
        match (figures.lease_left, figures.epoch) {
            (None, _) => "not taken: this is the only executor".into(),
            (Some(left), Some(epoch)) => {
                format!("epoch {epoch}; entries go on for {} s without the database", left.as_secs())
            }
            (Some(_), None) => "another executor's, or the database is away".into(),
        },
    );
    for text in snapshot.position_lines() {
        line("position", text);
    }
    for text in snapshot.balance_lines() {
        line("balance", text);
    }
    line("orders", format!("{} open, {} of unknown outcome", figures.open_orders, figures.unknown_orders));
    for text in snapshot.order_lines() {
        line("order", text);
    }
    for text in snapshot.unprotected_lines() {
        line("UNPROTECTED", text);
    }
    for budget in &figures.health.budgets {
        line("budget", format!("{}: {} of {} used", budget.name, budget.used, budget.limit));
    }
    if let Some(ms) = figures.health.clock_offset_ms {
        line("clock", format!("the venue's is {ms} ms ahead"));
    }
    line("stream", format!("came up {} times, lost {} times", figures.stream_ups, figures.stream_gaps));
    line("database", format!("{} rows behind", figures.sink_pending));
    line("journal", format!("{} facts", figures.facts));
    page.push('\n');
    page
}
