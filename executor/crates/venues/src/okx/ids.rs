//! OKX takes at most 32 letters and digits as a client order id; ours are three longer. The prefix is left off on the way out and put
//! back on the way in, so that nothing outside this client knows of it, and the order's id can be searched for at OKX as well.

const PREFIX: &str = "smc";
const DIGITS: usize = 32;

/// Our client order id as OKX gets it.
pub fn theirs(ours: &str) -> &str {
    ours.strip_prefix(PREFIX).filter(|rest| is_uuid(rest)).unwrap_or(ours)
}

/// A client order id from OKX as the rest of the program knows it. Another program's plain UUID reads like one of ours; an order
/// under an id that was never given out is taken on like any foreign one.
pub fn ours(theirs: &str) -> String {
    if is_uuid(theirs) { format!("{PREFIX}{theirs}") } else { theirs.to_owned() }
}

fn is_uuid(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::{ours, theirs};

    #[test]
    fn an_id_of_ours_fits_and_comes_back() {
        let id = orders::ids::client_order_id(uuid::Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
        assert_eq!(theirs(&id), "0123456789abcdef0123456789abcdef");
        assert_eq!(ours(theirs(&id)), id);
    }

    #[test]
    fn other_ids_stay_as_they_are() {
        for id in ["smc-0001", "web123", "", "e847386590ce4dBC330547db94a08ba0"] {
            assert_eq!((theirs(id), ours(id)), (id, id.to_owned()));
        }
    }
}
