//! Protection follows the fill: the quantity behind a stop equals the quantity received, down to the lot.

use orders::protection::{Failure, Form, Group, MOST_GROUPS, next, to_merge, uncovered, unprotected};
use orders::{Event, Fill, Kind, Market, Order, Side, SymbolRules, Tracked, ids};
use proptest::prelude::*;
use rust_decimal::Decimal;
use uuid::Uuid;

fn rules() -> SymbolRules {
    SymbolRules {
        market: orders::Market::Spot,
        symbol: "BTCUSDT".into(),
        base: "BTC".into(),
        quote: "USDT".into(),
        tick: Decimal::new(1, 2),
        min_price: Decimal::ZERO,
        max_price: Decimal::ZERO,
        step: Decimal::new(1, 5),
        min_quantity: Decimal::new(1, 5),
        max_quantity: Decimal::ZERO,
        market_max_quantity: Decimal::ZERO,
        min_notional: Decimal::from(5),
    }
}

fn entry(quantity: Decimal, stop: Option<i64>, target: Option<i64>) -> Tracked {
    let id = Uuid::from_u128(1);
    Tracked::new(Order {
        id,
        client_order_id: ids::client_order_id(id),
        parent: None,
        market: orders::Market::Spot,
        symbol: "BTCUSDT".into(),
        side: Side::Buy,
        kind: Kind::Limit,
        quantity,
        price: Some(Decimal::from(50_000)),
        stop_price: None,
        trail: None,
        time_in_force: None,
        stop_loss: stop.map(Decimal::from),
        take_profit: target.map(Decimal::from),
        reduce_only: false,
        post_only: false,
    })
}

fn fill(entry: &mut Tracked, trade: usize, quantity: Decimal, fee: Decimal) {
    entry.apply(&Event::Fill(Fill {
        trade_id: trade.to_string(),
        quantity,
        price: Decimal::from(50_000),
        fee,
        fee_asset: "BTC".into(),
        is_maker: true,
        time_ms: 0,
    }));
}

fn group(n: u32, form: Form, quantity: &str, failure: Option<Failure>) -> Group {
    Group { failure, ..Group::new(n, form, quantity.parse().unwrap()) }
}

#[test]
fn the_form_follows_what_was_asked() {
    for (stop, target, form) in
        [(Some(1), Some(2), Form::Oco), (Some(1), None, Form::Stop), (None, Some(2), Form::Target)]
    {
        let mut entry = entry(Decimal::ONE, stop.map(|n| n * 49_000), target.map(|n| n * 49_000));
        assert_eq!(next(&entry, &[], &rules(), true, false), None, "nothing filled, nothing to protect");
        fill(&mut entry, 1, Decimal::ONE, Decimal::new(1, 3));
        let next = next(&entry, &[], &rules(), true, false).unwrap();
        assert_eq!((next.n, next.form, next.quantity), (1, form, Decimal::new(999, 3)));
    }
    let mut plain = entry(Decimal::ONE, None, None);
    fill(&mut plain, 1, Decimal::ONE, Decimal::ZERO);
    assert_eq!(next(&plain, &[], &rules(), true, false), None);
}

#[test]
fn each_refusal_leads_to_the_next_weaker_form_and_then_to_a_flag() {
    let mut entry = entry(Decimal::ONE, Some(49_000), Some(52_000));
    fill(&mut entry, 1, Decimal::ONE, Decimal::ZERO);
    let form = |groups: &[Group], again| next(&entry, groups, &rules(), true, again).map(|next| (next.n, next.form));
    let refused = |n, form, failure| group(n, form, "1", Some(failure));
    assert_eq!(form(&[refused(1, Form::Oco, Failure::WouldTrigger)], false), Some((2, Form::Exit)));
    assert_eq!(form(&[refused(1, Form::Oco, Failure::NotSent)], false), Some((2, Form::Oco)));
    let short = [refused(1, Form::Oco, Failure::Short)];
    assert_eq!(form(&short, true), Some((2, Form::Oco)), "the same of what is free");
    assert_eq!(form(&short, false), Some((2, Form::Stop)));
    let mut groups = vec![refused(1, Form::Oco, Failure::Refused)];
    assert_eq!(form(&groups, false), Some((2, Form::Stop)));
    groups.push(refused(2, Form::Stop, Failure::Refused));
    assert_eq!(form(&groups, false), None);
    assert_eq!(unprotected(&entry, &groups, &rules(), |_| vec![]), Decimal::ONE);
    assert_eq!(form(&groups, true), Some((3, Form::Oco)), "a reconciliation tries again, under a new id");
}

