//! A journal looked at without opening it for writing: no lock, nothing changed.

use std::fs;
use std::path::Path;

use crate::OpenError;
use crate::format::{HEADER, HEADER_V1, Tail, scan};

/// A journal file as it stands.
#[derive(Debug)]
pub struct Examined {
    pub version: u8,
    /// Byte at which each whole record begins, and its payload.
    pub records: Vec<(u64, Vec<u8>)>,
    /// Syncs that left their mark.
    pub marks: u64,
    /// Records behind the last mark: written, and not known to have reached the disk.
    pub unsynced: u64,
    /// Bytes.
    pub size: u64,
    pub tail: Tail,
}

/// Reads the journal at `path`. A program that has it open may be in the middle of a write: its last record then looks torn.
///
/// # Errors
/// [`OpenError::Io`] and [`OpenError::Foreign`]; damage is reported in the result.
pub fn examine(path: impl AsRef<Path>) -> Result<Examined, OpenError> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    if !bytes.starts_with(&HEADER) && !bytes.starts_with(&HEADER_V1) {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    let scan = scan(&bytes);
    let records = scan.records.into_iter().map(|(offset, payload)| (offset, payload.to_vec())).collect();
    Ok(Examined {
        version: bytes[4],
        records,
        marks: scan.marks,
        unsynced: scan.unsynced,
        size: bytes.len() as u64,
        tail: scan.tail,
    })
}
