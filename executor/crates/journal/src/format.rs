//! The bytes of a journal: pure, no file.

use std::io;

/// Largest payload of one record, in bytes.
pub const MAX_PAYLOAD: usize = 16 * 1024 * 1024;

/// Magic and version.
pub(crate) const HEADER: [u8; 8] = *b"SMCJ\x01\0\0\0";

/// Length and CRC before each payload.
const PREFIX: usize = 8;

pub(crate) enum Scan {
    /// Every whole record; bytes from `end` on are a torn tail.
    Whole {
        payloads: Vec<Vec<u8>>,
        end: usize,
    },
    Damaged {
        offset: usize,
        next_valid: usize,
    },
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

pub(crate) fn scan(bytes: &[u8]) -> Scan {
    let mut payloads = Vec::new();
    let mut offset = HEADER.len();
    while let Some(payload) = record_at(bytes, offset) {
        payloads.push(payload.to_vec());
        offset += PREFIX + payload.len();
    }
    match (offset + 1..bytes.len()).find(|&later| record_at(bytes, later).is_some()) {
        Some(next_valid) => Scan::Damaged { offset, next_valid },
        None => Scan::Whole { payloads, end: offset },
    }
}

fn record_at(bytes: &[u8], offset: usize) -> Option<&[u8]> {
    let rest = bytes.get(offset..)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let size = u32::from_le_bytes(*length) as usize;
    if size > MAX_PAYLOAD {
        return None;
    }
    let payload = rest.get(..size)?;
    (checksum(*length, payload) == u32::from_le_bytes(*crc)).then_some(payload)
}

/// Covers the length too, so that a run of zeros is no record.
fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}
