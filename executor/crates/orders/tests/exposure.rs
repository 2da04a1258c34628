//! The running sums over working orders are what a look at each order would give.

use orders::exposure::Workload;
use orders::{Event, Fill, Kind, Market, Order, Side, Tracked, ids};
use proptest::prelude::*;
use rust_decimal::Decimal;
use uuid::Uuid;

const SYMBOLS: [&str; 2] = ["BTCUSDT", "ETHUSDT"];

fn order(n: u128, symbol: bool, sell: bool, kind: u8, market: Market, reduce_only: bool, leg: bool) -> Tracked {
    let id = Uuid::from_u128(n);
    let (kind, price, stop_price) = match kind {
        0 => (Kind::Market, None, None),
        1 => (Kind::Limit, Some(Decimal::from(100 + n as i64)), None),
        _ => (Kind::StopLoss, None, Some(Decimal::from(90))),
    };
    Tracked::new(Order {
        id,
        client_order_id: ids::client_order_id(id),
        parent: leg.then_some(Uuid::nil()),
        market,
        symbol: SYMBOLS[usize::from(symbol)].into(),
        side: if sell { Side::Sell } else { Side::Buy },
        kind,
        quantity: Decimal::from(10),
        price,
        stop_price,
        trail: None,
        time_in_force: None,
        stop_loss: None,
        take_profit: None,
        reduce_only,
        post_only: false,
    })
}

fn event(kind: u8, trade: usize) -> Event {
    match kind {
        0 => Event::Accepted { external_id: trade.to_string() },
        1 => Event::Cancelled,
        2 => Event::Missing,
        _ => Event::Fill(Fill {
            trade_id: trade.to_string(),
            quantity: Decimal::from(3),
            price: Decimal::from(95),
            fee: Decimal::ZERO,
            fee_asset: "USDT".into(),
            is_maker: true,
            time_ms: 0,
        }),
    }
}

proptest! {
    #[test]
    fn sums_equal_a_scan(
        made in prop::collection::vec((any::<bool>(), any::<bool>(), 0u8..3, any::<bool>(), any::<bool>(), any::<bool>()), 1..12),
        events in prop::collection::vec((0usize..12, 0u8..6), 0..60),
        last in prop::option::of(1u32..1000),
    ) {
        let mut workload = Workload::default();
        let mut orders: Vec<Tracked> = made.iter().enumerate().map(|(n, (symbol, sell, kind, swap, reduce_only, leg))| {
            order(n as u128, *symbol, *sell, *kind, if *swap { Market::Swap } else { Market::Spot }, *reduce_only, *leg)
        }).collect();
        orders.iter().for_each(|tracked| workload.add(tracked));
        for (trade, (which, kind)) in events.into_iter().enumerate() {
            let count = orders.len();
            let tracked = &mut orders[which % count];
            workload.remove(tracked);
            tracked.apply(&event(kind, trade));
            workload.add(tracked);
        }
        let last = last.map(Decimal::from);
        let counted: Vec<&Tracked> = orders.iter().filter(|tracked| tracked.is_working() && tracked.order.parent.is_none()).collect();
        prop_assert_eq!(workload.open_orders() as usize, counted.len());
        for symbol in SYMBOLS {
            for side in [Side::Buy, Side::Sell] {
                let here = || counted.iter().filter(|tracked| tracked.order.symbol == symbol && tracked.order.side == side);
                let closing: Decimal = here().filter(|tracked| !tracked.order.is_entry()).map(|tracked| tracked.remaining()).sum();
                let opening: Decimal = here()
                    .filter(|tracked| tracked.order.is_entry())
                    .map(|tracked| tracked.remaining() * tracked.order.reference_price(last).unwrap_or_default())
                    .sum();
                prop_assert_eq!(workload.closing(symbol, side), closing);
                prop_assert_eq!(workload.opening_value(symbol, side, last), opening);
            }
        }
    }
}
