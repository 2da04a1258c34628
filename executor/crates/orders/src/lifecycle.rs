//! An order's life as a state machine with an answer for every (state, event) pair.
//!
//! Events come late, twice and out of order: an acknowledgement after the fill it acknowledges, a fill after the cancel that it beat.
//! So fills are told apart by trade id, what is more definite wins, and a terminal state stays, but that a late fill is still booked.

use std::collections::BTreeSet;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::order::{Fill, Order, Status};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The venue has it.
    Accepted {
        external_id: String,
    },
    Fill(Fill),
    Cancelled,
    Expired,
    /// The venue refused it, or it never left.
    Rejected {
        message: String,
    },
    /// It was sent and the answer was lost.
    Unknown {
        message: String,
    },
    /// Asked after the venue's consistency delay, the venue says that there is no such order.
    Missing,
}

/// What an event did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Changed,
    /// Nothing new: repeated, or overtaken by something more definite.
    Ignored,
    /// The venue has said two things that cannot both be true: it must be asked.
    Contradicted,
}

/// An order and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tracked {
    pub order: Order,
    pub status: Status,
    pub external_id: Option<String>,
    pub filled: Decimal,
    /// Sum of price times quantity over the fills.
    pub filled_value: Decimal,
    pub trades: BTreeSet<String>,
    pub last_fill_ms: Option<i64>,
    /// Why it was refused or is unknown.
    pub message: Option<String>,
    /// Fees that were taken in the base asset, so that less was received than was filled.
    fees: Vec<(String, Decimal)>,
}

impl Tracked {
    pub fn new(order: Order) -> Self {
        Self {
            order,
            status: Status::Pending,
            external_id: None,
            filled: Decimal::ZERO,
            filled_value: Decimal::ZERO,
            trades: BTreeSet::new(),
            last_fill_ms: None,
            message: None,
            fees: Vec::new(),
        }
    }

    pub fn remaining(&self) -> Decimal {
        (self.order.quantity - self.filled).max(Decimal::ZERO)
    }

    pub fn is_working(&self) -> bool {
        !self.status.is_terminal()
    }

    pub fn average_price(&self) -> Option<Decimal> {
        (!self.filled.is_zero()).then(|| self.filled_value / self.filled)
    }

    /// What a buy has brought into the account: the filled quantity less fees taken in `base`.
    pub fn net_filled(&self, base: &str) -> Decimal {
        self.filled - self.fees.iter().filter(|(asset, _)| asset == base).map(|(_, fee)| *fee).sum::<Decimal>()
    }

    pub fn apply(&mut self, event: &Event) -> Outcome {
        match event {
            Event::Fill(fill) => self.fill(fill),
            Event::Accepted { external_id } => self.accept(external_id),
            Event::Cancelled => self.end(Status::Cancelled),
            Event::Expired => self.end(Status::Expired),
            Event::Rejected { message } => self.reject(message),
            Event::Unknown { message } => match self.status {
                Status::Pending => {
                    self.status = Status::Unknown;
                    self.message = Some(message.clone());
                    Outcome::Changed
                }
                _ => Outcome::Ignored,
            },
            Event::Missing => match self.status {
                Status::Pending | Status::Unknown => self.reject("it never reached the venue"),
                // The venue has acknowledged it before: it cannot be missing, only archived or mistaken.
                Status::Open | Status::PartiallyFilled => Outcome::Contradicted,
                Status::Filled | Status::Cancelled | Status::Rejected | Status::Expired => Outcome::Ignored,
            },
        }
    }

    fn fill(&mut self, fill: &Fill) -> Outcome {
        if !self.trades.insert(fill.trade_id.clone()) {
            return Outcome::Ignored;
        }
        self.filled += fill.quantity;
        self.filled_value += fill.quantity * fill.price;
        self.last_fill_ms = Some(self.last_fill_ms.map_or(fill.time_ms, |last| last.max(fill.time_ms)));
        match self.fees.iter_mut().find(|(asset, _)| *asset == fill.fee_asset) {
            Some((_, fee)) => *fee += fill.fee,
            None => self.fees.push((fill.fee_asset.clone(), fill.fee)),
        }
        let was = self.status;
        self.status = if self.filled >= self.order.quantity {
            Status::Filled
        } else {
            match was {
                // A fill that a cancel or expiry overtook: booked, but the rest is gone.
                Status::Cancelled | Status::Expired => was,
                // It was thought refused, and it trades.
                Status::Pending
                | Status::Open
                | Status::PartiallyFilled
                | Status::Unknown
                | Status::Rejected
                | Status::Filled => Status::PartiallyFilled,
            }
        };
        if was == Status::Rejected || self.filled > self.order.quantity {
            Outcome::Contradicted
        } else {
            Outcome::Changed
        }
    }

    fn accept(&mut self, external_id: &str) -> Outcome {
        if self.external_id.is_none() {
            self.external_id = Some(external_id.to_owned());
        }
        match self.status {
            Status::Pending | Status::Unknown => {
                self.status = Status::Open;
                self.message = None;
                Outcome::Changed
            }
            Status::Open | Status::PartiallyFilled | Status::Filled | Status::Cancelled | Status::Expired => {
                Outcome::Ignored
            }
            Status::Rejected => Outcome::Contradicted,
        }
    }

    fn end(&mut self, status: Status) -> Outcome {
        match self.status {
            Status::Pending | Status::Open | Status::PartiallyFilled | Status::Unknown => {
                self.status = status;
                self.message = None;
                Outcome::Changed
            }
            Status::Filled | Status::Cancelled | Status::Rejected | Status::Expired => Outcome::Ignored,
        }
    }

    fn reject(&mut self, message: &str) -> Outcome {
        match self.status {
            Status::Pending | Status::Unknown | Status::Open => {
                self.status = Status::Rejected;
                self.message = Some(message.to_owned());
                Outcome::Changed
            }
            // What traded has traded; only the rest is refused.
            Status::PartiallyFilled => {
                self.status = Status::Cancelled;
                self.message = Some(message.to_owned());
                Outcome::Changed
            }
            Status::Filled | Status::Cancelled | Status::Rejected | Status::Expired => Outcome::Ignored,
        }
    }
}
