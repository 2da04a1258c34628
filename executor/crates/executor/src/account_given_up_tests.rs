//! What an account has given up protecting stays so, whatever becomes of the orders that had protected it.

use super::*;
use crate::message::Wake;

/// A bracket of 1 at 50,000, of which this leg's answer is lost, is closed by an order of the other side; the venue says in the end
/// that the leg never arrived.
async fn given_up_with_lost(leg: Kind) -> Desk {
    let desk = Desk::new(Market::Swap, NOTHING).await;
    let entry = desk.place("buy", "limit", "1", bracket()).await;
    desk.venue.inner().refuse = Some((leg, VenueError::Lost("no answer".into())));
    desk.venue.fill(&client_id(&entry), Decimal::ONE);
    let snapshot = desk.drain().await;
    assert_eq!(unknown(&snapshot), 1);
    desk.place("sell", "market", "1", json!({"reduce_only": true})).await;
    for _ in 0..100 {
        if unknown(&desk.drain().await) == 0 {
            assert_eq!(desk.venue.working(), Vec::<String>::new());
            desk.asked();
            return desk;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the venue was not asked what became of the {leg:?}");
}

fn unknown(snapshot: &Value) -> usize {
    let orders = snapshot["open_orders"].as_array().unwrap();
    orders.iter().filter(|order| order["status"] == "unknown").count()
}

/// Positions that have nothing to do with it, on either side: nothing of them is to be protected.
async fn is_not_missing_later(desk: &Desk) {
    for (side, quantity) in [("sell", "0.5"), ("buy", "1")] {
        desk.place(side, "market", quantity, json!({})).await;
        // An audit protects what it finds bare.
        desk.account.inbox.send(Message::Wake(Wake::Audit)).ok().unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let snapshot = desk.drain().await;
        let asked = vec![format!("place market {side} {quantity}")];
        assert_eq!((desk.asked(), &snapshot["unprotected"]), (asked, &json!([])));
    }
}

#[tokio::test]
async fn a_lost_stop_of_what_has_been_closed_by_hand_is_not_placed_again() {
    is_not_missing_later(&given_up_with_lost(Kind::StopLoss).await).await;
}

#[tokio::test]
async fn a_lost_target_of_what_has_been_closed_by_hand_is_not_placed_again() {
    let mut desk = given_up_with_lost(Kind::Limit).await;
    is_not_missing_later(&desk).await;
    desk.restart().await;
    let snapshot = desk.drain().await;
    assert_eq!((desk.asked(), &snapshot["unprotected"]), (Vec::new(), &json!([])));
}
