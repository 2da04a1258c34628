//! A venue in memory for tests of what no venue at hand does: no pairs, no trailing stops, swap accounts, fills in many pieces. It
//! keeps books like one (a balance sells once, reduce-only never opens) and a list of what it was asked to do.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use orders::reconcile::{Seen, VenueOrder, VenuePosition, VenueTrade};
use orders::{Approved, Fill, Kind, Market, Oco, Order, Side, Status, SymbolRules};
use rust_decimal::Decimal;
use tokio::sync::mpsc::UnboundedReceiver;
use venues::{
    Balance, Holds, PriceSink, Reason, Receipt, Reply, Report, Running, Sink, StreamEvent, Venue, VenueError,
    Withdrawal,
};

pub const SYMBOL: &str = "BTCUSDT";

#[derive(Clone)]
pub struct ModelVenue {
    pub market: Market,
    pub holds: Holds,
    inner: Arc<Mutex<Inner>>,
}

pub struct Inner {
    pub orders: BTreeMap<String, VenueOrder>,
    /// Requests that change something, in words.
    pub asked: Vec<String>,
    /// Nobody trades: market orders expire.
    pub is_dry: bool,
    /// Cancels get no answer, and do nothing.
    pub loses_cancels: bool,
    /// Refuses the next order of this kind.
    pub refuse: Option<(Kind, VenueError)>,
    pub last: Decimal,
    pub held: Decimal,
    /// Of trades from now on.
    pub time_ms: i64,
    trades: Vec<VenueTrade>,
    pairs: Vec<[String; 2]>,
    pub sink: Option<Arc<Sink>>,
    prices: Option<PriceSink>,
    wanted: HashSet<String>,
}

impl ModelVenue {
    pub fn new(market: Market, holds: Holds) -> Self {
        let inner = Inner {
            orders: BTreeMap::new(),
            asked: Vec::new(),
            is_dry: false,
            loses_cancels: false,
            refuse: None,
            last: Decimal::from(50_000),
            held: Decimal::ZERO,
            time_ms: 0,
            trades: Vec::new(),
            pairs: Vec::new(),
            sink: None,
            prices: None,
            wanted: HashSet::new(),
        };
        Self { market, holds, inner: Arc::new(Mutex::new(inner)) }
    }

    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub fn working(&self) -> Vec<String> {
        let inner = self.inner();
        let mut working: Vec<String> = inner.orders.values().filter(|order| works(order)).map(words).collect();
        working.sort();
        working
    }

    /// Another trader takes part of an order that rests.
    pub fn fill(&self, client_order_id: &str, quantity: Decimal) {
        let events = {
            let mut inner = self.inner();
            let at = inner.orders[client_order_id].price.or(inner.orders[client_order_id].stop_price);
            let at = at.unwrap_or(inner.last);
            inner.trade(client_order_id, quantity, at, self.market)
        };
        self.tell(events);
    }

    /// The price moves: what it reaches fills, and then the price stream tells it.
    pub fn tick(&self, price: i64) {
        let price = Decimal::from(price);
        let events = {
            let mut inner = self.inner();
            inner.last = price;
            let reached: Vec<(String, Decimal, Decimal)> = (inner.orders.iter())
                .filter(|(_, order)| works(order) && is_reached(order, price))
                .map(|(id, order)| (id.clone(), order.quantity - order.executed, order.price.unwrap_or(price)))
                .collect();
            let mut events = Vec::new();
            for (id, quantity, at) in reached {
                events.extend(inner.trade(&id, quantity, at, self.market));
            }
            events
        };
        self.tell(events);
        let inner = self.inner();
        if let Some(prices) = inner.prices.as_ref().filter(|_| inner.wanted.contains(SYMBOL)) {
            prices(SYMBOL, price, std::time::Instant::now());
        }
    }

    fn tell(&self, events: Vec<StreamEvent>) {
        let sink = self.inner().sink.clone();
        if let Some(sink) = sink {
            events.into_iter().for_each(|event| sink(event));
        }
    }

