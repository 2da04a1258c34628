//! The public operations and the messages of the market streams. All of it is derived from the bars.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::clock::now_ms;
use super::error::ApiError;
use super::limits::rate_limits;
use super::operations::Call;
use super::reports::page;
use crate::engine::{Bar, Interval, Market, MarketEvent, PublicTrade, Refusal, Venue, fixed8};

type Answer = Result<Value, ApiError>;

const DAY_MS: i64 = 86_400_000;
/// Price levels on each side of the synthetic book.
const BOOK_LEVELS: usize = 20;

impl Call<'_> {
    fn market(&self) -> Result<&Market, Refusal> {
        let venue = &self.store.venue;
        Ok(&venue.markets[venue.market_id(self.params.needed("symbol")?)?])
    }

    /// One object for `symbol`, a list for `symbols` or none of both.
    fn each(&self, of: impl Fn(&Market) -> Option<Value>) -> Answer {
        let venue = &self.store.venue;
        let one = self.params.text("symbol").is_some();
        let mut found = Vec::new();
        match self.params.symbols()? {
            Some(symbols) => {
                for symbol in symbols {
                    found.extend(of(&venue.markets[venue.market_id(&symbol)?]));
                }
            }
            None => found.extend(venue.markets.iter().filter_map(of)),
        }
        match (one, found.pop()) {
            (true, Some(answer)) => Ok(answer),
            (true, None) => Err(no_price().into()),
            (false, last) => {
                found.extend(last);
                Ok(Value::Array(found))
            }
        }
    }
}

fn no_price() -> Refusal {
    Refusal::new(-1013, "Market is closed.")
}

pub(crate) fn exchange_info(call: &mut Call) -> Answer {
    let venue = &call.store.venue;
    let symbol = |market: &Market| {
        let rules = &market.rules;
        json!({
            "symbol": rules.symbol, "status": "TRADING", "baseAsset": rules.base, "baseAssetPrecision": 8,
            "quoteAsset": rules.quote, "quotePrecision": 8, "quoteAssetPrecision": 8, "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT",
                           "TAKE_PROFIT_LIMIT"],
            "icebergAllowed": false, "ocoAllowed": true, "otoAllowed": false, "quoteOrderQtyMarketAllowed": true,
            "allowTrailingStop": false, "cancelReplaceAllowed": false, "amendAllowed": false,
            "isSpotTradingAllowed": true, "isMarginTradingAllowed": false, "filters": rules.filters(),
            "permissions": [], "permissionSets": [["SPOT"]], "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
            "allowedSelfTradePreventionModes": ["EXPIRE_MAKER"],
        })
    };
    let symbols: Vec<Value> = match call.params.symbols()? {
        Some(names) => names
            .iter()
            .map(|name| venue.market_id(name).map(|id| symbol(&venue.markets[id])))
            .collect::<Result<_, _>>()?,
        None => venue.markets.iter().map(symbol).collect(),
    };
    Ok(json!({
        "timezone": "UTC", "serverTime": now_ms(), "rateLimits": rate_limits(), "exchangeFilters": [], "symbols": symbols,
    }))
}

pub(crate) fn depth(call: &mut Call) -> Answer {
    let limit = call.params.limit(100, 5000)?;
    let market = call.market()?;
    let book = Book::of(market, market.bars.len());
    Ok(json!({
        "lastUpdateId": market.bars.len(), "bids": levels(&book.bids, limit), "asks": levels(&book.asks, limit),
    }))
}

pub(crate) fn trades(call: &mut Call) -> Answer {
    let limit = call.params.limit(500, 1000)?;
    let trades = &call.market()?.public_trades;
    let newest = trades.iter().skip(trades.len().saturating_sub(limit));
    Ok(newest
        .map(|trade| {
            json!({
                "id": trade.id, "price": fixed8(trade.price), "qty": fixed8(trade.quantity),
                "quoteQty": fixed8(quote(trade.price, trade.quantity)), "time": trade.time_ms,
                "isBuyerMaker": trade.buyer_is_maker, "isBestMatch": true,
            })
        })
        .collect())
}

