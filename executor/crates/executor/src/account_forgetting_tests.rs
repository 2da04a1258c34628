//! What an account does about orders that it has forgotten.

use journal::examine;
use orders::{Status, ids};

use super::*;
use crate::fact::Fact;
use crate::message::Wake;

const ELEVEN_MINUTES_MS: i64 = 11 * 60_000;
/// Long after every command's end.
const LATER_MS: i64 = 600_000;

fn facts(desk: &Desk) -> Vec<Fact> {
    let records = examine(&desk.journal).unwrap().records;
    records.iter().map(|(_, record)| serde_json::from_slice::<Entry>(record).unwrap().fact).collect()
}

/// Reconciles until something has been forgotten, and then begins anew when no command is valid any more.
async fn forgetful(desk: &mut Desk) {
    for _ in 0..100 {
        desk.account.inbox.send(Message::Wake(Wake::Audit)).ok().unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
        desk.drain().await;
        if facts(desk).iter().any(|fact| matches!(fact, Fact::Forgotten { .. })) {
            break;
        }
    }
    assert!(facts(desk).iter().any(|fact| matches!(fact, Fact::Forgotten { .. })));
    let (stop, stopped) = oneshot::channel();
    desk.account.inbox.send(Message::Stop(stop)).ok().unwrap();
    stopped.await.unwrap();
    let later = desk.journal.with_extension("later");
    std::fs::copy(&desk.journal, &later).unwrap();
    let (mut journal, _, _) = Journal::open(&later).unwrap();
    let entry = Entry { account: desk.account.id, at_ms: now_ms() + LATER_MS, fact: Fact::Paused(false) };
    journal.append_batch(&[serde_json::to_vec(&entry).unwrap()]).unwrap();
    drop(journal);
    desk.journal = later;
    desk.account = start(&desk.journal, &desk.venue, desk.account.id);
    desk.drain().await;
}

/// The model venue lists every trade again whenever it is asked, and panics where an id is used twice.
#[tokio::test]
async fn what_is_forgotten_is_neither_placed_nor_booked_again() {
    let mut desk = Desk::new(Market::Spot, PAIRS).await;
    let entry = desk.place("buy", "limit", "0.5", bracket()).await;
    desk.venue.fill(&client_id(&entry), decimal("0.5"));
    desk.drain().await;
    desk.tick(52_000).await;
    let resting = desk.place("buy", "limit", "0.1", json!({"price": "45000"})).await;
    let cancelled = desk.command("cancel", json!({"order_id": resting.command_id})).await;
    assert_eq!(cancelled.code, "accepted");
    desk.venue.inner().time_ms = ELEVEN_MINUTES_MS;
    desk.place("buy", "market", "0.2", json!({})).await;
    let before = desk.drain().await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    forgetful(&mut desk).await;
    let after = desk.drain().await;
    assert_eq!(after["positions"], before["positions"]);
    assert_eq!(after["open_orders"], before["open_orders"]);
    assert!(facts(&desk).iter().all(|fact| !matches!(fact, Fact::Adopted { .. } | Fact::Position { .. })));
    let orders = desk.venue.inner().orders.len();
    for first in [&entry, &resting] {
        // A command under the same id that is valid again.
        let again = desk
            .command_as(
                first.command_id.unwrap(),
                "place",
                json!({"symbol": SYMBOL, "side": "buy", "type": "limit", "quantity": "0.5", "price": "50000"}),
            )
            .await;
        assert_eq!((again.code.as_str(), again.order), ("accepted", None), "{}", again.message);
    }
    assert_eq!(desk.venue.inner().orders.len(), orders);
    let gone = desk.command("cancel", json!({"order_id": resting.command_id})).await;
    assert_eq!(gone.message, "the order is already cancelled");
}

/// It had been finished for two reconciliations, and trades after all: booked, and the rest is taken away.
#[tokio::test]
async fn a_forgotten_order_that_comes_back_to_life_is_booked_and_cancelled() {
    let mut desk = Desk::new(Market::Spot, NOTHING).await;
    let resting = desk.place("buy", "limit", "0.4", json!({"price": "45000"})).await;
    desk.command("cancel", json!({"order_id": resting.command_id})).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    forgetful(&mut desk).await;
    let id = client_id(&resting);
    desk.venue.inner().orders.get_mut(&id).unwrap().status = Status::Open;
    desk.venue.fill(&id, decimal("0.1"));
    desk.drain().await;
    let snapshot = desk.settled().await;
    assert_eq!(snapshot["positions"][0]["quantity"], "0.1");
    assert_eq!(snapshot["open_orders"], json!([]));
    assert_eq!(desk.venue.inner().orders[&id].status, Status::Cancelled);
    assert_eq!(ids::order_id(&id), resting.command_id);
}
