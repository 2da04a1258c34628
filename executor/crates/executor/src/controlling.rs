//! What reaches an account from its surroundings and is no command: its lease, the standing kill switches.

use std::collections::BTreeMap;
use std::time::Instant;

use orders::guards::{Code, Refusal};
use orders::{Order, ids};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::account::Account;
use crate::clock::now_ms;
use crate::envelope::Command;
use crate::fact::Fact;
use crate::figures::Figures;
use crate::lease::Lease;
use crate::metrics::{METRICS, Stage};
use crate::standing::{Source, Standing};

pub enum Control {
    Lease(LeaseNews),
    Figures(oneshot::Sender<Figures>),
    /// A kill switch outside of commands has come to stand (`None`: it stands no more).
    Standing(Source, Option<Standing>),
}

pub enum LeaseNews {
    /// `taken_over`: somebody else held it since this journal last did, or before it ever did.
    Taken {
        holder: Uuid,
        epoch: i64,
        taken_over: bool,
    },
    Lost {
        epoch: i64,
    },
    /// Entries may go on that waited for it.
    Held,
}

/// What an account knows of its surroundings.
pub struct Controls {
    pub lease: Lease,
    standing: BTreeMap<Source, Standing>,
    /// Taken over, and not yet reconciled: entries of the former holder are to be cancelled.
    strangers: bool,
    pub stream_ups: u64,
    pub stream_gaps: u64,
    /// Found by reconciliations.
    pub differences: u64,
}

impl Controls {
    pub fn new(lease: Lease) -> Self {
        Self { lease, standing: BTreeMap::new(), strangers: false, stream_ups: 0, stream_gaps: 0, differences: 0 }
    }
}

impl Account {
    pub fn control(&mut self, control: Control) {
        match control {
            Control::Lease(LeaseNews::Taken { holder, epoch, taken_over }) => {
                self.lease_taken(holder, epoch, taken_over)
            }
            Control::Lease(LeaseNews::Held) => self.continue_replacements(),
            Control::Lease(LeaseNews::Lost { epoch }) => self.lease_lost(epoch),
            Control::Figures(reply) => {
                let _ = reply.send(self.figures());
            }
            Control::Standing(source, Some(standing)) => self.stand(source, standing),
            Control::Standing(source, None) => {
                if let Some(standing) = self.controls.standing.remove(&source) {
                    tracing::info!(account = %self.state.account, was = %standing.reason, "a kill switch stands no more; `resume` lifts the kill");
                }
            }
        }
    }

    /// Notes when the command's order has reached the disk.
    pub fn time_the_journal(&mut self, command_id: Uuid) {
        let received = self.waiting.get(&command_id).and_then(|waiters| waiters.first()).map(|waiter| waiter.received);
        if let Some(received) = received {
            self.when_durable(Box::new(move || METRICS.reached(Stage::Journaled, received, Instant::now())));
        }
    }

    /// Why no entry may be sent now, whatever it is.
    pub fn entries_wait(&self) -> Option<Refusal> {
        if !self.ready {
            return Some(Refusal::new(Code::NotReady, "not yet reconciled with the venue: no entries until then"));
        }
        if !self.controls.lease.permits_entries() {
            return Some(Refusal::new(
                Code::NotReady,
                "no lease on the account: the database is away, or another executor trades it",
            ));
        }
        None
    }

    /// An order that the former holder of the account may have had as well: it must not be sent a second time.
    pub fn may_be_done(&self, command: &Command) -> Option<Refusal> {
        (command.issued_at_ms < self.state.taken_over_ms).then(|| {
            let message = "issued before this executor took the account over from another, which may have carried it out: look at the account, and sign a new one";
            Refusal::new(Code::Expired, message)
        })
    }

    /// Why `resume` cannot lift the kill.
    pub fn kill_stands(&self) -> Option<Refusal> {
        let standing = self.controls.standing.values().next()?;
        Some(Refusal::new(Code::Killed, format!("{}: undo that first, then resume", standing.reason)))
    }

    /// No entries, working entries cancelled, protective stops kept; the number of entries. `flatten`: and what is held sold, under
    /// this id and time.
    pub fn set_killed(&mut self, reason: Option<String>, by: Option<String>, flatten: Option<(Uuid, i64)>) -> usize {
        tracing::warn!(account = %self.state.account, reason = reason.as_deref().unwrap_or(""), "the kill switch is set");
        self.record(Fact::Killed { killed: true, reason, by });
        let entries = self.state.working_in(None, Order::is_entry);
        for id in &entries {
            self.cancel(*id, None);
        }
        if let Some((id, issued_at_ms)) = flatten {
            self.begin_flatten(id, issued_at_ms, None);
        }
        entries.len()
    }

    fn stand(&mut self, source: Source, standing: Standing) {
        let by = source.key(&standing);
        // A switch acts once until a `resume`: also over a restart, which finds it still there.
        if !self.state.killed_by.contains(&by) {
            let flatten = standing.flatten.then(|| (ids::kill(self.state.account, &by, now_ms()), now_ms()));
            self.set_killed(Some(standing.reason.clone()), Some(by), flatten);
        }
        self.controls.standing.insert(source, standing);
    }

    fn lease_taken(&mut self, holder: Uuid, epoch: i64, taken_over: bool) {
        self.record(Fact::Lease { holder, epoch, taken_over });
        if taken_over {
            tracing::warn!(account = %self.state.account, epoch, "the account is taken over from another executor");
            self.controls.strangers = true;
            // What it did is not in this journal. Where the stream is not up yet, its coming up does the same.
            self.start_gathering();
        }
    }

    /// Another executor has the account. What it cannot know is taken back: entries whose protection only this journal has. Fills
    /// that come all the same are protected from here.
    fn lease_lost(&mut self, epoch: i64) {
        tracing::error!(account = %self.state.account, epoch, "FENCED: another executor has taken the account over; no entries from here");
        for id in self.state.working_in(None, Order::is_entry) {
            self.cancel(id, None);
        }
    }

    /// After a take-over, once the venue has told what works there: entries of the former holder are cancelled, for nobody here
    /// knows the protection that was asked for with them. Its stops and targets stay.
    pub fn cancel_strangers(&mut self) {
        if !std::mem::take(&mut self.controls.strangers) {
            return;
        }
        let ours = |order: &Order| ids::order_id(&order.client_order_id).is_some();
        for id in self.state.working_in(None, |order| order.is_entry() && ours(order)) {
            if self.state.adopted.contains(&id) {
                tracing::warn!(account = %self.state.account, order = %id, "an entry of the former executor, whose protection is not known here: cancelling it");
                self.cancel(id, None);
            }
        }
    }
}
