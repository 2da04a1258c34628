//! The bytes of a journal: pure, no file.

use std::io;

/// Largest payload of one record, in bytes.
pub const MAX_PAYLOAD: usize = 16 * 1024 * 1024;

/// Magic and version.
pub(crate) const HEADER: [u8; 8] = *b"SMCJ\x02\0\0\0";
/// Version 1 had no marks; it is read, and gets one at its end and this version's header when it is opened for writing.
pub(crate) const HEADER_V1: [u8; 8] = *b"SMCJ\x01\0\0\0";

/// Length and CRC before each payload.
const PREFIX: usize = 8;
/// In the place of a length: a sync mark. Its payload is the offset at which it stands, so none is found where none was written.
const MARK: u32 = 0x8000_0008;
const MARK_SIZE: usize = PREFIX + 8;

/// What a journal's bytes hold, up to the first that are no record.
pub(crate) struct Scan<'a> {
    /// Byte at which each record begins, and its payload.
    pub records: Vec<(u64, &'a [u8])>,
    pub marks: u64,
    /// Of the records, those that no mark stands behind.
    pub unsynced: u64,
    /// Byte behind the last whole record or mark.
    pub end: usize,
    pub tail: Tail,
}

/// What stands behind the last whole record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    Whole,
    /// Bytes that no sync had confirmed: what a crash leaves of a write.
    Torn { offset: u64, bytes: u64 },
    /// Bytes that a sync had confirmed, and that have changed since. `next_valid`: where a record can be read again.
    Damaged { offset: u64, next_valid: u64 },
}

enum Item<'a> {
    Record(&'a [u8]),
    Mark,
}

impl Item<'_> {
    fn size(&self) -> usize {
        match self {
            Self::Record(payload) => PREFIX + payload.len(),
            Self::Mark => MARK_SIZE,
        }
    }
}

pub(crate) fn push_record(out: &mut Vec<u8>, payload: &[u8]) -> io::Result<()> {
    if payload.len() > MAX_PAYLOAD {
        let message = format!("a record of {} bytes; at most {MAX_PAYLOAD} fit", payload.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let length = (payload.len() as u32).to_le_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(length, payload).to_le_bytes());
    out.extend_from_slice(payload);
    Ok(())
}

/// The mark that stands at byte `offset`.
pub(crate) fn mark(offset: u64) -> [u8; MARK_SIZE] {
    let (length, payload) = (MARK.to_le_bytes(), offset.to_le_bytes());
    let mut bytes = [0; MARK_SIZE];
    bytes[..4].copy_from_slice(&length);
    bytes[4..PREFIX].copy_from_slice(&checksum(length, &payload).to_le_bytes());
    bytes[PREFIX..].copy_from_slice(&payload);
    bytes
}

/// `bytes` with their header, which must be one of ours.
pub(crate) fn scan(bytes: &[u8]) -> Scan<'_> {
    let (mut records, mut marks, mut unsynced, mut end) = (Vec::new(), 0, 0, HEADER.len());
    while let Some(item) = item_at(bytes, end) {
        match item {
            Item::Record(payload) => {
                records.push((end as u64, payload));
                unsynced += 1;
            }
            Item::Mark => {
                marks += 1;
                unsynced = 0;
            }
        }
        end += item.size();
    }
    Scan { records, marks, unsynced, end, tail: tail(bytes, end) }
}

fn tail(bytes: &[u8], end: usize) -> Tail {
    if end >= bytes.len() {
        return Tail::Whole;
    }
    let offset = end as u64;
    let next_valid = (end + 1..bytes.len()).find(|&later| item_at(bytes, later).is_some());
    let was_synced = if bytes.starts_with(&HEADER_V1) {
        next_valid.is_some()
    } else {
        // Records of one write reach the disk in any order, so a whole one behind the damage proves nothing; a mark does.
        next_valid.is_some_and(|from| (from..bytes.len()).any(|at| matches!(item_at(bytes, at), Some(Item::Mark))))
    };
    match next_valid.filter(|_| was_synced) {
        Some(next_valid) => Tail::Damaged { offset, next_valid: next_valid as u64 },
        None => Tail::Torn { offset, bytes: (bytes.len() - end) as u64 },
    }
}

fn item_at(bytes: &[u8], offset: usize) -> Option<Item<'_>> {
    let rest = bytes.get(offset..)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let is_mark = u32::from_le_bytes(*length) == MARK;
    let size = if is_mark { MARK_SIZE - PREFIX } else { u32::from_le_bytes(*length) as usize };
    if size > MAX_PAYLOAD {
        return None;
    }
    let payload = rest.get(..size)?;
    if checksum(*length, payload) != u32::from_le_bytes(*crc) {
        return None;
    }
    if is_mark { (payload == (offset as u64).to_le_bytes()).then_some(Item::Mark) } else { Some(Item::Record(payload)) }
}

/// Covers the length too, so that a run of zeros is no record.
fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}