    fn accept(&self, order: &Order) -> Result<Receipt, VenueError> {
        let mut inner = self.inner();
        inner.asked.push(format!("place {}", asked_words(order)));
        if inner.refuse.as_ref().is_some_and(|(kind, _)| *kind == order.kind) {
            let (_, error) = inner.refuse.take().unwrap();
            return Err(error);
        }
        let refused = |reason, text: &str| Err(VenueError::Refused { reason, code: -1, message: text.into() });
        assert!(!inner.orders.contains_key(&order.client_order_id), "an id was used twice");
        assert!(order.trail.is_none() || order.kind == Kind::TrailingStop);
        if order.stop_price.is_some_and(|stop| match order.side {
            Side::Sell => inner.last <= stop,
            Side::Buy => inner.last >= stop,
        }) {
            return refused(Reason::WouldTrigger, "would trigger");
        }
        if self.market == Market::Spot && order.side == Side::Sell {
            // The second leg of a pair stands behind the first one's quantity.
            let second = |order: &VenueOrder| inner.pairs.iter().any(|pair| pair[1] == order.client_order_id);
            let selling = |order: &&VenueOrder| works(order) && order.side == Side::Sell && !second(order);
            let locked: Decimal =
                inner.orders.values().filter(selling).map(|order| order.quantity - order.executed).sum();
            if order.quantity > inner.held - locked {
                return refused(Reason::InsufficientBalance, "sold already");
            }
        }
        let external_id = (inner.orders.len() + 1).to_string();
        let listed = VenueOrder {
            client_order_id: order.client_order_id.clone(),
            external_id,
            symbol: order.symbol.clone(),
            side: order.side,
            kind: order.kind,
            quantity: order.quantity,
            price: order.price,
            stop_price: order.stop_price,
            trail: order.trail,
            reduce_only: order.reduce_only,
            time_in_force: None,
            post_only: order.post_only,
            status: Status::Open,
            executed: Decimal::ZERO,
            time_ms: 0,
        };
        inner.orders.insert(order.client_order_id.clone(), listed);
        if order.kind == Kind::Market {
            let last = inner.last;
            inner.trade(&order.client_order_id, order.quantity, last, self.market);
        }
        let order = inner.orders[&order.client_order_id].clone();
        let fills = inner.trades.iter().filter(|trade| trade.external_id == order.external_id);
        let fills = fills.map(|trade| trade.fill.clone()).collect();
        let holdings = inner.holdings(self.market);
        drop(inner);
        self.tell(vec![holdings]);
        Ok(Receipt { fills, order, written: None })
    }
}

impl Inner {
    /// Books a trade, and what it ends on the way.
    fn trade(&mut self, id: &str, quantity: Decimal, price: Decimal, market: Market) -> Vec<StreamEvent> {
        let order = self.orders.get_mut(id).unwrap();
        let signed = if order.side == Side::Buy { Decimal::ONE } else { Decimal::NEGATIVE_ONE };
        let mut quantity = quantity.min(order.quantity - order.executed);
        if market == Market::Swap && order.reduce_only {
            quantity = quantity.min((-signed * self.held).max(Decimal::ZERO));
        }
        if quantity.is_zero() || self.is_dry && order.kind == Kind::Market {
            order.status = Status::Expired;
            return vec![report(order, None)];
        }
        order.executed += quantity;
        order.status = if order.executed == order.quantity { Status::Filled } else { Status::PartiallyFilled };
        self.held += signed * quantity;
        let fill = Fill {
            trade_id: (self.trades.len() + 1).to_string(),
            quantity,
            price,
            fee: Decimal::ZERO,
            fee_asset: "USDT".into(),
            is_maker: true,
            time_ms: self.time_ms,
        };
        let (symbol, external_id) = (order.symbol.clone(), order.external_id.clone());
        self.trades.push(VenueTrade { external_id, symbol, fill: fill.clone() });
        let mut events = vec![report(order, Some(fill)), self.holdings(market)];
        let partners = self.pairs.iter().filter(|pair| pair.iter().any(|leg| leg == id));
        for other in partners.flatten().filter(|leg| *leg != id).cloned().collect::<Vec<_>>() {
            let other = self.orders.get_mut(&other).unwrap();
            if works(other) {
                other.status = Status::Expired;
                events.push(report(other, None));
            }
        }
        events
    }

