//! Drain: when everything that the venue has said so far has been reacted to (decision 2).

use tokio::sync::oneshot;

use crate::account::Account;
use crate::snapshot::Snapshot;

pub struct DrainWait {
    pub reply: oneshot::Sender<Snapshot>,
    /// What had happened when the last ping was sent, and its number.
    pub pinged: Option<(u64, u64)>,
}

impl Account {
    pub fn ponged(&mut self, number: u64) {
        let quiet = self.in_flight == 0 && self.batch.is_empty();
        let (done, waiting) = std::mem::take(&mut self.drains)
            .into_iter()
            .partition::<Vec<_>, _>(|drain| quiet && drain.pinged == Some((self.activity, number)));
        self.drains = waiting;
        for drain in &mut self.drains {
            if drain.pinged.is_some_and(|(_, pinged)| pinged == number) {
                drain.pinged = None;
            }
        }
        if !done.is_empty() {
            let snapshot = self.snapshot();
            for drain in done {
                let _ = drain.reply.send(snapshot.clone());
            }
        }
    }

    /// Sends the next ping for each drain that waits for one, once no reaction is in flight.
    pub fn answer_drains(&mut self) {
        if self.in_flight > 0 || !self.stream_up || !self.ready {
            return;
        }
        for drain in self.drains.iter_mut().filter(|drain| drain.pinged.is_none()) {
            self.next_ping += 1;
            drain.pinged = Some((self.activity, self.next_ping));
            let _ = self.pings.send(self.next_ping);
        }
    }
}