#[test]
fn a_leg_that_the_venue_cancelled_leaves_its_quantity_unprotected() {
    let mut entry = entry(Decimal::ONE, Some(49_000), None);
    fill(&mut entry, 1, Decimal::ONE, Decimal::ZERO);
    let mut leg = Tracked::new(Order { side: Side::Sell, kind: Kind::StopLoss, ..entry.order.clone() });
    let mut groups = [group(1, Form::Stop, "1", None)];
    leg.apply(&Event::Accepted { external_id: "2".into() });
    assert_eq!(unprotected(&entry, &groups, &rules(), |_| vec![&leg]), Decimal::ZERO);
    fill(&mut leg, 2, Decimal::new(4, 1), Decimal::ZERO);
    groups[0].gone = leg.filled;
    leg.apply(&Event::Cancelled);
    assert_eq!(unprotected(&entry, &groups, &rules(), |_| vec![&leg]), Decimal::new(6, 1));
    let released = [Group { released: true, ..groups[0].clone() }];
    assert_eq!(unprotected(&entry, &released, &rules(), |_| vec![&leg]), Decimal::ZERO);
}

#[test]
fn without_pairs_at_the_venue_a_swap_rests_both_legs_and_spot_watches_the_target() {
    let mut entry = entry(Decimal::ONE, Some(49_000), Some(52_000));
    fill(&mut entry, 1, Decimal::ONE, Decimal::ZERO);
    let form = |groups: &[Group]| next(&entry, groups, &rules(), false, false).map(|next| next.form);
    assert_eq!(form(&[]), Some(Form::Watched));
    assert_eq!(form(&[group(1, Form::Watched, "1", Some(Failure::TargetReached))]), Some(Form::Exit));
    assert_eq!(form(&[group(1, Form::Watched, "1", Some(Failure::Refused))]), Some(Form::Stop));
    entry.order.market = Market::Swap;
    assert_eq!(next(&entry, &[], &rules(), false, false).map(|next| next.form), Some(Form::Oco));
}

#[test]
fn a_short_is_protected_for_all_that_filled_however_small() {
    let rules = SymbolRules { market: Market::Swap, ..rules() };
    let mut entry = entry(Decimal::ONE, Some(51_000), Some(48_000));
    (entry.order.side, entry.order.market) = (Side::Sell, Market::Swap);
    // Far below the smallest order, which does not bind what reduces a position.
    fill(&mut entry, 1, rules.step, Decimal::ZERO);
    assert_eq!(next(&entry, &[], &rules, false, false).map(|next| next.quantity), Some(rules.step));
}

#[test]
fn a_target_that_works_is_no_protection_once_its_stop_has_gone() {
    let mut entry = entry(Decimal::ONE, Some(49_000), Some(52_000));
    fill(&mut entry, 1, Decimal::ONE, Decimal::ZERO);
    let leg = |kind| Tracked::new(Order { side: Side::Sell, kind, ..entry.order.clone() });
    let (mut stop, target) = (leg(Kind::StopLoss), leg(Kind::Limit));
    let groups = [group(1, Form::Oco, "1", None)];
    assert_eq!(unprotected(&entry, &groups, &rules(), |_| vec![&stop, &target]), Decimal::ZERO);
    stop.apply(&Event::Expired);
    assert_eq!(unprotected(&entry, &groups, &rules(), |_| vec![&stop, &target]), Decimal::ONE);
}

#[test]
fn what_a_group_had_closed_before_it_failed_is_not_protected_again() {
    let mut entry = entry(Decimal::ONE, Some(49_000), Some(52_000));
    fill(&mut entry, 1, Decimal::ONE, Decimal::ZERO);
    let merged = Group { gone: Decimal::new(3, 1), ..group(1, Form::Oco, "1", Some(Failure::Merged)) };
    let next = next(&entry, &[merged], &rules(), true, false).unwrap();
    assert_eq!((next.form, next.quantity), (Form::Oco, Decimal::new(7, 1)));
}

