//! Kill switches that are no command but a state of the world: a file, a row, the controller's silence. While one stands, the account
//! is killed and no `resume` lifts it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::account::Handle;
use crate::controlling::Control;

const POLL: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Source {
    File,
    Row,
    DeadMan,
}

impl Source {
    /// As the journal has it: one that flattens is another switch than one that does not.
    pub fn key(self, standing: &Standing) -> String {
        let name = match self {
            Self::File => "file",
            Self::Row => "row",
            Self::DeadMan => "dead_man",
        };
        format!("{name}{}", if standing.flatten { ":flatten" } else { "" })
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    pub reason: String,
    /// Also sell what is held.
    pub flatten: bool,
}

/// Tells the accounts when the file comes and goes. Its presence kills, whatever is in it; `flatten` in it flattens too.
pub async fn watch_file(path: PathBuf, accounts: Vec<Handle>) {
    let mut before = None;
    loop {
        let path = path.clone();
        let now = tokio::task::spawn_blocking(move || read(&path)).await.unwrap_or_default();
        if now != before {
            tell(&accounts, Source::File, now.as_ref());
            before = now;
        }
        tokio::time::sleep(POLL).await;
    }
}

fn read(path: &Path) -> Option<Standing> {
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(64).read_to_string(&mut text));
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        // Unreadable is there: who made it wanted to stop trading.
        _ => Some(Standing {
            reason: format!("the file {} is there", path.display()),
            flatten: text.trim() == "flatten",
        }),
    }
}

/// When the controller was last heard.
#[derive(Clone)]
pub struct Heartbeat {
    start: Instant,
    last_ms: Arc<AtomicU64>,
}

impl Heartbeat {
    pub fn new() -> Self {
        Self { start: Instant::now(), last_ms: Arc::default() }
    }

    pub fn beat(&self) {
        self.last_ms.store(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub fn silence(&self) -> Duration {
        self.start.elapsed().saturating_sub(Duration::from_millis(self.last_ms.load(Ordering::Relaxed)))
    }
}

/// Tells the accounts when the controller has been silent for longer than `limit`, from the start on.
pub async fn watch_heartbeat(heartbeat: Heartbeat, limit: Duration, accounts: Vec<Handle>) {
    let mut was_silent = false;
    loop {
        let is_silent = heartbeat.silence() > limit;
        if is_silent != was_silent {
            let reason = format!("dead man: no heartbeat of the controller for {} s", limit.as_secs());
            tell(&accounts, Source::DeadMan, is_silent.then_some(Standing { reason, flatten: false }).as_ref());
            was_silent = is_silent;
        }
        tokio::time::sleep(POLL.min(limit / 4)).await;
    }
}

fn tell(accounts: &[Handle], source: Source, standing: Option<&Standing>) {
    for handle in accounts {
        handle.control(Control::Standing(source, standing.cloned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_kills_by_being_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("KILL");
        assert_eq!(read(&path), None);
        for (content, flatten) in [("", false), ("kill", false), (" flatten\n", true), ("flatten everything", false)] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(read(&path).map(|standing| standing.flatten), Some(flatten), "{content:?}");
        }
        std::fs::write(&path, [0xff; 100]).unwrap();
        assert_eq!(read(&path).map(|standing| standing.flatten), Some(false));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(read(&path).is_some(), "unreadable is there");
    }
}
