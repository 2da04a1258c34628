//! What a venue's error means for the order that got it.

use orders::Event;
use orders::guards::{Code, Refusal};
use orders::protection::Failure;
use venues::{Reason, VenueError};

/// Whether the order may be at the venue all the same.
pub fn is_open(error: &VenueError) -> bool {
    matches!(error, VenueError::Lost(_) | VenueError::Refused { reason: Reason::DuplicateOrder, .. })
}

pub fn refused_event(error: &VenueError) -> Event {
    match failure_of(error) {
        Failure::NotSent => Event::Missing,
        _ => Event::Rejected { message: error.to_string() },
    }
}

pub fn failure_of(error: &VenueError) -> Failure {
    match error {
        VenueError::Refused { reason: Reason::WouldTrigger, .. } => Failure::WouldTrigger,
        VenueError::Refused { reason: Reason::InsufficientBalance, .. } => Failure::Short,
        VenueError::NotSent(_) | VenueError::Throttled { .. } => Failure::NotSent,
        _ => Failure::Refused,
    }
}

pub fn refusal_of(error: &VenueError) -> Refusal {
    let code = match error {
        // Not `not_ready`: this id is used up, and asking again under it would get this answer for ever.
        VenueError::NotSent(_) | VenueError::Lost(_) => Code::VenueRejected,
        VenueError::Throttled { .. } => Code::OrderRate,
        VenueError::Refused { reason, .. } => match reason {
            Reason::InsufficientBalance => Code::InsufficientBalance,
            Reason::UnknownSymbol => Code::UnknownSymbol,
            Reason::FilterPrice => Code::FilterPrice,
            Reason::FilterLot => Code::FilterLot,
            Reason::FilterNotional => Code::FilterNotional,
            Reason::OrderRate => Code::OrderRate,
            Reason::NoSuchOrder
            | Reason::DuplicateOrder
            | Reason::WouldTrigger
            | Reason::Unsupported
            | Reason::Other => Code::VenueRejected,
        },
    };
    Refusal::new(code, error.to_string())
}
