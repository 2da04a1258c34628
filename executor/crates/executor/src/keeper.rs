//! The executor's own line to Postgres for what must not wait behind rows: takes and renews the accounts' leases, and looks at
//! their kill switches twice a second.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use crate::account::Handle;
use crate::controlling::{Control, LeaseNews};
use crate::postgres::{Database, describe};
use crate::standing::{Source, Standing};

const POLL: Duration = Duration::from_millis(500);
/// A database that does not answer within this time is taken to be away.
const PATIENCE: Duration = Duration::from_secs(3);

const TAKE: &str = "select new_epoch, taken_over from private.take_lease($1, $2, $3)";
const RENEW: &str = "select private.renew_lease($1, $2, $3)";
const RELEASE: &str = "select private.release_lease($1, $2)";
const SWITCHES: &str = "select id, kill_switch from public.portfolios where id = any($1) and kill_switch is not null";

/// An account whose lease is kept.
struct Kept {
    handle: Handle,
    /// Under which the lease is taken: the journal's, so that a restart takes up its own at once.
    holder: Uuid,
    renewed: Option<Instant>,
    was_permitted: bool,
    stood_aside: bool,
    switch: Option<Standing>,
}

pub struct Keeper {
    database: Arc<Database>,
    accounts: Vec<Kept>,
}

struct Statements {
    take: Statement,
    renew: Statement,
    switches: Statement,
}

/// What went wrong, in words.
type Away = String;

impl Keeper {
    /// `holders`: of each account's journal, if it has held a lease before.
    pub fn new(database: Arc<Database>, accounts: &[Handle], holders: &HashMap<Uuid, Uuid>) -> Self {
        let keep = |handle: &Handle| Kept {
            handle: handle.clone(),
            holder: holders.get(&handle.id).copied().unwrap_or_else(Uuid::new_v4),
            renewed: None,
            was_permitted: true,
            stood_aside: false,
            switch: None,
        };
        Self { database, accounts: accounts.iter().map(keep).collect() }
    }

    /// Runs until it is dropped.
    pub async fn run(mut self) {
        loop {
            if let Err(reason) = self.keep().await {
                tracing::debug!(%reason, "leases cannot be renewed and kill switches not be read");
            }
            self.tell_of_lapses();
            tokio::time::sleep(POLL).await;
        }
    }

    async fn keep(&mut self) -> Result<(), Away> {
        let client = soon(self.database.connect()).await?;
        let statements = Statements {
            take: soon(client.prepare(TAKE)).await?,
            renew: soon(client.prepare(RENEW)).await?,
            switches: soon(client.prepare(SWITCHES)).await?,
        };
        loop {
            self.look_at_switches(&client, &statements).await?;
            for kept in &mut self.accounts {
                kept.renew(&client, &statements).await?;
            }
            self.tell_of_lapses();
            tokio::time::sleep(POLL).await;
        }
    }

    async fn look_at_switches(&mut self, client: &Client, statements: &Statements) -> Result<(), Away> {
        let ids: Vec<Uuid> = self.accounts.iter().map(|kept| kept.handle.id).collect();
        let set: HashMap<Uuid, bool> = soon(client.query(&statements.switches, &[&ids]))
            .await?
            .iter()
            .map(|row| (row.get(0), row.get::<_, &str>(1) == "flatten"))
            .collect();
        for kept in &mut self.accounts {
            let now = set.get(&kept.handle.id).map(|flatten| Standing {
                reason: "kill_switch is set in the portfolio's row".into(),
                flatten: *flatten,
            });
            if now != kept.switch {
                kept.switch.clone_from(&now);
                kept.handle.control(Control::Standing(Source::Row, now));
            }
        }
        Ok(())
    }

    /// Says once when an account's entries begin to wait for the database, and when they need not any more.
    fn tell_of_lapses(&mut self) {
        for kept in &mut self.accounts {
            let permitted = kept.handle.lease.permits_entries();
            if kept.was_permitted && !permitted && !kept.stood_aside {
                tracing::warn!(account = %kept.handle.id, "no lease: entries wait until the database gives it; protection, exits and cancels go on");
            } else if !kept.was_permitted && permitted {
                tracing::info!(account = %kept.handle.id, epoch = kept.handle.lease.epoch(), "the lease is held");
                kept.handle.control(Control::Lease(LeaseNews::Held));
            }
            kept.was_permitted = permitted;
        }
    }
}

impl Kept {
    async fn renew(&mut self, client: &Client, statements: &Statements) -> Result<(), Away> {
        let lease = &self.handle.lease;
        if !lease.is_needed() {
            return Ok(());
        }
        let (id, asked) = (self.handle.id, Instant::now());
        let seconds = i32::try_from(lease.duration().as_secs()).unwrap_or(i32::MAX);
        if let Some(epoch) = lease.epoch() {
            if self.renewed.is_some_and(|renewed| renewed.elapsed() < lease.renewal()) {
                return Ok(());
            }
            let still: bool = soon(client.query_one(&statements.renew, &[&id, &epoch, &seconds])).await?.get(0);
            if still {
                lease.hold(epoch, asked);
                self.renewed = Some(asked);
                return Ok(());
            }
            lease.lose();
            self.handle.control(Control::Lease(LeaseNews::Lost { epoch }));
        }
        match soon(client.query_opt(&statements.take, &[&id, &self.holder, &seconds])).await? {
            Some(row) => {
                let (epoch, taken_over) = (row.get(0), row.get(1));
                // Before the account's task can permit itself anything: what it must look at first.
                self.handle.control(Control::Lease(LeaseNews::Taken { holder: self.holder, epoch, taken_over }));
                self.handle.lease.hold(epoch, asked);
                (self.renewed, self.stood_aside) = (Some(asked), false);
            }
            None if !self.stood_aside => {
                tracing::warn!(account = %id, "another executor holds the lease of this account; standing by");
                self.stood_aside = true;
            }
            None => {}
        }
        Ok(())
    }
}

/// At a clean stop: another executor need not wait for the leases' end.
pub async fn release(database: &Database, accounts: &[Handle]) {
    let held: Vec<(Uuid, i64)> =
        accounts.iter().filter_map(|handle| Some((handle.id, handle.lease.epoch()?))).collect();
    accounts.iter().for_each(|handle| handle.lease.lose());
    let released = async {
        let client = soon(database.connect()).await?;
        for (account, epoch) in &held {
            soon(client.execute(RELEASE, &[account, epoch])).await?;
        }
        Ok::<(), Away>(())
    };
    if !held.is_empty()
        && let Err(reason) = released.await
    {
        tracing::debug!(%reason, "the leases could not be released; they end by themselves");
    }
}

async fn soon<T>(asked: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Away> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer.map_err(|error| describe(&error)),
        Err(_) => Err("no answer in time".into()),
    }
}
