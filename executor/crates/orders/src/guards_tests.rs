use super::*;
use crate::ids;
use crate::order::Market;
use proptest::prelude::*;
use uuid::Uuid;

pub(crate) fn rules() -> SymbolRules {
    SymbolRules {
        market: Market::Spot,
        symbol: "BTCUSDT".into(),
        base: "BTC".into(),
        quote: "USDT".into(),
        tick: decimal("0.01"),
        min_price: decimal("0.01"),
        max_price: decimal("1000000"),
        step: decimal("0.00001"),
        min_quantity: decimal("0.00001"),
        max_quantity: decimal("9000"),
        market_max_quantity: decimal("100"),
        min_notional: decimal("5"),
    }
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn buy(quantity: &str, price: &str) -> Order {
    let id = Uuid::from_u128(1);
    Order {
        id,
        client_order_id: ids::client_order_id(id),
        parent: None,
        market: Market::Spot,
        symbol: "BTCUSDT".into(),
        side: Side::Buy,
        kind: Kind::Limit,
        quantity: decimal(quantity),
        price: Some(decimal(price)),
        stop_price: None,
        trail: None,
        time_in_force: None,
        stop_loss: None,
        take_profit: None,
        reduce_only: false,
        post_only: false,
    }
}

fn sell(quantity: &str, price: &str) -> Order {
    Order { side: Side::Sell, ..buy(quantity, price) }
}

fn refusal(order: Order, exposure: &Exposure, limits: &Limits) -> Option<Code> {
    approve(order, exposure, limits, &rules()).err().map(|refusal| refusal.code)
}

#[test]
fn entries_stop_when_killed_paused_or_flattening_and_exits_pass() {
    let held = Exposure { held: decimal("1"), ..Exposure::default() };
    let limits = Limits::default();
    for (exposure, code) in [
        (Exposure { killed: true, ..held.clone() }, Code::Killed),
        (Exposure { paused: true, ..held.clone() }, Code::Paused),
        (Exposure { flattening: true, ..held.clone() }, Code::Paused),
    ] {
        assert_eq!(refusal(buy("0.01", "50000"), &exposure, &limits), Some(code));
        assert_eq!(refusal(sell("1", "50000"), &exposure, &limits), None);
        // More than is held would not be an exit.
        assert_eq!(refusal(sell("1.1", "50000"), &exposure, &limits), Some(Code::ReduceOnly));
    }
    assert_eq!(refusal(buy("0.01", "50000"), &held, &limits), None);
}

#[test]
fn reduce_only_never_passes_what_is_held_less_what_is_being_sold() {
    let exposure = Exposure { held: decimal("1"), closing: decimal("0.6"), ..Exposure::default() };
    let reduce = |quantity: &str| Order { reduce_only: true, ..sell(quantity, "50000") };
    assert_eq!(refusal(reduce("0.4"), &exposure, &Limits::default()), None);
    assert_eq!(refusal(reduce("0.40001"), &exposure, &Limits::default()), Some(Code::ReduceOnly));
    assert_eq!(
        refusal(Order { reduce_only: true, ..buy("0.1", "50000") }, &exposure, &Limits::default()),
        Some(Code::ReduceOnly)
    );
}

#[test]
fn a_limit_refuses_just_above_it_and_passes_at_it() {
    let exposure = Exposure {
        held: decimal("0.1"),
        opening_value: decimal("1000"),
        open_orders: 3,
        orders_last_minute: 10,
        last: Some(decimal("50000")),
        ..Exposure::default()
    };
    let limit = |change: Limits| Limits { ..change };
    let order = || buy("0.02", "50000");
    let cases = [
        (limit(Limits { max_order_notional: Some(decimal("1000")), ..Limits::default() }), None),
        (
            limit(Limits { max_order_notional: Some(decimal("999.99")), ..Limits::default() }),
            Some(Code::MaxOrderNotional),
        ),
        (limit(Limits { max_position_notional: Some(decimal("7000")), ..Limits::default() }), None),
        (
            limit(Limits { max_position_notional: Some(decimal("6999")), ..Limits::default() }),
            Some(Code::MaxPositionNotional),
        ),
        (limit(Limits { max_open_orders: Some(4), ..Limits::default() }), None),
        (limit(Limits { max_open_orders: Some(3), ..Limits::default() }), Some(Code::MaxOpenOrders)),
        (limit(Limits { max_orders_per_minute: Some(11), ..Limits::default() }), None),
        (limit(Limits { max_orders_per_minute: Some(10), ..Limits::default() }), Some(Code::OrderRate)),
    ];
    for (limits, expected) in cases {
        assert_eq!(refusal(order(), &exposure, &limits), expected, "{limits:?}");
        if expected.is_some() {
            assert_eq!(refusal(sell("0.02", "50000"), &exposure, &limits), None, "an exit must pass {limits:?}");
        }
    }
}

#[test]
fn the_collar_refuses_prices_worse_than_the_market_and_no_others() {
    let exposure = Exposure { held: decimal("1"), last: Some(decimal("50000")), ..Exposure::default() };
    let limits = Limits { price_collar: Some(decimal("0.01")), ..Limits::default() };
    assert_eq!(refusal(buy("0.01", "50500"), &exposure, &limits), None);
    assert_eq!(refusal(buy("0.01", "50500.01"), &exposure, &limits), Some(Code::PriceCollar));
    assert_eq!(refusal(buy("0.01", "30000"), &exposure, &limits), None);
    assert_eq!(refusal(sell("0.01", "49500"), &exposure, &limits), None);
    assert_eq!(refusal(sell("0.01", "49499.99"), &exposure, &limits), Some(Code::PriceCollar));
    let stop = Order { kind: Kind::StopLoss, price: None, stop_price: Some(decimal("45000")), ..sell("0.01", "1") };
    assert_eq!(refusal(stop, &exposure, &limits), None);
    assert_eq!(refusal(buy("0.01", "50000"), &Exposure { last: None, ..exposure }, &limits), Some(Code::NotReady));
}

#[test]
fn a_market_order_is_valued_at_the_last_price() {
    let limits = Limits { max_order_notional: Some(decimal("1000")), ..Limits::default() };
    let market = Order { kind: Kind::Market, price: None, ..buy("0.02", "1") };
    assert!(limits.needs_last_price(&market));
    assert!(!limits.needs_last_price(&buy("0.02", "50000")));
    let at = |last: &str| Exposure { last: Some(decimal(last)), ..Exposure::default() };
    assert_eq!(refusal(market.clone(), &at("50000"), &limits), None);
    assert_eq!(refusal(market.clone(), &at("50001"), &limits), Some(Code::MaxOrderNotional));
    assert_eq!(refusal(market, &Exposure::default(), &limits), Some(Code::NotReady));
}

#[test]
fn filters_refuse_instead_of_rounding() {
    let none = Limits::default();
    let flat = Exposure::default();
    assert_eq!(refusal(buy("0.01", "50000.001"), &flat, &none), Some(Code::FilterPrice));
    assert_eq!(refusal(buy("0.000011", "5000000"), &flat, &none), Some(Code::FilterPrice));
    assert_eq!(refusal(buy("0.010001", "50000"), &flat, &none), Some(Code::FilterLot));
    assert_eq!(refusal(buy("0", "50000"), &flat, &none), Some(Code::FilterLot));
    assert_eq!(refusal(buy("-0.01", "50000"), &flat, &none), Some(Code::FilterLot));
    assert_eq!(refusal(buy("0.00009", "50000"), &flat, &none), Some(Code::FilterNotional));
    assert_eq!(refusal(buy("0.0001", "50000"), &flat, &none), None);
}

#[test]
fn a_bracket_must_surround_the_entry() {
    let bracket = |stop: &str, target: &str| Order {
        stop_loss: Some(decimal(stop)),
        take_profit: Some(decimal(target)),
        ..buy("0.01", "50000")
    };
    let code = |order| refusal(order, &Exposure::default(), &Limits::default());
    assert_eq!(code(bracket("49000", "52000")), None);
    assert_eq!(code(bracket("50000", "52000")), Some(Code::FilterPrice));
    assert_eq!(code(bracket("49000", "50000")), Some(Code::FilterPrice));
    assert_eq!(code(bracket("49000.001", "52000")), Some(Code::FilterPrice));
    assert_eq!(code(Order { side: Side::Sell, ..bracket("49000", "52000") }), Some(Code::ReduceOnly));
}

// --- swap: both sides open, only reduce_only closes

fn swap_refusal(order: Order, exposure: &Exposure, limits: &Limits) -> Option<Code> {
    let rules = SymbolRules { market: Market::Swap, ..rules() };
    approve(Order { market: Market::Swap, ..order }, exposure, limits, &rules).err().map(|refusal| refusal.code)
}

fn reducing(order: Order) -> Order {
    Order { reduce_only: true, ..order }
}

#[test]
fn on_swap_a_sell_opens_unless_it_is_reduce_only() {
    let long = Exposure { held: decimal("1"), killed: true, ..Exposure::default() };
    let none = Limits::default();
    assert_eq!(swap_refusal(sell("0.5", "50000"), &long, &none), Some(Code::Killed));
    assert_eq!(swap_refusal(reducing(sell("1", "50000")), &long, &none), None);
    assert_eq!(swap_refusal(sell("0.5", "50000"), &Exposure::default(), &none), None);
}

#[test]
fn reduce_only_must_oppose_the_position_and_not_exceed_it() {
    let none = Limits::default();
    let short = Exposure { held: decimal("-1"), closing: decimal("0.6"), ..Exposure::default() };
    assert_eq!(swap_refusal(reducing(buy("0.4", "50000")), &short, &none), None);
    assert_eq!(swap_refusal(reducing(buy("0.40001", "50000")), &short, &none), Some(Code::ReduceOnly));
    assert_eq!(swap_refusal(reducing(sell("0.1", "50000")), &short, &none), Some(Code::ReduceOnly));
    assert_eq!(swap_refusal(reducing(buy("0.1", "50000")), &Exposure::default(), &none), Some(Code::ReduceOnly));
    // Dust may be closed: the smallest notional does not bind what reduces.
    let dust = Exposure { held: decimal("-0.00001"), ..Exposure::default() };
    assert_eq!(swap_refusal(reducing(buy("0.00001", "50000")), &dust, &none), None);
}

#[test]
fn the_position_limit_holds_long_and_short_and_lets_a_position_be_turned_up_to_it() {
    let limits = Limits { max_position_notional: Some(decimal("5000")), ..Limits::default() };
    let short = Exposure { held: decimal("-0.09"), opening_value: decimal("400"), ..Exposure::default() };
    assert_eq!(swap_refusal(sell("0.002", "50000"), &short, &limits), None);
    assert_eq!(swap_refusal(sell("0.00201", "50000"), &short, &limits), Some(Code::MaxPositionNotional));
    let short = Exposure { opening_value: Decimal::ZERO, ..short };
    assert_eq!(swap_refusal(buy("0.19", "50000"), &short, &limits), None);
    assert_eq!(swap_refusal(buy("0.191", "50000"), &short, &limits), Some(Code::MaxPositionNotional));
}

#[test]
fn a_short_bracket_lies_the_other_way_round() {
    let bracket = |stop: &str, target: &str| Order {
        stop_loss: Some(decimal(stop)),
        take_profit: Some(decimal(target)),
        ..sell("0.01", "50000")
    };
    let code = |order| swap_refusal(order, &Exposure::default(), &Limits::default());
    assert_eq!(code(bracket("51000", "48000")), None);
    for (stop, target) in [("49000", "48000"), ("51000", "50000"), ("50000", "48000"), ("48000", "51000")] {
        assert_eq!(code(bracket(stop, target)), Some(Code::FilterPrice), "{stop} {target}");
    }
    let closing = Exposure { held: decimal("1"), ..Exposure::default() };
    assert_eq!(swap_refusal(reducing(bracket("51000", "48000")), &closing, &Limits::default()), Some(Code::ReduceOnly));
}

#[test]
fn on_swap_the_collar_binds_what_opens_on_both_sides_and_lets_stops_that_close_pass() {
    let limits = Limits { price_collar: Some(decimal("0.01")), ..Limits::default() };
    let at = |held: &str| Exposure { held: decimal(held), last: Some(decimal("50000")), ..Exposure::default() };
    let stop = |order: Order| Order { kind: Kind::StopLoss, stop_price: order.price, price: None, ..order };
    assert_eq!(swap_refusal(stop(sell("0.01", "49000")), &at("0"), &limits), Some(Code::PriceCollar));
    assert_eq!(swap_refusal(stop(buy("0.01", "51000")), &at("0"), &limits), Some(Code::PriceCollar));
    assert_eq!(swap_refusal(reducing(stop(sell("0.01", "45000"))), &at("1"), &limits), None);
    assert_eq!(swap_refusal(reducing(stop(buy("0.01", "55000"))), &at("-1"), &limits), None);
    assert_eq!(swap_refusal(reducing(sell("0.01", "49000")), &at("1"), &limits), Some(Code::PriceCollar));
}

#[test]
fn an_exit_that_could_open_is_never_approved_as_one() {
    let rules = rules();
    assert_eq!(approve_exit(buy("0.01", "50000"), &rules).unwrap_err().code, Code::ReduceOnly);
    assert!(approve_exit(sell("0.01", "50000"), &rules).is_ok());
    let on_swap = |order| approve_exit(Order { market: Market::Swap, ..order }, &rules);
    assert_eq!(on_swap(sell("0.01", "50000")).unwrap_err().code, Code::ReduceOnly);
    assert!(on_swap(reducing(buy("0.01", "50000"))).is_ok());
}

#[test]
fn a_pair_is_judged_leg_by_leg_and_as_a_pair() {
    let pair = |target: Order, stop_price: &str| {
        let stop = Order {
            kind: Kind::StopLoss,
            price: None,
            stop_price: Some(decimal(stop_price)),
            parent: Some(target.id),
            ..target.clone()
        };
        Oco { client_list_id: "list".into(), stop, target }
    };
    let held = Exposure { held: decimal("1"), ..Exposure::default() };
    let code = |oco, exposure: &Exposure, limits: &Limits| {
        approve_pair(oco, exposure, limits, &rules()).err().map(|refusal| refusal.code)
    };
    let none = Limits::default();
    assert_eq!(code(pair(reducing(sell("1", "52000")), "49000"), &held, &none), None);
    assert_eq!(code(pair(reducing(sell("1", "52000")), "52000"), &held, &none), Some(Code::FilterPrice));
    assert_eq!(code(pair(reducing(sell("1.1", "52000")), "49000"), &held, &none), Some(Code::ReduceOnly));
    assert_eq!(code(pair(sell("1", "52000"), "49000.001"), &held, &none), Some(Code::FilterPrice));
    assert_eq!(code(pair(buy("1", "48000"), "47000"), &held, &none), Some(Code::FilterPrice));
    // A buy's stop lies above its target, and is what counts for the limit.
    let limits = Limits { max_order_notional: Some(decimal("50000")), ..Limits::default() };
    assert_eq!(code(pair(buy("1", "48000"), "50000"), &Exposure::default(), &limits), None);
    assert_eq!(code(pair(buy("1", "48000"), "50001"), &Exposure::default(), &limits), Some(Code::MaxOrderNotional));
    assert_eq!(code(pair(buy("1", "48000"), "50000"), &Exposure { killed: true, ..held }, &none), Some(Code::Killed));
}

#[test]
fn set_limits_replaces_only_what_it_names() {
    let limits = Limits { max_open_orders: Some(3), price_collar: Some(decimal("0.1")), ..Limits::default() };
    let changed = limits.with(&Limits { max_open_orders: Some(5), ..Limits::default() });
    assert_eq!(changed, Limits { max_open_orders: Some(5), price_collar: Some(decimal("0.1")), ..Limits::default() });
}

proptest! {
    /// Whatever is approved is within every limit, and is the very order that was asked for.
    #[test]
    fn what_is_approved_keeps_every_limit(
        lots in 1u32..2_000_000, ticks in 1u32..20_000_000, held in 0u32..2_000_000, value in 0u32..1_000_000,
        most_order in 1u32..500_000, most_position in 1u32..1_000_000, sell in any::<bool>(), reduce_only in any::<bool>(),
    ) {
        let rules = rules();
        let (quantity, price) = (rules.step * Decimal::from(lots), rules.tick * Decimal::from(ticks));
        let side = if sell { Side::Sell } else { Side::Buy };
        let order = Order { side, quantity, price: Some(price), reduce_only, ..buy("1", "1") };
        let exposure = Exposure { held: rules.step * Decimal::from(held), opening_value: Decimal::from(value), ..Exposure::default() };
        let limits = Limits {
            max_order_notional: Some(Decimal::from(most_order)),
            max_position_notional: Some(Decimal::from(most_position)),
            ..Limits::default()
        };
        if let Ok(approved) = approve(order.clone(), &exposure, &limits, &rules) {
            prop_assert_eq!(approved.get(), &order);
            prop_assert!(quantity * price >= rules.min_notional);
            if order.is_entry() {
                prop_assert!(quantity * price <= Decimal::from(most_order));
                prop_assert!((exposure.held + quantity) * price + exposure.opening_value <= Decimal::from(most_position));
            }
            if reduce_only {
                prop_assert!(sell && quantity <= exposure.held);
            }
        }
    }

    /// On swap too, whichever side, and a reduce-only order can only bring the position nearer to zero.
    #[test]
    fn what_is_approved_on_swap_keeps_the_position_limit(
        lots in 1u32..200_000, price in 1u32..100_000, held in -200_000i64..200_000, most in 1u32..1_000_000,
        is_sell in any::<bool>(), reduce_only in any::<bool>(),
    ) {
        let rules = SymbolRules { market: Market::Swap, ..rules() };
        let (quantity, price) = (rules.step * Decimal::from(lots), Decimal::from(price));
        let side = if is_sell { Side::Sell } else { Side::Buy };
        let order = Order { market: Market::Swap, side, quantity, price: Some(price), reduce_only, ..buy("1", "1") };
        let exposure = Exposure { held: rules.step * Decimal::from(held), ..Exposure::default() };
        let limits = Limits { max_position_notional: Some(Decimal::from(most)), ..Limits::default() };
        if approve(order, &exposure, &limits, &rules).is_ok() {
            let after = exposure.held + if is_sell { -quantity } else { quantity };
            if reduce_only {
                prop_assert!(after.abs() < exposure.held.abs() && after * exposure.held >= Decimal::ZERO);
            } else {
                prop_assert!(after.abs() * price <= Decimal::from(most) || after.abs() < exposure.held.abs());
            }
        }
    }

    /// Over-precise numbers never pass, however little too precise.
    #[test]
    fn what_is_approved_lies_on_the_grid(quantity in 1i64..10_000_000_000, price in 1i64..10_000_000_000) {
        let order = Order { quantity: Decimal::new(quantity, 7), price: Some(Decimal::new(price, 4)), ..buy("1", "1") };
        if approve(order, &Exposure::default(), &Limits::default(), &rules()).is_ok() {
            prop_assert!(quantity % 100 == 0 && price % 100 == 0);
        }
    }
}
