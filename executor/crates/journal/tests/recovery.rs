//! What a journal gives back after a crash, damage, or with a second process.

use std::fs;
use std::path::{Path, PathBuf};

use journal::{Journal, OpenError, Recovery, Tail, examine};
use proptest::prelude::*;
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    // Where it is, in memory: what a sync promises is not tested here, and thousands of them on a disk take a minute.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
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

/// Byte at which each record begins, and where the mark behind the last one does.
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
    for content in [b"{\"not\": \"a journal\"}".as_slice(), b"hi", b"SMCJ\x03\0\0\0"] {
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

/// A version 1 file: no marks.
fn version_1(payloads: &[&[u8]]) -> Vec<u8> {
    let mut bytes = b"SMCJ\x01\0\0\0".to_vec();
    for payload in payloads {
        let length = (payload.len() as u32).to_le_bytes();
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&length);
        hasher.update(payload);
        bytes.extend(length);
        bytes.extend(hasher.finalize().to_le_bytes());
        bytes.extend(*payload);
    }
    bytes
}

#[test]
fn a_file_of_version_1_is_read_and_guarded_by_marks_from_then_on() {
    let (_folder, path) = folder();
    fs::write(&path, version_1(&[b"one", b"two"])).unwrap();
    let (mut journal, found, _) = Journal::open(&path).unwrap();
    assert_eq!(found, [b"one", b"two"]);
    assert_eq!(journal.append(b"three").unwrap(), 2);
    drop(journal);
    let (_, found, recovery) = Journal::open(&path).unwrap();
    assert_eq!((found.len(), recovery.torn_bytes), (3, 0));
    let mut bytes = fs::read(&path).unwrap();
    assert_eq!(bytes[4], 2);
    bytes[8 + 8 + 3 + 8] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(matches!(Journal::open(&path), Err(OpenError::Damaged { record: 1, .. })));
}

#[test]
fn damage_in_the_middle_of_a_version_1_file_is_no_torn_tail() {
    let (_folder, path) = folder();
    let mut bytes = version_1(&[b"one", b"two", b"three"]);
    bytes[17] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(Journal::open(&path), Err(OpenError::Damaged { record: 0, offset: 8, next_valid: 19, .. })));
}

#[test]
fn what_no_sync_confirmed_may_be_torn_anywhere() {
    let (_folder, path) = folder();
    let (mut journal, _, _) = Journal::open(&path).unwrap();
    journal.append(b"kept").unwrap();
    journal.sync().unwrap();
    journal.append_batch(&[b"lost", b"here"]).unwrap();
    drop(journal);
    // A power cut: of the unsynced write the second page came to the disk, the first did not.
    let mut bytes = fs::read(&path).unwrap();
    let at = 8 + 12 + 16;
    bytes[at..at + 12].fill(0);
    fs::write(&path, &bytes).unwrap();
    let examined = examine(&path).unwrap();
    assert_eq!((examined.records.len(), examined.unsynced), (1, 0));
    assert_eq!(examined.tail, Tail::Torn { offset: at as u64, bytes: 24 });
    let (_, found, recovery) = Journal::open(&path).unwrap();
    assert_eq!((found, recovery.torn_bytes), (vec![b"kept".to_vec()], 24));
}

#[test]
fn looking_changes_nothing_and_needs_no_lock() {
    let (_folder, path) = folder();
    let (mut journal, _, _) = Journal::open(&path).unwrap();
    journal.append(b"a").unwrap();
    journal.sync().unwrap();
    journal.append(b"bc").unwrap();
    let before = fs::read(&path).unwrap();
    let examined = examine(&path).unwrap();
    assert_eq!(examined.records, [(8, b"a".to_vec()), (8 + 9 + 16, b"bc".to_vec())]);
    assert_eq!((examined.version, examined.marks, examined.unsynced), (2, 1, 1));
    assert_eq!((examined.size, examined.tail), (before.len() as u64, Tail::Whole));
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// A thousand records, synced in groups of one to ten; the byte behind each record, and behind each mark.
fn thousand(path: &PathBuf) -> (Vec<Vec<u8>>, Vec<usize>, Vec<usize>) {
    let payloads: Vec<Vec<u8>> = (0..1000usize).map(|i| vec![i as u8; i * 7 % 17]).collect();
    let (mut journal, _, _) = Journal::open(path).unwrap();
    let (mut records, mut marks, mut at) = (Vec::new(), Vec::new(), 8);
    let mut rest = payloads.as_slice();
    while !rest.is_empty() {
        let (group, others) = rest.split_at((rest.len() * 3 % 10 + 1).min(rest.len()));
        journal.append_batch(group).unwrap();
        journal.sync().unwrap();
        for payload in group {
            at += 8 + payload.len();
            records.push(at);
        }
        at += 16;
        marks.push(at);
        rest = others;
    }
    (payloads, records, marks)
}

#[test]
fn every_truncation_of_a_thousand_records_opens_to_the_whole_records_before_it() {
    let (_folder, path) = folder();
    let (payloads, records, marks) = thousand(&path);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes.len(), *marks.last().unwrap());
    for cut in 8..=bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let whole = records.iter().filter(|&&end| end <= cut).count();
        let kept = records.iter().chain(&marks).filter(|&&end| end <= cut).max().copied().unwrap_or(8);
        let examined = examine(&path).unwrap();
        assert!(examined.records.iter().map(|(_, payload)| payload).eq(&payloads[..whole]), "cut at {cut}");
        let torn = (cut - kept) as u64;
        assert_eq!(
            examined.tail,
            if torn == 0 { Tail::Whole } else { Tail::Torn { offset: kept as u64, bytes: torn } },
            "cut at {cut}"
        );
        // Opening costs a sync each, so not at every byte.
        if cut % 97 == 0 {
            let (_, found, recovery) = Journal::open(&path).unwrap();
            assert!(found == payloads[..whole] && recovery.torn_bytes == torn, "cut at {cut}");
        }
    }
}

