use super::*;
use proptest::prelude::*;

fn rules() -> SymbolRules {
    crate::guards::tests::rules()
}

fn swap() -> SymbolRules {
    SymbolRules { market: Market::Swap, ..rules() }
}

fn fill(quantity: &str, price: &str, fee: &str, fee_asset: &str) -> Fill {
    Fill {
        trade_id: "1".into(),
        quantity: decimal(quantity),
        price: decimal(price),
        fee: decimal(fee),
        fee_asset: fee_asset.into(),
        is_maker: false,
        time_ms: 7,
    }
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[test]
fn a_round_trip_earns_the_difference_less_both_fees() {
    let mut position = Position::default();
    assert_eq!(position.book(Side::Buy, &fill("0.1", "100", "0.0001", "BTC"), &rules()), None);
    assert_eq!(position.quantity, decimal("0.0999"));
    assert_eq!(position.opened_ms, Some(7));
    let pnl = position.book(Side::Sell, &fill("0.0999", "110", "0.010989", "USDT"), &rules()).unwrap();
    assert_eq!(pnl, decimal("10.989") - decimal("0.010989") - decimal("10"));
    assert_eq!(position, Position { realized_pnl: pnl, ..Position::default() });
}

#[test]
fn the_entry_price_is_the_weighted_average() {
    let mut position = Position::default();
    position.book(Side::Buy, &fill("1", "100", "0", "BNB"), &rules());
    position.book(Side::Buy, &fill("3", "200", "0", "BNB"), &rules());
    assert_eq!(position.entry_price(), Some(decimal("175")));
    position.book(Side::Sell, &fill("2", "175", "0", "BNB"), &rules());
    assert_eq!(position.entry_price(), Some(decimal("175")));
    assert_eq!(position.realized_pnl, Decimal::ZERO);
}

#[test]
fn a_sale_of_what_was_not_bought_here_has_no_profit_and_never_goes_negative() {
    let mut position = Position::default();
    assert_eq!(position.book(Side::Sell, &fill("1", "100", "0", "USDT"), &rules()), None);
    assert_eq!(position.quantity, Decimal::ZERO);
    position.book(Side::Buy, &fill("1", "100", "0", "USDT"), &rules());
    assert_eq!(position.book(Side::Sell, &fill("2", "120", "0", "USDT"), &rules()), Some(decimal("20")));
    assert_eq!(position.quantity, Decimal::ZERO);
}

#[test]
fn a_short_earns_when_the_price_falls_less_both_fees() {
    let mut position = Position::default();
    assert_eq!(position.book(Side::Sell, &fill("2", "100", "0.1", "USDT"), &swap()), None);
    assert_eq!((position.quantity, position.entry_price()), (decimal("-2"), Some(decimal("99.95"))));
    assert_eq!(position.book(Side::Buy, &fill("1", "90", "0.05", "USDT"), &swap()), Some(decimal("9.9")));
    assert_eq!(position.quantity, decimal("-1"));
    assert_eq!(position.book(Side::Buy, &fill("1", "110", "0.05", "USDT"), &swap()), Some(decimal("-10.1")));
    assert_eq!(position, Position { realized_pnl: decimal("-0.2"), ..Position::default() });
}

#[test]
fn a_fill_larger_than_the_position_turns_it_around() {
    let mut position = Position::default();
    position.book(Side::Buy, &fill("1", "100", "0", "USDT"), &swap());
    let turn = Fill { time_ms: 9, ..fill("3", "110", "0.3", "USDT") };
    // A third of the fee belongs to what was closed.
    assert_eq!(position.book(Side::Sell, &turn, &swap()), Some(decimal("9.9")));
    assert_eq!((position.quantity, position.cost), (decimal("-2"), decimal("-219.8")));
    assert_eq!(position.opened_ms, Some(9));
}

#[test]
fn the_venue_is_right_about_the_quantity_and_its_price() {
    let mut position = Position::default();
    position.book(Side::Buy, &fill("1", "100", "0", "USDT"), &swap());
    position.agree(decimal("-2"), Some(decimal("120")));
    assert_eq!((position.quantity, position.entry_price()), (decimal("-2"), Some(decimal("120"))));
    position.agree(decimal("-4"), None);
    assert_eq!(position.entry_price(), Some(decimal("120")), "what came in unseen is taken at the average");
    position.agree(Decimal::ZERO, None);
    assert_eq!((position.cost, position.entry_price(), position.opened_ms), (Decimal::ZERO, None, None));
}

proptest! {
    /// Nothing is made or lost: what was earned is the money that moved, plus what the open position cost.
    #[test]
    fn profit_is_the_money_that_moved(fills in prop::collection::vec((any::<bool>(), 1u32..1000, 1u32..100_000, 0u32..1000), 1..40)) {
        let (mut position, mut money, mut held) = (Position::default(), Decimal::ZERO, Decimal::ZERO);
        for (buy, quantity, price, fee) in fills {
            let side = if buy { Side::Buy } else { Side::Sell };
            let (quantity, price, fee) = (Decimal::new(quantity.into(), 3), Decimal::new(price.into(), 1), Decimal::new(fee.into(), 4));
            let signed = if buy { quantity } else { -quantity };
            let fill = Fill { trade_id: "1".into(), quantity, price, fee, fee_asset: "USDT".into(), is_maker: true, time_ms: 1 };
            let earned = position.book(side, &fill, &swap());
            prop_assert_eq!(earned.is_some(), held * signed < Decimal::ZERO, "only what closes earns");
            money -= signed * price + fee;
            held += signed;
            prop_assert_eq!(position.quantity, held);
            prop_assert_eq!(position.opened_ms.is_some(), !held.is_zero());
            // Averages are rounded at the 28th digit.
            prop_assert!((position.realized_pnl - money - position.cost).abs() < Decimal::new(1, 15));
            if held.is_zero() {
                prop_assert!(position.cost.is_zero());
            }
        }
    }
}
