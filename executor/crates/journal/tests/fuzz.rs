//! Journals from anybody: opened, refused, or cut, but never a panic, and never read differently a second time.

use std::fs;
use std::path::Path;

use journal::{Journal, Tail, examine};

fn corpus(path: &Path) -> Vec<Vec<u8>> {
    let mut files = vec![b"SMCJ\x01\0\0\0".to_vec(), b"SMCJ".to_vec(), Vec::new()];
    for payloads in [vec![b"a".to_vec()], vec![vec![], vec![0; 40], b"SMCJ\x02\0\0\0".to_vec()], vec![vec![7; 300]; 6]]
    {
        let _ = fs::remove_file(path);
        let (mut journal, _, _) = Journal::open(path).unwrap();
        for (n, payload) in payloads.iter().enumerate() {
            journal.append(payload).unwrap();
            if n % 2 == 0 {
                journal.sync().unwrap();
            }
        }
        drop(journal);
        let file = fs::read(path).unwrap();
        // A journal in a journal: its records and marks must not be taken for the outer one's.
        let (mut outer, _, _) = Journal::open(path).unwrap();
        outer.append(&file).unwrap();
        drop(outer);
        files.extend([file, fs::read(path).unwrap()]);
    }
    files
}

#[test]
fn fuzz_any_bytes_are_read_the_same_twice_or_refused() {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let path = folder.path().join("journal");
    let files = corpus(&path);
    fuzzing::run("journal", &files, |bytes| {
        fs::write(&path, bytes).unwrap();
        let looked = examine(&path);
        match Journal::open(&path) {
            Ok((mut journal, records, recovery)) => {
                if let Ok(looked) = &looked {
                    assert!(looked.records.iter().map(|(_, payload)| payload).eq(&records));
                    assert!(!matches!(looked.tail, Tail::Damaged { .. }));
                    assert_eq!(looked.size - recovery.torn_bytes, looked_end(looked));
                }
                journal.append(b"next").unwrap();
                drop(journal);
                let (_, again, recovery) = Journal::open(&path).unwrap();
                assert_eq!(again.len(), records.len() + 1);
                assert!(again.starts_with(&records) && again.ends_with(&[b"next".to_vec()]));
                assert_eq!(recovery.torn_bytes, 0);
                format!("{} records, torn {}", records.len(), recovery.records)
            }
            Err(error) => {
                assert_eq!(fs::read(&path).unwrap(), bytes, "what is refused is not changed");
                format!("{error:?}").split_once('{').map_or_else(String::new, |(kind, _)| kind.to_owned())
            }
        }
    });
}

fn looked_end(looked: &journal::Examined) -> u64 {
    match looked.tail {
        Tail::Whole => looked.size,
        Tail::Torn { offset, .. } | Tail::Damaged { offset, .. } => offset,
    }
}
