//! Ids that follow from one another, so that a restart gives the same ones and nothing is placed twice.

use uuid::Uuid;

/// The id an order has at the venue: ours, never reused.
pub fn client_order_id(order_id: Uuid) -> String {
    format!("smc{}", order_id.simple())
}

/// The order id behind a venue's client order id, if it is one of ours.
pub fn order_id(client_order_id: &str) -> Option<Uuid> {
    let hex = client_order_id.strip_prefix("smc")?;
    (hex.len() == 32).then(|| Uuid::try_parse(hex).ok()).flatten()
}

/// The stop of the n-th protective group of an entry; n counts from 1.
pub fn stop_leg(entry: Uuid, n: u32) -> Uuid {
    Uuid::new_v5(&entry, format!("stop:{n}").as_bytes())
}

/// The target of the n-th protective group of an entry.
pub fn target_leg(entry: Uuid, n: u32) -> Uuid {
    Uuid::new_v5(&entry, format!("target:{n}").as_bytes())
}

/// The list of the n-th protective group of an entry.
pub fn protective_list(entry: Uuid, n: u32) -> Uuid {
    Uuid::new_v5(&entry, format!("list:{n}").as_bytes())
}

/// What a trailing stop becomes when it is moved.
pub fn trailing_next(order: Uuid) -> Uuid {
    Uuid::new_v5(&order, b"trail")
}

/// The market sale that a flatten command ends with.
pub fn flatten_order(command: Uuid, symbol: &str) -> Uuid {
    Uuid::new_v5(&command, format!("flatten:{symbol}").as_bytes())
}

/// What a standing kill switch does is done under this id.
pub fn kill(account: Uuid, switch: &str, at_ms: i64) -> Uuid {
    Uuid::new_v5(&account, format!("kill:{switch}:{at_ms}").as_bytes())
}

/// An order somebody else placed in the account.
pub fn foreign_order(account: Uuid, symbol: &str, external_id: &str) -> Uuid {
    Uuid::new_v5(&account, format!("foreign:{symbol}:{external_id}").as_bytes())
}

/// A trade's row: booked once.
pub fn execution(account: Uuid, symbol: &str, trade_id: &str) -> Uuid {
    Uuid::new_v5(&account, format!("trade:{symbol}:{trade_id}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_order_id_leads_back_to_its_order() {
        let id = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(client_order_id(id), "smc0123456789abcdef0123456789abcdef");
        assert_eq!(order_id(&client_order_id(id)), Some(id));
        assert_eq!(order_id("web_123"), None);
        assert_eq!(order_id("smc-0001"), None);
        assert_ne!(stop_leg(id, 1), stop_leg(id, 2));
        assert_ne!(stop_leg(id, 1), target_leg(id, 1));
    }
}
