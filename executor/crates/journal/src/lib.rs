//! An append-only file of records that survives a crash at any instruction.
//!
//! A file is an 8-byte header (`SMCJ`, version) and then records: length (u32), CRC-32 of length and payload (u32),
//! payload; integers little-endian. What [`Journal::append`] wrote is durable once [`Journal::sync`] has returned.
//!
//! On open, a torn tail (a last record that is not whole, with nothing valid behind it) is cut off and reported.
//! Damage with valid records behind it is not what a crash leaves, so it is an error and the file is not touched.

mod format;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

pub use format::MAX_PAYLOAD;
use format::{HEADER, Scan, push_record, scan};

/// Why a journal did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("journal {path}: {source}; check that the folder exists and that this user may write in it")]
    Io { path: PathBuf, source: io::Error },
    #[error("journal {path}: another process has it open; stop that process first, or name another file")]
    Locked { path: PathBuf },
    #[error(
        "journal {path}: not a journal of this version (its first 8 bytes differ); name another file, or move it away"
    )]
    Foreign { path: PathBuf },
    #[error(
        "journal {path}: damaged at byte {offset}, with valid records from byte {next_valid} on, so this is not a torn \
         tail; nothing was changed: restore the file from a backup"
    )]
    Damaged { path: PathBuf, offset: u64, next_valid: u64 },
}

/// What opening found: whole records, and the bytes of a torn tail that were cut off (0 after a clean stop).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    pub records: u64,
    pub torn_bytes: u64,
}

/// The writer of one journal; holds the file's exclusive lock until dropped.
#[derive(Debug)]
pub struct Journal {
    file: File,
    /// Byte behind the last whole record.
    end: u64,
    records: u64,
    state: State,
    buffer: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Clean,
    /// A failed write may have left bytes behind `end`; they are cut off before the next write.
    Tail,
    /// A failed sync: the kernel may have dropped what it could not write, so only a re-open tells the truth.
    Poisoned,
}

impl Journal {
    /// Opens or creates the journal at `path` (mode 0600), takes its lock, and returns every whole record.
    ///
    /// # Errors
    /// [`OpenError`]: no access, locked by another process, not a journal, or damaged in the middle.
    pub fn open(path: impl AsRef<Path>) -> Result<(Self, Vec<Vec<u8>>, Recovery), OpenError> {
        let path = path.as_ref();
        let io = |source| OpenError::Io { path: path.to_owned(), source };
        let mut file = open_private(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;

        let (payloads, end) = if bytes.len() < HEADER.len() && HEADER.starts_with(&bytes) {
            create(&mut file, path).map_err(io)?;
            (Vec::new(), HEADER.len())
        } else if bytes.starts_with(&HEADER) {
            match scan(&bytes) {
                Scan::Whole { payloads, end } => (payloads, end),
                Scan::Damaged { offset, next_valid } => {
                    return Err(OpenError::Damaged {
                        path: path.to_owned(),
                        offset: offset as u64,
                        next_valid: next_valid as u64,
                    });
                }
            }
        } else {
            return Err(OpenError::Foreign { path: path.to_owned() });
        };

        let torn_bytes = bytes.len().saturating_sub(end) as u64;
        let end = end as u64;
        if torn_bytes > 0 {
            file.set_len(end).and_then(|()| file.sync_data()).map_err(io)?;
        }
        file.seek(SeekFrom::Start(end)).map_err(io)?;
        let records = payloads.len() as u64;
        let journal = Self { file, end, records, state: State::Clean, buffer: Vec::new() };
        Ok((journal, payloads, Recovery { records, torn_bytes }))
    }

    /// Writes one record and returns its number, counted from 0; durable only after [`Journal::sync`].
    ///
    /// # Errors
    /// The write's error (a full disk, a payload over [`MAX_PAYLOAD`]): then the file still ends with the last whole
    /// record and the call may be repeated.
    pub fn append(&mut self, payload: &[u8]) -> io::Result<u64> {
        self.append_batch(&[payload])
    }

    /// Writes all records or none, in one write, and returns the number of the first.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn append_batch<P: AsRef<[u8]>>(&mut self, payloads: &[P]) -> io::Result<u64> {
        self.make_writable()?;
        self.buffer.clear();
        for payload in payloads {
            push_record(&mut self.buffer, payload.as_ref())?;
        }
        self.state = State::Tail;
        if let Err(error) = self.file.write_all(&self.buffer) {
            // Should cutting fail as well, the next append tries it again.
            let _ = self.make_writable();
            return Err(error);
        }
        self.state = State::Clean;
        self.end += self.buffer.len() as u64;
        let first = self.records;
        self.records += payloads.len() as u64;
        Ok(first)
    }

    /// Makes everything appended so far durable (`fdatasync`).
    ///
    /// # Errors
    /// The sync's error; from then on every call fails, because what the disk holds is unknown until a re-open.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.state == State::Poisoned {
            return Err(poisoned());
        }
        self.file.sync_data().inspect_err(|_| self.state = State::Poisoned)
    }

    /// Records in the file.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    fn make_writable(&mut self) -> io::Result<()> {
        match self.state {
            State::Clean => Ok(()),
            State::Poisoned => Err(poisoned()),
            State::Tail => {
                self.file.set_len(self.end)?;
                self.file.seek(SeekFrom::Start(self.end))?;
                self.state = State::Clean;
                Ok(())
            }
        }
    }
}

fn poisoned() -> io::Error {
    io::Error::other("an earlier sync of the journal failed, so what the disk holds is unknown; restart to re-read it")
}

fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn create(file: &mut File, path: &Path) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&HEADER)?;
    file.sync_data()?;
    // The new name must survive as well.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