/// Each public trade is an aggregate of its own.
pub(crate) fn agg_trades(call: &mut Call) -> Answer {
    let (params, trades) = (call.params, &call.market()?.public_trades);
    let (from, start, end) = (params.id("fromId")?, params.integer("startTime")?, params.integer("endTime")?);
    let matching = trades.iter().filter(|trade| {
        from.is_none_or(|from| trade.id >= from)
            && start.is_none_or(|start| trade.time_ms >= start)
            && end.is_none_or(|end| trade.time_ms <= end)
    });
    let shown = page(matching, params.limit(500, 1000)?, from.is_some() || start.is_some());
    Ok(shown
        .into_iter()
        .map(|trade| {
            json!({
                "a": trade.id, "p": fixed8(trade.price), "q": fixed8(trade.quantity), "f": trade.id, "l": trade.id,
                "T": trade.time_ms, "m": trade.buyer_is_maker, "M": true,
            })
        })
        .collect())
}

pub(crate) fn klines(call: &mut Call) -> Answer {
    let (params, market) = (call.params, call.market()?);
    let invalid = || Refusal::new(-1120, "Invalid interval.");
    let interval = Interval::parse(params.needed("interval")?).ok_or_else(invalid)?;
    let (start, end) = (params.integer("startTime")?, params.integer("endTime")?);
    let limit = params.limit(500, 1000)?;
    let own = market.interval.unwrap_or(interval);
    if interval.ms % own.ms != 0 {
        return Err(invalid().into());
    }
    let span = (limit + 1) * usize::try_from(interval.ms / own.ms).unwrap_or(1);
    let bars = &market.bars;
    let last = end.map_or(bars.len(), |end| bars.partition_point(|bar| bar.open_time_ms <= end));
    let joined = match start {
        Some(start) => {
            let first = bars.partition_point(|bar| interval.open_of(bar.open_time_ms) < start).min(last);
            let mut joined = interval.join(&bars[first..last.min(first.saturating_add(span))]);
            joined.truncate(limit);
            joined
        }
        None => {
            let joined = interval.join(&bars[last.saturating_sub(span)..last]);
            joined[joined.len().saturating_sub(limit)..].to_vec()
        }
    };
    let row = |bar: Bar| {
        let quote_volume = fixed8(quote(bar.close, bar.volume));
        let zero = fixed8(0.into());
        json!([
            bar.open_time_ms,
            fixed8(bar.open),
            fixed8(bar.high),
            fixed8(bar.low),
            fixed8(bar.close),
            fixed8(bar.volume),
            bar.close_time_ms,
            quote_volume,
            1,
            zero,
            zero,
            "0"
        ])
    };
    Ok(joined.into_iter().map(row).collect())
}

pub(crate) fn ticker_price(call: &mut Call) -> Answer {
    call.each(|market| Some(json!({"symbol": market.rules.symbol, "price": fixed8(market.last_price?)})))
}

pub(crate) fn ticker_book(call: &mut Call) -> Answer {
    call.each(|market| {
        let (bid, ask) = Book::of(market, market.bars.len()).best()?;
        Some(json!({
            "symbol": market.rules.symbol, "bidPrice": fixed8(bid.0), "bidQty": fixed8(bid.1), "askPrice": fixed8(ask.0),
            "askQty": fixed8(ask.1),
        }))
    })
}

pub(crate) fn ticker_24hr(call: &mut Call) -> Answer {
    call.each(|market| {
        let day = Day::of(market)?;
        let (bid, ask) = Book::of(market, market.bars.len()).best()?;
        Some(json!({
            "symbol": market.rules.symbol, "priceChange": fixed8(day.change()), "priceChangePercent": day.percent(),
            "weightedAvgPrice": fixed8(day.average()), "prevClosePrice": fixed8(day.open),
            "lastPrice": fixed8(day.last), "lastQty": fixed8(day.last_volume), "bidPrice": fixed8(bid.0),
            "bidQty": fixed8(bid.1), "askPrice": fixed8(ask.0), "askQty": fixed8(ask.1), "openPrice": fixed8(day.open),
            "highPrice": fixed8(day.high), "lowPrice": fixed8(day.low), "volume": fixed8(day.volume),
            "quoteVolume": fixed8(day.quote_volume), "openTime": day.open_ms, "closeTime": day.close_ms,
            "firstId": -1, "lastId": -1, "count": day.bars,
        }))
    })
}

