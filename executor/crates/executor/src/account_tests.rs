//! An account's task against a venue in memory: protection without pairs, trailing stops that the executor moves, shorts, many pieces.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use journal::Journal;
use orders::guards::Code;
use orders::{Kind, Limits, Market, Status, ids};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;
use venues::{Holds, Reason, VenueError};

use crate::account::{Account, Handle, Surroundings};
use crate::action::read_action;
use crate::answer::{Answer, code_name};
use crate::clock::now_ms;
use crate::envelope::Command;
use crate::fact::Entry;
use crate::journaling::Writer;
use crate::lease::Lease;
use crate::message::{Message, Waiter};
use crate::model_venue::{ModelVenue, SYMBOL};
use crate::sink::Sink;
use crate::state::State;

const NOTHING: Holds = Holds { oco: false, trailing: false };
const PAIRS: Holds = Holds { oco: true, trailing: true };

struct Desk {
    venue: ModelVenue,
    account: Handle,
    journal: PathBuf,
    _folder: tempfile::TempDir,
}

impl Desk {
    async fn new(market: Market, holds: Holds) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        let venue = ModelVenue::new(market, holds);
        let desk = Self { account: start(&journal, &venue, Uuid::from_u128(1)), venue, journal, _folder: folder };
        desk.drain().await;
        desk
    }

    /// Begins anew from a copy of the journal; the venue tells only the new task anything.
    async fn restart(&mut self) {
        self.restart_after(|_| ()).await;
    }

    /// The same after something has happened at the venue meanwhile.
    async fn restart_after(&mut self, happen: impl FnOnce(&ModelVenue)) {
        let journal = self.journal.with_extension("restarted");
        std::fs::copy(&self.journal, &journal).unwrap();
        self.journal = journal;
        let (stop, stopped) = oneshot::channel();
        self.account.inbox.send(Message::Stop(stop)).ok().unwrap();
        stopped.await.unwrap();
        happen(&self.venue);
        self.account = start(&self.journal, &self.venue, self.account.id);
        self.drain().await;
    }

    async fn command(&self, action: &str, payload: Value) -> Answer {
        self.command_as(Uuid::new_v5(&Uuid::nil(), &now_nanos()), action, payload).await
    }

    async fn command_as(&self, id: Uuid, action: &str, payload: Value) -> Answer {
        let (action, reason) = read_action(action, payload).unwrap();
        let issued_at_ms = now_ms();
        let expires_at_ms = issued_at_ms + 30_000;
        let (account, envelope) = (self.account.id, Default::default());
        let command = Command { id, account, action, reason, trace: None, issued_at_ms, expires_at_ms, envelope };
        let (reply, answered) = oneshot::channel();
        let waiter = Waiter { received: Instant::now(), expires_at_ms: command.expires_at_ms, reply };
        self.account.inbox.send(Message::Command(Box::new(command), waiter)).ok().unwrap();
        answered.await.unwrap()
    }

    async fn place(&self, side: &str, kind: &str, quantity: &str, more: Value) -> Answer {
        let mut payload = json!({"symbol": SYMBOL, "side": side, "type": kind, "quantity": quantity});
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.command("place", payload).await
    }

    async fn drain(&self) -> Value {
        let (reply, answered) = oneshot::channel();
        self.account.inbox.send(Message::Drain(reply)).ok().unwrap();
        let snapshot = tokio::time::timeout(Duration::from_secs(10), answered).await.unwrap().unwrap();
        serde_json::to_value(snapshot).unwrap()
    }

    /// Once nothing works that is being cancelled.
    async fn settled(&self) -> Value {
        for _ in 0..100 {
            let snapshot = self.drain().await;
            let works = |order: &Value| order["type"] != "limit" || order["price"] != "45000";
            if snapshot["open_orders"].as_array().unwrap().iter().all(works) {
                return snapshot;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the old order still works");
    }

    async fn tick(&self, price: i64) -> Value {
        self.venue.tick(price);
        self.drain().await
    }

    /// Until the venue has been asked for this, which takes its consistency delay where an answer was lost.
    async fn until_asked(&self, wanted: &str) {
        for _ in 0..400 {
            if self.asked().iter().any(|line| line == wanted) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the venue was not asked to {wanted}");
    }

    /// What was asked of the venue since the last look.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.venue.inner().asked)
    }
}

fn now_nanos() -> [u8; 16] {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos().to_be_bytes()
}

fn start(journal: &PathBuf, venue: &ModelVenue, account: Uuid) -> Handle {
    let (journal, records, _) = Journal::open(journal).unwrap();
    let mut state = State::new(account, Limits::default());
    for record in &records {
        state.apply(&serde_json::from_slice::<Entry>(record).unwrap());
    }
    let around = Surroundings {
        exchange: "paper",
        journal: Writer::new(journal),
        outbox: Sink::new().outbox(account),
        inject_delay: Duration::ZERO,
        audit_every: Duration::from_secs(60),
        lease: Lease::new(Duration::ZERO, true),
    };
    Account::start(state, Arc::new(venue.clone()), around)
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn client_id(answer: &Answer) -> String {
    ids::client_order_id(answer.command_id.unwrap())
}

fn bracket() -> Value {
    json!({"price": "50000", "stop_loss": "49000", "take_profit": "52000"})
}

fn short_bracket() -> Value {
    json!({"price": "50000", "stop_loss": "51000", "take_profit": "48000"})
}

#[path = "account_forgetting_tests.rs"]
mod forgetting;
#[path = "account_given_up_tests.rs"]
mod given_up;

// --- spot without pairs

#[tokio::test]
async fn on_spot_the_stop_rests_and_the_target_is_watched() {
    let desk = Desk::new(Market::Spot, NOTHING).await;
    let entry = desk.place("buy", "limit", "1", bracket()).await;
    desk.venue.fill(&client_id(&entry), decimal("0.4"));
    desk.drain().await;
    assert_eq!(desk.venue.working(), ["limit buy 0.6 at 50000", "stop_loss sell 0.4 at 49000"]);
    desk.venue.fill(&client_id(&entry), decimal("0.6"));
    assert_eq!(desk.drain().await["unprotected"], json!([]));
    assert_eq!(desk.venue.working(), ["stop_loss sell 0.4 at 49000", "stop_loss sell 0.6 at 49000"]);
    desk.asked();
    desk.tick(51_999).await;
    assert_eq!(desk.asked(), Vec::<String>::new(), "below the target nothing is touched");
    let snapshot = desk.tick(52_000).await;
    // Both stops are taken back, and only then is all of it sold at once.
    assert_eq!(
        desk.asked(),
        ["cancel stop_loss sell 0.4 at 49000", "cancel stop_loss sell 0.6 at 49000", "place market sell 1"]
    );
    assert_eq!((&snapshot["open_orders"], &snapshot["unprotected"]), (&json!([]), &json!([])));
    assert_eq!(snapshot["positions"][0]["quantity"], "0");
    assert_eq!(snapshot["positions"][0]["realized_pnl"], "2000");
    desk.tick(53_000).await;
    assert_eq!(desk.asked(), Vec::<String>::new(), "nothing is sold twice");
}

#[tokio::test]
async fn a_watched_target_is_still_watched_after_a_restart() {
    let mut desk = Desk::new(Market::Spot, NOTHING).await;
    let entry = desk.place("buy", "limit", "1", bracket()).await;
    desk.venue.fill(&client_id(&entry), Decimal::ONE);
    desk.drain().await;
    desk.restart().await;
    assert_eq!(desk.tick(52_500).await["open_orders"], json!([]));
    assert_eq!(desk.venue.inner().held, Decimal::ZERO);
}

#[tokio::test]
async fn a_stop_that_fires_while_it_is_taken_back_for_the_target_leaves_nothing_to_sell() {
    let desk = Desk::new(Market::Spot, NOTHING).await;
    let entry = desk.place("buy", "limit", "1", bracket()).await;
    desk.venue.fill(&client_id(&entry), Decimal::ONE);
    desk.drain().await;
    desk.asked();
    // The target is seen, and before the cancel arrives the price has fallen through the stop.
    desk.venue.tick(52_000);
    desk.venue.tick(48_900);
    let snapshot = desk.drain().await;
    assert_eq!(desk.venue.inner().held, Decimal::ZERO);
    assert_eq!(snapshot["open_orders"], json!([]));
    assert!(desk.asked().iter().all(|line| !line.starts_with("place market")), "it was sold by the stop");
}

#[tokio::test]
async fn what_is_taken_back_for_the_target_is_sold_only_once_the_venue_has_let_it_go() {
    let desk = Desk::new(Market::Spot, NOTHING).await;
    let entry = desk.place("buy", "limit", "1", bracket()).await;
    desk.venue.fill(&client_id(&entry), decimal("0.4"));
    desk.drain().await;
    desk.asked();
    // A further fill comes while the cancel is under way: it gets its own stop, and nothing is sold yet.
    desk.venue.tick(52_000);
    desk.venue.fill(&client_id(&entry), decimal("0.6"));
    desk.drain().await;
    assert_eq!(
        desk.asked(),
        ["cancel stop_loss sell 0.4 at 49000", "place stop_loss sell 0.6 at 49000", "place market sell 0.4"]
    );
    desk.tick(52_000).await;
    assert_eq!(desk.venue.inner().held, Decimal::ZERO);
}

// --- swap without pairs

#[tokio::test]
async fn on_swap_both_legs_rest_and_the_one_left_over_is_cancelled() {
    for (side, more, target, stop) in [
        ("buy", bracket(), 52_000, "stop_loss sell 1 at 49000"),
        ("sell", short_bracket(), 48_000, "stop_loss buy 1 at 51000"),
    ] {
        let desk = Desk::new(Market::Swap, NOTHING).await;
        let entry = desk.place(side, "limit", "1", more).await;
        desk.venue.fill(&client_id(&entry), Decimal::ONE);
        let snapshot = desk.drain().await;
        let opposite = if side == "buy" { "sell" } else { "buy" };
        assert_eq!(desk.venue.working(), [format!("limit {opposite} 1 at {target}"), stop.to_owned()]);
        assert_eq!(snapshot["positions"][0]["quantity"], if side == "buy" { "1" } else { "-1" });
        let snapshot = desk.tick(target).await;
        assert_eq!(desk.venue.working(), Vec::<String>::new());
        assert_eq!(snapshot["open_orders"], json!([]));
        assert_eq!(snapshot["positions"][0]["realized_pnl"], "2000");
    }
}

#[tokio::test]
async fn a_stop_that_would_trigger_closes_the_short_at_market_and_takes_its_target_back() {
    let desk = Desk::new(Market::Swap, NOTHING).await;
    let entry = desk.place("sell", "limit", "1", short_bracket()).await;
    desk.venue.inner().last = decimal("51500");
    desk.venue.fill(&client_id(&entry), Decimal::ONE);
    let snapshot = desk.drain().await;
    assert_eq!(desk.venue.working(), Vec::<String>::new());
    assert_eq!(desk.venue.inner().held, Decimal::ZERO);
    assert_eq!((&snapshot["open_orders"], &snapshot["unprotected"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn an_exit_that_ends_unfilled_is_tried_again() {
    let desk = Desk::new(Market::Spot, PAIRS).await;
    let entry = desk.place("buy", "limit", "1", bracket()).await;
    desk.venue.inner().last = decimal("48500");
    desk.venue.inner().is_dry = true;
    desk.venue.fill(&client_id(&entry), Decimal::ONE);
    let snapshot = desk.drain().await;
    assert_eq!(snapshot["unprotected"][0]["quantity"], "1");
    desk.venue.inner().is_dry = false;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let snapshot = desk.drain().await;
    assert_eq!((&snapshot["unprotected"], desk.venue.inner().held), (&json!([]), Decimal::ZERO));
}

#[tokio::test]
async fn what_was_closed_by_hand_is_not_protected_again() {
    let desk = Desk::new(Market::Swap, NOTHING).await;
    let entry = desk.place("buy", "limit", "1", bracket()).await;
    desk.venue.fill(&client_id(&entry), decimal("0.4"));
    desk.drain().await;
    desk.place("sell", "market", "0.4", json!({"reduce_only": true})).await;
    desk.drain().await;
    // The venue ends what has nothing left to reduce, as the price reaches it.
    desk.tick(48_000).await;
    desk.asked();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let snapshot = desk.drain().await;
    assert_eq!((desk.asked(), &snapshot["unprotected"]), (Vec::new(), &json!([])));
}

/// The stop's price and the target's, for a sale of 0.4 of what is held.
fn exits() -> Value {
    json!({"symbol": SYMBOL, "side": "sell", "quantity": "0.4", "price": "52000", "stop_price": "49000", "reduce_only": true})
}

#[tokio::test]
async fn of_a_commanded_pair_that_the_venue_does_not_hold_the_half_left_over_is_cancelled() {
    for (price, left) in [(52_000, "0.6"), (48_900, "0.6")] {
        let desk = Desk::new(Market::Swap, NOTHING).await;
        desk.place("buy", "market", "1", json!({})).await;
        let answer = desk.command("place_oco", exits()).await;
        assert_eq!((answer.code.as_str(), answer.order.unwrap().status), ("accepted", Status::Open));
        assert_eq!(desk.venue.working(), ["limit sell 0.4 at 52000", "stop_loss sell 0.4 at 49000"]);
        let snapshot = desk.tick(price).await;
        assert_eq!(desk.venue.working(), Vec::<String>::new());
        assert_eq!((&snapshot["open_orders"], &snapshot["positions"][0]["quantity"]), (&json!([]), &json!(left)));
    }
}

#[tokio::test]
async fn of_a_commanded_pair_a_refused_half_leaves_nothing() {
    for refused in [Kind::StopLoss, Kind::Limit] {
        let desk = Desk::new(Market::Swap, NOTHING).await;
        desk.place("buy", "market", "1", json!({})).await;
        let error = VenueError::Refused { reason: Reason::Other, code: -9, message: "no".into() };
        desk.venue.inner().refuse = Some((refused, error));
        assert_eq!(desk.command("place_oco", exits()).await.code, "venue_rejected");
        let snapshot = desk.drain().await;
        assert_eq!((desk.venue.working(), &snapshot["open_orders"]), (Vec::<String>::new(), &json!([])));
    }
}

#[tokio::test]
async fn a_pair_that_could_open_something_is_refused_where_the_venue_holds_none() {
    for (market, reduce_only) in [(Market::Swap, false), (Market::Spot, false)] {
        let desk = Desk::new(market, NOTHING).await;
        desk.place("buy", "market", "1", json!({})).await;
        let mut pair = exits();
        pair["reduce_only"] = json!(reduce_only);
        assert_eq!(desk.command("place_oco", pair).await.code, "venue_rejected");
        assert_eq!(desk.venue.working(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn half_of_a_commanded_pair_that_was_killed_before_it_was_sent_leaves_nothing() {
    let mut desk = Desk::new(Market::Swap, NOTHING).await;
    desk.place("buy", "market", "1", json!({})).await;
    desk.venue.inner().refuse = Some((Kind::StopLoss, VenueError::Lost("no answer".into())));
    assert_eq!(desk.command("place_oco", exits()).await.code, "unknown");
    desk.restart().await;
    desk.until_asked("cancel limit sell 0.4 at 52000").await;
    desk.drain().await;
    assert_eq!(desk.venue.working(), Vec::<String>::new());
}

#[tokio::test]
async fn a_half_that_filled_while_the_executor_was_away_takes_the_other_with_it() {
    let mut desk = Desk::new(Market::Swap, NOTHING).await;
    desk.place("buy", "market", "1", json!({})).await;
    let answer = desk.command("place_oco", exits()).await;
    desk.restart_after(|venue| venue.fill(&client_id(&answer), decimal("0.4"))).await;
    assert_eq!(desk.venue.working(), Vec::<String>::new());
}

#[tokio::test]
async fn a_refused_target_leaves_the_stop_to_protect() {
    let desk = Desk::new(Market::Swap, NOTHING).await;
    let entry = desk.place("buy", "limit", "1", bracket()).await;
    let error = VenueError::Refused { reason: Reason::Other, code: -9, message: "no".into() };
    desk.venue.inner().refuse = Some((Kind::Limit, error));
    desk.venue.fill(&client_id(&entry), Decimal::ONE);
    let snapshot = desk.drain().await;
    assert_eq!(desk.venue.working(), ["stop_loss sell 1 at 49000"]);
    assert_eq!(snapshot["unprotected"], json!([]));
}

#[tokio::test]
async fn flatten_closes_a_short_however_large_with_reduce_only_orders() {
    let desk = Desk::new(Market::Swap, NOTHING).await;
    let entry = desk.place("sell", "limit", "12", short_bracket()).await;
    desk.venue.fill(&client_id(&entry), decimal("12"));
    desk.drain().await;
    desk.asked();
    assert_eq!(desk.command("flatten", json!({})).await.code, "accepted");
    let snapshot = desk.drain().await;
    // The largest market order takes 5.
    let closed: Vec<String> = desk.asked().into_iter().filter(|line| line.starts_with("place")).collect();
    assert_eq!(closed, ["place market buy 5", "place market buy 5", "place market buy 2"]);
    assert_eq!(desk.venue.inner().held, Decimal::ZERO);
    assert_eq!((&snapshot["open_orders"], &snapshot["unprotected"]), (&json!([]), &json!([])));
    assert_eq!(desk.place("buy", "limit", "1", bracket()).await.code, "accepted", "and trading goes on");
}

#[tokio::test]
async fn positions_that_the_fills_do_not_make_are_taken_from_the_venue() {
    let mut desk = Desk::new(Market::Swap, NOTHING).await;
    desk.place("buy", "market", "1", json!({})).await;
    assert_eq!(desk.drain().await["positions"][0]["quantity"], "1");
    // Closed and turned round by other hands, without a trade of ours.
    desk.venue.inner().held = decimal("-3");
    desk.restart().await;
    assert_eq!(desk.drain().await["positions"][0]["quantity"], "-3");
    let answer = desk.place("sell", "market", "1", json!({"reduce_only": true})).await;
    assert_eq!(answer.code, code_name(Code::ReduceOnly));
    assert_eq!(desk.place("buy", "market", "3", json!({"reduce_only": true})).await.code, "accepted");
}

// --- trailing stops that the executor moves

#[tokio::test]
async fn a_trailing_stop_follows_the_price_up_and_never_down() {
    let mut desk = Desk::new(Market::Spot, NOTHING).await;
    desk.place("buy", "market", "1", json!({})).await;
    let trailing = desk.place("sell", "trailing_stop", "1", json!({"trail": "0.01"})).await;
    assert_eq!(trailing.code, "accepted", "{}", trailing.message);
    assert_eq!(desk.venue.working(), ["stop_loss sell 1 at 49500"]);
    desk.tick(50_020).await;
    assert_eq!(desk.venue.working(), ["stop_loss sell 1 at 49500"], "too little to be worth it");
    desk.tick(51_000).await;
    assert_eq!(desk.venue.working(), ["stop_loss sell 1 at 50490"]);
    desk.tick(50_600).await;
    assert_eq!(desk.venue.working(), ["stop_loss sell 1 at 50490"]);
    desk.restart().await;
    desk.tick(52_000).await;
    assert_eq!(desk.venue.working(), ["stop_loss sell 1 at 51480"], "it goes on after a restart");
    let snapshot = desk.tick(51_400).await;
    assert_eq!(desk.venue.inner().held, Decimal::ZERO);
    assert_eq!(snapshot["open_orders"], json!([]));
}

#[tokio::test]
async fn a_trailing_stop_of_a_short_follows_the_price_down() {
    let desk = Desk::new(Market::Swap, NOTHING).await;
    desk.place("sell", "market", "1", json!({})).await;
    desk.place("buy", "trailing_stop", "1", json!({"trail": "0.02", "reduce_only": true})).await;
    assert_eq!(desk.venue.working(), ["stop_loss buy 1 at 51000"]);
    desk.tick(49_000).await;
    assert_eq!(desk.venue.working(), ["stop_loss buy 1 at 49980"]);
}

#[tokio::test]
async fn a_trailing_stop_that_the_price_has_passed_while_it_was_moved_sells_at_market() {
    let desk = Desk::new(Market::Spot, NOTHING).await;
    desk.place("buy", "market", "1", json!({})).await;
    desk.place("sell", "trailing_stop", "1", json!({"trail": "0.01"})).await;
    let error = VenueError::Refused { reason: Reason::WouldTrigger, code: -9, message: "would trigger".into() };
    desk.venue.inner().refuse = Some((Kind::StopLoss, error));
    desk.asked();
    desk.tick(51_000).await;
    assert_eq!(
        desk.asked(),
        ["cancel stop_loss sell 1 at 49500", "place stop_loss sell 1 at 50490", "place market sell 1"]
    );
    assert_eq!(desk.venue.inner().held, Decimal::ZERO);
}

/// A trailing stop whose next level was journaled as placed, and never reached the venue. Returns the id that the command gave it.
async fn lost_move(desk: &Desk) -> Uuid {
    desk.place("buy", "market", "1", json!({})).await;
    let trailing = desk.place("sell", "trailing_stop", "1", json!({"trail": "0.01"})).await;
    desk.venue.inner().refuse = Some((Kind::StopLoss, VenueError::Lost("killed before it was sent".into())));
    desk.asked();
    desk.venue.tick(51_000);
    desk.until_asked("place stop_loss sell 1 at 50490").await;
    assert_eq!(desk.venue.working(), Vec::<String>::new());
    trailing.command_id.unwrap()
}

#[tokio::test]
async fn a_moved_stop_that_never_reached_the_venue_is_placed_again_once() {
    let desk = Desk::new(Market::Spot, NOTHING).await;
    let first = lost_move(&desk).await;
    desk.until_asked("place stop_loss sell 1 at 50490").await;
    desk.drain().await;
    let third = ids::trailing_next(ids::trailing_next(first));
    assert!(desk.venue.inner().orders.contains_key(&ids::client_order_id(third)), "under the id that follows");
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(desk.asked(), Vec::<String>::new(), "once");
    desk.tick(52_000).await;
    assert_eq!(desk.venue.working(), ["stop_loss sell 1 at 51480"], "and follows on");
    let answer = desk.command("cancel", json!({"order_id": first})).await;
    assert_eq!((answer.code.as_str(), desk.venue.working()), ("accepted", Vec::new()));
}

#[tokio::test]
async fn a_moved_stop_that_was_killed_before_it_was_sent_is_placed_again_after_the_restart() {
    let mut desk = Desk::new(Market::Spot, NOTHING).await;
    lost_move(&desk).await;
    desk.venue.inner().refuse = None;
    desk.restart().await;
    assert_eq!(desk.venue.working(), ["stop_loss sell 1 at 50490"]);
    desk.restart().await;
    assert_eq!(desk.venue.working(), ["stop_loss sell 1 at 50490"], "once");
}

#[tokio::test]
async fn a_moved_stop_that_the_price_has_passed_when_it_is_placed_again_sells_at_market() {
    let mut desk = Desk::new(Market::Spot, NOTHING).await;
    lost_move(&desk).await;
    desk.venue.inner().last = Decimal::from(50_400);
    desk.restart().await;
    assert_eq!((desk.venue.working(), desk.venue.inner().held), (Vec::new(), Decimal::ZERO));
}

#[tokio::test]
async fn a_moved_stop_that_never_arrived_is_not_placed_again_once_it_is_given_up() {
    for (action, payload) in [("cancel_all", json!({})), ("flatten", json!({})), ("cancel", Value::Null)] {
        let mut desk = Desk::new(Market::Spot, NOTHING).await;
        desk.place("buy", "market", "1", json!({})).await;
        let trailing = desk.place("sell", "trailing_stop", "1", json!({"trail": "0.01"})).await;
        desk.venue.inner().refuse = Some((Kind::StopLoss, VenueError::NotSent("no connection".into())));
        desk.asked();
        desk.venue.tick(51_000);
        desk.until_asked("place stop_loss sell 1 at 50490").await;
        let payload = if payload.is_null() { json!({"order_id": trailing.command_id}) } else { payload };
        let answer = desk.command(action, payload).await;
        assert_eq!(answer.code, "accepted", "{action}: {}", answer.message);
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        desk.restart().await;
        assert_eq!(desk.venue.working(), Vec::<String>::new(), "{action}");
    }
}

#[tokio::test]
async fn a_trailing_stop_is_cancelled_by_the_id_it_was_placed_under() {
    let desk = Desk::new(Market::Spot, NOTHING).await;
    desk.place("buy", "market", "1", json!({})).await;
    let trailing = desk.place("sell", "trailing_stop", "1", json!({"trail": "0.01"})).await;
    desk.tick(51_000).await;
    let answer = desk.command("cancel", json!({"order_id": trailing.command_id})).await;
    assert_eq!(answer.code, "accepted");
    assert_eq!(desk.venue.working(), Vec::<String>::new());
    desk.tick(53_000).await;
    assert_eq!(desk.venue.working(), Vec::<String>::new());
    let later = json!({"trail": "0.01", "stop_price": "55000"});
    assert_eq!(desk.place("sell", "trailing_stop", "1", later).await.code, "venue_rejected");
}

#[tokio::test]
async fn a_venue_that_holds_trailing_stops_gets_them_as_they_are() {
    let desk = Desk::new(Market::Spot, PAIRS).await;
    desk.place("buy", "market", "1", json!({})).await;
    desk.place("sell", "trailing_stop", "1", json!({"trail": "0.01"})).await;
    assert_eq!(desk.venue.working(), ["trailing_stop sell 1"]);
}

// --- less is free than was bought

#[tokio::test]
async fn what_is_free_is_protected_where_the_venue_refuses_the_whole() {
    for (holds, legs) in [
        (PAIRS, vec!["limit sell 0.8 at 52000", "stop_loss sell 0.8 at 49000"]),
        (NOTHING, vec!["stop_loss sell 0.8 at 49000"]),
    ] {
        let desk = Desk::new(Market::Spot, holds).await;
        let entry = desk.place("buy", "limit", "1", bracket()).await;
        // By other hands, and the stream has not told.
        desk.venue.inner().held = decimal("-0.1995");
        desk.venue.fill(&client_id(&entry), Decimal::ONE);
        let snapshot = desk.drain().await;
        assert_eq!(desk.venue.working(), legs);
        let bare = json!([{"order_id": entry.command_id, "quantity": "0.2"}]);
        assert_eq!(snapshot["unprotected"], bare);
    }
}

// --- replace

/// Begins to replace the order while cancels are lost, and lets another command come in between.
async fn replaced_while(desk: &Desk, old: &Answer, between: &str, payload: Value) -> (Answer, Value) {
    desk.venue.inner().loses_cancels = true;
    let replacing = desk.command("replace", json!({"order_id": old.command_id, "price": "46000"}));
    let disturbing = async {
        let answer = desk.command(between, payload).await;
        desk.venue.inner().loses_cancels = false;
        answer
    };
    let (replaced, _) = tokio::join!(replacing, disturbing);
    (replaced, desk.settled().await)
}

#[tokio::test]
async fn what_cancels_the_old_order_cancels_what_was_to_follow() {
    for (between, payload, code) in [
        ("cancel_all", json!({}), "unknown_order"),
        ("flatten", json!({}), "unknown_order"),
        ("kill", json!({}), "unknown_order"),
    ] {
        let desk = Desk::new(Market::Spot, PAIRS).await;
        let old = desk.place("buy", "limit", "1", json!({"price": "45000"})).await;
        let (replaced, snapshot) = replaced_while(&desk, &old, between, payload).await;
        assert_eq!(replaced.code, code, "{between}: {}", replaced.message);
        assert_eq!(snapshot["open_orders"], json!([]), "{between}");
        assert_eq!(desk.venue.working(), Vec::<String>::new(), "{between}");
    }
}

#[tokio::test]
async fn a_lost_cancel_is_repeated_and_the_new_order_follows() {
    let desk = Desk::new(Market::Spot, PAIRS).await;
    let old = desk.place("buy", "limit", "1", json!({"price": "45000"})).await;
    let (replaced, _) = replaced_while(&desk, &old, "set_limits", json!({"max_open_orders": 1})).await;
    assert_eq!(replaced.code, "accepted", "its own place counts for the one that follows: {}", replaced.message);
    assert_eq!(desk.venue.working(), ["limit buy 1 at 46000"]);
}

#[tokio::test]
async fn what_fills_while_the_cancel_is_under_way_is_not_bought_again() {
    let desk = Desk::new(Market::Spot, PAIRS).await;
    let old = desk.place("buy", "limit", "1", json!({"price": "45000"})).await;
    // The venue has executed a part of it, and tells only with the cancel.
    let sink = std::mem::take(&mut desk.venue.inner().sink);
    desk.venue.fill(&client_id(&old), decimal("0.3"));
    desk.venue.inner().sink = sink;
    let replaced = desk.command("replace", json!({"order_id": old.command_id, "price": "46000"})).await;
    assert_eq!(replaced.code, "accepted", "{}", replaced.message);
    assert_eq!(desk.venue.working(), ["limit buy 0.7 at 46000"]);
}

#[tokio::test]
async fn what_a_stop_had_sold_while_it_was_taken_back_is_not_sold_again() {
    let desk = Desk::new(Market::Spot, NOTHING).await;
    let entry = desk.place("buy", "limit", "1", bracket()).await;
    desk.venue.fill(&client_id(&entry), Decimal::ONE);
    desk.drain().await;
    desk.asked();
    // The venue has executed a part of the stop, and tells only with the cancel.
    let stop = ids::client_order_id(ids::stop_leg(entry.command_id.unwrap(), 1));
    let sink = std::mem::take(&mut desk.venue.inner().sink);
    desk.venue.fill(&stop, decimal("0.3"));
    desk.venue.inner().sink = sink;
    let snapshot = desk.tick(52_000).await;
    assert_eq!(desk.asked(), ["cancel stop_loss sell 0.7 at 49000", "place market sell 0.7"]);
    assert_eq!((&snapshot["unprotected"], desk.venue.inner().held), (&json!([]), Decimal::ZERO));
}

// --- many pieces

#[tokio::test]
async fn an_entry_in_many_pieces_is_protected_all_along_by_a_handful_of_pairs() {
    let desk = Desk::new(Market::Spot, PAIRS).await;
    let entry = desk.place("buy", "limit", "3", bracket()).await;
    for piece in 1..=20 {
        desk.venue.fill(&client_id(&entry), Decimal::new(piece * 10, 3));
        let snapshot = desk.drain().await;
        assert_eq!(snapshot["unprotected"], json!([]));
        let stops: Vec<String> = desk.venue.working().into_iter().filter(|line| line.starts_with("stop")).collect();
        assert!(stops.len() <= 4, "{stops:?}");
        let protected: Decimal = stops.iter().map(|line| decimal(line.split(' ').nth(2).unwrap())).sum();
        assert_eq!(protected, desk.venue.inner().held);
    }
    let snapshot = desk.tick(52_000).await;
    assert_eq!(desk.venue.inner().held, Decimal::ZERO);
    assert_eq!(snapshot["unprotected"], json!([]));
}

#[tokio::test]
async fn fills_of_one_turn_share_one_pair() {
    let desk = Desk::new(Market::Spot, PAIRS).await;
    let entry = desk.place("buy", "limit", "1", bracket()).await;
    desk.asked();
    for _ in 0..10 {
        desk.venue.fill(&client_id(&entry), Decimal::new(1, 1));
    }
    desk.drain().await;
    assert_eq!(desk.venue.working(), ["limit sell 1 at 52000", "stop_loss sell 1 at 49000"]);
    assert_eq!(desk.asked().len(), 2);
}
