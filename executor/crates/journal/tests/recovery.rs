//! What a journal gives back after a crash, damage, or with a second process.

use std::fs;
use std::path::PathBuf;

use journal::{Journal, OpenError, Recovery};
use proptest::prelude::*;
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    (folder, path)
}

fn write(path: &PathBuf, payloads: &[Vec<u8>]) {
    let (mut journal, _, _) = Journal::open(path).unwrap();
    for payload in payloads {
        journal.append(payload).unwrap();
    }
    journal.sync().unwrap();
}

/// Byte at which each record begins, and the end of the file.
fn boundaries(payloads: &[Vec<u8>]) -> Vec<usize> {
    let mut at = vec![8];
    for payload in payloads {
        at.push(at[at.len() - 1] + 8 + payload.len());
    }
    at
}

fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..8)
}

#[test]
fn appended_records_come_back_in_order_and_numbering_continues() {
    let (_folder, path) = folder();
    let (mut journal, found, recovery) = Journal::open(&path).unwrap();
    assert_eq!((found.len(), recovery), (0, Recovery { records: 0, torn_bytes: 0 }));
    assert_eq!(journal.append(b"a").unwrap(), 0);
    assert_eq!(journal.append_batch(&[b"b".as_slice(), b""]).unwrap(), 1);
    assert_eq!(journal.append(b"d").unwrap(), 3);
    journal.sync().unwrap();
    drop(journal);

    let (mut journal, found, recovery) = Journal::open(&path).unwrap();
    assert_eq!(found, [b"a".to_vec(), b"b".to_vec(), vec![], b"d".to_vec()]);
    assert_eq!(recovery, Recovery { records: 4, torn_bytes: 0 });
    assert_eq!(journal.append(b"e").unwrap(), 4);
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let (_folder, path) = folder();
    let first = Journal::open(&path).unwrap();
    assert!(matches!(Journal::open(&path), Err(OpenError::Locked { .. })));
    drop(first);
    Journal::open(&path).unwrap();
}

#[test]
fn a_foreign_file_is_refused_and_left_as_it_was() {
    for content in [b"{\"not\": \"a journal\"}".as_slice(), b"hi", b"SMCJ\x02\0\0\0"] {
        let (_folder, path) = folder();
        fs::write(&path, content).unwrap();
        assert!(matches!(Journal::open(&path), Err(OpenError::Foreign { .. })), "{content:?}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn a_missing_folder_is_named() {
    let (folder, _) = folder();
    let error = Journal::open(folder.path().join("nowhere/journal")).unwrap_err().to_string();
    assert!(error.contains("nowhere/journal") && error.contains("folder exists"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_new_journal_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = folder();
    drop(Journal::open(&path).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_truncation_opens_to_the_whole_records_before_it(payloads in payloads()) {
        let (_folder, path) = folder();
        write(&path, &payloads);
        let bytes = fs::read(&path).unwrap();
        let starts = boundaries(&payloads);
        for cut in 0..=bytes.len() {
            fs::write(&path, &bytes[..cut]).unwrap();
            let (mut journal, found, recovery) = Journal::open(&path).unwrap();
            let whole = starts.iter().filter(|&&start| start <= cut).count().saturating_sub(1);
            prop_assert_eq!(&found, &payloads[..whole]);
            let kept = if cut < 8 { cut } else { starts[whole] };
            prop_assert_eq!(recovery.torn_bytes, (cut - kept) as u64);
            // What is written after the cut stands where the torn bytes were.
            journal.append(b"next").unwrap();
            drop(journal);
            let (_, found, recovery) = Journal::open(&path).unwrap();
            prop_assert_eq!(found.last().unwrap().as_slice(), b"next");
            prop_assert_eq!((found.len(), recovery.torn_bytes), (whole + 1, 0));
        }
    }

    #[test]
    fn a_flipped_bit_is_never_read_as_data(payloads in payloads(), bit in 0..8u8) {
        let (_folder, path) = folder();
        write(&path, &payloads);
        let bytes = fs::read(&path).unwrap();
        let starts = boundaries(&payloads);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            fs::write(&path, &damaged).unwrap();
            let record = starts.iter().filter(|&&start| start <= at).count();
            match Journal::open(&path) {
                Err(OpenError::Foreign { .. }) => prop_assert_eq!(record, 0),
                Err(OpenError::Damaged { offset, .. }) => {
                    prop_assert!(record < payloads.len(), "the last record's damage is a torn tail");
                    prop_assert_eq!(offset, starts[record - 1] as u64);
                    prop_assert_eq!(fs::read(&path).unwrap(), damaged);
                }
                Ok((_, found, recovery)) => {
                    prop_assert_eq!(record, payloads.len(), "damage before the last record must be an error");
                    prop_assert_eq!(&found, &payloads[..record - 1]);
                    prop_assert!(recovery.torn_bytes > 0);
                }
                Err(other) => return Err(TestCaseError::fail(other.to_string())),
            }
        }
    }
}