/// The message of a market stream for an event, if that stream tells it.
pub(crate) fn stream_message(venue: &Venue, event: &MarketEvent, stream: &str) -> Option<Value> {
    let (symbol, kind) = stream.split_once('@')?;
    let (id, trade) = match event {
        MarketEvent::Trade { market, trade } => (*market, Some(trade)),
        MarketEvent::Closed { market } => (*market, None),
    };
    let market = &venue.markets[id];
    if !market.rules.symbol.eq_ignore_ascii_case(symbol) {
        return None;
    }
    let name = &market.rules.symbol;
    match (kind, trade) {
        ("trade" | "aggTrade", Some(trade)) => Some(trade_message(name, kind, trade)),
        (_, Some(_)) => None,
        ("bookTicker", None) => {
            let (bid, ask) = Book::of(market, market.bars.len()).best()?;
            Some(json!({
                "u": market.bars.len(), "s": name, "b": fixed8(bid.0), "B": fixed8(bid.1), "a": fixed8(ask.0),
                "A": fixed8(ask.1),
            }))
        }
        ("depth" | "depth@100ms", None) => Some(depth_message(market)),
        ("ticker" | "miniTicker", None) => ticker_message(market, kind),
        (_, None) => kline_message(market, Interval::parse(kind.strip_prefix("kline_")?)?),
    }
}

fn trade_message(symbol: &str, kind: &str, trade: &PublicTrade) -> Value {
    let (price, quantity) = (fixed8(trade.price), fixed8(trade.quantity));
    if kind == "aggTrade" {
        return json!({
            "e": "aggTrade", "E": trade.time_ms, "s": symbol, "a": trade.id, "p": price, "q": quantity, "f": trade.id,
            "l": trade.id, "T": trade.time_ms, "m": trade.buyer_is_maker, "M": true,
        });
    }
    json!({
        "e": "trade", "E": trade.time_ms, "s": symbol, "t": trade.id, "p": price, "q": quantity, "T": trade.time_ms,
        "m": trade.buyer_is_maker, "M": true,
    })
}

/// What changed from the book of the bar before: its levels that are gone, at quantity 0, and all that are there.
fn depth_message(market: &Market) -> Value {
    let update = market.bars.len();
    let (before, now) = (Book::of(market, update.saturating_sub(1)), Book::of(market, update));
    let change = |before: &[Level], now: &[Level]| {
        let gone = before.iter().filter(|level| now.iter().all(|kept| kept.0 != level.0));
        let mut changed: Vec<Level> = gone.map(|level| (level.0, Decimal::ZERO)).collect();
        changed.extend(now);
        levels(&changed, changed.len())
    };
    json!({
        "e": "depthUpdate", "E": market.bars.last().map(|bar| bar.close_time_ms), "s": market.rules.symbol, "U": update,
        "u": update, "b": change(&before.bids, &now.bids), "a": change(&before.asks, &now.asks),
    })
}

fn ticker_message(market: &Market, kind: &str) -> Option<Value> {
    let day = Day::of(market)?;
    let symbol = &market.rules.symbol;
    if kind == "miniTicker" {
        return Some(json!({
            "e": "24hrMiniTicker", "E": day.close_ms, "s": symbol, "c": fixed8(day.last), "o": fixed8(day.open),
            "h": fixed8(day.high), "l": fixed8(day.low), "v": fixed8(day.volume), "q": fixed8(day.quote_volume),
        }));
    }
    let (bid, ask) = Book::of(market, market.bars.len()).best()?;
    Some(json!({
        "e": "24hrTicker", "E": day.close_ms, "s": symbol, "p": fixed8(day.change()), "P": day.percent(),
        "w": fixed8(day.average()), "x": fixed8(day.open), "c": fixed8(day.last), "Q": fixed8(day.last_volume),
        "b": fixed8(bid.0), "B": fixed8(bid.1), "a": fixed8(ask.0), "A": fixed8(ask.1), "o": fixed8(day.open),
        "h": fixed8(day.high), "l": fixed8(day.low), "v": fixed8(day.volume), "q": fixed8(day.quote_volume),
        "O": day.open_ms, "C": day.close_ms, "F": -1, "L": -1, "n": day.bars,
    }))
}

