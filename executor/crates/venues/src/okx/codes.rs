//! What OKX's codes mean.

use std::time::Duration;

use crate::{Reason, VenueError};

pub const STALE_TIMESTAMP: i64 = 50_102;
pub const UNKNOWN_INSTRUMENT: i64 = 51_001;
/// Its rates are counted over two seconds.
pub const RATE_WAIT: Duration = Duration::from_secs(2);

/// A code other than 0. Timeouts and failures inside OKX leave the outcome open.
pub fn classify(code: i64, message: String) -> VenueError {
    let reason = match code {
        50_001 | 50_004 | 50_005 | 50_013 | 50_026 | 51_054 | 51_149 => {
            return VenueError::Lost(format!("{message} ({code})"));
        }
        50_011 | 50_061 | 60_014 => return VenueError::Throttled { retry_after: RATE_WAIT, banned: false },
        // Finished, cancelled or never there: the order itself says which, when it is asked for.
        51_400..=51_402 | 51_405 | 51_410 | 51_509 | 51_510 | 51_603 => Reason::NoSuchOrder,
        51_011 | 51_016 | 51_065 => Reason::DuplicateOrder,
        51_277..=51_280 => Reason::WouldTrigger,
        51_008 | 51_119 | 51_127 | 51_131 | 51_502 | 51_736 | 51_764 => Reason::InsufficientBalance,
        UNKNOWN_INSTRUMENT | 51_015 | 51_021 | 51_022 | 51_027 => Reason::UnknownSymbol,
        51_006 | 51_116 | 51_122 | 51_135..=51_138 | 51_250 | 51_252 => Reason::FilterPrice,
        51_004 | 51_005 | 51_007 | 51_100 | 51_101 | 51_105 | 51_120 | 51_121 | 51_202 | 51_203 => Reason::FilterLot,
        51_020 | 51_118 => Reason::FilterNotional,
        51_025 | 51_113 => Reason::OrderRate,
        51_010 | 51_403 => Reason::Unsupported,
        _ => Reason::Other,
    };
    VenueError::Refused { reason, code, message }
}
