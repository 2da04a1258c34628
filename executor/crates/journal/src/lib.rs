//! An append-only file of records that survives a crash at any instruction.
//!
//! A file is an 8-byte header (`SMCJ`, version) and then records: length (u32), CRC-32 of length and payload (u32),
//! payload; integers little-endian. What [`Journal::append`] wrote is durable once [`Journal::sync`] has returned.
//! A sync that succeeded leaves a mark of 16 bytes behind the last record (not synced itself): what stands before a mark was on
//! the disk. [`Journal::make_durable`] leaves it to the next write, so that nobody waits for a second one.
//!
//! On open, bytes that are no record and that no mark stands behind are a torn tail, what a crash leaves: cut off and reported.
//! With a mark behind them they were on the disk once, so they are damage, the last record's too: an error, and the file is not
//! touched. What no file can show is that its end is missing altogether.

mod format;
mod reading;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use format::{HEADER, HEADER_V1, mark, push_record, scan};
pub use format::{MAX_PAYLOAD, Tail};
pub use reading::{Examined, examine};

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
        "journal {path}: record {record} at byte {offset} is damaged: it was on the disk before, so this is not a torn \
         tail (valid again from byte {next_valid}); nothing was changed: restore the file from a backup"
    )]
    Damaged { path: PathBuf, record: u64, offset: u64, next_valid: u64 },
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
    /// Byte behind the last whole record or mark.
    end: u64,
    /// The same when the last mark was written, and when the last sync returned.
    marked: u64,
    synced: u64,
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

        if bytes.len() < HEADER.len() && (HEADER.starts_with(&bytes) || HEADER_V1.starts_with(&bytes)) {
            create(&mut file, path).map_err(io)?;
            let end = HEADER.len() as u64;
            let journal =
                Self { file, end, marked: end, synced: end, records: 0, state: State::Clean, buffer: Vec::new() };
            return Ok((journal, Vec::new(), Recovery { records: 0, torn_bytes: 0 }));
        }
        if !bytes.starts_with(&HEADER) && !bytes.starts_with(&HEADER_V1) {
            return Err(OpenError::Foreign { path: path.to_owned() });
        }
        let scan = scan(&bytes);
        let records = scan.records.len() as u64;
        let torn_bytes = match scan.tail {
            Tail::Whole => 0,
            Tail::Torn { bytes, .. } => bytes,
            Tail::Damaged { offset, next_valid } => {
                return Err(OpenError::Damaged { path: path.to_owned(), record: records, offset, next_valid });
            }
        };
        let end = scan.end as u64;
        if torn_bytes > 0 {
            file.set_len(end).map_err(io)?;
        }
        file.seek(SeekFrom::Start(end)).map_err(io)?;
        let payloads = scan.records.into_iter().map(|(_, payload)| payload.to_vec()).collect();
        let marked = if scan.unsynced == 0 { end } else { 0 };
        let mut journal = Self { file, end, marked, synced: 0, records, state: State::Clean, buffer: Vec::new() };
        // What was read is built upon: it goes to the disk, and the mark says so.
        journal.sync().map_err(io)?;
        if bytes.starts_with(&HEADER_V1) {
            journal.raise_version().map_err(io)?;
        }
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
        let marks = self.owes_mark();
        if marks {
            self.buffer.extend_from_slice(&mark(self.end));
        }
        let mark_end = self.end + self.buffer.len() as u64;
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
        if marks {
            self.marked = mark_end;
        }
        let first = self.records;
        self.records += payloads.len() as u64;
        Ok(first)
    }

    /// Makes everything appended so far durable (`fdatasync`), and marks it.
    ///
    /// # Errors
    /// The sync's error; from then on every call fails, because what the disk holds is unknown until a re-open.
    pub fn sync(&mut self) -> io::Result<()> {
        self.make_durable()?;
        self.mark();
        Ok(())
    }

    /// [`Journal::sync`] without its mark: that comes with the next write, or with [`Journal::mark`].
    ///
    /// # Errors
    /// As [`Journal::sync`].
    pub fn make_durable(&mut self) -> io::Result<()> {
        if self.state == State::Poisoned {
            return Err(poisoned());
        }
        self.file.sync_data().inspect_err(|_| self.state = State::Poisoned)?;
        self.synced = self.end;
        Ok(())
    }

    /// Writes down that everything so far is on the disk, if it is. Should there be no room, the records are there all the same.
    pub fn mark(&mut self) {
        if self.owes_mark() {
            let _ = self.append_batch::<&[u8]>(&[]);
        }
    }

    fn owes_mark(&self) -> bool {
        self.synced == self.end && self.marked != self.end
    }

    fn raise_version(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&HEADER)?;
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.sync_data()
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