fn kline_message(market: &Market, interval: Interval) -> Option<Value> {
    let newest = market.bars.last()?;
    let open_time_ms = interval.open_of(newest.open_time_ms);
    let first = market.bars.partition_point(|bar| bar.open_time_ms < open_time_ms);
    let bar = *interval.join(&market.bars[first..]).last()?;
    Some(json!({
        "e": "kline", "E": newest.close_time_ms, "s": market.rules.symbol,
        "k": {
            "t": bar.open_time_ms, "T": bar.close_time_ms, "s": market.rules.symbol, "i": interval.name(), "f": -1, "L": -1,
            "o": fixed8(bar.open), "c": fixed8(bar.close), "h": fixed8(bar.high), "l": fixed8(bar.low),
            "v": fixed8(bar.volume), "n": 1, "x": newest.close_time_ms >= bar.close_time_ms,
            "q": fixed8(quote(bar.close, bar.volume)), "V": fixed8(0.into()), "Q": fixed8(0.into()), "B": "0",
        },
    }))
}

type Level = (Decimal, Decimal);

/// A synthetic book: one tick between bid and ask at the bar's close, and a part of its volume on each level.
struct Book {
    bids: Vec<Level>,
    asks: Vec<Level>,
}

impl Book {
    /// The book after the first `bars` bars.
    fn of(market: &Market, bars: usize) -> Self {
        let Some(bar) = bars.checked_sub(1).and_then(|index| market.bars.get(index)) else {
            return Self { bids: Vec::new(), asks: Vec::new() };
        };
        let (tick, step) = (market.rules.tick, market.rules.step);
        let part = bar.volume / Decimal::from(BOOK_LEVELS * 2);
        let quantity = (part - part % step).max(market.rules.min_quantity);
        let bid = bar.close - bar.close % tick;
        let level = |index: i64| (bid + tick * Decimal::from(index), quantity);
        let count = BOOK_LEVELS as i64;
        let bids = (0..count).map(|index| level(-index)).filter(|(price, _)| *price > Decimal::ZERO).collect();
        Self { bids, asks: (1..=count).map(level).collect() }
    }

    fn best(&self) -> Option<(Level, Level)> {
        Some((*self.bids.first()?, *self.asks.first()?))
    }
}

fn levels(levels: &[Level], limit: usize) -> Value {
    levels.iter().take(limit).map(|(price, quantity)| json!([fixed8(*price), fixed8(*quantity)])).collect()
}

/// The last 24 hours of market time.
struct Day {
    open: Decimal,
    high: Decimal,
    low: Decimal,
    last: Decimal,
    last_volume: Decimal,
    volume: Decimal,
    quote_volume: Decimal,
    open_ms: i64,
    close_ms: i64,
    bars: usize,
}

impl Day {
    fn of(market: &Market) -> Option<Self> {
        let newest = market.bars.last()?;
        let first = market.bars.partition_point(|bar| bar.open_time_ms <= newest.close_time_ms - DAY_MS);
        let bars = &market.bars[first..];
        Some(Self {
            open: bars.first()?.open,
            high: bars.iter().map(|bar| bar.high).max()?,
            low: bars.iter().map(|bar| bar.low).min()?,
            last: newest.close,
            last_volume: newest.volume,
            volume: bars.iter().map(|bar| bar.volume).sum(),
            quote_volume: bars
                .iter()
                .map(|bar| quote(bar.close, bar.volume))
                .fold(Decimal::ZERO, Decimal::saturating_add),
            open_ms: bars.first()?.open_time_ms,
            close_ms: newest.close_time_ms,
            bars: bars.len(),
        })
    }

    fn change(&self) -> Decimal {
        self.last - self.open
    }

    fn percent(&self) -> String {
        format!("{:.3}", (self.change() / self.open * Decimal::from(100)).round_dp(3))
    }

    fn average(&self) -> Decimal {
        if self.volume.is_zero() { self.last } else { (self.quote_volume / self.volume).round_dp(8) }
    }
}

/// Price times quantity to 8 decimals: a bar's own figure for it is not known.
fn quote(price: Decimal, quantity: Decimal) -> Decimal {
    (price * quantity).round_dp(8)
}
