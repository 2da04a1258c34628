//! What an account's task is told: commands, the venue's answers, the user stream, its own alarms.

use std::time::Instant;

use orders::SymbolRules;
use orders::reconcile::{VenueOrder, VenuePosition, VenueTrade};
use rust_decimal::Decimal;
use tokio::sync::oneshot;
use uuid::Uuid;
use venues::{Balance, Receipt, StreamEvent, VenueError, Withdrawal};

use crate::answer::Answer;
use crate::controlling::Control;
use crate::envelope::Command;
use crate::gathering::Gathered;
use crate::snapshot::Snapshot;

pub enum Message {
    Command(Box<Command>, Waiter),
    /// The market knowledge that a place command waited for.
    Prepared(Box<Command>, Preparation),
    Stream(StreamEvent),
    /// The last price of a symbol in which something is watched has left its band; when the tick was read.
    Price(String, Decimal, Instant),
    Done(Done),
    Wake(Wake),
    Snapshot(oneshot::Sender<Snapshot>),
    Drain(oneshot::Sender<Snapshot>),
    Gathered(u64, Result<Box<Gathered>, VenueError>),
    Written(u64),
    Control(Control),
    /// Stop taking commands; answer when all that was sent has been answered.
    Stop(oneshot::Sender<()>),
}

pub struct Waiter {
    pub received: Instant,
    /// Of the command: until then it may be sent again.
    pub expires_at_ms: i64,
    pub reply: oneshot::Sender<Answer>,
}

/// When a cancel left.
pub struct CancelTimes {
    /// When the tick was read that it follows from, if one was.
    pub tick: Option<Instant>,
    pub sent: Instant,
}

/// What the venue answered to something sent.
pub enum Done {
    Placed {
        order_id: Uuid,
        sent: Instant,
        result: Result<Receipt, VenueError>,
    },
    /// A stop and a target that the venue holds as one.
    PairPlaced {
        stop: Uuid,
        target: Uuid,
        sent: Instant,
        result: Result<Vec<Receipt>, VenueError>,
    },
    /// And, where the venue knew no such open order, what it says about it.
    Cancelled {
        order_id: Uuid,
        command: Option<Uuid>,
        times: CancelTimes,
        result: Result<Withdrawal, VenueError>,
    },
    Queried {
        order_id: Uuid,
        attempt: usize,
        result: Result<VenueOrder, VenueError>,
    },
    Trades {
        order_id: Uuid,
        result: Result<Vec<VenueTrade>, VenueError>,
    },
    /// What is free now, after the venue has refused to protect `refused` of it.
    FreeBalances {
        entry: Uuid,
        refused: Decimal,
        result: Result<Vec<(String, Balance)>, VenueError>,
    },
    /// What is held now, before it is sold out.
    FlattenBalances {
        symbol: String,
        result: Result<Vec<(String, Balance)>, VenueError>,
    },
    FlattenPositions {
        symbol: String,
        result: Result<Vec<VenuePosition>, VenueError>,
    },
}

pub struct Preparation {
    pub rules: Result<Option<SymbolRules>, VenueError>,
    pub last: Result<Option<Decimal>, VenueError>,
}

pub enum Wake {
    Query {
        order_id: Uuid,
        attempt: usize,
    },
    Cancel {
        order_id: Uuid,
    },
    Trades {
        order_id: Uuid,
    },
    Protect {
        entry: Uuid,
    },
    Flatten {
        symbol: String,
    },
    Gather,
    Audit,
    /// A moved trailing stop that never reached the venue.
    Trail {
        order_id: Uuid,
    },
    /// The venue has told positions: whether the fills add up to them.
    ComparePositions,
}
