//! The messages of the market streams, derived from the bars.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::book::{Book, Level, levels};
use super::bybit::{self, BYBIT};
use super::day::{Day, quote};
use super::futures_market;
use super::okx::{self, OKX};
use crate::engine::{Diff, Interval, Market, MarketEvent, PublicTrade, Venue, fixed8};

/// Before the names of streams that are told as futures tell them.
pub(crate) const FUTURES: &str = "futures/";

/// The stream's name as its listeners know it.
pub(crate) fn bare(stream: &str) -> &str {
    stream.strip_prefix(FUTURES).or(stream.strip_prefix(BYBIT)).or(stream.strip_prefix(OKX)).unwrap_or(stream)
}

/// The message of a market stream for an event, if that stream tells it.
pub(crate) fn stream_message(venue: &Venue, event: &MarketEvent, stream: &str) -> Option<Value> {
    if let Some(topic) = stream.strip_prefix(BYBIT) {
        return bybit::stream_message(venue, event, topic);
    }
    if let Some(channel) = stream.strip_prefix(OKX) {
        return okx::stream_message(venue, event, channel);
    }
    match stream.strip_prefix(FUTURES) {
        Some(stream) => futures_market::stream_message(venue, event, stream),
        None => spot_message(venue, event, stream),
    }
}

pub(crate) fn spot_message(venue: &Venue, event: &MarketEvent, stream: &str) -> Option<Value> {
    let (symbol, kind) = stream.split_once('@')?;
    let (MarketEvent::Trade { market: id, .. }
    | MarketEvent::Depth { market: id, .. }
    | MarketEvent::Touch { market: id }
    | MarketEvent::Closed { market: id }) = event;
    let market = &venue.markets[*id];
    if !market.rules.symbol.eq_ignore_ascii_case(symbol) {
        return None;
    }
    let name = &market.rules.symbol;
    match (kind, event) {
        ("trade" | "aggTrade", MarketEvent::Trade { trade, .. }) => Some(trade_message(name, kind, trade)),
        ("depth" | "depth@100ms" | "depth@0ms", MarketEvent::Depth { diff, .. }) => Some(diff_message(name, diff)),
        ("bookTicker", MarketEvent::Closed { .. } | MarketEvent::Touch { .. }) => {
            let (bid, ask) = Book::now(market).best()?;
            Some(json!({
                "u": Book::last_update(market), "s": name, "b": fixed8(bid.0), "B": fixed8(bid.1), "a": fixed8(ask.0),
                "A": fixed8(ask.1),
            }))
        }
        ("depth" | "depth@100ms" | "depth@0ms", MarketEvent::Closed { .. }) => Some(depth_message(market)),
        ("ticker" | "miniTicker", MarketEvent::Closed { .. }) => ticker_message(market, kind),
        (_, MarketEvent::Trade { .. } | MarketEvent::Depth { .. } | MarketEvent::Touch { .. }) => None,
        (_, MarketEvent::Closed { .. }) => kline_message(market, Interval::parse(kind.strip_prefix("kline_")?)?),
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

fn diff_message(symbol: &str, diff: &Diff) -> Value {
    json!({
        "e": "depthUpdate", "E": diff.time_ms, "s": symbol, "U": diff.first, "u": diff.last, "pu": diff.previous,
        "b": levels(&diff.bids, diff.bids.len()), "a": levels(&diff.asks, diff.asks.len()),
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