    fn holdings(&self, market: Market) -> StreamEvent {
        match market {
            Market::Spot => {
                let balance = Balance { free: self.held, locked: Decimal::ZERO };
                StreamEvent::Balances(vec![("BTC".into(), balance)])
            }
            Market::Swap => StreamEvent::Positions(self.positions()),
        }
    }

    fn positions(&self) -> Vec<VenuePosition> {
        vec![VenuePosition { symbol: SYMBOL.into(), quantity: self.held, entry_price: None }]
    }

    fn find(&self, id: &str) -> Result<VenueOrder, VenueError> {
        let known = self.orders.values().find(|order| order.client_order_id == id || order.external_id == id);
        known.cloned().ok_or(VenueError::Refused { reason: Reason::NoSuchOrder, code: -2, message: "unknown".into() })
    }
}

fn report(order: &VenueOrder, fill: Option<Fill>) -> StreamEvent {
    StreamEvent::Report(Box::new(Report { order: order.clone(), fill, message: String::new() }))
}

fn works(order: &VenueOrder) -> bool {
    matches!(order.status, Status::Open | Status::PartiallyFilled)
}

fn is_reached(order: &VenueOrder, price: Decimal) -> bool {
    match (order.side, order.price, order.stop_price) {
        (Side::Sell, Some(limit), _) => price >= limit,
        (Side::Buy, Some(limit), _) => price <= limit,
        (Side::Sell, None, Some(stop)) => price <= stop,
        (Side::Buy, None, Some(stop)) => price >= stop,
        (_, None, None) => false,
    }
}

fn words(order: &VenueOrder) -> String {
    let at = order.price.or(order.stop_price).map(|price| format!(" at {}", price.normalize())).unwrap_or_default();
    format!("{} {} {}{at}", order.kind.name(), order.side.name(), (order.quantity - order.executed).normalize())
}

fn asked_words(order: &Order) -> String {
    let at = order.price.or(order.stop_price).map(|price| format!(" at {}", price.normalize())).unwrap_or_default();
    format!("{} {} {}{at}", order.kind.name(), order.side.name(), order.quantity.normalize())
}

impl Venue for ModelVenue {
    fn market(&self) -> Market {
        self.market
    }

    fn holds(&self) -> Holds {
        self.holds
    }

    fn place<'a>(&'a self, order: &'a Approved<Order>) -> Reply<'a, Receipt> {
        Box::pin(async { self.accept(order.get()) })
    }

    fn place_oco<'a>(&'a self, oco: &'a Approved<Oco>) -> Reply<'a, Vec<Receipt>> {
        assert!(self.holds.oco);
        Box::pin(async {
            let Oco { stop, target, .. } = oco.get();
            let first = self.accept(stop)?;
            // One quantity stands behind both.
            let held = std::mem::replace(&mut self.inner().held, Decimal::MAX);
            let second = self.accept(target);
            self.inner().held = held;
            self.inner().pairs.push([stop.client_order_id.clone(), target.client_order_id.clone()]);
            Ok(vec![first, second?])
        })
    }

