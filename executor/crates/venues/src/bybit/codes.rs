//! What Bybit's codes mean.

use std::time::Duration;

use crate::{Reason, VenueError};

pub const STALE_TIMESTAMP: i64 = 10_002;
/// Where a refusal for the rate does not say how long.
pub const RATE_WAIT: Duration = Duration::from_secs(1);
/// As its documents ask for, once a whole address is refused.
pub const BAN_WAIT: Duration = Duration::from_secs(600);

/// A code other than 0. Timeouts and failures inside Bybit leave the outcome open.
pub fn classify(code: i64, message: String) -> VenueError {
    let reason = match code {
        5004 | 10_000 | 10_016 | 170_001 | 170_007 | 170_032 | 170_035 | 170_146 | 170_147 | 170_234 => {
            return VenueError::Lost(format!("{message} ({code})"));
        }
        10_006 | 10_018 | 10_429 | 20_003 | 170_222 => {
            return VenueError::Throttled { retry_after: RATE_WAIT, banned: false };
        }
        // Finished, cancelled or never there: the order itself says which, when it is asked for.
        110_001 | 110_008 | 110_010 | 170_139 | 170_142 | 170_143 | 170_190 | 170_213 => Reason::NoSuchOrder,
        10_014 | 12_141 | 110_030 | 110_072 | 170_141 => Reason::DuplicateOrder,
        110_092 | 110_093 | 170_218 => Reason::WouldTrigger,
        110_004
        | 110_006
        | 110_007
        | 110_012
        | 110_014
        | 110_044
        | 110_045
        | 110_051..=110_053
        | 170_033
        | 170_034
        | 170_131 => Reason::InsufficientBalance,
        10_001 if message.to_lowercase().contains("symbol") => Reason::UnknownSymbol,
        10_029 | 170_121 => Reason::UnknownSymbol,
        110_003 | 170_132..=170_134 | 170_192..=170_194 | 170_371 | 170_372 => Reason::FilterPrice,
        12_137 | 170_124 | 170_135..=170_137 | 170_148 => Reason::FilterLot,
        110_094 | 170_140 => Reason::FilterNotional,
        170_005 => Reason::OrderRate,
        170_116 | 170_145 | 170_227 => Reason::Unsupported,
        _ => Reason::Other,
    };
    VenueError::Refused { reason, code, message }
}
