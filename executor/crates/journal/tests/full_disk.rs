//! A full disk fails the append and costs nothing that was written before.
//!
//! In a file of its own: a fork in one test would hold, for a moment, the journals' locks of another.

#![cfg(unix)]

use std::process::Command;

use journal::Journal;

/// The child's half of `a_full_disk_leaves_the_last_whole_record`: runs under a file size limit of 8 KiB.
#[test]
#[ignore = "started by a_full_disk_leaves_the_last_whole_record"]
fn fill_the_disk() {
    let path = std::env::var("JOURNAL_UNDER_LIMIT").unwrap();
    let (mut journal, _, _) = Journal::open(path).unwrap();
    journal.append(&[1; 3000]).unwrap();
    journal.append(&[2; 3000]).unwrap();
    journal.append(&[3; 3000]).unwrap_err();
    journal.append_batch(&[vec![4; 10], vec![5; 3000]]).unwrap_err();
    assert_eq!(journal.append(&[6; 1000]).unwrap(), 2, "a smaller record still fits");
    journal.sync().unwrap();
}

#[test]
fn a_full_disk_leaves_the_last_whole_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    // An ignored SIGXFSZ turns the limit into a failed write, after a short one: what a full disk does.
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" --ignored --exact fill_the_disk";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env("JOURNAL_UNDER_LIMIT", &path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let (_, found, recovery) = Journal::open(&path).unwrap();
    assert_eq!(found, [vec![1; 3000], vec![2; 3000], vec![6; 1000]]);
    assert_eq!(recovery.torn_bytes, 0);
}