    fn cancel<'a>(&'a self, _: &'a str, client_order_id: &'a str) -> Reply<'a, Withdrawal> {
        Box::pin(async move {
            let mut inner = self.inner();
            let order = inner.find(client_order_id)?;
            if inner.loses_cancels {
                return Err(VenueError::Lost("no answer".into()));
            }
            inner.asked.push(format!("cancel {}", words(&order)));
            if !works(&order) {
                return Err(VenueError::Refused { reason: Reason::NoSuchOrder, code: -2, message: "unknown".into() });
            }
            let pair = inner.pairs.iter().find(|pair| pair.iter().any(|leg| leg == client_order_id)).cloned();
            let ids = pair.map_or(vec![client_order_id.to_owned()], Vec::from);
            let cancelled = ids.iter().map(|id| {
                let order = inner.orders.get_mut(id).unwrap();
                order.status = Status::Cancelled;
                order.clone()
            });
            Ok(Withdrawal { orders: cancelled.collect(), written: None })
        })
    }

    fn query<'a>(&'a self, _: &'a str, client_order_id: &'a str) -> Reply<'a, VenueOrder> {
        Box::pin(async { self.inner().find(client_order_id) })
    }

    fn query_external<'a>(&'a self, _: &'a str, external_id: &'a str) -> Reply<'a, VenueOrder> {
        Box::pin(async { self.inner().find(external_id) })
    }

    fn open_orders(&self) -> Reply<'_, Vec<VenueOrder>> {
        Box::pin(async { Ok(self.inner().orders.values().filter(|order| works(order)).cloned().collect()) })
    }

    fn trades_since<'a>(&'a self, _: &'a str, _: Seen) -> Reply<'a, Vec<VenueTrade>> {
        Box::pin(async { Ok(self.inner().trades.clone()) })
    }

    fn order_trades<'a>(&'a self, _: &'a str, external_id: &'a str) -> Reply<'a, Vec<VenueTrade>> {
        Box::pin(async move {
            let inner = self.inner();
            Ok(inner.trades.iter().filter(|trade| trade.external_id == external_id).cloned().collect())
        })
    }

    fn balances(&self) -> Reply<'_, Vec<(String, Balance)>> {
        Box::pin(async {
            let free = |amount| Balance { free: amount, locked: Decimal::ZERO };
            let base = if self.market == Market::Spot { self.inner().held } else { Decimal::ZERO };
            Ok(vec![("USDT".into(), free(Decimal::from(100_000))), ("BTC".into(), free(base))])
        })
    }

    fn positions(&self) -> Reply<'_, Vec<VenuePosition>> {
        Box::pin(async { Ok(self.inner().positions()) })
    }

    fn rules<'a>(&'a self, _: &'a str) -> Reply<'a, SymbolRules> {
        Box::pin(async {
            Ok(SymbolRules {
                symbol: SYMBOL.into(),
                market: self.market,
                base: "BTC".into(),
                quote: "USDT".into(),
                tick: Decimal::new(1, 1),
                min_price: Decimal::ZERO,
                max_price: Decimal::ZERO,
                step: Decimal::new(1, 3),
                min_quantity: Decimal::new(1, 3),
                max_quantity: Decimal::ZERO,
                market_max_quantity: Decimal::from(5),
                min_notional: Decimal::from(5),
            })
        })
    }

    fn last_price<'a>(&'a self, _: &'a str) -> Reply<'a, Decimal> {
        Box::pin(async { Ok(self.inner().last) })
    }

    fn measure_clock(&self) -> Reply<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn entries_throttled(&self) -> Option<String> {
        None
    }

    fn user_stream(&self, sink: Sink, mut pings: UnboundedReceiver<u64>) -> Running {
        let sink = Arc::new(sink);
        self.inner().sink = Some(Arc::clone(&sink));
        Box::pin(async move {
            sink(StreamEvent::Up);
            while let Some(number) = pings.recv().await {
                sink(StreamEvent::Pong(number));
            }
        })
    }

    fn price_stream(&self, sink: PriceSink, mut wanted: UnboundedReceiver<String>) -> Running {
        self.inner().prices = Some(sink);
        let venue = self.clone();
        Box::pin(async move {
            while let Some(symbol) = wanted.recv().await {
                venue.inner().wanted.insert(symbol);
            }
        })
    }
}
