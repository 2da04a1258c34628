//! What the journal holds: everything that has changed an account, in order. An account's state is what its facts add up to.

use orders::protection::{Failure, Form};
use orders::{Event, Limits, Order, SymbolRules};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::answer::Answer;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub account: Uuid,
    pub at_ms: i64,
    pub fact: Fact,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A verified envelope that is about to be carried out.
    Command(Box<RawValue>),
    /// An order that may be sent once this is on the disk.
    Placed {
        order: Order,
        asked: Asked,
    },
    /// An order the guards refused; it was never sent.
    Refused {
        order: Order,
        asked: Asked,
        message: String,
    },
    /// An order found at the venue that nobody here had placed.
    Adopted {
        order: Order,
        asked: Asked,
    },
    Event {
        order_id: Uuid,
        event: Event,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        latency_us: Option<u64>,
    },
    /// A protective order or pair of an entry; its legs follow as `Placed`.
    Group {
        entry: Uuid,
        n: u32,
        form: Form,
        quantity: Decimal,
        legs: Vec<Uuid>,
    },
    /// Its orders are being taken back; once they are finished, it has failed for this reason.
    GroupClosing {
        entry: Uuid,
        n: u32,
        failure: Failure,
    },
    GroupFailed {
        entry: Uuid,
        n: u32,
        failure: Failure,
    },
    /// Given up by command: its quantity is deliberately unprotected.
    GroupReleased {
        entry: Uuid,
        n: u32,
    },
    /// A stop and a target by command, of which at most one fills; they follow as `Placed`.
    Pair {
        stop: Uuid,
        target: Uuid,
    },
    /// `order` takes the place of `old` once the venue says that that is cancelled; its quantity counts what `old` has filled.
    Replacing {
        old: Uuid,
        order: Order,
        asked: Asked,
        expires_at_ms: i64,
        /// The price by which it was judged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<Decimal>,
    },
    /// What was to follow `old` has been placed or refused.
    Replaced {
        old: Uuid,
    },
    /// A trailing stop goes on as another order.
    Moved {
        old: Uuid,
        new: Uuid,
    },
    CancelAsked {
        order_id: Uuid,
    },
    Rules(SymbolRules),
    /// The venue's total differs from what the fills add up to.
    Position {
        symbol: String,
        quantity: Decimal,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entry_price: Option<Decimal>,
    },
    Limits(Limits),
    Paused(bool),
    Killed {
        killed: bool,
        reason: Option<String>,
        /// The standing switch behind it, which acts once until a `resume`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    Flatten {
        command_id: Uuid,
        issued_at_ms: i64,
        symbol: String,
    },
    FlattenSelling {
        symbol: String,
        order_id: Uuid,
    },
    /// The order that closes is finished, or did not reach the venue: whether another is needed must be seen.
    FlattenUnsold {
        symbol: String,
    },
    FlattenDone {
        symbol: String,
    },
    Answered {
        #[serde(flatten)]
        answer: Answer,
        /// Of the command, where it waited for this answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at_ms: Option<i64>,
    },
    /// Orders that were finished before `before_ms` have been finished at the venue as well in two reconciliations since.
    Forgotten {
        before_ms: i64,
    },
    /// The right to trade the account, taken under the journal's name as holder. `taken_over`: another executor had it before.
    Lease {
        holder: Uuid,
        epoch: i64,
        taken_over: bool,
    },
    /// Journal and venue agree; the differences there were.
    Reconciled {
        differences: Vec<String>,
    },
    /// A command that no account has had: forged, malformed, expired. Of the nil account.
    TurnedAway {
        command_id: Option<Uuid>,
        code: String,
        message: String,
    },
    /// Postgres holds what the account's first `facts` facts have changed.
    Written {
        facts: u64,
    },
}

/// Who asked for an order, when and why.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Asked {
    /// Time of the command behind it: the key of its row in Postgres.
    pub issued_at_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market_time_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The request behind it, as the signer names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Of the program that decided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}