#[test]
fn the_two_smallest_of_many_groups_become_one() {
    let many = |sizes: &[&str]| -> Vec<Group> {
        sizes.iter().enumerate().map(|(i, size)| group(i as u32 + 1, Form::Oco, size, None)).collect()
    };
    assert_eq!(to_merge(&many(&["5", "1", "4", "2"]), |_| true), None);
    let mut groups = many(&["5", "1", "4", "2", "3"]);
    assert_eq!(to_merge(&groups, |_| true), Some([2, 4]));
    assert_eq!(to_merge(&groups, |n| n != 2), Some([4, 5]), "what is still on its way to the venue is left alone");
    groups[1].gone = Decimal::ONE;
    assert_eq!(to_merge(&groups, |_| true), None, "what has closed counts no more");
    groups.extend([group(6, Form::Oco, "1", None), group(7, Form::Oco, "1", None)]);
    groups[0].closing = Some(Failure::Merged);
    assert_eq!(to_merge(&groups, |_| true), None, "one after the other");
}

proptest! {
    /// However many pieces an entry fills in, a handful of groups stand, and all of it is protected.
    #[test]
    fn many_small_fills_never_pile_up(fills in prop::collection::vec(1u32..1000, 1..120)) {
        let rules = rules();
        let total: Decimal = fills.iter().map(|lots| Decimal::from(*lots) * rules.step * Decimal::TEN).sum();
        let mut entry = entry(total, Some(49_000), Some(52_000));
        let mut groups: Vec<Group> = Vec::new();
        for (i, lots) in fills.iter().enumerate() {
            fill(&mut entry, i, Decimal::from(*lots) * rules.step * Decimal::TEN, Decimal::ZERO);
            while let Some(next) = next(&entry, &groups, &rules, true, false) {
                groups.push(Group::new(next.n, next.form, next.quantity));
                for n in to_merge(&groups, |_| true).into_iter().flatten() {
                    groups[n as usize - 1].failure = Some(Failure::Merged);
                }
            }
            prop_assert!(groups.iter().filter(|group| group.failure.is_none()).count() <= MOST_GROUPS);
            prop_assert!(!rules.is_tradable(uncovered(&entry, &groups, &rules), Decimal::from(49_000)));
        }
    }

    #[test]
    fn protected_equals_net_filled_down_to_the_lot(fills in prop::collection::vec((1u32..100_000, 0u32..1000), 1..20)) {
        let rules = rules();
        let total: Decimal = fills.iter().map(|(lots, _)| Decimal::from(*lots) * rules.step).sum();
        let mut entry = entry(total, Some(49_000), Some(52_000));
        let mut groups: Vec<Group> = Vec::new();
        for (i, (lots, parts)) in fills.iter().enumerate() {
            let quantity = Decimal::from(*lots) * rules.step;
            fill(&mut entry, i, quantity, quantity * Decimal::new(i64::from(*parts), 5));
            if let Some(next) = next(&entry, &groups, &rules, true, false) {
                prop_assert!(rules.is_tradable(next.quantity, Decimal::from(49_000)));
                prop_assert!(groups.iter().all(|group| group.n != next.n), "an id is never used twice");
                groups.push(Group::new(next.n, next.form, next.quantity));
            }
            let protected: Decimal = groups.iter().map(|group| group.quantity).sum();
            let received = rules.floor_quantity(entry.net_filled("BTC"));
            prop_assert!(protected <= received, "never more than is held");
            // What is left over is dust, too small for the venue; it waits for the next fill.
            prop_assert!(received == protected || !rules.is_tradable(received - protected, Decimal::from(49_000)));
            prop_assert_eq!(uncovered(&entry, &groups, &rules), received - protected);
            prop_assert_eq!(next_again(&entry, &groups, &rules), None);
        }
    }
}

fn next_again(entry: &Tracked, groups: &[Group], rules: &SymbolRules) -> Option<orders::protection::Next> {
    next(entry, groups, rules, true, false)
}
