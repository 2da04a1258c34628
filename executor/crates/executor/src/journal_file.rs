//! `executor journal inspect|verify|export`: a journal file looked at from outside, also while an executor writes it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use journal::{Examined, Tail, examine};
use orders::Event;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::iso;
use crate::fact::{Entry, Fact};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Inspect,
    Verify,
    Export,
}

/// What a journal holds, in numbers.
#[derive(Serialize)]
struct Summary {
    version: u8,
    bytes: u64,
    records: usize,
    /// Of these, written and not known to be on the disk.
    unsynced: u64,
    syncs: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<String>,
    kinds: BTreeMap<String, u64>,
    accounts: BTreeMap<Uuid, AccountSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_per_order: Option<u64>,
    tail: Value,
}

#[derive(Default, Serialize)]
struct AccountSummary {
    records: u64,
    orders: u64,
    fills: u64,
    killed: bool,
}

/// Prints what `look` asks of the journal at `path`; JSON where asked for.
///
/// # Errors
/// A text: no journal, a damaged record (its number, its byte), or one that this version cannot read.
pub fn look(look: Look, path: &Path, as_json: bool) -> Result<(), String> {
    let examined = examine(path).map_err(|error| error.to_string())?;
    let mut out = io::stdout().lock();
    let printed = match look {
        Look::Inspect => inspect(&mut out, path, &examined, as_json),
        Look::Verify => return verify(&mut out, path, &examined, as_json),
        Look::Export => export(&mut out, &examined),
    };
    match printed {
        // Whoever reads has had enough: `... | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(error.to_string()),
        Ok(()) => sound(path, &examined),
    }
}

fn inspect(out: &mut impl Write, path: &Path, examined: &Examined, as_json: bool) -> io::Result<()> {
    let summary = summary(examined);
    if as_json {
        return writeln!(out, "{}", serde_json::to_string_pretty(&summary)?);
    }
    writeln!(out, "{}: version {}, {} bytes", path.display(), summary.version, summary.bytes)?;
    writeln!(
        out,
        "records   {} in {} syncs; {} not known to be on the disk",
        summary.records, summary.syncs, summary.unsynced
    )?;
    if let (Some(first), Some(last)) = (&summary.first, &summary.last) {
        writeln!(out, "from      {first} to {last}")?;
    }
    for (id, account) in &summary.accounts {
        let killed = if account.killed { "; killed" } else { "" };
        let (records, orders, fills) = (account.records, account.orders, account.fills);
        writeln!(out, "account   {id}: {records} records, {orders} orders, {fills} fills{killed}")?;
    }
    for (kind, count) in &summary.kinds {
        writeln!(out, "kind      {kind}: {count}")?;
    }
    if let Some(bytes) = summary.bytes_per_order {
        writeln!(out, "growth    {bytes} bytes an order, all that follows from it included")?;
    }
    writeln!(out, "tail      {}", tail_text(examined))
}

fn verify(out: &mut impl Write, path: &Path, examined: &Examined, as_json: bool) -> Result<(), String> {
    let unreadable = examined.records.iter().enumerate().find_map(|(number, (offset, payload))| {
        let error = serde_json::from_slice::<Entry>(payload).err()?;
        Some(format!("record {number} at byte {offset} is whole, but no fact of this version ({error})"))
    });
    let damaged = matches!(examined.tail, Tail::Damaged { .. });
    let result =
        sound(path, examined).and(unreadable.map_or(Ok(()), |message| Err(format!("{}: {message}", path.display()))));
    let said = if as_json {
        let problem = result.as_ref().err();
        writeln!(
            out,
            "{}",
            json!({"sound": problem.is_none(), "records": examined.records.len(), "tail": tail(examined), "problem": problem})
        )
    } else if damaged {
        Ok(())
    } else {
        writeln!(out, "{}: {} whole records; {}", path.display(), examined.records.len(), tail_text(examined))
    };
    said.map_err(|error| error.to_string()).and(result)
}

/// One JSON a line: the record's number, its byte, and what it holds.
fn export(out: &mut impl Write, examined: &Examined) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    for (number, (offset, payload)) in examined.records.iter().enumerate() {
        let content = match serde_json::from_slice::<Value>(payload) {
            Ok(Value::Object(fields)) => Value::Object(fields),
            Ok(other) => json!({"value": other}),
            Err(_) => json!({"hex": hex::encode(payload)}),
        };
        let mut line = json!({"record": number, "offset": offset});
        if let (Value::Object(line), Value::Object(content)) = (&mut line, content) {
            line.extend(content);
        }
        writeln!(out, "{line}")?;
    }
    out.flush()
}

/// # Errors
/// Which record is damaged, and where.
fn sound(path: &Path, examined: &Examined) -> Result<(), String> {
    match examined.tail {
        Tail::Damaged { .. } => Err(format!("{}: {}", path.display(), tail_text(examined))),
        Tail::Whole | Tail::Torn { .. } => Ok(()),
    }
}

fn tail(examined: &Examined) -> Value {
    match examined.tail {
        Tail::Whole => json!({"state": "whole"}),
        Tail::Torn { offset, bytes } => json!({"state": "torn", "offset": offset, "bytes": bytes}),
        Tail::Damaged { offset, next_valid } => {
            json!({"state": "damaged", "record": examined.records.len(), "offset": offset, "next_valid": next_valid})
        }
    }
}

fn tail_text(examined: &Examined) -> String {
    match examined.tail {
        Tail::Whole => "ends with a whole record".into(),
        Tail::Torn { offset, bytes } => format!(
            "torn at byte {offset}: {bytes} bytes that no sync had confirmed; they are cut off at the next start, nothing before them is lost"
        ),
        Tail::Damaged { offset, next_valid } => format!(
            "record {} at byte {offset} is DAMAGED: it was on the disk before and has changed since (valid again from byte {next_valid}); restore the file from a backup",
            examined.records.len()
        ),
    }
}

fn summary(examined: &Examined) -> Summary {
    let (mut kinds, mut accounts) = (BTreeMap::<String, u64>::new(), BTreeMap::<Uuid, AccountSummary>::new());
    let (mut first, mut last) = (None::<i64>, None::<i64>);
    for (_, payload) in &examined.records {
        let Ok(entry) = serde_json::from_slice::<Entry>(payload) else {
            *kinds.entry("not of this version".into()).or_default() += 1;
            continue;
        };
        *kinds.entry(kind(&entry.fact)).or_default() += 1;
        first = first.or(Some(entry.at_ms));
        last = Some(entry.at_ms);
        let account = accounts.entry(entry.account).or_default();
        account.records += 1;
        match entry.fact {
            Fact::Placed { .. } => account.orders += 1,
            Fact::Event { event: Event::Fill(_), .. } => account.fills += 1,
            Fact::Killed { killed, .. } => account.killed = killed,
            _ => {}
        }
    }
    let orders: u64 = accounts.values().map(|account| account.orders).sum();
    Summary {
        version: examined.version,
        bytes: examined.size,
        records: examined.records.len(),
        unsynced: examined.unsynced,
        syncs: examined.marks,
        first: first.map(iso),
        last: last.map(iso),
        kinds,
        accounts,
        bytes_per_order: examined.size.checked_div(orders),
        tail: tail(examined),
    }
}

/// As the journal names it.
fn kind(fact: &Fact) -> String {
    match serde_json::to_value(fact) {
        Ok(Value::Object(fields)) => fields.keys().next().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}