#[test]
fn a_bit_flipped_anywhere_in_a_thousand_records_is_named() {
    let (_folder, path) = folder();
    let (payloads, records, _) = thousand(&path);
    let bytes = fs::read(&path).unwrap();
    let last = *records.last().unwrap();
    for at in 8..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(&path, &damaged).unwrap();
        let examined = examine(&path).unwrap();
        let whole = records.iter().filter(|&&end| end <= at).count();
        if at < last {
            assert!(matches!(examined.tail, Tail::Damaged { .. }), "flipped at {at}: {:?}", examined.tail);
        } else {
            // Of the last mark itself: no record is lost.
            assert_eq!((examined.tail, whole), (Tail::Torn { offset: last as u64, bytes: 16 }, payloads.len()));
        }
        assert!(examined.records.iter().map(|(_, payload)| payload).eq(&payloads[..whole]), "flipped at {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_truncation_opens_and_goes_on_from_there(payloads in payloads()) {
        let (_folder, path) = folder();
        write(&path, &payloads);
        let bytes = fs::read(&path).unwrap();
        let starts = boundaries(&payloads);
        for cut in (0..=bytes.len()).step_by(3) {
            fs::write(&path, &bytes[..cut]).unwrap();
            let (mut journal, found, recovery) = Journal::open(&path).unwrap();
            let whole = starts.iter().filter(|&&start| start <= cut).count().saturating_sub(1);
            prop_assert_eq!(&found, &payloads[..whole]);
            let kept = if cut < 8 || cut == bytes.len() { cut } else { starts[whole] };
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
            let before = starts.iter().filter(|&&start| start <= at).count();
            match Journal::open(&path) {
                Err(OpenError::Foreign { .. }) => prop_assert_eq!(before, 0),
                Err(OpenError::Damaged { record, offset, .. }) => {
                    prop_assert!((1..=payloads.len()).contains(&before));
                    prop_assert_eq!((record, offset), (before as u64 - 1, starts[before - 1] as u64));
                    prop_assert_eq!(fs::read(&path).unwrap(), damaged);
                }
                Ok((_, found, recovery)) => {
                    prop_assert!(before > payloads.len(), "only the mark behind the last record may be cut off");
                    prop_assert_eq!((&found, recovery.torn_bytes), (&payloads, 16));
                }
                Err(other) => return Err(TestCaseError::fail(other.to_string())),
            }
        }
    }
}

#[test]
fn a_sync_may_leave_its_mark_to_the_next_write() {
    let (_folder, path) = folder();
    let (mut journal, ..) = Journal::open(&path).unwrap();
    let found = |path: &Path| {
        let examined = examine(path).unwrap();
        (examined.records.len(), examined.marks, examined.unsynced, examined.tail)
    };
    journal.append(b"one").unwrap();
    journal.mark();
    assert_eq!(found(&path), (1, 0, 1, Tail::Whole), "what was not synced gets no mark");
    journal.make_durable().unwrap();
    assert_eq!(found(&path), (1, 0, 1, Tail::Whole));
    journal.append(b"two").unwrap();
    assert_eq!(found(&path), (2, 1, 1, Tail::Whole), "the mark stands between them");
    journal.make_durable().unwrap();
    journal.mark();
    journal.mark();
    journal.sync().unwrap();
    assert_eq!(found(&path), (2, 2, 0, Tail::Whole), "each sync is marked once");
    drop(journal);
    let (_, records, recovery) = Journal::open(&path).unwrap();
    assert_eq!((records, recovery.torn_bytes), (vec![b"one".to_vec(), b"two".to_vec()], 0));
}
